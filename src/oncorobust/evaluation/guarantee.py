"""A threshold whose error rate among accepted images is guaranteed for future patients (Learn-then-Test).

The rule "accept the images whose score is above the threshold" has a risk: the probability that the prediction is wrong
for one image, drawn at random from those of a random patient, given that the rule accepts it. `guaranteed_threshold`
returns a threshold such that

    P(risk of the returned threshold > alpha) <= delta

over the draw of the calibration patients, or no threshold. One image per patient, chosen by a seed, makes the
calibration images independent of each other, however alike the images of a patient are. For a fixed threshold the
errors among the accepted images are then binomial, and the Clopper-Pearson bound at confidence 1 - delta is at most
alpha with probability at most delta if the risk is above alpha.

Thresholds are tested in a fixed sequence, from the most certain on, and the first failure ends it; so all tests
together err with probability at most delta. The thresholds and the start of the sequence come from other, reference
patients: they must not depend on the calibration patients. Reference patients may be those of validation, and
calibration patients those of test; the model must not have been trained or chosen on the calibration patients.

Source: Angelopoulos, Bates, Candes, Jordan and Lei 2021, "Learn then Test", fixed-sequence testing on split data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import beta, binom

from oncorobust.base.errors import InputError
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import NO_INTERVAL, Estimate
from oncorobust.evaluation.risk_coverage import Scored, accept, nearest_group
from oncorobust.evaluation.scored_rows import NO_VALIDATION, SPLITS, check_scored_rows, score_names, scored

STEPS = 20
"""Thresholds of the sequence: at most one per 1/20 of the reference images."""


@dataclass(frozen=True)
class Guarantee:
    """A guaranteed threshold, or the reason why there is none.

    threshold: images with a higher score are accepted; -inf accepts all; None if no threshold can be guaranteed.
    coverage: share of the calibration images, one per patient, that are accepted. n_accepted, n_errors: among them.
    bound: upper Clopper-Pearson bound of the risk at confidence 1 - delta, at most alpha. n_patients: calibration
    patients. reason: "" if there is a threshold.
    """

    alpha: float
    delta: float
    threshold: float | None
    coverage: float | None
    bound: float | None
    n_accepted: int
    n_errors: int
    n_patients: int
    reason: str = ""


def guaranteed_thresholds(rows: pd.DataFrame, *, alpha: float, delta: float, seed: int) -> dict[str, Guarantee]:
    """Return the guarantee of each score; rows as in `oncorobust.evaluation.scored_rows`.

    The validation patients place the thresholds, the test patients confirm them. Each guarantee holds with probability
    1 - delta by itself; choosing the best of several scores needs delta divided by their number.
    Raises InputError as `check_scored_rows`, `Scored` and `guaranteed_threshold` do.
    """
    check_scored_rows(rows)
    if not (rows["split"] == "validation").any():
        n = rows["patient_id"].nunique()
        none = Guarantee(alpha, delta, None, None, None, 0, 0, n, NO_VALIDATION)
        return dict.fromkeys(score_names(rows), none)
    return {
        name: guaranteed_threshold(
            *(scored(rows, name, split=split) for split in SPLITS), alpha=alpha, delta=delta, seed=seed
        )
        for name in score_names(rows)
    }


def guaranteed_threshold(reference: Scored, calibration: Scored, *, alpha: float, delta: float, seed: int) -> Guarantee:
    """Return the lowest threshold whose risk is at most alpha with probability 1 - delta.

    reference, calibration: images of different patients. seed: of the choice of one image per patient.
    Raises InputError if alpha or delta is not in (0, 1), or if a patient is in both.
    """
    _check(reference, calibration, alpha, delta)
    chosen = one_image_per_patient(calibration, seed=seed)
    n, needed = len(chosen.scores), images_needed(alpha=alpha, delta=delta)
    none = Guarantee(alpha, delta, None, None, None, 0, 0, n)
    if n < needed:
        return replace(none, reason=f"{n} patients are too few: {needed} are needed even without an error")
    found = none
    for threshold in _sequence(one_image_per_patient(reference, seed=seed), n, alpha=alpha, delta=delta):
        accepted = chosen.scores > threshold
        k, m = int((accepted & ~chosen.correct).sum()), int(accepted.sum())
        bound = upper_bound(k, m, delta=delta)
        if bound > alpha:
            failed = f"{k} errors in the {m} patients accepted first bound the risk by {bound:.2g} only"
            return found if found.threshold is not None else replace(none, reason=failed)
        found = Guarantee(alpha, delta, threshold, m / n, bound, m, k, n)
    return found


def one_image_per_patient(images: Scored, *, seed: int) -> Scored:
    """Choose one image of each patient at random; patients in the order of their ids.

    The choice of a patient's image depends on the seed, the patient and the ids of its images only.
    """
    by_patient: dict[str, list[int]] = {}
    for position in np.argsort(np.asarray(images.image_ids, dtype=str), kind="stable"):
        by_patient.setdefault(images.patient_ids[position], []).append(int(position))
    kept = [
        positions[child_seed(seed, "one image", patient) % len(positions)]
        for patient, positions in sorted(by_patient.items())
    ]
    ids, patients = ([listed[position] for position in kept] for listed in (images.image_ids, images.patient_ids))
    return Scored(images.name, images.scores[kept], images.correct[kept], ids, patients)


def coverage_estimate(found: Guarantee, *, level: float) -> Estimate:
    """Return the share of patients whose image the threshold accepts.

    The threshold was chosen on the same patients, so the interval is that of Dvoretzky, Kiefer and Wolfowitz, with
    Massart's constant: it holds for all thresholds at once.
    """
    size = found.n_patients, found.n_patients
    if found.threshold is None or found.coverage is None:
        return Estimate(None, None, None, level, NO_INTERVAL, *size, found.reason)
    if np.isneginf(found.threshold):
        return Estimate(1.0, None, None, level, NO_INTERVAL, *size, "all images are accepted")
    width = float(np.sqrt(np.log(2 / (1 - level)) / (2 * found.n_patients)))
    low, high = max(0.0, found.coverage - width), min(1.0, found.coverage + width)
    return Estimate(found.coverage, low, high, level, "Dvoretzky-Kiefer-Wolfowitz", *size)


def risk_estimate(found: Guarantee) -> Estimate:
    """Return the error rate among the accepted images, one per patient; its upper end is the bound of the risk."""
    level, accepted = 1 - found.delta, found.n_accepted
    if found.threshold is None or found.bound is None:
        return Estimate(None, None, None, level, NO_INTERVAL, accepted, accepted, "no threshold")
    method = "Clopper-Pearson, one-sided, in fixed sequence"
    return Estimate(found.n_errors / accepted, 0.0, found.bound, level, method, accepted, accepted)


def upper_bound(errors: int, images: int, *, delta: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of an error rate at confidence 1 - delta; 1 without images."""
    return 1.0 if errors >= images else float(beta.ppf(1 - delta, errors + 1, images - errors))


def images_needed(*, alpha: float, delta: float) -> int:
    """Return the smallest number of images, all predicted correctly, that bounds the error rate by alpha."""
    needed = int(np.ceil(np.log(delta) / np.log1p(-alpha)))
    return next(n for n in range(max(1, needed - 1), needed + 2) if upper_bound(0, n, delta=delta) <= alpha)


def _check(reference: Scored, calibration: Scored, alpha: float, delta: float) -> None:
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0 < value < 1:
            raise InputError(f"guarantee: expected {name} between 0 and 1, got {value}")
    both = set(reference.patient_ids) & set(calibration.patient_ids)
    if both:
        raise InputError(f"guarantee: expected other patients for the thresholds, got {min(both)} in both groups")


def _sequence(reference: Scored, n: int, *, alpha: float, delta: float) -> Sequence[float]:
    """Return decreasing thresholds, from the one that n calibration patients are most likely to confirm.

    The likelihood takes the coverage and (errors + 1) / (images + 2) of the reference images for those of the patients.
    """
    accepted = accept(reference)
    at = sorted({int(nearest_group(accepted, exclude_share=1 - step / STEPS)[0]) for step in range(1, STEPS + 1)})
    below = np.append(accepted.scores[1:], -np.inf)
    images, errors = accepted.images[0, at], accepted.errors[0, at]
    expected = np.floor(n * images / len(reference.scores)).astype(int)
    allowed = np.array([errors_allowed(int(m), alpha=alpha, delta=delta) for m in expected])
    passes = binom.cdf(allowed, expected, (errors + 1) / (images + 2))
    return below[at][int(np.argmax(passes)) :].tolist()


def errors_allowed(images: int, *, alpha: float, delta: float) -> int:
    """Return the largest number of errors whose upper bound is at most alpha; -1 if there is none."""
    counts = np.arange(images)
    return int((beta.ppf(1 - delta, counts + 1, images - counts) <= alpha).sum()) - 1
