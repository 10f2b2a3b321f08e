"""Policies: read and refused, verdicts on hand-made rows, declarations, the command, and the stage of both graphs."""

import json
import sys
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy_pipeline as toy
import yaml
from dvc.repo import Repo
from results_fixture import DATASETS, write_results
from schema_check import document_problems

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.schema.acceptance import ACCEPTANCE, DECLARATION
from oncorobust.base.schema.version import read_results
from oncorobust.base.schema.version import write_results as write_json_results
from oncorobust.base.watched_inputs import check_unchanged, watching
from oncorobust.cli.main import main
from oncorobust.evaluation.acceptance import DatasetRows, judge, outcome, overall, patients_to_decide
from oncorobust.evaluation.outcomes import ModelRows, outcomes
from oncorobust.evaluation.resampling import Estimate
from oncorobust.evaluation.subgroups import subgroups
from oncorobust.pipeline.declaration import declare, declare_policies, read_declarations, state_of
from oncorobust.pipeline.policy_verdicts import judge_policy
from oncorobust.report.verdicts import requirement_text, verdict_lines
from oncorobust.settings.load import load_params, parse_params
from oncorobust.settings.policy import Policy, Requirement, SubgroupColumn, check_policy, load_policy

POLICY: dict[str, Any] = {
    "name": "Lung CT, site A",
    "datasets": ["lidc"],
    "model": "adversarial",
    "level": 0.95,
    "previous": "clean",
    "min_patients": 20,
    "requirements": [{"metric": "accuracy", "at_least": 0.6}],
}


def policy_of(*requirements: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return POLICY | {"requirements": list(requirements) or POLICY["requirements"]} | changed


def write_policy(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def read(tmp_path: Path, *requirements: dict[str, Any], **changed: Any) -> Policy:
    return load_policy(write_policy(tmp_path / "policy.yaml", policy_of(*requirements, **changed)))


# Reading


@pytest.mark.parametrize(
    ("requirement", "changed", "told"),
    [
        (
            {"metric": "recall", "at_least": 0.5},
            {},
            "requirements[0].metric: expected one of accuracy, sensitivity, specificity, balanced_accuracy, auc, "
            "got 'recall'",
        ),
        ({"metric": "accuracy", "at_least": 60}, {}, "requirements[0].at_least: expected `float` <= 1.0, got 60"),
        (
            {"metric": "accuracy", "atleast": 0.6},
            {},
            "requirements[0].atleast: expected a known key, got 'atleast' (did you mean 'at_least'?)",
        ),
        (
            {"metric": "accuracy"},
            {},
            "requirements[0]: expected one of at_least, at_most, at_most_below_previous, got none",
        ),
        (
            {"metric": "accuracy", "at_least": 0.6, "at_most": 0.9},
            {},
            "requirements[0]: expected one of at_least, at_most, at_most_below_previous, got at_least and at_most",
        ),
        (
            {"metric": "accuracy", "at_most_below_previous": 0.02},
            {"previous": None},
            "requirements[0].at_most_below_previous: expected the key previous in the policy, got none",
        ),
        (
            {"metric": "accuracy", "attack": "strict", "at_least": 0.6},
            {},
            "requirements[0].epsilon: expected the epsilon of attack strict, got none",
        ),
        (
            {"metric": "accuracy", "epsilon": {"value": 2, "unit": "HU"}, "at_least": 0.6},
            {},
            "requirements[0].epsilon: expected no epsilon without an attack, got 2 HU",
        ),
        (
            {"metric": "auc", "attack": "strict", "epsilon": 0.002, "at_least": 0.6},
            {},
            "requirements[0].attack: expected none, fgsm, bim or pgd for auc, because the strict protocol stores no "
            "scores, got strict",
        ),
        (None, {"model": "hardened"}, "model: expected one of clean, adversarial, got 'hardened'"),
        (None, {"model": "clean"}, "previous: expected another model than the one that is judged, got clean"),
        (None, {"datasets": ["lidc", "lidc"]}, "datasets: expected each name once, got lidc, lidc"),
        (
            None,
            {"subgroups": [{"column": "age", "cuts": [60, 40]}]},
            "subgroups[0].cuts: expected strictly increasing numbers, got [60.0, 40.0]",
        ),
        (None, {"name": "a\u202eb"}, "name: expected plain characters, got U+202E"),
        (None, {"level": 0.5}, "level: expected `float` > 0.5, got 0.5"),
    ],
)
def test_a_mistake_in_a_policy_is_refused_with_its_place(
    tmp_path: Path, requirement: dict[str, Any] | None, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, *([requirement] if requirement else []), **changed)
    assert str(caught.value) == f"{tmp_path}/policy.yaml: {told}"


@pytest.mark.parametrize(
    ("requirement", "changed", "told"),
    [
        (
            None,
            {"datasets": ["lidk"]},
            "datasets[0]: expected a data set of run.datasets in params.yaml (lidc, mnist, phantom), got 'lidk'",
        ),
        (
            {"metric": "accuracy", "attack": "strict", "epsilon": 0.1, "at_least": 0.6},
            {},
            "requirements[0].epsilon: expected at most 0.008, where the strict search on lidc ends, got 0.1",
        ),
        (
            {"metric": "accuracy", "attack": "pgd", "epsilon": 0.007, "at_least": 0.6},
            {},
            "requirements[0].epsilon: expected an epsilon at which pgd attacks lidc (0.0001, 0.0005, 0.001, 0.002, "
            "0.003, 0.004, 0.005, 0.006, 0.008), got 0.007",
        ),
    ],
)
def test_a_policy_that_params_cannot_answer_is_refused(
    tmp_path: Path, requirement: dict[str, Any] | None, changed: dict[str, Any], told: str
) -> None:
    write_results(tmp_path / "run")
    params = load_params(tmp_path / "run" / "params.yaml")
    with pytest.raises(InputError) as caught:
        check_policy(read(tmp_path, *([requirement] if requirement else []), **changed), params, where="p.yaml")
    assert str(caught.value) == f"p.yaml: {told}"


def test_a_model_that_is_not_trained_and_a_protocol_that_does_not_run_are_refused(tmp_path: Path) -> None:
    write_results(tmp_path / "run", {"lidc": replace(DATASETS["lidc"], hardened=False)}, protocols=("paper",))
    params = load_params(tmp_path / "run" / "params.yaml")
    with pytest.raises(
        InputError, match=r"^p: model: expected clean, because datasets.lidc.harden is null, got advers"
    ):
        check_policy(read(tmp_path), params, where="p")
    strict = {"metric": "accuracy", "attack": "strict", "epsilon": 0.002, "at_least": 0.6}
    with pytest.raises(InputError, match=r"^p: requirements\[0\].attack: expected strict in attacks.protocols of par"):
        check_policy(read(tmp_path, strict, model="clean", previous=None), params, where="p")


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        (["/tmp/a.yaml"], r"acceptance\[0\]: expected a .yaml file inside the repository, got '/tmp/a.yaml'"),
        (["../a.yaml"], r"acceptance\[0\]: expected a .yaml file inside the repository"),
        (["a.yml"], r"acceptance\[0\]: expected a .yaml file inside the repository"),
        (["Site A.yaml"], r"acceptance\[0\]: expected a file name of lower-case letters, digits and underscores"),
        (["a.yaml", "b/a.yaml"], r"acceptance\[1\]: expected another file name than acceptance\[0\], got 'b/a.yaml'"),
    ],
)
def test_the_paths_of_policies_are_checked(policies: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_params(toy.small_params() | {"acceptance": policies})


def test_the_json_schema_of_policies_is_in_step() -> None:
    sys.path.insert(0, str(toy.REPOSITORY / "maintenance"))
    try:
        from settings_text import policy_schema
    finally:
        sys.path.pop(0)
    committed = json.loads((toy.REPOSITORY / "policy.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(policy_schema()))


# Verdicts


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
    """180 of 200 right: one-sided 95 % bounds by Wilson's formula with z = 1.645 are 0.8596 and 0.9297.

    The lower bound is 0.0404 away. To bring it within 0.02 takes (0.0404 / 0.02)^2 = 4.09 times the 200 patients.
    """
    rows = made_dataset(made_rows([i >= 20 for i in range(200)]))
    thresholds = (0.85, 0.88, 0.95)
    found = judged(tmp_path, rows, *({"metric": "accuracy", "at_least": one} for one in thresholds))
    assert [one.outcome for one in found] == ["met", "undecided", "not met"]
    estimate = found[0].estimate
    assert (estimate.value, estimate.n_images, estimate.n_patients) == (0.9, 200, 200)
    assert estimate.low == pytest.approx(0.8596, abs=0.002)
    assert estimate.high == pytest.approx(0.9298, abs=0.002)
    assert found[1].patients_to_decide == pytest.approx(817, rel=0.05)
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


# Subgroups


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


# Words


def test_a_requirement_reads_as_a_sentence() -> None:
    strict = Requirement(metric="accuracy", attack="strict", epsilon=0.002, at_least=0.6)
    assert requirement_text(strict, "0.002") == "strict robust accuracy at epsilon 0.002: at least 60 %"
    pgd = Requirement(metric="sensitivity", attack="pgd", epsilon=0.002, at_most=0.6, away_from="predicted_labels")
    assert requirement_text(pgd, "2.8 HU") == (
        "robust sensitivity under PGD away from predicted labels at epsilon 2.8 HU: at most 60 %"
    )
    assert requirement_text(BELOW, "") == "clean accuracy: at most 2 percentage points below the previous model"
    assert requirement_text(Requirement(metric="auc", at_least=0.8), "") == "clean AUC: at least 0.8"


# Declarations


def test_a_policy_is_declared_once_for_each_content(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy.yaml", POLICY)
    rows = tmp_path / "rows.csv"
    first = declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    rows.write_text("1\n")
    assert declare(tmp_path, "policy.yaml", rows=["rows.csv"]) == first
    assert (first.commit, first.in_commit, first.known) == (None, False, frozenset())
    policy.write_text(policy.read_text() + "# edited\n")
    second = declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    assert second.known == {("rows.csv", file_md5(rows))}
    assert sorted(read_declarations(tmp_path, "policy.yaml"), key=lambda one: len(one.known)) == [first, second]
    assert [document_problems(path, DECLARATION) for path in tmp_path.glob("reports/acceptance/declared/*")] == [[], []]


def test_a_declaration_names_the_commit_that_holds_the_policy(tmp_path: Path) -> None:
    write_policy(tmp_path / "policy.yaml", POLICY)
    for command in ("git init -q", "git add -A", "git commit -q -m policy"):
        toy.run(tmp_path, command)
    found = declare(tmp_path, "policy.yaml", rows=[])
    assert (found.commit, found.in_commit) == (toy.run(tmp_path, "git rev-parse HEAD").strip(), True)
    write_policy(tmp_path / "policy.yaml", policy_of(level=0.9))
    assert not declare(tmp_path, "policy.yaml", rows=[]).in_commit


def test_rows_in_dvc_lock_and_in_earlier_verdicts_are_known(tmp_path: Path) -> None:
    write_policy(tmp_path / "policy.yaml", POLICY)
    (tmp_path / "dvc.lock").write_text(
        "stages:\n  attack@lidc-clean:\n    cmd: x\n    outs:\n    - {path: a.csv, md5: '1', size: 1}\n"
    )
    verdicts = tmp_path / "reports" / "acceptance" / "policy.json"
    verdicts.parent.mkdir(parents=True)
    write_json_results(verdicts, {"results": [{"path": "b.csv", "md5": "2"}]})
    assert declare(tmp_path, "policy.yaml", rows=["a.csv", "b.csv"]).known == {("a.csv", "1"), ("b.csv", "2")}


def test_the_state_of_a_policy_follows_from_its_declarations(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy.yaml", POLICY)
    rows, present = tmp_path / "rows.csv", {}

    def state() -> str:
        return state_of(read_declarations(tmp_path, "policy.yaml"), file_md5(policy), present)

    assert state() == "not declared"
    declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    rows.write_text("1\n")
    present = {"rows.csv": file_md5(rows)}
    assert state() == "declared before"
    policy.write_text(policy.read_text() + "# edited\n")
    assert state() == "edited"
    declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    assert state() == "edited", "to declare it again does not help"
    rows.write_text("2\n")
    present = {"rows.csv": file_md5(rows)}
    assert state() == "declared before", "the rows were made again, and are others"


def test_a_policy_declared_with_the_results_at_hand_is_declared_after(tmp_path: Path) -> None:
    policy, rows = write_policy(tmp_path / "policy.yaml", POLICY), tmp_path / "rows.csv"
    rows.write_text("1\n")
    declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    declarations = read_declarations(tmp_path, "policy.yaml")
    assert state_of(declarations, file_md5(policy), {"rows.csv": file_md5(rows)}) == "declared after"


def test_a_stage_declares_and_does_not_watch_the_policy(results: Path) -> None:
    """A policy that is edited while the attack runs must not cost the attack."""
    params = yaml.safe_load((results / "params.yaml").read_text()) | {"acceptance": ["policy.yaml"]}
    toy.write_params(results, params)
    policy = write_policy(results / "policy.yaml", POLICY)
    with chdir(results), watching(results):
        declare_policies(load_params())
        (declared,) = read_declarations(results, "policy.yaml")
        policy.write_text("# edited\n")
        check_unchanged()
        (results / "params.yaml").write_text("# edited\n")
        with pytest.raises(InputError, match=r"params.yaml: changed while the stage ran"):
            check_unchanged()
    assert {path for path, _ in declared.known} == {
        f"reports/lidc/{model}/{name}.csv"
        for model in ("clean", "adversarial")
        for name in ("predictions", "intervals")
    }


def test_the_stage_attack_declares_before_it_attacks() -> None:
    text = (toy.REPOSITORY / "workflow/scripts/attack.py").read_text(encoding="utf-8")
    assert 0 < text.index("    declare_policies(params)") < text.index("open_evaluation(")


# The command


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_results(tmp_path, {"lidc": replace(DATASETS["lidc"], n_images=200)})
    index = pd.read_csv(tmp_path / "reports/lidc/clean/predictions.csv").drop_duplicates("image_id")[["image_id"]]
    index.assign(sex=["F", "M", ""] * 66 + ["F", "M"]).to_csv(tmp_path / "data/processed/lidc/index.csv", index=False)
    (tmp_path / "Snakefile").touch()
    return tmp_path


STRICT = {"metric": "accuracy", "attack": "strict", "epsilon": 0.001}


@pytest.mark.parametrize(
    ("requirement", "status", "told"),
    [
        ({"metric": "accuracy", "at_least": 0.5}, 0, "Overall: met"),
        (STRICT | {"at_least": 0.99}, 1, "Overall: not met"),
        ({"metric": "accuracy", "at_least": 0.76}, 2, "Overall: undecided"),
    ],
)
def test_the_exit_status_says_the_verdict(
    results: Path, capsys: pytest.CaptureFixture[str], requirement: dict[str, Any], status: int, told: str
) -> None:
    write_policy(results / "policy.yaml", policy_of(requirement))
    with chdir(results):
        assert main(["accept", "policy.yaml"]) == status
    captured = capsys.readouterr()
    assert told in captured.out
    assert "policy.yaml was never declared" in captured.err


def test_an_error_has_its_own_exit_status(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_policy(results / "policy.yaml", policy_of(datasets=["lidk"]))
    with chdir(results):
        assert main(["accept", "policy.yaml"]) == 3
        assert main(["accept", "absent.yaml"]) == 3
        assert main(["accept", "/elsewhere/policy.yaml"]) == 3
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(
        "oncorobust: policy.yaml: datasets[0]: expected a data set of run.datasets in params.yaml"
    )
    assert told[1].startswith("oncorobust: absent.yaml: [Errno 2]")
    assert told[2].startswith("oncorobust: expected a policy inside the repository ")


def test_rows_that_are_not_made_yet_are_named_with_the_command(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_policy(results / "policy.yaml", POLICY)
    (results / "reports/lidc/adversarial/intervals.csv").unlink()
    with chdir(results):
        assert main(["accept", "policy.yaml"]) == 3
    assert "`snakemake --cores all reports/lidc/adversarial/intervals.csv` makes it" in capsys.readouterr().err


def test_an_edited_policy_is_named_in_the_verdict_and_by_the_command(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [results / f"reports/lidc/adversarial/{name}.csv" for name in ("predictions", "intervals")]
    contents = [one.read_bytes() for one in rows]
    for one in rows:
        one.unlink()
    policy = write_policy(results / "policy.yaml", POLICY)
    with chdir(results):
        assert main(["accept", "--declare", "policy.yaml"]) == 0
        first = file_md5(policy)
        assert (
            f"declared with MD5 {first} in reports/acceptance/declared/policy-{first}.json" in capsys.readouterr().out
        )
        for one, content in zip(rows, contents, strict=True):
            one.write_bytes(content)
        assert main(["accept", "policy.yaml"]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert captured.out.splitlines()[-1] == f"policy.yaml was declared before the results were made (MD5 {first})"
        write_policy(policy, policy_of(level=0.9))
        main(["accept", "policy.yaml"])
        told = f"policy.yaml was edited after the results were made: declared with MD5 {first}, now {file_md5(policy)}"
        assert capsys.readouterr().err == f"oncorobust: WARNING: {told}\n"
        main(["accept", "policy.yaml", "--json"])
        content = json.loads(capsys.readouterr().out)
    assert content["declaration"]["state"] == "edited"
    assert content["declaration"]["sentence"] == told


def test_the_verdict_file_fits_its_schema_and_reads_as_text(results: Path) -> None:
    requirements = [STRICT | {"at_least": 0.7}, {"metric": "accuracy", "at_most_below_previous": 0.02}]
    write_policy(results / "policy.yaml", policy_of(*requirements, subgroups=[{"column": "sex"}], min_patients=80))
    with chdir(results):
        content = judge_policy("policy.yaml", load_params())
        again = judge_policy("policy.yaml", load_params())
    assert content == again
    path = results / "reports/acceptance/policy.json"
    path.parent.mkdir(parents=True)
    write_json_results(path, content)
    assert document_problems(path, ACCEPTANCE) == []
    assert [one["path"] for one in content["results"]] == [
        "reports/lidc/adversarial/predictions.csv",
        "reports/lidc/adversarial/intervals.csv",
    ]
    lines = list(verdict_lines(read_results(path)))
    assert lines[0] == "Lung CT, site A (policy.yaml), model adversarial, one-sided level 95 %"
    assert lines[1] == "\nlidc, strict robust accuracy at epsilon 0.001: at least 70 %"
    assert [line.split("  ")[1].strip() for line in lines[2:6]] == [
        "all images",
        "sex F (small)",
        "sex M (small)",
        "sex not stated (small)",
    ]


def test_columns_of_the_manifest_define_subgroups(results: Path) -> None:
    params = yaml.safe_load((results / "params.yaml").read_text())
    params["datasets"]["lidc"]["preprocess"]["format"] = {"name": "manifest"}
    toy.write_params(results, params)
    ids = pd.read_csv(results / "reports/lidc/clean/predictions.csv")["image_id"].unique()
    pd.DataFrame({"image_id": ids, "label": 1}).to_csv(results / "data/processed/lidc/index.csv", index=False)
    manifest = results / "data/raw/lidc/manifest.csv"
    manifest.parent.mkdir(parents=True)
    pd.DataFrame({"image_id": ids, "scanner": ["S1", "S2"] * 100}).to_csv(manifest, index=False)
    write_policy(results / "policy.yaml", policy_of(subgroups=[{"column": "scanner"}]))
    with chdir(results):
        found = judge_policy("policy.yaml", load_params())["verdicts"]
        assert [one["subgroup"]["value"] for one in found] == ["", "S1", "S2"]
        write_policy(results / "policy.yaml", policy_of(subgroups=[{"column": "site"}]))
        with pytest.raises(
            InputError,
            match=r"index.csv and data/raw/lidc/manifest.csv: expected the column site .*\(columns: image_id, label, ",
        ):
            judge_policy("policy.yaml", load_params())


# The stage


@pytest.mark.slow
def test_the_stage_is_in_both_graphs_and_an_edited_policy_repeats_no_attack(tmp_path: Path) -> None:
    params = toy.small_params() | {"acceptance": ["policies/site_a.yaml"]}
    requirement = {"metric": "accuracy", "attack": "strict", "epsilon": 0.1, "at_least": 0.6}
    policy = write_policy(tmp_path / "policies" / "site_a.yaml", policy_of(requirement, datasets=["mnist"]))
    folder = toy.make_toy(tmp_path, params)
    jobs, stages = toy.snakemake_plan(folder, forceall=True).steps, toy.dvc_steps(folder)
    assert jobs == stages
    assert stages["accept@site_a"].outputs == {"reports/acceptance/site_a.json"}
    assert stages["accept@site_a"].inputs == {
        "policies/site_a.yaml",
        *(f"data/processed/mnist/{name}" for name in ("index.csv", "summary.json")),
        *(
            f"reports/mnist/{model}/{name}.csv"
            for model in ("clean", "adversarial")
            for name in ("predictions", "intervals")
        ),
    }
    toy.run(folder, "snakemake --cores 2 --quiet all")
    toy.run(folder, "oncorobust record")
    policy.write_text(policy.read_text() + "# edited\n")
    assert toy.snakemake_plan(folder).needed == {"accept@site_a"}
    with chdir(folder), Repo() as repo:
        assert toy.dvc_needed(repo) == {"accept@site_a"}
    assert toy.run(folder, "dvc repro --quiet").split() == ["toy", "accept", "site_a"]
    write_policy(policy, policy_of(requirement | {"metric": "recall"}, datasets=["mnist"]))
    assert "requirements[0].metric: expected one of accuracy" in toy.run(folder, "snakemake -n", status=1)
