"""Verdicts on the requirements of a policy: met, not met or undecided, for all images and for each subgroup.

The one-sided bound decides, not the estimate. Of a requirement `at_least`

    met          the lower bound is at least the threshold
    not met      the upper bound is below the threshold
    undecided    neither; or the value cannot be stated, and the reason says why

and the other way round for `at_most`. `at_most_below_previous` bounds the paired difference to the previous model on
the same images. Both bounds are ends of a two-sided interval of level 2 x level - 1. The bounds of one share, with one
image a patient, are exact: each errs with probability 1 - level at most. Others err so nominally, and were simulated
(`make test-statistics`). All requirements have to be met, which needs no correction for their number: a model that
fails any one of them is accepted no more often than the bound of this one errs.

An undecided verdict states how many patients would decide it if the estimate stayed as it is: the distance from the
estimate to its bound shrinks with the square root of the number of patients,

    patients to decide = patients x (distance to the bound / distance to the threshold)^2

which is rough for few patients and for values near 0 or 1.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.acceptance_estimates import estimate_metric
from oncorobust.evaluation.comparisons import pair_rows
from oncorobust.evaluation.outcomes import ModelRows, epsilon_of, outcomes
from oncorobust.evaluation.resampling import Draws, Estimate, draw_patients
from oncorobust.evaluation.subgroups import Subgroup, subgroups
from oncorobust.settings.policy import Policy, Requirement

Outcome = Literal["met", "not met", "undecided"]

_TWO_CLASSES = ("sensitivity", "specificity", "auc")


@dataclass(frozen=True)
class DatasetRows:
    """What a policy is judged by on one data set.

    model, previous: rows of the judged model and of the previous one; None without a comparison. table: one row per
    image with image_id and the columns of subgroups; table_where: its files, for errors. positive: index of the class
    that is to be detected. intensity_range, intensity_unit: of summary.json.
    """

    model: ModelRows
    previous: ModelRows | None
    table: pd.DataFrame
    table_where: str
    class_names: tuple[str, ...]
    positive: int
    intensity_range: tuple[float, float]
    intensity_unit: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on one requirement in one group of images.

    requirement: position in the policy. epsilon: in [0, 1] units and as text in the policy's unit; None for clean
    images. subgroup: column and value, both empty for all images. small: a subgroup of fewer patients than
    min_patients. estimate: the value, or the difference to the previous model, with its bounds, or the reason why there
    is none. patients_to_decide: None if the verdict is decided or no number of patients would decide it.
    """

    dataset: str
    requirement: int
    epsilon: float | None
    epsilon_text: str
    column: str
    value: str
    small: bool
    estimate: Estimate
    outcome: Outcome
    patients_to_decide: int | None


def judge(policy: Policy, rows: Mapping[str, DatasetRows], *, n_draws: int, seed: int) -> list[Verdict]:
    """Decide each requirement of a policy on each data set and subgroup, in the order of the policy.

    rows: by data set. n_draws: bootstrap samples of patients. Raises InputError naming the requirement or the rows
    that do not fit.
    """
    verdicts = []
    for dataset in policy.datasets:
        found = list(_judge_dataset(policy, dataset, rows[dataset], n_draws=n_draws, seed=seed))
        verdicts += sorted(found, key=lambda one: one.requirement)
    return verdicts


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Combine verdicts: not met if any is not met, met if all are met, otherwise undecided.

    A small subgroup that is undecided does not keep the others from being met; all images are no subgroup.
    """
    outcomes_found = {one.outcome for one in verdicts if not (one.small and one.outcome == "undecided")}
    if "not met" in outcomes_found:
        return "not met"
    return "met" if outcomes_found == {"met"} else "undecided"


def _judge_dataset(policy: Policy, dataset: str, rows: DatasetRows, *, n_draws: int, seed: int) -> Iterator[Verdict]:
    where = f"{policy.name}, {dataset}"
    images = rows.model.predictions["image_id"].unique()
    table = rows.table[rows.table["image_id"].isin(images)]
    if len(table) < len(images):
        raise InputError(f"{rows.table_where}: expected a row for each of {len(images)} images, got {len(table)}")
    tests = [_Test(one, number, rows, where=where) for number, one in enumerate(policy.requirements)]
    for group in subgroups(table, policy.subgroups, where=rows.table_where):
        patients = tests[0].current.loc[tests[0].current["image_id"].isin(group.image_ids), "patient_id"]
        draws = draw_patients(patients, n_draws=n_draws, seed=child_seed(seed, dataset, group.column, group.value))
        small = bool(group.column) and len(draws.patients) < policy.min_patients
        for test in tests:
            estimate = test.estimate(group, draws, level=2 * policy.level - 1)
            yield test.verdict(dataset, group, estimate, small=small)


class _Test:
    """One requirement on one data set, with the outcomes of the model and, for a comparison, of the previous model."""

    def __init__(self, requirement: Requirement, number: int, rows: DatasetRows, *, where: str) -> None:
        self.requirement, self.number = requirement, number
        self.n_classes, self.positive = len(rows.class_names), rows.positive
        self._place = f"{where}: requirements[{number}]"
        if requirement.metric in _TWO_CLASSES and self.n_classes != 2:
            raise InputError(
                f"{self._place}.metric: expected accuracy or balanced_accuracy for {self.n_classes} classes, "
                f"got {requirement.metric}"
            )
        try:
            self.epsilon, self.epsilon_text = epsilon_of(
                requirement, intensity_range=rows.intensity_range, intensity_unit=rows.intensity_unit
            )
            self.current = outcomes(rows.model, requirement, epsilon=self.epsilon or 0.0)
            self.previous = None
            if requirement.at_most_below_previous is not None and rows.previous is not None:
                before = outcomes(rows.previous, requirement, epsilon=self.epsilon or 0.0)
                self.previous = pair_rows(self.current, before, names=(rows.model.where, rows.previous.where))
        except InputError as error:
            raise InputError(f"{self._place}: {error}") from error

    def estimate(self, group: Subgroup, draws: Draws, *, level: float) -> Estimate:
        inside = self.current["image_id"].isin(group.image_ids)
        frames = [frame[inside] for frame in (self.current, self.previous) if frame is not None]
        try:
            return estimate_metric(
                self.requirement.metric,
                frames,
                draws,
                n_classes=self.n_classes,
                positive=self.positive,
                level=level,
            )
        except InputError as error:
            raise InputError(f"{self._place}: {error}") from error

    def verdict(self, dataset: str, group: Subgroup, estimate: Estimate, *, small: bool) -> Verdict:
        decided = outcome(self.requirement, estimate)
        return Verdict(
            dataset=dataset,
            requirement=self.number,
            epsilon=self.epsilon,
            epsilon_text=self.epsilon_text,
            column=group.column,
            value=group.value,
            small=small,
            estimate=estimate,
            outcome=decided,
            patients_to_decide=patients_to_decide(self.requirement, estimate) if decided == "undecided" else None,
        )


def threshold(requirement: Requirement) -> float:
    """Return the number with which the estimate is compared; of a comparison, minus the acceptable loss."""
    if requirement.at_most_below_previous is not None:
        return -requirement.at_most_below_previous
    return next(one for one in (requirement.at_least, requirement.at_most) if one is not None)


def outcome(requirement: Requirement, estimate: Estimate) -> Outcome:
    """Decide a requirement by the bounds of an estimate; undecided if it has none."""
    if estimate.low is None or estimate.high is None:
        return "undecided"
    limit = threshold(requirement)
    low, high = estimate.low, estimate.high
    if requirement.at_most is not None:
        low, high, limit = -high, -low, -limit
    if low >= limit:
        return "met"
    return "not met" if high < limit else "undecided"


def patients_to_decide(requirement: Requirement, estimate: Estimate) -> int | None:
    """Return how many patients would decide an undecided requirement if the estimate stayed as it is.

    None if the estimate has no value or equals the threshold.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    distance = estimate.value - threshold(requirement)
    if distance == 0:
        return None
    width = estimate.value - estimate.low if distance > 0 else estimate.high - estimate.value
    return max(estimate.n_patients + 1, math.ceil(estimate.n_patients * (width / distance) ** 2))
