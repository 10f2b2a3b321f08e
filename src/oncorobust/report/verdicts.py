"""Verdicts on a policy as JSON, with each requirement in words; `report.verdict_text` shows them."""

from collections.abc import Sequence
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
