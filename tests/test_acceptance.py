"""Verdicts on hand-made rows: bounds, metrics, subgroups, and their words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from policies import read
from scipy.stats import beta, binom

from oncorobust.base.errors import InputError
from oncorobust.evaluation.acceptance import DatasetRows, judge, outcome, overall, patients_to_decide
from oncorobust.evaluation.outcomes import ModelRows, outcomes
from oncorobust.evaluation.resampling import Estimate
from oncorobust.evaluation.subgroups import subgroups
from oncorobust.report.verdicts import requirement_text
from oncorobust.settings.policy import Requirement, SubgroupColumn


def estimated(value: float, low: float, high: float, n_patients: int = 100) -> Estimate:
    return Estimate(value, low, high, 0.9, "by hand", n_patients, n_patients)


AT_LEAST = Requirement(metric="accuracy", at_least=0.6)
AT_MOST = Requirement(metric="accuracy", at_most=0.6)
BELOW = Requirement(metric="accuracy", at_most_below_previous=0.02)


@pytest.mark.parametrize(
    ("requirement", "bounds", "expected"),
    [
        (AT_LEAST, (0.7, 0.61, 0.8), "met"),
        (AT_LEAST, (0.7, 0.60, 0.8), "met"),
        (AT_LEAST, (0.7, 0.59, 0.8), "undecided"),
        (AT_LEAST, (0.5, 0.40, 0.6), "undecided"),
        (AT_LEAST, (0.5, 0.40, 0.59), "not met"),
        (AT_MOST, (0.5, 0.40, 0.6), "met"),
        (AT_MOST, (0.5, 0.40, 0.61), "undecided"),
        (AT_MOST, (0.7, 0.60, 0.8), "undecided"),
        (AT_MOST, (0.7, 0.61, 0.8), "not met"),
        (BELOW, (0.01, -0.02, 0.04), "met"),
        (BELOW, (0.01, -0.03, 0.04), "undecided"),
        (BELOW, (-0.05, -0.08, -0.03), "not met"),
    ],
)
def test_the_bound_decides_not_the_estimate(
    requirement: Requirement, bounds: tuple[float, float, float], expected: str
) -> None:
    assert outcome(requirement, estimated(*bounds)) == expected


@pytest.mark.parametrize(
    ("requirement", "bounds", "expected"),
    [
        (AT_LEAST, (0.7, 0.5, 0.8), 400),  # twice as far as the threshold: four times the patients
        (AT_LEAST, (0.5, 0.4, 0.7), 400),
        (AT_MOST, (0.5, 0.4, 0.8), 900),
        (BELOW, (0.03, -0.07, 0.1), 400),
        (AT_LEAST, (0.6, 0.5, 0.7), None),
    ],
)
def test_an_undecided_verdict_says_how_many_patients_would_decide_it(
    requirement: Requirement, bounds: tuple[float, float, float], expected: int | None
) -> None:
    found = patients_to_decide(requirement, estimated(*bounds))
    assert found == (None if expected is None else pytest.approx(expected, abs=1))


def test_an_estimate_without_a_value_decides_nothing() -> None:
    empty = Estimate(None, None, None, 0.9, "none", 3, 1, "class 1 has images of 1 patient only")
    assert outcome(AT_LEAST, empty) == "undecided"
    assert patients_to_decide(AT_LEAST, empty) is None


def made_rows(right: list[bool], flips: list[float] | None = None, labels: list[int] | None = None) -> ModelRows:
    """Rows of one image per patient: whether the clean answer is right, and the epsilon of the first flip."""
    n = len(right)
    known = labels or [i % 2 for i in range(n)]
    base = pd.DataFrame({"image_id": [f"i{i:03d}" for i in range(n)], "patient_id": [f"p{i:03d}" for i in range(n)]})
    base = base.assign(label=known, predicted=[one if ok else 1 - one for one, ok in zip(known, right, strict=True)])
    clean = base.assign(attack="none", epsilon=0.0, attacked_label="none", margin=np.where(right, 1.0, -1.0), linf=0.0)
    first = np.array(flips or [np.inf] * n)
    intervals = [
        base.assign(attack=attack, last_safe=np.where(np.isinf(first), 0.01, first * 0.9), first_flipped=first)
        for attack in ("fgsm", "converged")
    ]
    return ModelRows(clean, pd.concat(intervals, ignore_index=True), where="reports/lidc/adversarial")


def made_dataset(model: ModelRows, previous: ModelRows | None = None, **columns: list[str]) -> DatasetRows:
    images = model.predictions["image_id"].unique()
    return DatasetRows(
        model=model,
        previous=previous,
        table=pd.DataFrame({"image_id": images, **columns}),
        table_where="index.csv",
        class_names=("benign", "malignant"),
        positive=1,
        intensity_range=(-1000.0, 400.0),
        intensity_unit="HU",
    )


def judged(tmp_path: Path, dataset: DatasetRows, *requirements: dict[str, Any], **changed: Any) -> list[Any]:
    return judge(read(tmp_path, *requirements, **changed), {"lidc": dataset}, n_draws=2000, seed=0)


def test_verdicts_on_one_image_per_patient(tmp_path: Path) -> None:
    """180 of 200 right: one-sided 95 % bounds of Clopper and Pearson, from the beta distribution by SciPy.

    The lower bound is 0.0420 away. To bring it within 0.02 takes (0.0420 / 0.02)^2 = 4.41 times the 200 patients.
    """
    rows = made_dataset(made_rows([i >= 20 for i in range(200)]))
    thresholds = (0.85, 0.88, 0.95)
    found = judged(tmp_path, rows, *({"metric": "accuracy", "at_least": one} for one in thresholds))
    assert [one.outcome for one in found] == ["met", "undecided", "not met"]
    estimate = found[0].estimate
    assert (estimate.value, estimate.n_images, estimate.n_patients) == (0.9, 200, 200)
    assert estimate.low == pytest.approx(beta.ppf(0.05, 180, 21), abs=1e-9)
    assert estimate.high == pytest.approx(beta.ppf(0.95, 181, 20), abs=1e-9)
    assert estimate.method == "Clopper-Pearson with design effect"
    assert found[1].patients_to_decide == 882
    assert overall(found) == "not met"
    assert overall(found[:1]) == "met"
    assert overall(found[:2]) == "undecided"


def test_robust_accuracy_counts_clean_errors_and_flips_within_epsilon(tmp_path: Path) -> None:
    """Of 100: 10 wrong, 30 flip at 0.002 (safe to 0.0018), 60 at no epsilon up to 0.01."""
    rows = made_dataset(made_rows([i >= 10 for i in range(100)], flips=[0.002] * 40 + [np.inf] * 60))
    strict = {"metric": "accuracy", "attack": "strict", "at_least": 0.1}
    epsilons = (0.0018, 0.0019, 0.002, 0.01)
    found = judged(tmp_path, rows, *(strict | {"epsilon": one} for one in epsilons))
    assert [one.estimate.value for one in found] == [0.9, 0.6, 0.6, 0.6]
    (hounsfield,) = judged(tmp_path, rows, strict | {"epsilon": {"value": 2.52, "unit": "HU"}})
    assert hounsfield.epsilon == pytest.approx(0.0018)
    assert hounsfield.epsilon_text == "2.52 HU"
    assert hounsfield.estimate.value == 0.9


def test_sensitivity_is_of_class_1_and_specificity_of_class_0(tmp_path: Path) -> None:
    labels = [1] * 40 + [0] * 60
    rows = made_dataset(made_rows([i % 4 > 0 for i in range(40)] + [i % 3 > 0 for i in range(60)], labels=labels))
    names = ("sensitivity", "specificity", "balanced_accuracy", "accuracy")
    found = judged(tmp_path, rows, *({"metric": one, "at_least": 0.5} for one in names))
    assert [one.estimate.value for one in found] == pytest.approx([30 / 40, 40 / 60, (30 / 40 + 40 / 60) / 2, 0.7])
    assert [one.estimate.n_patients for one in found[:2]] == [40, 60]


def test_the_positive_class_may_be_the_first(tmp_path: Path) -> None:
    labels = [1] * 40 + [0] * 60
    rows = made_dataset(made_rows([i % 4 > 0 for i in range(40)] + [i % 3 > 0 for i in range(60)], labels=labels))
    names = ("sensitivity", "specificity", "auc")
    turned = replace(rows, positive=0)
    found = judged(tmp_path, turned, *({"metric": one, "at_least": 0.5} for one in names))
    assert [one.estimate.value for one in found] == pytest.approx([40 / 60, 30 / 40, (30 / 40 + 40 / 60) / 2])


def test_auc_is_of_the_logit_difference(tmp_path: Path) -> None:
    """Margins of 1 where right and -1 where wrong: AUC = (sensitivity + specificity) / 2, with ties one half."""
    labels = [1] * 40 + [0] * 40
    rows = made_dataset(made_rows([i >= 10 for i in range(40)] + [i >= 4 for i in range(40)], labels=labels))
    (found,) = judged(tmp_path, rows, {"metric": "auc", "at_least": 0.5})
    assert found.estimate.value == pytest.approx((0.75 + 0.9) / 2)
    assert found.outcome == "met"


def test_the_difference_of_two_auc_is_this_model_minus_the_previous_one(tmp_path: Path) -> None:
    labels = [1] * 40 + [0] * 40
    now = made_rows([i >= 10 for i in range(40)] + [i >= 4 for i in range(40)], labels=labels)
    before = made_rows([i >= 2 for i in range(40)] + [i >= 4 for i in range(40)], labels=labels)
    limits = (0.3, 0.01)
    requirements = [{"metric": "auc", "at_most_below_previous": one} for one in limits]
    found = judged(tmp_path, made_dataset(now, before), *requirements)
    assert found[0].estimate.value == pytest.approx((0.75 + 0.9) / 2 - (0.95 + 0.9) / 2)
    assert [one.outcome for one in found] == ["met", "not met"]


def test_the_difference_to_the_previous_model_is_paired(tmp_path: Path) -> None:
    """Both models are right on the same 150 of 200 images, but for 4 that only the previous one has: -0.02 -+ 0.017."""
    before, now = made_rows([i < 150 for i in range(200)]), made_rows([i < 146 for i in range(200)])
    rows = made_dataset(now, before)
    limits = (0.05, 0.02)
    found = judged(tmp_path, rows, *({"metric": "accuracy", "at_most_below_previous": one} for one in limits))
    assert [one.outcome for one in found] == ["met", "undecided"]
    assert found[0].estimate.value == pytest.approx(-0.02)
    assert -0.045 < found[0].estimate.low < -0.03


def test_a_previous_model_of_other_images_is_refused(tmp_path: Path) -> None:
    rows = made_dataset(made_rows([True] * 30), made_rows([True] * 29))
    with pytest.raises(InputError, match=r"requirements\[0\]: .*1 images are only in reports/lidc/adversarial"):
        judged(tmp_path, rows, {"metric": "accuracy", "at_most_below_previous": 0.02})


def test_rows_of_two_models_are_refused(tmp_path: Path) -> None:
    first, second = made_rows([True] * 30), made_rows([False, *[True] * 29])
    requirement = Requirement(metric="accuracy", at_least=0.5)
    with pytest.raises(InputError, match=r"got others for image i000: these are rows of two models or data sets"):
        outcomes(replace(first, intervals=second.intervals), requirement, epsilon=0.0)
    twice = replace(first, predictions=pd.concat([first.predictions, second.predictions]))
    with pytest.raises(InputError, match=r"expected the rows of one model, got two clean answers to image i000"):
        outcomes(twice, requirement, epsilon=0.0)


def test_an_attack_that_lacks_images_is_refused() -> None:
    rows = made_rows([True] * 4)
    attacked = rows.predictions.assign(attack="pgd", epsilon=0.002, attacked_label="true").head(3)
    part = replace(rows, predictions=pd.concat([rows.predictions, attacked]))
    pgd = Requirement(metric="accuracy", attack="pgd", epsilon=0.002, at_least=0.5)
    with pytest.raises(InputError, match=r"expected one row of pgd for each of 4 images, got 3 rows"):
        outcomes(part, pgd, epsilon=0.002)


def test_an_epsilon_beyond_the_rows_is_refused() -> None:
    rows = made_rows([True] * 4)
    strict = Requirement(metric="accuracy", attack="strict", epsilon=0.02, at_least=0.5)
    with pytest.raises(
        InputError, match=r"expected an epsilon of at most 0.01, where the strict search ends, got 0.02"
    ):
        outcomes(rows, strict, epsilon=0.02)
    pgd = Requirement(metric="accuracy", attack="pgd", epsilon=0.02, at_least=0.5)
    with pytest.raises(InputError, match=r"expected an epsilon of pgd \(none; the paper's protocol was not run\), got"):
        outcomes(rows, pgd, epsilon=0.02)
    with pytest.raises(InputError, match=r"expected rows of the strict protocol in intervals.csv, got none"):
        outcomes(replace(rows, intervals=rows.intervals.head(0)), strict, epsilon=0.002)


def test_a_unit_that_the_images_do_not_have_is_refused(tmp_path: Path) -> None:
    strict = {"metric": "accuracy", "attack": "strict", "at_least": 0.1}
    grey = strict | {"epsilon": {"value": 1, "unit": "grey_levels"}}
    with pytest.raises(
        InputError, match=r"requirements\[0\]: epsilon.unit: expected HU, the unit of this data set, got"
    ):
        judged(tmp_path, made_dataset(made_rows([True] * 30)), grey)


def test_a_metric_of_two_classes_is_refused_for_ten(tmp_path: Path) -> None:
    rows = replace(made_dataset(made_rows([True] * 30)), class_names=tuple("0123456789"))
    with pytest.raises(InputError, match=r"requirements\[0\].metric: expected accuracy or balanced_accuracy for 10"):
        judged(tmp_path, rows, {"metric": "sensitivity", "at_least": 0.5})


def test_a_score_that_is_no_number_is_refused(tmp_path: Path) -> None:
    rows = made_rows([True] * 30)
    rows.predictions.loc[3, "margin"] = np.nan
    with pytest.raises(
        InputError, match=r"site A, lidc: requirements\[0\]: AUC: expected finite scores, got nan for 1 "
    ):
        judged(tmp_path, made_dataset(rows), {"metric": "auc", "at_least": 0.5})


def test_a_class_of_one_patient_has_no_value_but_a_reason(tmp_path: Path) -> None:
    rows = made_dataset(made_rows([True] * 30, labels=[1] + [0] * 29))
    (found,) = judged(tmp_path, rows, {"metric": "sensitivity", "at_least": 0.5})
    assert (found.estimate.value, found.outcome, found.patients_to_decide) == (None, "undecided", None)
    assert "class 1 has images of 1 patient only" in found.estimate.reason


@pytest.mark.parametrize("n", [10, 20, 30, 60])
@pytest.mark.parametrize("limit", [0.5, 0.8, 0.95])
def test_a_false_verdict_on_a_share_is_as_rare_as_stated(tmp_path: Path, n: int, limit: float) -> None:
    """Every count of right patients, weighed with its probability at the threshold itself; Wilson gives up to 20 %."""
    wrong = {"met": 0.0, "not met": 0.0, "undecided": 0.0}
    for right in range(n + 1):
        rows = made_dataset(made_rows([i < right for i in range(n)]))
        (found,) = judged(tmp_path, rows, {"metric": "accuracy", "at_least": limit}, level=0.95)
        wrong[found.outcome] += float(binom.pmf(right, n, limit))
    assert wrong["met"] <= 0.05 and wrong["not met"] <= 0.05
    assert sum(wrong.values()) == pytest.approx(1)


def test_bounds_of_patients_with_several_equal_images_are_those_of_fewer_images(tmp_path: Path) -> None:
    """Twenty patients with three images that are all right or all wrong: not narrower than with one image each."""
    right = [i % 5 > 0 for i in range(20)]
    one = judged(tmp_path, made_dataset(made_rows(right)), {"metric": "accuracy", "at_least": 0.5})[0].estimate
    rows = made_rows([right[i // 3] for i in range(60)])
    for frame in (rows.predictions, rows.intervals):
        frame["patient_id"] = [f"p{int(name[1:]) // 3}" for name in frame["image_id"]]
    three = judged(tmp_path, made_dataset(rows), {"metric": "accuracy", "at_least": 0.5})[0].estimate
    assert (three.n_images, three.n_patients, three.value) == (60, 20, one.value)
    assert three.low <= one.low + 0.01 and three.high >= one.high - 0.01


def test_few_patients_in_all_leave_a_data_set_undecided(tmp_path: Path) -> None:
    """15 patients of 20 are no small subgroup: they are all there is."""
    few = made_dataset(made_rows([i >= 3 for i in range(15)]))
    found = judged(tmp_path, few, {"metric": "accuracy", "at_least": 0.1}, {"metric": "accuracy", "at_least": 0.75})
    assert [(one.outcome, one.small) for one in found] == [("met", False), ("undecided", False)]
    assert overall(found) == "undecided"


def test_each_subgroup_is_judged_and_a_small_one_marked(tmp_path: Path) -> None:
    sexes = ["F"] * 100 + ["M"] * 90 + ["X"] * 10
    right = [True] * 98 + [False] * 2 + [i >= 40 for i in range(90)] + [i >= 3 for i in range(10)]
    rows = made_dataset(made_rows(right), sex=sexes)
    found = judged(tmp_path, rows, {"metric": "accuracy", "at_least": 0.7}, subgroups=[{"column": "sex"}])
    assert [(one.column, one.value, one.small) for one in found] == [
        ("", "", False),
        ("sex", "F", False),
        ("sex", "M", False),
        ("sex", "X", True),
    ]
    assert [one.outcome for one in found] == ["met", "met", "not met", "undecided"]
    assert [one.estimate.n_patients for one in found] == [200, 100, 90, 10]
    assert overall(found) == "not met"
    assert overall([found[0], found[1], found[3]]) == "met"
    assert overall([found[0], replace(found[3], small=False)]) == "undecided"


def test_the_values_of_a_column_divide_the_images() -> None:
    table = pd.DataFrame(
        {"image_id": list("abcde"), "mm": ["4", "6", "9.5", "", "10"], "site": ["B", "A", "", "B", "A"]}
    )
    columns = [SubgroupColumn(column="mm", cuts=(6.0, 10.0)), SubgroupColumn(column="site")]
    found = [(one.value, "".join(sorted(one.image_ids))) for one in subgroups(table, columns, where="index.csv")]
    assert found == [
        ("", "abcde"),
        ("below 6", "a"),
        ("6 to below 10", "bc"),
        ("10 or more", "e"),
        ("not stated", "d"),
        ("A", "be"),
        ("B", "ad"),
        ("not stated", "c"),
    ]


def test_a_column_that_is_missing_or_has_no_groups_is_refused() -> None:
    table = pd.DataFrame({"image_id": [f"i{one}" for one in range(30)], "mm": [str(one) for one in range(30)]})
    with pytest.raises(
        InputError,
        match=r"^index.csv: expected the column sex of .*subgroups, got no such column \(columns: image_id, mm\)$",
    ):
        subgroups(table, [SubgroupColumn(column="sex")], where="index.csv")
    with pytest.raises(
        InputError, match=r"expected at most 20 values in the column mm, got 30: give cuts for a column"
    ):
        subgroups(table, [SubgroupColumn(column="mm")], where="index.csv")
    with pytest.raises(InputError, match=r"expected numbers in the column image_id, got 'i0'"):
        subgroups(table, [SubgroupColumn(column="image_id", cuts=(1.0,))], where="index.csv")


def test_an_image_without_a_row_in_the_index_is_refused(tmp_path: Path) -> None:
    rows = made_dataset(made_rows([True] * 30))
    with pytest.raises(InputError, match=r"^index.csv: expected a row for each of 30 images, got 29$"):
        judged(tmp_path, replace(rows, table=rows.table.head(29)), {"metric": "accuracy", "at_least": 0.5})


def test_a_requirement_reads_as_a_sentence() -> None:
    strict = Requirement(metric="accuracy", attack="strict", epsilon=0.002, at_least=0.6)
    assert requirement_text(strict, "0.002") == "strict robust accuracy at epsilon 0.002: at least 60 %"
    pgd = Requirement(metric="sensitivity", attack="pgd", epsilon=0.002, at_most=0.6, away_from="predicted_labels")
    assert requirement_text(pgd, "2.8 HU") == (
        "robust sensitivity under PGD away from predicted labels at epsilon 2.8 HU: at most 60 %"
    )
    assert requirement_text(BELOW, "") == "clean accuracy: at most 2 percentage points below the previous model"
    assert requirement_text(Requirement(metric="auc", at_least=0.8), "") == "clean AUC: at least 0.8"
