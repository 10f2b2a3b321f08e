"""Confusion matrices of the page against counts by hand, and against the measures of Table E."""

import numpy as np
import pandas as pd
import pytest
from made_tables import AUC, MISSED, SENSITIVITY, made_cell, made_source, made_table

from oncorobust.base.errors import InputError
from oncorobust.evaluation.confusion import confusion_counts, right_and_wrong_counts
from oncorobust.evaluation.resampling import draw_patients
from oncorobust.report.page.confusion import confusions
from oncorobust.report.tables.row_estimates import row_estimate

PREDICTIONS, INTERVALS = "reports/lidc/clean/predictions.csv", "reports/lidc/clean/intervals.csv"
BENIGN_MALIGNANT = ("benign", "malignant")
HU = (1400.0, "HU")
CLEAN = {"attack": "none"}


def frame(labels, predicted, **columns):
    ids = [f"i{number}" for number in range(len(labels))]
    made = {"image_id": ids, "patient_id": ids, "label": labels, "predicted": predicted, "attack": "none"}
    return pd.DataFrame(made | columns)


def matrix_of(rows, source, class_names, *, row="clean:Baseline", fields=(SENSITIVITY,), readable=HU):
    cells = [made_cell("Table E", row, one.name, source=source) for one in fields]
    table = made_table("Table E", cells, fields=fields, data_sets="blocks")
    (found,) = confusions(
        table, {source.file: rows}, dataset="lidc", model="clean", class_names=class_names, readable=readable
    )
    return found


def counts_of(found):
    return [[one.n_images for one in line.counts] for line in found.lines]


def test_counts_by_hand():
    labels, answers = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 2, 1, 0, 2])
    assert confusion_counts(labels, answers, n_classes=3).tolist() == [[2, 0, 1], [1, 1, 0], [0, 0, 1]]
    assert right_and_wrong_counts(labels, labels == answers, n_classes=3).tolist() == [[2, 1], [1, 1], [1, 0]]


def test_a_class_without_images_has_a_row_of_zeros():
    found = confusion_counts(np.array([1, 1]), np.array([0, 1]), n_classes=3)
    assert found.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_an_answer_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="answers: expected class indices from 0 to 1, got 2"):
        confusion_counts(np.array([0]), np.array([2]), n_classes=2)


def test_without_attack():
    rows = pd.concat([frame([0, 0, 0, 1, 1], [0, 1, 0, 1, 1]), frame([0], [1], attack="pgd")])
    found = matrix_of(rows, made_source(PREDICTIONS, CLEAN, "sensitivity"), BENIGN_MALIGNANT)
    assert found.heading == "Without attack"
    assert found.answers == BENIGN_MALIGNANT
    assert [(line.name, line.n_images) for line in found.lines] == [("benign", 3), ("malignant", 2)]
    assert counts_of(found) == [[2, 1], [0, 2]]
    shares = [[one.share for one in line.counts] for line in found.lines]
    assert shares == [["67\u00a0%", "33\u00a0%"], ["", "100\u00a0%"]]
    assert [[one.right for one in line.counts] for line in found.lines] == [[True, False], [False, True]]
    assert found.rows == f"{PREDICTIONS}: attack = none"
    assert found.trace == 'oncorobust trace "Table E" --row clean:Baseline --column lidc'


def test_the_worst_case_counts_flipped_images_as_wrong():
    labels, predicted = [0, 0, 1, 1, 1], [0, 1, 1, 1, 0]
    rows = frame(labels, predicted, attack="converged", first_flipped=[0.002, np.inf, 0.001, 0.004, 0.0005])
    source = made_source(INTERVALS, {"attack": "converged"}, "sensitivity", epsilon=0.002)
    found = matrix_of(rows, source, BENIGN_MALIGNANT, row="clean:ALL:0.002")
    assert found.heading == "Worst case of all attacks, epsilon 0.002 (2.8 HU)"
    # Flipped at 0.002 itself; wrong without attack and never corrected, however near a flip; flipped; safe; wrong.
    assert counts_of(found) == [[0, 2], [2, 1]]
    assert found.rows == f"{INTERVALS}: attack = converged; flipped where first_flipped is at most 0.002"


def test_with_more_classes_the_worst_case_has_one_column_for_all_wrong_answers():
    rows = frame([0, 1, 2, 2], [0, 1, 2, 0], attack="square", first_flipped=[0.001, 0.1, np.inf, 0.1])
    source = made_source(INTERVALS, {"attack": "square"}, "balanced_accuracy", n_classes=3, epsilon=0.002)
    found = matrix_of(rows, source, ("a", "b", "c"), row="clean:ALL:0.002", readable=(255.0, "8-bit grey levels"))
    assert found.answers == ("the true class", "another class")
    assert counts_of(found) == [[0, 1], [1, 0], [1, 1]]
    assert [[one.right for one in line.counts] for line in found.lines] == [[True, False]] * 3


def test_the_share_of_the_positive_class_is_the_sensitivity_of_table_e():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(2, size=(2, 60))
    rows = frame(labels, predicted, attack="converged", first_flipped=rng.lognormal(np.log(0.002), 1, size=60))
    for statistic, line in (("specificity", 0), ("sensitivity", 1)):
        source = made_source(INTERVALS, {"attack": "converged"}, statistic, epsilon=0.002)
        found = matrix_of(rows, source, BENIGN_MALIGNANT, row="clean:ALL:0.002").lines[line]
        draws = draw_patients(rows["patient_id"], n_draws=10, seed=0)
        value = row_estimate(rows, source, draws).value
        assert found.counts[line].n_images / found.n_images == pytest.approx(value)


def test_measures_are_those_of_the_row():
    rows = frame([0, 1], [0, 1], attack="pgd", attacked_label="true", epsilon=0.004)
    source = made_source(PREDICTIONS, {"attack": "pgd", "epsilon": 0.004}, "sensitivity")
    found = matrix_of(rows, source, BENIGN_MALIGNANT, row="clean:PGD:0.004", fields=(SENSITIVITY, MISSED, AUC))
    assert found.heading == "Under PGD away from the true label, epsilon 0.004 (5.6 HU)"
    assert [(one.name, one.text) for one in found.measures] == [
        ("sensitivity", "50\u00a0% (25 to 75)"),
        ("flipped, positive to negative", "50\u00a0% (25 to 75)"),
        ("AUC", "0.50 (0.25 to 0.75)"),
    ]


def test_other_models_and_data_sets_are_left_out():
    source = made_source(PREDICTIONS, CLEAN, "sensitivity")
    others = [
        made_cell("Table E", "adversarial:Baseline", "sensitivity", source=source),
        made_cell("Table E", "clean:Baseline", "sensitivity", source=source, column="mnist"),
    ]
    table = made_table("Table E", others, fields=(SENSITIVITY,))
    assert confusions(table, {}, dataset="lidc", model="clean", class_names=BENIGN_MALIGNANT, readable=HU) == ()


def test_a_file_without_the_rows_is_named():
    source = made_source(PREDICTIONS, {"attack": "fgsm"}, "sensitivity")
    with pytest.raises(InputError, match=f"{PREDICTIONS}: no rows where"):
        matrix_of(frame([0], [0]), source, BENIGN_MALIGNANT)
