"""Policies are read, and mistakes in them are refused with their place."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_pipeline as toy
from policies import read
from results_fixture import DATASETS, write_results

from oncorobust.base.errors import InputError
from oncorobust.settings.load import load_params, parse_params
from oncorobust.settings.policy import check_policy


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
