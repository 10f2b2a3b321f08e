"""Table N: medical against natural images on equal terms, its trace, its text, and why a pair is not compared."""

import io
import re
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.medians import compare_groups
from oncorobust.evaluation.resampling import LEVEL
from oncorobust.evaluation.survival import minimal_epsilons
from oncorobust.report.comparison_text import comparison_sentences
from oncorobust.report.tables.cell import Table, tables_from_json, tables_to_json
from oncorobust.report.tables.intervals import with_intervals
from oncorobust.report.tables.medical_against_natural import table_n, why_not_compared
from oncorobust.report.tables.paired_tests import compares_models
from oncorobust.report.tables.render import to_frame, to_markdown
from oncorobust.settings.pipeline import Column, Report
from oncorobust.trace.check import check_cell
from oncorobust.trace.reading import Contents

REACH, N_DRAWS = 0.02, 400
CASCADE = ("fgsm", "converged")
MEDICAL = [1, 2, 2, 3, 3, 4, 5, 6, 7, np.inf]
NATURAL = [2, 4, 6, 8, 10, 12, 14, 16, np.inf, np.inf]
"""Minimal epsilons in thousandths, one image a patient."""

REPORT = Report(
    columns={
        "ct": Column(title="Lung CT", paper=None, kind="medical"),
        "pets": Column(title="Pets", paper=None, kind="natural"),
        "digits": Column(title="Digits", paper=None, kind="natural"),
        "own": Column(title="Own", paper=None),
    },
    adversarial_training_epsilon=0.002,
)
SUMMARIES: dict[str, dict[str, Any]] = {
    "ct": {"size": 32, "class_names": ["a", "b"], "counts": {"train": {"a": 100, "b": 110}}},
    "pets": {"size": 32, "class_names": ["cat", "dog/~wolf"], "counts": {"train": {"cat": 100, "dog/~wolf": 105}}},
    "digits": {"size": 32, "class_names": list("0123456789"), "counts": {"train": dict.fromkeys("0123456789", 48)}},
    "own": {"size": 32, "class_names": ["a", "b"], "counts": {"train": {"a": 100, "b": 110}}},
}


def attack_metrics(**models: list[str]) -> dict[str, Any]:
    strict = {"robust_accuracy": {"converged": {"eps_0_01": 0.5, "eps_0_02": 0.2}}}
    content = {"n_images": 11, "synthetic": False, "strict": strict}
    return {name: dict.fromkeys(of, content) for name, of in models.items()}


def made_rows(thousandths: list[float]) -> pd.DataFrame:
    """Rows of intervals.csv, with a misclassified image of the first patient, which has no part in the medians."""
    flipped = np.array([0.1, *thousandths]) / 1000
    names = ["wrong", *(f"i{i}" for i in range(len(thousandths)))]
    last = pd.DataFrame(
        {
            "image_id": names,
            "patient_id": ["p0", *(f"p{i}" for i in range(len(thousandths)))],
            "label": 1,
            "predicted": [0, *[1] * len(thousandths)],
            "attack": "converged",
            "last_safe": np.minimum(0.9 * flipped, REACH),
            "first_flipped": flipped,
        }
    )
    return pd.concat([last.assign(attack="fgsm", first_flipped=np.inf), last], ignore_index=True)


def file_of(dataset: str, model: str = "clean") -> str:
    return f"reports/{dataset}/{model}/intervals.csv"


def made_table(attack: dict[str, Any], rows: dict[str, pd.DataFrame], *, report: Report = REPORT) -> Table:
    built = table_n(attack, report=report, summaries=SUMMARIES, cascade=CASCADE)
    (found,) = with_intervals([built], rows, seed=7, n_draws=N_DRAWS)
    return found


@pytest.fixture(scope="module")
def rows() -> dict[str, pd.DataFrame]:
    return {file_of("ct"): made_rows(MEDICAL), file_of("pets"): made_rows(NATURAL)}


@pytest.fixture(scope="module")
def table(rows: dict[str, pd.DataFrame]) -> Table:
    return made_table(attack_metrics(ct=["clean"], pets=["clean"], digits=["clean"], own=["clean"]), rows)


def values(table: Table, row: str) -> dict[str, float | None]:
    return {cell.field: cell.value for cell in table.cells if (cell.column, cell.row) == ("ct", row)}


def test_the_numbers_are_those_of_a_count_by_hand(table: Table) -> None:
    pairs = list(product(MEDICAL, NATURAL))
    counted = sum(0.5 if one == other else float(one < other) for one, other in pairs)
    assert counted == 79  # of 100 pairs, those of two censored images one half
    assert values(table, "pets:clean") == {
        "median_medical": 0.003,
        "median_natural": 0.01,
        "median_difference": pytest.approx(0.007),
        "probability_smaller": pytest.approx(0.79),
        "size_medical": 32,
        "size_natural": 32,
        "classes_medical": 2,
        "classes_natural": 2,
        "training_medical": 210,
        "training_natural": 205,
    }
    cell = table.find(row="pets:clean", column="ct", field="probability_smaller")
    assert cell is not None
    assert (cell.n_images, cell.n_patients) == (20, 20)
    assert not compares_models(cell)


def test_the_patients_of_each_group_are_drawn_on_their_own(table: Table) -> None:
    seed = child_seed(7, "groups", file_of("ct"), file_of("pets"))
    patients = [f"p{i}" for i in range(10)]
    groups = [minimal_epsilons(np.array(one) / 1000, patients, reach=REACH) for one in (MEDICAL, NATURAL)]
    expected = compare_groups(*groups, n_draws=N_DRAWS, seed=seed, level=LEVEL)
    for field, estimate in (("median_difference", expected.difference), ("probability_smaller", expected.smaller)):
        cell = table.find(row="pets:clean", column="ct", field=field)
        assert cell is not None
        assert cell.interval is not None
        assert (cell.interval.low, cell.interval.high) == (estimate.low, estimate.high)
        assert (cell.interval.seed, cell.interval.n_draws) == (seed, N_DRAWS)


def test_a_pair_on_unequal_terms_has_no_estimate_and_says_why(table: Table) -> None:
    reason = "not compared: 2 against 10 classes; 210 against 480 training images"
    cells = [cell for cell in table.cells if cell.row == "digits:clean"]
    assert {cell.no_interval for cell in cells if cell.value is None} == {reason}
    assert [cell.field for cell in cells if cell.value is None] == [
        "median_medical",
        "median_natural",
        "median_difference",
        "probability_smaller",
    ]
    assert not [cell for cell in cells if cell.value is None and (cell.rows or cell.metrics)]
    line = next(line for line in to_markdown(table).splitlines() if "Digits" in line and line.startswith("|"))
    assert line == f"| Lung CT | Digits | clean | none: {reason} | none | none | none | 32 | 32 | 2 | 10 | 210 | 480 |"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"size": 64}, "not compared: 32 against 64 pixels"),
        ({"class_names": ["a", "b", "c"]}, "not compared: 2 against 3 classes"),
        ({"counts": {"train": {"a": 100, "b": 131}}}, ""),  # 231 is 10 % more than 210
        ({"counts": {"train": {"a": 100, "b": 132}}}, "not compared: 210 against 232 training images"),
        ({"counts": {"train": {"a": 100, "b": 90}}}, "not compared: 210 against 190 training images"),
        ({"counts": {"train": {}}}, "not compared: 210 against 0 training images"),
        (
            {"size": 64, "class_names": ["a"], "counts": {"train": {"a": 2}}},
            "not compared: 32 against 64 pixels; 2 against 1 classes; 210 against 2 training images",
        ),
    ],
)
def test_size_and_classes_must_be_equal_and_training_sizes_within_a_tenth(change: dict[str, Any], reason: str) -> None:
    assert why_not_compared(SUMMARIES["ct"], SUMMARIES["ct"] | change) == reason


def test_two_finished_models_without_training_images_are_not_compared() -> None:
    nothing = SUMMARIES["ct"] | {"counts": {"train": {}}}
    assert why_not_compared(nothing, nothing) == "not compared: 0 against 0 training images"


def test_a_model_has_a_row_where_both_data_sets_have_it() -> None:
    both = ["clean", "adversarial"]
    for models, expected in ((both, ["pets:clean", "pets:adversarial"]), (["clean"], ["pets:clean"])):
        attack = attack_metrics(ct=both, pets=models)
        assert list(table_n(attack, report=REPORT, summaries=SUMMARIES, cascade=CASCADE).rows) == expected


@pytest.mark.parametrize(
    ("datasets", "cascade", "told"),
    [
        (("ct", "own"), CASCADE, "Empty, because no data set is marked as natural (kind in report"),
        (("pets",), CASCADE, "Empty, because no data set is marked as medical (kind in report"),
        (("own",), CASCADE, "Empty, because no data set is marked as medical and none as natural (kind in report"),
        (("ct", "pets"), (), "Empty, because it needs the strict protocol"),
    ],
)
def test_an_empty_table_says_why(datasets: tuple[str, ...], cascade: tuple[str, ...], told: str) -> None:
    attack = attack_metrics(**{name: ["clean"] for name in datasets})
    found = table_n(attack, report=REPORT, summaries=SUMMARIES, cascade=cascade)
    assert (found.rows, found.cells) == ((), ())
    assert found.caption.startswith(told)
    assert comparison_sentences(found) == []


def test_a_group_without_a_right_answer_says_so(rows: dict[str, pd.DataFrame]) -> None:
    wrong = {**rows, file_of("pets"): rows[file_of("pets")].assign(predicted=0)}
    found = made_table(attack_metrics(ct=["clean"], pets=["clean"]), wrong)
    assert values(found, "pets:clean")["median_medical"] == 0.003
    for field in ("median_natural", "median_difference", "probability_smaller"):
        cell = found.find(row="pets:clean", column="ct", field=field)
        assert cell is not None
        assert (cell.value, cell.no_interval) == (None, "no image is classified correctly")


@pytest.mark.parametrize(
    ("natural", "median", "difference"),
    [
        (
            [5, 6, 7, 8, *[np.inf] * 6],
            r"not reached \(0.00\d to not reached\)",
            r"not reached \(-?0.00\d to not reached\)",
        ),
        ([5, *[np.inf] * 9], "none: not reached: more than half of the images withstand epsilon 0.02.*", "not reached"),
    ],
)
def test_an_end_beyond_the_largest_epsilon_is_shown_as_not_reached(
    rows: dict[str, pd.DataFrame], natural: list[float], median: str, difference: str
) -> None:
    robust = {**rows, file_of("pets"): made_rows(natural)}
    found = made_table(attack_metrics(ct=["clean"], pets=["clean"]), robust)
    line = next(line for line in to_markdown(found).splitlines() if "Pets" in line and line.startswith("|"))
    shown = line.split(" | ")
    assert re.fullmatch(median, shown[4])
    assert re.fullmatch(difference, shown[5])


def test_a_trace_computes_every_cell_again(table: Table, rows: dict[str, pd.DataFrame]) -> None:
    (read,) = tables_from_json(tables_to_json([table]))
    text = io.StringIO(to_frame(read).to_csv(index=False))
    contents = Contents(
        tables={read.file: pd.read_csv(text, dtype={"row": str})},
        metrics={f"data/processed/{name}/summary.json": summary for name, summary in SUMMARIES.items()},
        rows=rows,
        paper={},
    )
    assert len(read.cells) == 20
    for cell in read.cells:
        assert check_cell(cell, read, contents).agrees, cell
    for cell in (one for one in read.cells if one.interval is not None):
        assert cell.interval is not None
        edited = replace(cell, interval=replace(cell.interval, high=0.9))
        assert not check_cell(edited, read, contents).agrees, cell
    other = {"data/processed/pets/summary.json": SUMMARIES["pets"] | {"counts": {"train": {"cat": 1, "dog/~wolf": 1}}}}
    edited_summary = replace(contents, metrics={**contents.metrics, **other})
    training = read.find(row="pets:clean", column="ct", field="training_natural")
    assert training is not None
    assert not check_cell(training, read, edited_summary).agrees


def test_the_page_tells_a_difference_with_its_probability(table: Table) -> None:
    (sentence,) = comparison_sentences(table)
    cells = {field: table.find(row="pets:clean", column="ct", field=field) for field in ("median_medical",)}
    assert cells["median_medical"] is not None
    assert sentence.startswith("Median minimal epsilon of Lung CT: 0.003 (0.00")
    assert "; of Pets: 0.01 (0.00" in sentence
    assert ". A medical image has the smaller one with probability 79\u00a0% (" in sentence
    assert sentence.endswith(").")


def test_the_page_says_where_no_difference_can_be_shown(rows: dict[str, pd.DataFrame]) -> None:
    alike = {file_of("ct"): rows[file_of("ct")], file_of("pets"): made_rows([*MEDICAL, 3])}
    both = ["clean"]
    (sentence,) = comparison_sentences(made_table(attack_metrics(ct=both, pets=both), alike))
    assert (
        "No difference can be shown with 10 images and 11 images: a medical image has the smaller one with" in sentence
    )


def test_the_page_says_why_no_pair_can_be_compared() -> None:
    found = table_n(attack_metrics(ct=["clean"], digits=["clean"]), report=REPORT, summaries=SUMMARIES, cascade=CASCADE)
    assert comparison_sentences(found) == [
        "No medical data set can be compared with a natural one on equal terms; Table N says why. For example "
        "Lung CT and Digits: 2 against 10 classes; 210 against 480 training images."
    ]


def test_the_adversarially_trained_models_are_named() -> None:
    both = ["clean", "adversarial"]
    made = {
        file_of(name, model): made_rows(values)
        for name, values in (("ct", MEDICAL), ("pets", NATURAL))
        for model in both
    }
    found = comparison_sentences(made_table(attack_metrics(ct=both, pets=both), made))
    assert ["adversarially trained models" in sentence for sentence in found] == [False, True]
