"""Figures 1 to 7 on made-up results: what is drawn, and that the same results give the same bytes."""

import contextlib
import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from results_fixture import DATASETS, write_results

from oncorobust.base.errors import InputError
from oncorobust.base.layout import MODELS
from oncorobust.report.figures.accuracy_over_epsilon import figure_2
from oncorobust.report.figures.before_and_after import figure_3
from oncorobust.report.figures.examples import choose_examples, figure_1, magnify
from oncorobust.report.figures.house import to_pdf, to_png, to_svg
from oncorobust.report.figures.image_bounds import figure_6
from oncorobust.report.figures.minimal_epsilons import figure_5
from oncorobust.report.figures.plot_data import read_examples, read_plot_data
from oncorobust.report.figures.robustness_curves import accuracy_curve, worst_case_curve
from oncorobust.report.figures.selective_prediction import figure_4
from oncorobust.report.figures.style import intensity_axis
from oncorobust.report.figures.trade_off import figure_7
from oncorobust.report.measures import PREDICTED, STRICT, TRUE
from oncorobust.report.tables.paper_numbers import load_paper_table
from oncorobust.settings.pipeline import Column, Report

REPORT = Report(
    columns={key: Column(title=one.title, paper=one.paper) for key, one in DATASETS.items()},
    adversarial_training_epsilon=0.002,
)
PAPER = load_paper_table("table1")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    write_results(root)
    return root


@pytest.fixture(scope="module")
def datasets(root):
    with contextlib.chdir(root):
        return [
            read_plot_data(key, REPORT, models=MODELS, seed=0, certified=one.certified, rescanned=one.rescanned)
            for key, one in DATASETS.items()
        ]


def texts(figure):
    """All text of a figure, panel by panel."""
    return "\n".join(
        one.get_text() for axes in figure.axes for one in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
    )


def test_curve_starts_at_the_clean_accuracy():
    metrics = {
        "clean_accuracy": 0.9,
        "robust_accuracy": {"predicted": {"pgd": {"eps_0_1": 0.1, "eps_0_001": 0.5}}},
        "strict": {"attacks": ["fgsm", "fmn"], "robust_accuracy": {"fmn": {"eps_0_001": 0.25}}},
    }
    x, y = accuracy_curve(metrics, attack="pgd", measure=PREDICTED)
    assert x.tolist() == [0, 0.001, 0.1]
    assert y.tolist() == [90, 50, 10]
    for x, y in (accuracy_curve(metrics, attack="fmn", measure=STRICT), worst_case_curve(metrics)):
        assert x.tolist() == [0, 0.001]
        assert y.tolist() == [90, 25]


def test_upper_axis_units(datasets):
    lidc, mnist, _ = datasets
    assert intensity_axis(lidc) == (1400.0, "HU")
    assert intensity_axis(mnist) == (255.0, "8-bit grey levels")


def test_figure_2_draws_every_curve_the_paper_and_the_floor(datasets):
    figure = figure_2(datasets, paper=PAPER)
    lidc, mnist, phantom = figure.axes
    drawn = [line.get_xydata().tolist() for line in lidc.lines]
    for measure in (PREDICTED, TRUE):
        x, y = accuracy_curve(datasets[0].attack["clean"], attack="pgd", measure=measure)
        assert np.column_stack([x, y]).tolist() in drawn
    assert [[0.002, 100 * 0.2692]] in drawn
    assert [[0, 100 * 0.7541]] in drawn
    floor = 100 * (1 - datasets[0].attack["clean"]["clean_accuracy"])
    assert any(line.get_ydata()[0] == floor == line.get_ydata()[-1] for line in lidc.lines)
    assert f"1 − clean = {floor:.1f} %" in [one.get_text() for one in lidc.texts]
    assert not mnist.texts  # ten classes have no floor, and the digits are real
    assert "SYNTHETIC" in [one.get_text() for one in phantom.texts]
    assert len(phantom.lines) == 6 + 1 + 1  # no column of the paper: curves, floor and strict
    x, y = accuracy_curve(datasets[0].attack["clean"], attack="paper", measure=STRICT)
    assert np.column_stack([x, y]).tolist() in drawn
    assert (np.diff(y) <= 0).all()
    assert "strict (all attacks)" in legend_of(figure)


def legend_of(figure):
    return [one.get_text() for one in figure.legends[0].get_texts()]


@pytest.mark.parametrize("protocol", ["paper", "strict"])
def test_one_protocol_alone_draws_its_own_curves_only(tmp_path, monkeypatch, protocol):
    write_results(tmp_path / "run", protocols=(protocol,))
    monkeypatch.chdir(tmp_path / "run")
    some = [read_plot_data(key, REPORT, models=MODELS, seed=0) for key in DATASETS]
    second, third = figure_2(some, paper=PAPER), figure_3(some, table_epsilon=0.002)
    assert len(second.axes[2].lines) == {"paper": 6 + 1, "strict": 1}[protocol]
    assert len(third.axes) == len(DATASETS) * {"paper": 2, "strict": 1}[protocol]
    for figure in (second, third):
        assert ("strict (all attacks)" in legend_of(figure)) == (protocol == "strict")
    assert ("true labels" in legend_of(second)) == (protocol == "paper")


def test_data_sets_of_other_protocols_are_refused(datasets):
    attack = {
        model: {key: one for key, one in content.items() if key != "strict"}
        for model, content in datasets[1].attack.items()
    }
    mixed = [datasets[0], dataclasses.replace(datasets[1], attack=attack)]
    with pytest.raises(InputError, match=r"reports/mnist/clean/attack.json: protocols paper \(expected"):
        figure_2(mixed, paper=PAPER)
    with pytest.raises(InputError, match=r"reports/mnist/clean/attack.json: protocols paper \(expected"):
        figure_3(mixed, table_epsilon=0.002)


def test_figure_3_has_both_models_under_both_labels_and_strictly(datasets):
    figure = figure_3(datasets, table_epsilon=0.002)
    assert len(figure.axes) == 3 * 3
    right = figure.axes[1]
    drawn = [line.get_xydata().tolist() for line in right.lines]
    for model in ("clean", "adversarial"):
        x, y = accuracy_curve(datasets[0].attack[model], attack="bim", measure=TRUE)
        assert np.column_stack([x, y]).tolist() in drawn
    for model in ("clean", "adversarial"):
        strict = [line.get_xydata().tolist() for line in figure.axes[2].lines]
        for attack in ("fgsm", "pgd", "bim", "paper"):
            x, y = accuracy_curve(datasets[0].attack[model], attack=attack, measure=STRICT)
            assert np.column_stack([x, y]).tolist() in strict
    assert [axes.get_title() for axes in figure.axes] == ["predicted labels", "true labels", "strict", *[""] * 6]
    assert figure.axes[0].get_ylabel() == "LIDC (n = 40)\naccuracy (%)"


def test_figure_1_gives_class_and_probability(datasets):
    figure = figure_1(datasets)
    shown = texts(figure)
    assert re.search(r"(benign|malignant): 95\u00a0%", shown)
    assert re.search(r"✗ (benign|malignant): 98\u00a0%", shown)
    assert "label: " in shown
    assert "epsilon 0.001\n(1.4 HU)" in shown
    assert "SYNTHETIC" in shown


def test_magnified_difference():
    difference = np.array([[[-0.01], [0.0], [0.01], [0.005]]])
    assert magnify(difference, epsilon=0.01).ravel().tolist() == [0, 0.5, 1, 0.75]


def test_examples_chosen_are_right_before_and_wrong_under_pgd(datasets):
    examples = dataclasses.replace(
        datasets[0].examples,
        labels=np.array([0, 0, 1, 1]),
        probabilities_clean=np.array([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]], dtype=np.float32),
        probabilities=np.array([[[0.2, 0.8], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]] * 3, dtype=np.float32),
    )
    assert choose_examples(examples, count=2) == [1, 3]
    assert choose_examples(examples, count=1) == [1]


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.long)])
def test_any_number_of_data_sets_and_the_same_bytes(datasets, count):
    chosen = [datasets[one % 3] for one in range(count)]
    for draw in (
        figure_1,
        lambda some: figure_2(some, paper=PAPER),
        lambda some: figure_3(some, table_epsilon=0.002),
        figure_5,
        figure_6,
        lambda some: figure_7(some, epsilon=0.002),
    ):
        first, second = draw(chosen), draw(chosen)
        assert to_svg(first) == to_svg(second) == to_svg(first)
        assert to_pdf(first) == to_pdf(second)


def test_no_date_and_no_reference_in_the_files(datasets):
    figure = figure_2(datasets[:1], paper=PAPER)
    assert b"Software" not in to_png(figure)
    assert to_png(figure) == to_png(figure_2(datasets[:1], paper=PAPER))
    assert b"<dc:date>" not in to_svg(figure)
    assert not any(one in to_pdf(figure) for one in (b"Date", b"Producer", b"Creator"))


def test_examples_of_other_classes_are_refused(root, monkeypatch, tmp_path):
    write_results(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    source = (tmp_path / "run/reports/mnist/clean/examples.npz").read_bytes()
    (tmp_path / "run/reports/lidc/clean/examples.npz").write_bytes(source)
    with pytest.raises(InputError, match=r"lidc/clean/examples.npz: probabilities of 10 classes \(expected 2\)"):
        read_plot_data("lidc", REPORT, models=MODELS, seed=0)


def test_broken_examples_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((1, 2, 2, 3)))
    with pytest.raises(InputError, match=r"a\.npz: no arrays \['adversarial'"):
        read_examples(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"b\.npz: .* \(expected an npz file of arrays\)"):
        read_examples(tmp_path / "b.npz")


def test_figure_4_draws_the_risk_of_every_score_with_its_band(root, datasets):
    figure = figure_4(datasets)
    assert len(figure.axes) == len(datasets)
    for axes, data in zip(figure.axes, datasets, strict=True):
        assert list(data.risks)[:3] == ["min_epsilon", "min_epsilon_strict", "confidence"]
        assert (len(axes.lines), len(axes.collections)) == (8, 8)
    rows = pd.read_csv(root / "reports/lidc/clean/scores.csv").query("split == 'test'")
    at_all = datasets[0].risks["margin"].band().iloc[-1]
    assert (at_all["coverage"], at_all["risk"]) == (1.0, pytest.approx((rows["label"] != rows["predicted"]).mean()))
    assert set(legend_of(figure)) >= {"minimal epsilon (strict)", "margin", "random"}


def test_the_mark_synthetic_stands_above_every_band(datasets):
    lower = (figure_4(datasets), figure_5(datasets))
    for figure in (figure_2(datasets, paper=PAPER), figure_3(datasets, table_epsilon=0.002), *lower):
        marked = [axes for axes in figure.axes if any(one.get_text() == "SYNTHETIC" for one in axes.texts)]
        assert marked
        for axes in marked:
            (mark,) = [one for one in axes.texts if one.get_text() == "SYNTHETIC"]
            assert axes.collections
            assert all(band.get_zorder() < mark.get_zorder() for band in axes.collections)


def test_figure_2_draws_the_certified_curve_below_the_attack_on_the_same_smoothed_model(root, datasets):
    found = datasets[0].certified
    rows = pd.read_csv(root / "reports/lidc/clean/certificates.csv").query("split == 'test'")
    at = found.epsilon.tolist().index(0.002)
    answered = (rows["label"] == rows["predicted"]) & ~rows["abstained"]
    assert found.certified[at] == pytest.approx(100 * (answered & (rows["certified_epsilon"] >= 0.002)).mean())
    assert found.certified[0] == found.attacked[0] == pytest.approx(100 * answered.mean())
    steps = found.attacked[np.searchsorted(found.attack_epsilon, found.epsilon, side="right") - 1]
    assert (found.certified <= steps).all()
    assert ((found.low <= found.certified) & (found.certified <= found.high)).all()
    assert (np.diff(found.certified) <= 0).all()
    figure = figure_2(datasets, paper=PAPER)
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert found.certified.tolist() in drawn
    assert found.attacked.tolist() in drawn
    assert "smoothed model: sigma 0.1" in legend_of(figure)
    without = figure_2([datasets[1]], paper=PAPER)
    assert not [one for one in legend_of(without) if "smoothed" in one]


def test_figure_6_has_a_line_for_each_image_that_the_smoothed_model_answers_right(datasets):
    figure = figure_6(datasets)
    (axes,) = (one for one in figure.axes if one.get_title())
    images = datasets[0].certified.images
    bars = [patch.get_width() for patch in axes.patches]
    largest = datasets[0].certified.attack_epsilon[-1]
    assert bars == sorted(images.loc[images["answered"], "certified_epsilon"].clip(upper=largest))
    assert (images["last_safe"] <= images["first_flipped_itself"]).all()
    assert f"{len(bars)} of 40 images predicted right" in axes.get_title()
    empty = figure_6(datasets[1:])
    assert "Empty, because no data set has certificates" in empty.texts[0].get_text()
