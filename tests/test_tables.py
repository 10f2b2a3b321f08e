"""Tables 1, 2 and S5 on made-up results: cells by plain pandas, layouts, sources, text."""

import json

import pandas as pd
import pytest
from results_fixture import DATASETS, TABLE_EPSILONS, write_results

from oncorobust.cells import metric_value, read_rows, rows_value, same_number, tables_from_json, tables_to_json
from oncorobust.errors import InputError
from oncorobust.settings import Column, Report
from oncorobust.table_text import display, lay_out, to_frame, to_markdown
from oncorobust.tables import build_tables

MODELS = ("clean", "adversarial")
REPORT = Report(
    columns={key: Column(title=one.title, paper=one.paper) for key, one in DATASETS.items()},
    adversarial_training_epsilon=0.002,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    write_results(root)
    return root


def metrics(root, name, datasets=DATASETS):
    return {
        key: {model: json.loads((root / f"reports/{key}/{model}/{name}").read_text()) for model in MODELS}
        for key in datasets
    }


@pytest.fixture(scope="module")
def tables(root):
    return build_tables(
        metrics(root, "attack.json"), metrics(root, "rank.json"), report=REPORT, table_epsilons=TABLE_EPSILONS
    )


def value(table, row, column, field):
    return table.find(row=row, column=column, field=field).value


def accuracy_by_hand(root, dataset, model, **where):
    frame = pd.read_csv(root / f"reports/{dataset}/{model}/predictions.csv")
    for column, wanted in where.items():
        frame = frame.loc[frame[column] == wanted]
    return (frame.label == frame.predicted).sum() / len(frame)


def test_table_1_by_plain_pandas(root, tables):
    first = tables[0]
    clean = accuracy_by_hand(root, "lidc", "clean", attack="none")
    assert value(first, "Baseline", "lidc", "accuracy") == clean
    assert value(first, "Baseline", "lidc", "accuracy_true_labels") == clean
    for field, labels in (("accuracy", "predicted"), ("accuracy_true_labels", "true")):
        expected = accuracy_by_hand(root, "mnist", "clean", attack="bim", epsilon=0.006, attacked_label=labels)
        assert value(first, "BIM:0.006", "mnist", field) == expected
    assert value(first, "PGD:0.002", "lidc", "paper") == 0.2692
    assert value(first, "PGD:0.002", "mnist", "paper") == 0.9905
    assert first.find(row="PGD:0.002", column="phantom", field="paper") is None
    assert first.rows[:3] == ("Baseline", "FGSM:0.001", "FGSM:0.002")
    assert first.rows[5] == "PGD:0.001"


def test_table_2_by_plain_pandas(root, tables):
    frame = pd.read_csv(root / "reports/lidc/clean/sensitivity.csv")
    kept = frame[~frame.excluded]
    right, right_kept = (frame.label == frame.predicted).mean(), (kept.label == kept.predicted).mean()
    second = tables[1]
    assert value(second, "lidc", "lidc", "accuracy_all") == right
    assert value(second, "lidc", "lidc", "accuracy_kept") == right_kept
    assert value(second, "lidc", "lidc", "accuracy_change") == pytest.approx(right_kept - right)
    assert value(second, "lidc", "lidc", "coverage") == len(kept) / len(frame)
    assert value(second, "lidc", "lidc", "threshold_epsilon") == frame[frame.excluded].min_epsilon.max()
    assert value(second, "lidc", "lidc", "paper_accuracy_change") == 0.059
    assert value(second, "lidc", "lidc", "paper_threshold_epsilon") == 0.0003
    assert second.find(row="mnist", column="mnist", field="paper_accuracy_all") is None


def test_table_s5_by_plain_pandas(root, tables):
    where = {"attack": "pgd", "epsilon": 0.002, "attacked_label": "true"}
    before, after = (accuracy_by_hand(root, "phantom", model, **where) for model in MODELS)
    third = tables[2]
    assert value(third, "PGD", "phantom", "original_true_labels") == before
    assert value(third, "PGD", "phantom", "adversarially_trained_true_labels") == after
    assert value(third, "PGD", "phantom", "difference_true_labels") == pytest.approx(after - before)
    assert value(third, "BIM", "lidc", "paper_difference") == 0.4114


def test_every_cell_is_its_metrics_and_its_rows(root, tables):
    ours = [cell for table in tables for cell in table.cells if cell.paper is None]
    assert len(ours) == 3 * (13 * 2 + 5 + 3 * 6)
    for cell in ours:
        contents = {one.file: json.loads((root / one.file).read_text()) for one in cell.metrics}
        frames = {one.file: read_rows(root / one.file) for one in cell.rows}
        assert cell.metrics and cell.rows
        assert same_number(cell.value, metric_value(cell, contents))
        assert same_number(cell.value, rows_value(cell, frames)), cell


def test_every_number_of_the_csv_is_a_cell(tables):
    for table in tables:
        frame = to_frame(table)
        numbers = frame.drop(columns=["row", *(name for name in frame if name.endswith("synthetic"))])
        assert numbers.notna().to_numpy().sum() == len(table.cells)


def test_the_csv_says_which_data_sets_are_synthetic(tables):
    across, rows, blocks = (to_frame(table) for table in tables)
    for frame in (across, blocks):
        assert frame["phantom.synthetic"].all()
        assert not frame["lidc.synthetic"].any()
    assert dict(zip(rows["row"], rows["synthetic"], strict=True)) == {"lidc": False, "mnist": False, "phantom": True}


def test_the_papers_numbers_need_the_papers_epsilon(root):
    report = Report(columns=REPORT.columns, adversarial_training_epsilon=0.004)
    tables = build_tables(
        metrics(root, "attack.json"), metrics(root, "rank.json"), report=report, table_epsilons=(0.001, 0.004)
    )
    assert not [cell for cell in tables[2].cells if cell.paper]
    assert {cell.row for cell in tables[0].cells if cell.paper} == {
        "Baseline",
        *(f"{attack}:{epsilon}" for attack in ("FGSM", "PGD", "BIM") for epsilon in (0.001, 0.004)),
    }


def test_an_unnamed_data_set_goes_by_its_key(root):
    report = Report(columns={}, adversarial_training_epsilon=0.002)
    tables = build_tables(
        metrics(root, "attack.json", ["lidc"]),
        metrics(root, "rank.json", ["lidc"]),
        report=report,
        table_epsilons=[0.001],
    )
    assert [one.title for one in tables[0].columns] == ["lidc"]
    assert not [cell for table in tables for cell in table.cells if cell.paper]


def test_no_threshold_where_nothing_is_excluded(root):
    rank = metrics(root, "rank.json")
    del rank["mnist"]["clean"]["threshold_epsilon"]
    tables = build_tables(metrics(root, "attack.json"), rank, report=REPORT, table_epsilons=TABLE_EPSILONS)
    assert tables[1].find(row="mnist", column="mnist", field="threshold_epsilon") is None
    assert pd.isna(to_frame(tables[1]).loc[1, "threshold_epsilon"])


def test_a_missing_epsilon_is_named(root):
    with pytest.raises(InputError, match=r"got no 'eps_0_0077' in reports/lidc/clean/attack.json"):
        build_tables(
            metrics(root, "attack.json"), metrics(root, "rank.json"), report=REPORT, table_epsilons=[0.001, 0.0077]
        )


def test_synthetic_and_real_models_do_not_mix(root):
    attack = metrics(root, "attack.json")
    attack["phantom"]["adversarial"]["synthetic"] = False
    with pytest.raises(InputError, match=r"expected one synthetic for both models, got .* in reports/phantom"):
        build_tables(attack, metrics(root, "rank.json"), report=REPORT, table_epsilons=TABLE_EPSILONS)


def test_json_round_trip(tables):
    assert tables_from_json(json.loads(json.dumps(tables_to_json(tables)))) == tables


def test_cells_json_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"expected the cells of the tables, got .*cells.json"):
        tables_from_json({"tables": {}, "cells": [{"table": "Table 1"}]})


def test_display_rounds_only_here():
    assert display(0.123456, "percent") == "12.35"
    assert display(0.059, "points") == "+5.90"
    assert display(-0.0397, "points") == "-3.97"
    assert display(0.00001, "epsilon") == "0.00001"


def test_layouts(tables):
    first, second, third = (lay_out(table) for table in tables)
    assert [(one.group, one.text) for one in first.headings[:3]] == [
        ("LIDC", "predicted labels"),
        ("LIDC", "true labels"),
        ("LIDC", "paper"),
    ]
    assert first.headings[-1].group == "MRI phantom (SYNTHETIC)"
    assert len(first.headings) == 8
    assert [line.labels for line in second.lines] == [("LIDC",), ("MNIST",), ("MRI phantom (SYNTHETIC)",)]
    assert [line.labels for line in third.lines[:4]] == [
        ("LIDC", "FGSM"),
        ("LIDC", "PGD"),
        ("LIDC", "BIM"),
        ("MNIST", "FGSM"),
    ]
    assert third.lines[3].texts[-3:] == ("", "", "")


def test_markdown(tables):
    text = to_markdown(tables[0])
    assert text.startswith("**Table 1.** Accuracy (%)")
    assert "Test images: LIDC n = 40; MNIST n = 40; MRI phantom (SYNTHETIC) n = 30." in text
    baseline = next(line for line in text.splitlines() if line.startswith("| Baseline"))
    cells = baseline.split(" | ")
    assert cells[4] == "75.41"
    assert cells[2] == f"{100 * value(tables[0], 'Baseline', 'lidc', 'accuracy'):.2f}"
    assert "MRI phantom (SYNTHETIC)" in to_markdown(tables[2])


def test_markdown_keeps_a_hostile_title_inside_its_cell(root):
    report = Report(columns={"lidc": Column(title="a|b <script>\n*c*", paper=None)}, adversarial_training_epsilon=0.002)
    tables = build_tables(
        metrics(root, "attack.json", ["lidc"]),
        metrics(root, "rank.json", ["lidc"]),
        report=report,
        table_epsilons=[0.001],
    )
    text = to_markdown(tables[1])
    assert r"| a\|b &lt;script> \*c\* |" in text
    assert "<script>" not in text


def test_csv_holds_fractions(tables):
    frame = to_frame(tables[0])
    assert list(frame.columns[:4]) == ["row", "lidc.accuracy", "lidc.accuracy_true_labels", "lidc.paper"]
    assert frame.loc[0, "lidc.paper"] == 0.7541
    assert frame["phantom.paper"].isna().all()
    assert list(to_frame(tables[1])["row"]) == ["lidc", "mnist", "phantom"]
