"""Figure 5: survival curves of minimal epsilons by hand, with ties and censoring, and what is drawn of them."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from results_fixture import DATASETS, write_results

from oncorobust.base.layout import MODELS
from oncorobust.report.figures.minimal_epsilons import figure_5
from oncorobust.report.figures.plot_data import read_plot_data
from oncorobust.report.figures.style import PlotData
from oncorobust.report.figures.survival_curves import Survival, survival_curves
from oncorobust.settings.pipeline import Column, Report

REPORT = Report(columns={"phantom": Column(title="Phantom", paper=None)}, adversarial_training_epsilon=0.002)
METRICS = {"strict": {"attacks": ["fgsm", "pgd"], "robust_accuracy": {"pgd": {"eps_0_004": 0.5, "eps_0_01": 0.2}}}}
INF = np.inf


def rows_of(first_flipped: list[float], last_safe: list[float], right: list[bool]) -> dict[str, pd.DataFrame]:
    """Rows of the clean model after two attacks, two images a patient; the first attack is not to be counted."""
    n = len(first_flipped)
    known = {"image_id": [f"i{one}" for one in range(n)], "patient_id": [one // 2 for one in range(n)], "label": 1}
    last = pd.DataFrame(known | {"predicted": [int(one) for one in right], "attack": "pgd"})
    last = last.assign(last_safe=last_safe, first_flipped=first_flipped)
    first = last.assign(attack="fgsm", last_safe=0.01, first_flipped=INF)
    return {"reports/mnist/clean/intervals.csv": pd.concat([first, last])}


def clean_curves(rows: dict[str, pd.DataFrame]) -> Survival:
    return survival_curves("mnist", {"clean": METRICS}, rows, seed=0)["clean"]


def test_the_points_are_those_computed_by_hand_with_ties_and_censoring() -> None:
    """Five of six images are right: two flip together, one flips at the reach, one never."""
    found = clean_curves(
        rows_of(
            first_flipped=[0.002, 0.002, 0.004, INF, 0.01, 0.0005],
            last_safe=[0.001, 0.001, 0.003, 0.01, 0.008, 0.0002],
            right=[True, True, True, True, True, False],
        )
    )
    assert found.epsilon.tolist() == [0, 0.001, 0.002, 0.003, 0.004, 0.008, 0.01]
    assert found.first_flipped == pytest.approx([1, 1, 0.6, 0.6, 0.4, 0.4, 0.2])
    assert found.last_safe == pytest.approx([1, 0.6, 0.6, 0.4, 0.4, 0.2, 0.2])
    assert (found.n_images, found.n_censored) == (5, 1)
    assert (found.low <= found.last_safe).all()
    assert (found.first_flipped <= found.high).all()


def test_censored_images_alone_keep_the_curve_at_one() -> None:
    found = clean_curves(rows_of([INF] * 4, [0.01] * 4, [True] * 4))
    assert found.epsilon.tolist() == [0, 0.01]
    assert found.first_flipped.tolist() == found.last_safe.tolist() == [1, 1]
    assert (found.n_images, found.n_censored) == (4, 4)


def test_one_patient_has_curves_without_a_band() -> None:
    found = clean_curves(rows_of([0.002, 0.004], [0.001, 0.003], [True, True]))
    assert found.first_flipped == pytest.approx([1, 1, 0.5, 0.5, 0, 0])
    assert np.isnan([found.low, found.high]).all()


def test_a_model_that_is_never_right_has_no_curve() -> None:
    assert survival_curves("mnist", {"clean": METRICS}, rows_of([0.002], [0.001], [False]), seed=0) == {}


def test_many_distinct_epsilons_are_represented_by_few() -> None:
    epsilons = np.linspace(0.0001, 0.01, 500)
    found = clean_curves(rows_of(epsilons.tolist(), (0.99 * epsilons).tolist(), [True] * 500))
    assert 100 < len(found.epsilon) <= 200
    assert found.first_flipped == pytest.approx([(epsilons > one).mean() for one in found.epsilon])


def drawn(folder: Path, *, protocols: tuple[str, ...] = ("paper", "strict"), hardened: bool = True) -> PlotData:
    dataset = dataclasses.replace(DATASETS["phantom"], hardened=hardened)
    write_results(folder, {"phantom": dataset}, protocols=protocols)
    with contextlib.chdir(folder):
        return read_plot_data("phantom", REPORT, models=MODELS[: 1 + hardened], seed=0)


def legend_of(figure: Figure) -> list[str]:
    return [one.get_text() for one in figure.legends[0].get_texts()]


def test_the_figure_draws_both_models_their_strips_bands_and_censored_images(tmp_path: Path) -> None:
    data = drawn(tmp_path)
    (axes,) = (figure := figure_5([data])).axes
    frames = {model: pd.read_csv(tmp_path / f"reports/phantom/{model}/intervals.csv") for model in MODELS}
    told = []
    for model, style in (("clean", "--"), ("adversarial", "-")):
        rows = frames[model].query("attack == 'paper' and label == predicted")
        line = next(one for one in axes.lines if one.get_linestyle() == style and one.get_marker() in ("", "None"))
        x, y = line.get_data()
        assert line.get_drawstyle() == "steps-post"
        assert y == pytest.approx([100 * (rows["first_flipped"] > one).mean() for one in x])
        assert x[-1] == 0.016
        n_censored = int(np.isinf(rows["first_flipped"]).sum())
        crosses = [one.get_xydata().tolist() for one in axes.lines if one.get_marker() == "x"]
        assert ([[0.016, pytest.approx(100 * n_censored / len(rows))]] in crosses) == (n_censored > 0)
        told.append(f"{'dashed' if model == 'clean' else 'solid'}: {n_censored} of {len(rows)} censored")
    assert axes.get_title().splitlines()[1:] == told
    assert "SYNTHETIC" in [one.get_text() for one in axes.texts]
    assert len(axes.collections) == 2 * 2
    assert legend_of(figure) == [
        "clean model",
        "adversarially trained model",
        "from last safe to first flipped",
        "95 % interval over patients",
        "censored at the largest epsilon",
    ]


def test_without_adversarial_training_the_legend_has_no_such_model(tmp_path: Path) -> None:
    figure = figure_5([drawn(tmp_path, hardened=False)])
    assert "adversarially trained model" not in legend_of(figure)
    assert len(figure.axes[0].collections) == 2


def test_without_the_strict_protocol_the_figure_says_why_it_is_empty(tmp_path: Path) -> None:
    data = drawn(tmp_path, protocols=("paper",))
    assert data.survival == {}
    figure = figure_5([data])
    assert not figure.axes
    assert [one.get_text() for one in figure.texts] == [
        "Empty, because the strict protocol was not run (attacks.protocols in params.yaml)."
    ]
