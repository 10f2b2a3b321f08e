"""Table V and its sentences, by hand: four images of three patients, this run and two further training seeds."""

import dataclasses
import statistics

import pandas as pd
import pytest

from oncorobust.base.errors import InputError
from oncorobust.report.seed_text import seed_findings
from oncorobust.report.tables.cell import RowsSource, tables_from_json, tables_to_json
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.numbers import display_cell
from oncorobust.report.tables.paired_tests import with_tests
from oncorobust.report.tables.render import to_frame, to_markdown
from oncorobust.report.tables.seed_spread import seed_estimate
from oncorobust.report.tables.training_seeds import Repeats, table_v
from oncorobust.settings.pipeline import Column, Report
from oncorobust.trace.check import Contents, check_cell

REPORT = Report(columns={"lidc": Column(title="LIDC", paper="CT")}, adversarial_training_epsilon=0.002)
MAIN, SEEDS = 7, (1, 2)
RIGHT = {  # number of right answers of the 4 images: without attack, under PGD, strict
    ("clean", MAIN): (3, 2, 1),
    ("clean", 1): (2, 2, 0),
    ("clean", 2): (4, 2, 2),
    ("adversarial", MAIN): (2, 2, 2),
    ("adversarial", 1): (3, 2, 3),
    ("adversarial", 2): (4, 4, 1),
}
MEASURES = ("Baseline", "PGD:0.002", "ALL:0.002")


def describe(n_right: int) -> pd.DataFrame:
    """Four images of label 0, of which the first `n_right` are answered right."""
    predicted = [0] * n_right + [1] * (4 - n_right)
    return pd.DataFrame(
        {"image_id": list("abcd"), "patient_id": ["p", "p", "q", "r"], "label": 0, "predicted": predicted}
    )


def predictions(clean: int, under_pgd: int) -> pd.DataFrame:
    parts = [("none", 0.0, "none", clean), ("pgd", 0.002, "true", under_pgd), ("pgd", 0.002, "predicted", 0)]
    return pd.concat(
        describe(n_right).assign(attack=attack, epsilon=epsilon, attacked_label=label)
        for attack, epsilon, label, n_right in parts
    )


def intervals(clean: int, strict: int) -> pd.DataFrame:
    """The first `strict` images are flipped beyond 0.002, the others at once."""
    first_flipped = [0.003] * strict + [0.001] * (4 - strict)
    last = describe(clean).assign(attack="converged", first_flipped=first_flipped)
    return pd.concat([last.assign(attack="pgd", first_flipped=1.0), last])


@pytest.fixture
def rows() -> dict[str, pd.DataFrame]:
    """The files of the main stages and of stage `repeat`."""
    found = {}
    for model in ("clean", "adversarial"):
        clean, under_pgd, strict = RIGHT[model, MAIN]
        found[f"reports/lidc/{model}/predictions.csv"] = predictions(clean, under_pgd)
        found[f"reports/lidc/{model}/intervals.csv"] = intervals(max(clean, strict), strict)
    for seed in SEEDS:
        parts = [(model, *RIGHT[model, seed]) for model in ("clean", "adversarial")]
        found[f"reports/lidc/seeds/{seed}/predictions.csv"] = pd.concat(
            predictions(clean, under_pgd).assign(model=model) for model, clean, under_pgd, _ in parts
        )
        found[f"reports/lidc/seeds/{seed}/intervals.csv"] = pd.concat(
            intervals(max(clean, strict), strict).assign(model=model) for model, clean, _, strict in parts
        )
    return found


def metrics(model: str) -> dict:
    clean, under_pgd, strict = (n_right / 4 for n_right in RIGHT[model, MAIN])
    return {
        "n_images": 4,
        "n_patients": 3,
        "synthetic": False,
        "clean_accuracy": clean,
        "robust_accuracy": {"true": {"pgd": {"eps_0_002": under_pgd}}},
        "strict": {"robust_accuracy": {"converged": {"eps_0_002": strict}}},
    }


def built(*, models=("clean", "adversarial"), further=SEEDS, protocols=("paper", "strict")):
    return table_v(
        {"lidc": {model: metrics(model) for model in models}},
        report=REPORT,
        protocols=frozenset(protocols),
        cascade=("pgd", "converged") if "strict" in protocols else (),
        repeats=Repeats(MAIN, {"lidc": further}),
    )


@pytest.fixture
def table(rows):
    (table,) = with_tests(with_intervals([built()], rows, seed=0, n_draws=200), rows)
    return table


def shares(model: str, measure: int) -> list[float]:
    """The accuracies of this run and of the further seeds, or the differences."""
    if model == "difference":
        return [b - a for a, b in zip(shares("clean", measure), shares("adversarial", measure), strict=True)]
    return [RIGHT[model, seed][measure] / 4 for seed in (MAIN, *SEEDS)]


@pytest.mark.parametrize("model", ["clean", "adversarial", "difference"])
@pytest.mark.parametrize("measure", [0, 1, 2])
def test_each_number_is_that_of_the_rows(table, model, measure):
    values = shares(model, measure)
    expected = {
        "this_run": values[0],
        "mean_over_seeds": sum(values) / 3,
        "smallest_over_seeds": min(values),
        "largest_over_seeds": max(values),
        "deviation_over_seeds": statistics.stdev(values),
        "n_training_seeds": 3,
    }
    for field, value in expected.items():
        cell = table.find(row=f"{model}:{MEASURES[measure]}", column="lidc", field=field)
        assert cell.value == pytest.approx(value, abs=1e-12), field
        assert (cell.n_images, cell.n_patients) == (4, 3)
        if field != "this_run":
            assert cell.interval is None
            assert cell.no_interval == "a spread over 3 training seeds"


def test_the_spread_is_not_in_the_interval_of_this_run(table, rows):
    """The interval is that of the same cell in a table without further seeds."""
    alone = built()
    alone = alone.__class__(**{**vars(alone), "cells": tuple(one for one in alone.cells if one.field == "this_run")})
    (alone,) = with_intervals([alone], rows, seed=0, n_draws=200)
    for cell in alone.cells:
        there = table.find(row=cell.row, column="lidc", field="this_run")
        assert (there.interval, there.no_interval) == (cell.interval, cell.no_interval)


def test_a_trace_computes_every_cell_again_and_finds_a_changed_row(table, rows):
    (table,) = tables_from_json(tables_to_json([table]))
    files = {f"reports/lidc/{model}/attack.json": metrics(model) for model in ("clean", "adversarial")}
    contents = Contents({table.file: to_frame(table)}, files, rows, {})
    assert len(table.cells) == 9 * 6
    assert all(check_cell(cell, table, contents).agrees for cell in table.cells)
    file = "reports/lidc/seeds/2/intervals.csv"
    wrong = rows[file].assign(first_flipped=0.0)
    changed = Contents(contents.tables, files, rows | {file: wrong}, {})
    disagree = {(one.row, one.field) for one in table.cells if not check_cell(one, table, changed).agrees}
    assert ("clean:ALL:0.002", "largest_over_seeds") in disagree
    assert {row.rpartition(":")[0].split(":")[1] for row, _ in disagree} == {"ALL"}


def test_the_files_of_all_seeds_are_read(table):
    assert row_files([table]) == sorted(
        f"reports/lidc/{folder}/{name}.csv"
        for folder in ("clean", "adversarial", "seeds/1", "seeds/2")
        for name in ("predictions", "intervals")
    )


def test_only_the_difference_of_this_run_has_a_test(table):
    tested = {(cell.row, cell.field) for cell in table.cells if cell.test}
    assert tested == {(f"difference:{measure}", "this_run") for measure in MEASURES}


def test_rows_of_other_images_are_refused(rows):
    file = "reports/lidc/seeds/1/predictions.csv"
    rows[file] = rows[file].replace({"image_id": {"c": "z"}})
    with pytest.raises(InputError, match=r"seeds/1/predictions.csv: expected rows of two models on the same images"):
        with_intervals([built()], rows, seed=0, n_draws=10)
    rows[file] = rows[file].drop(columns="model")
    with pytest.raises(InputError, match=r"seeds/1/predictions.csv: columns .*expected \['model'\] too"):
        with_intervals([built()], rows, seed=0, n_draws=10)


def test_one_seed_has_no_spread(rows):
    options = {"of": "accuracy", "training_seed": 7}
    file, where = "reports/lidc/clean/predictions.csv", {"attack": "none"}
    with pytest.raises(ValueError, match=r"expected at least two training seeds, got \[7\]"):
        seed_estimate([RowsSource(file, where, "mean_over_seeds", 1, None, options)], rows)


def test_no_further_seed_leaves_an_empty_table_that_says_why():
    table = built(further=())
    assert (table.rows, table.cells) == ((), ())
    assert "no further training seeds were run (run.seeds in params.yaml)" in to_markdown(table)
    assert seed_findings(table, table.columns[0], hardening="adversarial training") == []


def test_a_run_of_one_model_and_protocol_has_its_rows_alone():
    assert built(models=("clean",), protocols=("strict",)).rows == ("clean:Baseline", "clean:ALL:0.002")
    assert built(models=("clean",), protocols=("paper",)).rows == ("clean:Baseline", "clean:PGD:0.002")


def test_a_spread_is_shown_with_the_decimals_that_the_images_carry(table):
    cell = table.find(row="clean:Baseline", column="lidc", field="mean_over_seeds")
    assert display_cell(cell, "percent") == "75"
    many = cell.__class__(**{**vars(cell), "n_images": 300, "value": 0.75331})
    assert display_cell(many, "percent") == "75.3"
    counted = table.find(row="clean:Baseline", column="lidc", field="n_training_seeds")
    assert display_cell(counted, "count") == "3"


def test_the_page_tells_the_extremes_of_each_measure_and_what_hardening_did(table):
    assert seed_findings(table, table.columns[0], hardening="adversarial training") == [
        "With 3 training seeds, the clean accuracy of the clean model is 50 to 100\u00a0%.",
        "With 3 training seeds, the accuracy under PGD (true labels) at epsilon 0.002 of the clean model is 50\u00a0%.",
        "With 3 training seeds, the strict robust accuracy at epsilon 0.002 of the clean model is 0 to 50\u00a0%.",
        "Adversarial training neither raises nor lowers the clean accuracy with all seeds: -25 to +25 percentage "
        "points, over 3 training seeds.",
        "Adversarial training neither raises nor lowers the accuracy under PGD (true labels) at epsilon 0.002 with all "
        "seeds: +0 to +50 percentage points, over 3 training seeds.",
        "Adversarial training neither raises nor lowers the strict robust accuracy at epsilon 0.002 with all seeds: "
        "-25 to +75 percentage points, over 3 training seeds.",
    ]


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.05, 0.25, "raises the clean accuracy with each seed, by +5 to +25 percentage points"),
        (-0.25, -0.25, "lowers the clean accuracy with each seed, by -25 percentage points"),
    ],
)
def test_a_gain_or_a_loss_with_each_seed_is_told(table, low, high, told):
    place = {"row": "difference:Baseline", "column": "lidc"}
    values = {"smallest_over_seeds": low, "largest_over_seeds": high}
    cells = tuple(
        dataclasses.replace(one, value=values[one.field])
        if (one.row, one.column) == tuple(place.values()) and one.field in values
        else one
        for one in table.cells
    )
    found = seed_findings(dataclasses.replace(table, cells=cells), table.columns[0], hardening="adversarial training")
    assert f"Adversarial training {told}, over 3 training seeds." in found
