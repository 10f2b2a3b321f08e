"""All checks of the validity gate on one model, in the order in which tables show them."""

from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.evaluation.resampling import draw_patients
from oncorobust.evaluation.validity import Check, Evidence
from oncorobust.evaluation.validity_attacks import (
    check_gradient_free,
    check_iterative,
    check_more_steps,
    check_noise,
    check_success_grows,
)
from oncorobust.evaluation.validity_examples import check_ball, check_bounds, check_rounding
from oncorobust.evaluation.validity_model import (
    check_determinism,
    check_gradients,
    check_logits_given,
    check_patients,
    check_precision,
    check_response,
    check_restarts,
    check_seen,
    check_selection,
    check_transfer,
    check_unbounded,
)


def judge_model(evidence: Evidence, *, level: float, n_draws: int, seed: int) -> tuple[Check, ...]:
    """Return the checks of one model. level: of intervals; n_draws, seed: of the bootstrap over patients."""
    predictions, intervals, threats = evidence.predictions, evidence.intervals, evidence.threats
    draws = draw_patients(predictions["patient_id"], n_draws=n_draws, seed=seed)
    examined, epsilons = evidence.metrics.get("validity", {}), searched_epsilons(evidence)
    return (
        check_iterative(predictions, draws, level=level),
        check_more_steps(intervals, epsilons, draws, level=level),
        check_restarts(examined, level=level),
        check_success_grows(predictions, intervals, epsilons, draws, level=level),
        check_unbounded(examined, level=level),
        check_gradient_free(intervals, level=level),
        check_transfer(examined, level=level),
        check_noise(threats, intervals),
        check_gradients(evidence.metrics),
        check_response(examined),
        check_ball(predictions, intervals, epsilons, examined),
        check_bounds(predictions, intervals, threats, level=level),
        check_rounding(threats, draws, level=level),
        check_determinism(examined),
        check_logits_given(examined, evidence.logits),
        check_patients(evidence.index),
        check_seen(evidence),
        check_selection(evidence.kept_by, evidence.index, evidence.training),
        check_precision(examined),
    )


def searched_epsilons(evidence: Evidence) -> tuple[float, ...]:
    """Return the epsilons of the run's accuracies, increasing; they are the same under both protocols."""
    strict = evidence.metrics.get("strict", {}).get("robust_accuracy", {})
    keys = {key for by_epsilon in strict.values() for key in by_epsilon}
    return tuple(sorted({*map(float, evidence.metrics.get("epsilons", ())), *map(epsilon_from_key, keys)}))
