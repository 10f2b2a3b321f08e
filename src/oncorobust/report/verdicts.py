"""Verdicts on a policy as JSON and as text."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from oncorobust.evaluation.acceptance import Verdict, overall, threshold
from oncorobust.settings.policy import Policy, Requirement

_NAMES = {
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
}


def verdicts_to_json(policy: Policy, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return verdicts as the part of a verdict file that does not depend on files."""
    return {
        "model": policy.model,
        "level": policy.level,
        "outcome": overall(verdicts),
        "verdicts": [_to_json(policy, one) for one in verdicts],
    }


def _to_json(policy: Policy, one: Verdict) -> dict[str, Any]:
    requirement, estimate = policy.requirements[one.requirement], one.estimate
    return {
        "dataset": one.dataset,
        "requirement": requirement_text(requirement, one.epsilon_text),
        "metric": requirement.metric,
        "attack": requirement.attack,
        "epsilon": one.epsilon,
        "limit": _kind(requirement),
        "threshold": threshold(requirement),
        "subgroup": {"column": one.column, "value": one.value, "small": one.small},
        "outcome": one.outcome,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": estimate.method,
        "n_images": estimate.n_images,
        "n_patients": estimate.n_patients,
        "patients_to_decide": one.patients_to_decide,
        "reason": estimate.reason,
    }


def _kind(requirement: Requirement) -> str:
    """Return the key by which a requirement states its threshold."""
    kinds = ("at_least", "at_most", "at_most_below_previous")
    return next(one for one in kinds if getattr(requirement, one) is not None)


def requirement_text(requirement: Requirement, epsilon: str) -> str:
    """Return a requirement in words; epsilon: as text, empty for clean images."""
    return f"{_measured(requirement)}{f' at epsilon {epsilon}' if epsilon else ''}: {_limit(requirement)}"


def _measured(requirement: Requirement) -> str:
    name, attack = _NAMES[requirement.metric], requirement.attack
    if attack == "none":
        return f"clean {name}"
    if attack == "strict":
        return f"strict robust {name}"
    return f"robust {name} under {attack.upper()} away from {requirement.away_from.replace('_', ' ')}"


def _limit(requirement: Requirement) -> str:
    if _kind(requirement) == "at_most_below_previous":
        return f"at most {_shown_loss(requirement)} below the previous model"
    side, limit = _kind(requirement).replace("_", " "), threshold(requirement)
    return f"{side} {limit:.4g}" if requirement.metric == "auc" else f"{side} {100 * limit:.4g} %"


def _shown_loss(requirement: Requirement) -> str:
    loss = -threshold(requirement)
    return f"{loss:.4g}" if requirement.metric == "auc" else f"{100 * loss:.4g} percentage points"


def verdict_lines(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the content of a verdict file as lines: each requirement with its verdicts, and the overall verdict."""
    policy, level = content["policy"], f"{100 * content['level']:.4g} %"
    yield f"{policy['name']} ({policy['path']}), model {content['model']}, one-sided level {level}"
    for (dataset, requirement), group in groupby(content["verdicts"], key=_heading):
        yield f"\n{dataset}, {requirement}"
        rows = [(_group_name(one["subgroup"]), one["outcome"], _value(one)) for one in group]
        width = max(len(name) for name, _, _ in rows)
        yield from (f"  {name:{width}}  {outcome:9}  {value}" for name, outcome, value in rows)
    yield f"\nOverall: {content['outcome']}"
    yield content["declaration"]["sentence"]


def _heading(verdict: Mapping[str, Any]) -> tuple[str, str]:
    return verdict["dataset"], verdict["requirement"]


def _group_name(subgroup: Mapping[str, Any]) -> str:
    name = f"{subgroup['column']} {subgroup['value']}" if subgroup["column"] else "all images"
    return f"{name} (small)" if subgroup["small"] else name


def _value(one: Mapping[str, Any]) -> str:
    size = f"{one['n_images']} images, {one['n_patients']} patients"
    if one["value"] is None or one["low"] is None:
        return f"no bounds: {one['reason']} ({size})"
    text = f"{_shown(one)} ({size}; {one['method']})"
    needed = one["patients_to_decide"]
    return (
        text if needed is None else f"{text}; about {_rounded(needed):,} patients would decide it if the value stayed"
    )


def _rounded(number: int) -> int:
    """Return a number with two significant digits."""
    return int(float(f"{number:.1e}"))


def _shown(one: Mapping[str, Any]) -> str:
    """Return a value with both one-sided bounds, to a tenth of a percent, which shows on which side they are."""
    if one["metric"] == "auc":
        return f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    value, low, high = (f"{100 * one[name]:.1f}" for name in ("value", "low", "high"))
    unit = "points" if one["limit"] == "at_most_below_previous" else "%"
    return f"{value} {unit} ({low} to {high})"
