"""Policies of acceptance: what is required of a model, declared before its test images are attacked.

A policy is a YAML file of its own, read by the rules of params.yaml. `check_policy` compares it with params.yaml.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character
from oncorobust.settings.base import Count, Epsilon, Settings
from oncorobust.settings.load import load_settings
from oncorobust.settings.pipeline import Params

Metric = Literal["accuracy", "sensitivity", "specificity", "balanced_accuracy", "auc"]
"""What is measured, on clean or on attacked images."""

AttackName = Literal["none", "strict", "fgsm", "bim", "pgd"]
"""`none` for clean images, `strict` for all attacks of the strict protocol, or an attack of the paper's protocol."""

Threshold = Annotated[float, Meta(ge=0, le=1)]


class EpsilonInUnit(Settings, frozen=True, kw_only=True):
    """An epsilon in the unit that reports use for the data set."""

    value: Annotated[float, Meta(gt=0)]
    """Epsilon in that unit."""
    unit: Literal["HU", "grey_levels"]
    """`HU` for CT; `grey_levels`, of 8 bits, for all other images."""


class Requirement(Settings, frozen=True, kw_only=True):
    """One metric under one attack, and one threshold: `at_least`, `at_most` or `at_most_below_previous`."""

    metric: Metric
    """`accuracy`, `balanced_accuracy`; with two classes also `sensitivity` (of the class that
    `report.columns.<data set>.positive` names, the last by default), `specificity` and `auc`."""
    attack: AttackName = "none"
    """`none`: clean images. `strict`: the worst of all attacks of the strict protocol. `fgsm`, `bim`, `pgd`: attack of
    the paper's protocol. `auc` under attack needs one of these, because the strict protocol stores no scores."""
    away_from: Literal["predicted_labels", "true_labels"] = "true_labels"
    """Labels from which an attack of the paper's protocol moves away; the paper takes the predicted ones, which makes
    wrong answers right."""
    epsilon: Epsilon | EpsilonInUnit | None = None
    """Epsilon of the attack, a number or {value: 5.6, unit: HU}. Unit: pixel value in [0, 1]."""
    at_least: Threshold | None = None
    """Smallest value that is acceptable."""
    at_most: Threshold | None = None
    """Largest value that is acceptable."""
    at_most_below_previous: Threshold | None = None
    """Largest acceptable loss against the previous model on the same images: 0.02 for 2 percentage points."""


class SubgroupColumn(Settings, frozen=True, kw_only=True):
    """A column of index.csv or of the manifest, whose values divide the images into subgroups."""

    column: Annotated[str, Meta(min_length=1)]
    """Name of the column, such as sex, scanner, site or diameter_mm."""
    cuts: tuple[float, ...] = ()
    """Numbers that divide a column of numbers, strictly increasing: [6, 10] gives below 6, 6 to below 10, 10 or more.
    Without cuts each value is a subgroup."""


class Policy(Settings, frozen=True, kw_only=True):
    """Requirements on one model of some data sets."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    """Title of the policy."""
    datasets: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Data sets of `run.datasets` on whose test images the model is judged."""
    model: Literal["clean", "adversarial"]
    """The model that is judged."""
    level: Annotated[float, Meta(gt=0.5, lt=1)]
    """One-sided confidence level of the bounds that decide, such as 0.95."""
    previous: str | None = None
    """The model of `at_most_below_previous`: `clean`, the clean-trained model of the same data set, or a folder in
    which <data set>/predictions.csv and intervals.csv hold the rows of an earlier model on the same images."""
    requirements: Annotated[tuple[Requirement, ...], Meta(min_length=1)]
    """Requirements, each decided on its own; all must be met."""
    subgroups: tuple[SubgroupColumn, ...] = ()
    """Columns whose subgroups must meet every requirement, too."""
    min_patients: Count
    """Subgroups with fewer patients are marked as small. Unit: patients."""


def load_policy(path: str | Path) -> Policy:
    """Read and check a policy. Raises InputError naming the file, the key's path, what was found and expected."""
    policy = load_settings(path, Policy)
    try:
        _check_text(policy)
        for position, one in enumerate(policy.requirements):
            _check_requirement(one, policy, where=f"requirements[{position}]")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return policy


def check_policy(policy: Policy, params: Params, *, where: str) -> None:
    """Check that the pipeline measures what a policy requires; where: its file, for errors.

    An epsilon in HU or grey levels is checked against the rows, because its size depends on the images. Raises
    InputError for a data set that does not run, a model that is not trained, a protocol that does not run, or an
    epsilon that the attacks do not reach.
    """
    for position, name in enumerate(policy.datasets):
        if name not in params.run.datasets:
            raise InputError(
                f"{where}: datasets[{position}]: expected a data set of run.datasets in params.yaml "
                f"({', '.join(params.run.datasets)}), got {name!r}"
            )
        if policy.model not in params.models[name]:
            raise InputError(
                f"{where}: model: expected {' or '.join(params.models[name])}, because datasets.{name}.harden is null, "
                f"got {policy.model}"
            )
        grid = sorted({*params.datasets[name].attack.epsilons, *params.attacks.table_epsilons})
        for number, one in enumerate(policy.requirements):
            _check_attack(one, params, grid, dataset=name, where=f"{where}: requirements[{number}]")


def _check_text(policy: Policy) -> None:
    if found := refused_character(policy.name):
        raise InputError(f"name: expected plain characters, got {found}")
    _check_once(policy.datasets, "datasets")
    if policy.previous == policy.model:
        raise InputError(f"previous: expected another model than the one that is judged, got {policy.previous}")
    _check_once([one.column for one in policy.subgroups], "subgroups")
    for position, one in enumerate(policy.subgroups):
        if list(one.cuts) != sorted(set(one.cuts)):
            raise InputError(f"subgroups[{position}].cuts: expected strictly increasing numbers, got {list(one.cuts)}")


def _check_once(names: Iterable[str], where: str) -> None:
    given = list(names)
    if len(set(given)) != len(given):
        raise InputError(f"{where}: expected each name once, got {', '.join(given)}")


def _check_requirement(one: Requirement, policy: Policy, *, where: str) -> None:
    stated = [name for name in ("at_least", "at_most", "at_most_below_previous") if getattr(one, name) is not None]
    if len(stated) != 1:
        raise InputError(
            f"{where}: expected one of at_least, at_most, at_most_below_previous, got {' and '.join(stated) or 'none'}"
        )
    if one.at_most_below_previous is not None and policy.previous is None:
        raise InputError(f"{where}.at_most_below_previous: expected the key previous in the policy, got none")
    if one.attack == "none" and one.epsilon is not None:
        raise InputError(f"{where}.epsilon: expected no epsilon without an attack, got {_shown(one.epsilon)}")
    if one.attack != "none" and one.epsilon is None:
        raise InputError(f"{where}.epsilon: expected the epsilon of attack {one.attack}, got none")
    if one.metric == "auc" and one.attack == "strict":
        raise InputError(
            f"{where}.attack: expected none, fgsm, bim or pgd for auc, because the strict protocol stores no scores, "
            "got strict"
        )


def _check_attack(one: Requirement, params: Params, grid: list[float], *, dataset: str, where: str) -> None:
    protocol = "strict" if one.attack == "strict" else "paper"
    if one.attack == "none":
        return
    if protocol not in params.attacks.protocols:
        raise InputError(f"{where}.attack: expected {protocol} in attacks.protocols of params.yaml, got {one.attack}")
    if one.epsilon is None or isinstance(one.epsilon, EpsilonInUnit):
        return
    if protocol == "strict" and one.epsilon > grid[-1]:
        raise InputError(
            f"{where}.epsilon: expected at most {grid[-1]:g}, where the strict search on {dataset} ends, "
            f"got {one.epsilon:g}"
        )
    if protocol == "paper" and not any(math.isclose(one.epsilon, known) for known in grid):
        raise InputError(
            f"{where}.epsilon: expected an epsilon at which {one.attack} attacks {dataset} "
            f"({', '.join(f'{known:g}' for known in grid)}), got {one.epsilon:g}"
        )


def _shown(epsilon: float | EpsilonInUnit) -> str:
    return f"{epsilon.value:g} {epsilon.unit}" if isinstance(epsilon, EpsilonInUnit) else f"{epsilon:g}"
