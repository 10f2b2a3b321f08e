"""Reading of what the figures show: metrics, adversarial examples and the summary of each data set.

The files of `reports/<data set>/<model>/` and `data/processed/<data set>/` become one checked `PlotData` per data set.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.report.figures.acquired import AcquiredModel, acquired_of
from oncorobust.report.figures.bands import band_files, curve_bands
from oncorobust.report.figures.certified import Certified, certified_of
from oncorobust.report.figures.risk_curves import risk_curves
from oncorobust.report.figures.style import Examples, PlotData
from oncorobust.report.figures.survival_curves import survival_curves
from oncorobust.report.tables.common import shown_as
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.pipeline import Params, Report


def read_examples(path: str | Path) -> Examples:
    """Read examples.npz. Raises InputError where an array or an attack is missing."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error} (expected an npz file of arrays)") from error
    missing = set(Examples.__dataclass_fields__) - set(content)
    if missing:
        raise InputError(f"{path}: no arrays {sorted(missing)} (expected {sorted(Examples.__dataclass_fields__)})")
    attacks = tuple(str(one) for one in content.pop("attacks"))
    if set(attacks) != set(PAPER_ATTACKS):
        raise InputError(f"{path}: attacks {sorted(attacks)} (expected {sorted(PAPER_ATTACKS)})")
    names = set(Examples.__dataclass_fields__) - {"attacks", "epsilon"}
    return Examples(
        attacks=attacks, epsilon=float(content["epsilon"]), **{name: content[name] for name in sorted(names)}
    )


def read_all_plot_data(params: Params) -> list[PlotData]:
    """Read every data set that runs, in order. Raises InputError as `read_plot_data` does."""
    return [
        read_plot_data(
            name,
            params.report,
            models=models,
            seed=params.seed,
            certified=name in params.certified,
            rescanned=name in params.rescanned,
        )
        for name, models in params.models.items()
    ]


def read_plot_data(
    dataset: str,
    report: Report,
    *,
    models: Sequence[str],
    seed: int,
    certified: bool = False,
    rescanned: bool = False,
) -> PlotData:
    """Read one data set's metrics and rows by model, its summary and the clean model's examples from the work tree.

    seed: of the run, for the samples of patients behind the bands of the curves and the risks. certified,
    rescanned: whether the data set has certificates, and changes of the acquisition.

    Raises InputError where the examples have another number of classes than the summary.
    """
    summary = read_results(f"{layout.processed(dataset)}/summary.json")
    path = Path(layout.results_file(dataset, layout.CLEAN, "examples.npz"))
    examples, class_names = read_examples(path), tuple(summary["class_names"])
    if examples.probabilities.shape[-1] != len(class_names):
        raise InputError(
            f"{path}: probabilities of {examples.probabilities.shape[-1]} classes (expected {len(class_names)})"
        )
    low, high = summary["intensity_range"]
    attack = {model: read_results(layout.results_file(dataset, model, "attack.json")) for model in models}
    rows = {file: read_rows(file) for file in band_files(dataset, attack)}
    return PlotData(
        key=dataset,
        title=shown_as(dataset, report).title,
        synthetic=summary["synthetic"],
        paper=shown_as(dataset, report).paper,
        class_names=class_names,
        intensity_range=(low, high),
        intensity_unit=summary["intensity_unit"],
        attack=attack,
        examples=examples,
        bands=curve_bands(dataset, attack, rows, seed=seed),
        survival=survival_curves(dataset, attack, rows, seed=seed),
        certified=_read_certified(dataset, attack[layout.CLEAN], rows, seed=seed) if certified else None,
        acquired={
            model: _read_acquired(dataset, model, attack[model], rows, seed=seed)
            for model in (models if rescanned else ())
        },
        risks=risk_curves(dataset, read_rows(layout.results_file(dataset, layout.CLEAN, "scores.csv")), seed=seed),
    )


def _read_certified(
    dataset: str, attack: Mapping[str, Any], rows: Mapping[str, pd.DataFrame], *, seed: int
) -> Certified:
    file, intervals = (layout.results_file(dataset, layout.CLEAN, one) for one in ("certificates.csv", "intervals.csv"))
    metrics = read_results(layout.results_file(dataset, layout.CLEAN, "certify.json"))
    return certified_of(dataset, metrics, attack, {file: read_rows(file)}, rows.get(intervals), seed=seed)


def _read_acquired(
    dataset: str, model: str, attack: Mapping[str, Any], rows: Mapping[str, pd.DataFrame], *, seed: int
) -> AcquiredModel:
    content = read_results(layout.results_file(dataset, model, "acquisition.json"))
    file = layout.results_file(dataset, model, "acquisition.csv")
    return acquired_of(dataset, model, content, attack, {**rows, file: read_rows(file)}, seed=seed)
