"""The points of the figures: those that are drawn, each with sources from which its value is computed again."""

import json

import numpy as np
import pandas as pd
import pytest
from results_fixture import DATASETS, params_content, write_results
from schema_check import document_problems
from scipy.special import expit, logit
from scipy.stats import t

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CELLS, FIGURE_NUMBERS, POINTS
from oncorobust.base.schema.points import POINTS as POINTS_SCHEMA
from oncorobust.base.schema.version import read_results
from oncorobust.base.schema.version import write_results as write_json_results
from oncorobust.evaluation.resampling import N_DRAWS, draw_patients, patient_sums
from oncorobust.report.figures.accuracy_over_epsilon import figure_2
from oncorobust.report.figures.minimal_epsilons import figure_5
from oncorobust.report.figures.plot_data import read_all_plot_data
from oncorobust.report.figures.points import figure_points, with_values
from oncorobust.report.figures.selective_prediction import figure_4
from oncorobust.report.figures.series import place_text, points_from_json, points_to_json, row_files
from oncorobust.report.figures.trade_off import figure_7
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.load import parse_params
from oncorobust.trace.follow import trace_all, trace_cell
from oncorobust.trace.repository import State
from oncorobust.trace.text import trace_text

ONE = {"lidc": DATASETS["lidc"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Results with points.json; returns the repository, what the figures show and the points."""
    root = tmp_path_factory.mktemp("points")
    write_results(root, ONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        datasets = read_all_plot_data(parse_params(params_content(ONE)))
        points = figure_points(datasets, epsilon=0.002)
        rows = {file: read_rows(file) for file in row_files(points.series)}
        points = with_values(points, datasets, rows, seed=0)
        (root / POINTS).parent.mkdir(parents=True)
        (root / CELLS).parent.mkdir(parents=True)
        write_json_results(POINTS, points_to_json(points))
        write_json_results(CELLS, {"tables": [], "cells": []})
    return root, datasets, points


def series_of(points, figure, name, dataset):
    (found,) = (one for one in points.series if (one.figure, one.name, one.dataset) == (figure, name, dataset))
    return found


def drawn(figure, panel):
    """Points of the lines of a panel, rounded, as sets of (x, y)."""
    lines = figure.axes[panel].get_lines()
    return [{(round(float(x), 9), round(float(y), 9)) for x, y in zip(*one.get_data(), strict=True)} for one in lines]


def listed(points, figure, dataset, *, x_factor=1.0):
    return {
        one.name: {
            (round(float(place) * x_factor, 9), round(100 * value, 9))
            for place, value in zip(one.places, one.values, strict=True)
        }
        for one in points.series
        if (one.figure, one.dataset) == (figure, dataset)
    }


def test_the_points_of_figure_2_are_those_that_are_drawn(made):
    _, datasets, points = made
    lines = drawn(figure_2(datasets, paper={}), 0)
    found = listed(points, "Figure 2", datasets[0].key)
    assert {"PGD, predicted labels", "PGD, true labels", "all attacks, strict"} < set(found)
    for name, expected in found.items():
        assert expected in lines, name


def test_the_points_of_figures_4_and_5_are_those_that_are_drawn(made):
    _, datasets, points = made
    lines = drawn(figure_4(datasets), 0)
    found = listed(points, "Figure 4", datasets[0].key, x_factor=100)
    assert len(found) > 3
    for name, expected in found.items():
        assert expected in lines, name
    lines = drawn(figure_5(datasets), 0)
    for name, expected in listed(points, "Figure 5", datasets[0].key).items():
        assert expected in lines or name.endswith("last safe"), name


def test_the_points_of_figure_7_are_those_that_are_drawn_and_stand_in_figure_3(made):
    _, datasets, points = made
    marks = drawn(figure_7(datasets, epsilon=0.002), 0)
    found = {one.name: one for one in points.series if (one.figure, one.dataset) == ("Figure 7", datasets[0].key)}
    assert len(found) == 2 * len(datasets[0].attack)
    for model in datasets[0].attack:
        clean, attacked = (found[f"{model} model, {name}"] for name in ("without attack", "under attack"))
        mark = {(round(100 * attacked.values[0], 9), round(100 * clean.values[0], 9))}
        assert mark in marks
        curve = series_of(points, "Figure 3", f"{model} model, all attacks, strict", datasets[0].key)
        at = curve.places.index("0.002")
        assert (attacked.values, attacked.low, attacked.high) == (
            (curve.values[at],),
            (curve.low[at],),
            (curve.high[at],),
        )
        horizontal, vertical = (
            {(round(100 * x, 9), round(100 * y, 9)) for x, y in ends}
            for ends in (
                [(attacked.low[0], clean.values[0]), (attacked.high[0], clean.values[0])],
                [(attacked.values[0], clean.low[0]), (attacked.values[0], clean.high[0])],
            )
        )
        assert horizontal in marks
        assert vertical in marks


def test_the_bands_of_figure_3_are_the_intervals_of_its_points(made):
    _, datasets, points = made
    for data in datasets:
        for model in data.attack:
            low, high = data.bands[model, "pgd", "_true_labels"]
            found = series_of(points, "Figure 3", f"{model} model, PGD, true labels", data.key)
            assert 100 * np.array(found.low, float) == pytest.approx(low)
            assert 100 * np.array(found.high, float) == pytest.approx(high)


def test_the_bands_of_figure_4_are_the_intervals_of_its_points(made):
    _, datasets, points = made
    with_interval = 0
    for data in datasets:
        for score, curve in data.risks.items():
            found = series_of(points, "Figure 4", score, data.key)
            band = curve.band()
            low, high = (np.array(one or (None,) * len(band), float) for one in (found.low, found.high))
            assert low == pytest.approx(band["low"], nan_ok=True)
            assert high == pytest.approx(band["high"], nan_ok=True)
            assert [bool(one) for one in found.reasons] == np.isnan(low).tolist()
            with_interval += int(np.isfinite(low).sum())
    assert with_interval > 100


def test_the_risk_and_its_interval_at_full_coverage_are_those_of_the_errors(made):
    """At coverage 1 the risk is the share of errors, whose bootstrap is a ratio of sums over patients."""
    root, _, points = made
    found = series_of(points, "Figure 4", "margin", "lidc")
    rows = pd.read_csv(root / "reports/lidc/clean/scores.csv", dtype={"patient_id": str})
    test = rows[rows.split == "test"]
    wrong = (test.label != test.predicted).astype(float)
    draws = draw_patients(test.patient_id, n_draws=N_DRAWS, seed=found.seed)
    above, below = (patient_sums(one, test.patient_id, draws) for one in (wrong.to_numpy(), np.ones(len(test))))
    error = np.std((draws.counts @ above) / (draws.counts @ below), ddof=1)
    n, p = test.patient_id.nunique(), wrong.mean()
    with_errors, with_right = (test.patient_id[wrong == one].nunique() for one in (1, 0))
    half = t.ppf(0.975, min(with_errors, with_right) + 1) * error * np.sqrt(n / (n - 1)) / (p * (1 - p))
    low, high = expit(logit(p) + np.array([-half, half]))
    assert found.places[-1] == "1"
    assert (found.values[-1], found.low[-1], found.high[-1]) == pytest.approx((p, low, high))
    assert (found.n_images[-1], found.n_patients[-1]) == (len(test), test.patient_id.nunique())


def test_every_point_agrees_with_its_rows(made):
    root, _, points = made
    whole = trace_all(State(root, None))
    assert [table.name for table, _ in whole.checks] == [f"Figure {number}" for number in FIGURE_NUMBERS]
    wrong = [one.cell for _, checks in whole.checks for one in checks if not one.agrees]
    assert wrong == []
    assert sum(len(checks) for _, checks in whole.checks) == sum(len(one.places) for one in points.series) > 1000


def test_a_point_is_traced_to_its_rows_and_counted_by_hand(made):
    root, _, points = made
    place = series_of(points, "Figure 2", "PGD, true labels", "lidc").places[3]
    result = trace_cell(State(root, None), table="figure 2", row=f"pgd true labels:{place}", column="LIDC")
    frame = pd.read_csv(root / "reports/lidc/clean/predictions.csv")
    chosen = frame[(frame.attack == "pgd") & (frame.epsilon == float(place)) & (frame.attacked_label == "true")]
    expected = (chosen.label == chosen.predicted).mean()
    (check,) = result.checks
    assert check.agrees and check.values == pytest.approx(
        {"points.json": expected, "metrics": expected, "rows": expected}
    )
    assert f"under PGD away from the true label at epsilon {place}; clean model, data set lidc" in trace_text(result)


@pytest.mark.parametrize(("figure", "numbers"), [("Figure 5", "values"), ("Figure 4", "high")])
def test_an_altered_point_disagrees(made, tmp_path, figure, numbers):
    root, _, _ = made
    content = json.loads((root / POINTS).read_text())
    altered = next(one[numbers] for one in content["series"] if one["figure"] == figure and one[numbers])
    altered[next(at for at, one in enumerate(altered) if at and one is not None)] += 0.01
    (tmp_path / POINTS).parent.mkdir(parents=True)
    for one in (root / "reports").iterdir():
        if one.name != "figures":
            (tmp_path / "reports" / one.name).symlink_to(one)
    (tmp_path / POINTS).write_text(json.dumps(content))
    wrong = [one.cell for _, checks in trace_all(State(tmp_path, None)).checks for one in checks if not one.agrees]
    assert [one.table for one in wrong] == [figure]


def test_points_survive_writing_and_reading(made):
    root, _, points = made
    assert points_from_json(read_results(root / POINTS)) == points
    with pytest.raises(InputError, match=r"points\.json: .*series.* \(expected the series of the figures\)"):
        points_from_json({"captions": {}, "units": {}, "columns": []})


def test_the_file_fits_its_schema(made):
    assert document_problems(made[0] / POINTS, POINTS_SCHEMA) == []


def test_places_give_the_same_number_again():
    assert place_text(0.002) == "0.002"
    assert float(place_text(1 / 3)) == 1 / 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"table": "Figure 9"}, r"expected a table or figure \(Figure \d, .*\), got 'Figure 9'"),
        ({"table": "Figure 1", "row": "PGD:0.1"}, r"Figure 1 has no rows\. Figure 1 shows images and draws no points"),
        ({"table": "Figure 2", "row": "PGD, strict:0.002"}, r"--row of Figure 2 to be one of .*and \d+ more, got PGD"),
        (
            {"table": "Figure 2", "row": "all attacks, strict:0", "column": "xyz"},
            r"--column to name one of .* got xyz",
        ),
    ],
)
def test_an_unknown_point_lists_what_there_is(made, words, message):
    with pytest.raises(InputError, match=message):
        trace_cell(State(made[0], None), **({"row": None, "column": "lidc"} | words))
