"""Figure 4: risk over coverage of each score of certainty, one panel per data set, for the clean models.

The images with the largest scores are answered: coverage is their share, risk the share of errors among them. Images of
equal score enter together. A score that tells right from wrong answers lies below that of random numbers, whose risk is
the same at every coverage but for chance. The bands are 95 % intervals over patients.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import LEVEL, N_DRAWS, draw_patients
from oncorobust.evaluation.risk_coverage import curve_band
from oncorobust.evaluation.scored_rows import score_names, scored
from oncorobust.report.figures.house import house_style
from oncorobust.report.figures.panels import panel_figure
from oncorobust.report.figures.style import BAND, PlotData, panel_title, stamp_synthetic
from oncorobust.report.palette import BLACK, BLUE, GREEN, GREY, PURPLE, SKY, VERMILLION

SCORES: dict[str, tuple[str, str, str]] = {
    "min_epsilon": ("minimal epsilon (paper)", VERMILLION, "-"),
    "min_epsilon_strict": ("minimal epsilon (strict)", BLACK, "-"),
    "confidence": ("softmax maximum", BLUE, "-"),
    "margin": ("margin", BLUE, ":"),
    "entropy": ("entropy", SKY, "--"),
    "mc_dropout": ("MC dropout", GREEN, "-"),
    "augmentation": ("augmentation", GREEN, "--"),
    "noise_flips": ("noise", PURPLE, "-."),
    "random": ("random", GREY, "-"),
}
"""Title, colour and line style of each score."""

_COVERAGES = tuple(np.linspace(0.05, 1.0, 96).tolist())

Risks = Mapping[str, pd.DataFrame]
"""Curve of each score: coverage, risk, low, high, as fractions."""


def risk_curves(dataset: str, scores: pd.DataFrame, *, seed: int) -> Risks:
    """Return the risk over coverage of each score of a data set's test images.

    scores: rows of scores.csv. seed: of the run; the samples of patients are those of the tables.
    """
    test = scores[scores["split"] == "test"]
    draws = draw_patients(test["patient_id"].astype(str), n_draws=N_DRAWS, seed=child_seed(seed, "patients", dataset))
    return {
        name: curve_band(scored(test, name, split="test"), draws, coverages=_COVERAGES, level=LEVEL)
        for name in score_names(test)
    }


def figure_4(datasets: Sequence[PlotData]) -> Figure:
    """Return Figure 4."""
    held = [name for name in SCORES if any(name in data.risks for data in datasets)]
    with house_style():
        return panel_figure(
            datasets,
            _panel,
            panel_inches=2.6,
            y_label="risk: errors among accepted (%)",
            handles=[Line2D([], [], label=SCORES[name][0], **_style(name)) for name in held],
            legend_columns=5,
        )


def _panel(axes: Axes, data: PlotData) -> None:
    for name in (one for one in SCORES if one in data.risks):
        curve = 100 * data.risks[name]
        axes.plot(curve["coverage"], curve["risk"], **_style(name))
        axes.fill_between(curve["coverage"], curve["low"], curve["high"], color=SCORES[name][1], **BAND)
    axes.set_xlim(0, 100)
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.spines["top"].set_visible(False)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("coverage (%)")
    axes.set_title(panel_title(data))
    stamp_synthetic(axes, data)


def _style(name: str) -> dict[str, Any]:
    return {"color": SCORES[name][1], "linestyle": SCORES[name][2]}
