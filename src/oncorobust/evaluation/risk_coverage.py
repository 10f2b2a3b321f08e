"""Risk-coverage curves: the error rate among accepted images, from the most certain images to all of them.

A rule accepts the images whose score is high and leaves the others to a reader.

    coverage            share of the images that are accepted
    risk                share of wrong predictions among the accepted images
    generalised risk    share of images that are accepted and wrong, among all images
    AURC                area under risk over coverage (Geifman, Uziel and El-Yaniv 2019)
    AUGRC               area under generalised risk over coverage (Traub et al. 2024)

Images of equal score are accepted together, so the curve has one point per distinct score and is linear between two
points; both areas are sums of trapezoids. Below the first point the risk is that of the first point, and the
generalised risk rises linearly from 0. The authors of AUGRC treat ties and low coverage in the same way (their package
fd-shifts). A curve with one point per image would depend on the order of the files wherever scores tie, as minimal
epsilons on a grid do.

Every function takes the counts of one or more bootstrap draws of patients together and returns one value per draw; the
measured curve is the draw in which every patient is once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Flags
from oncorobust.base.errors import InputError
from oncorobust.evaluation.resampling import Draws, patient_index

_AT_ONCE_BYTES = 10e6
"""Size of the arrays of one chunk of draws; arrays that fit a processor's cache make it several times faster."""

_ARRAYS = 8
"""Arrays of float64, of draws x images, that one chunk needs at the same time."""


@dataclass(frozen=True)
class Scored:
    """Images with a score, higher meaning more certain, and whether each prediction is right.

    name: the score's name, for messages. scores: (n,), may be inf. correct: (n,). image_ids, patient_ids: (n,).
    Raises InputError if there is no image, an id occurs twice, or a score is NaN or -inf.
    """

    name: str
    scores: np.ndarray
    correct: Flags
    image_ids: Sequence[str]
    patient_ids: Sequence[str]

    def __post_init__(self) -> None:
        """Check the scores and ids."""
        if len(self.scores) == 0:
            raise InputError(f"score {self.name}: expected at least one image, got none")
        unusable = np.flatnonzero(np.isnan(self.scores) | np.isneginf(self.scores))
        if len(unusable):
            first = int(unusable[0])
            raise InputError(
                f"score {self.name}: expected numbers or inf, got {self.scores[first]} for image "
                f"{self.image_ids[first]} ({len(unusable)} of {len(self.scores)} images)"
            )
        twice = pd.Index(self.image_ids)
        if twice.has_duplicates:
            image = twice[twice.duplicated()][0]
            raise InputError(f"score {self.name}: expected one row per image, got two or more for image {image}")

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(set(self.patient_ids))


@dataclass(frozen=True)
class Accepted:
    """How many images, and how many errors, are accepted at each distinct score, in each draw.

    scores: (groups,) distinct scores, the most certain first. images, errors: (draws, groups) cumulative counts.
    """

    scores: np.ndarray
    images: np.ndarray
    errors: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """Images of each draw, (draws, 1)."""
        return self.images[:, -1:]

    @cached_property
    def coverages(self) -> np.ndarray:
        """Coverage at each score, (draws, groups)."""
        return self.images / self.totals

    @cached_property
    def risks(self) -> np.ndarray:
        """Risk at each score, (draws, groups); NaN while no image is accepted."""
        with np.errstate(invalid="ignore"):
            return self.errors / self.images


def accept(scored: Scored) -> Accepted:
    """Count the accepted images and errors at each distinct score, as one draw."""
    return _accept(scored, np.ones((1, len(scored.scores))))


def accept_draws(scored: Scored, draws: Draws) -> Iterator[Accepted]:
    """Count accepted images and errors in all draws, in chunks of draws. Raises InputError as `image_weights` does."""
    for weights in image_weights(scored.patient_ids, draws):
        yield _accept(scored, weights)


def image_weights(patient_ids: Sequence[str], draws: Draws) -> Iterator[np.ndarray]:
    """Yield how often each image is in each draw, (draws, images), in chunks of draws that keep memory bounded.

    Raises InputError if a patient is not among the draws' patients.
    """
    index = patient_index(patient_ids, draws)
    step = max(1, int(_AT_ONCE_BYTES / (8 * _ARRAYS * len(index))))
    for start in range(0, len(draws.counts), step):
        yield draws.counts[start : start + step, index]


def over_draws(scored: Scored, draws: Draws, measure: Callable[[Accepted], np.ndarray]) -> np.ndarray:
    """Return `measure` of every draw, (draws, ...)."""
    return np.concatenate([measure(accepted) for accepted in accept_draws(scored, draws)])


def _accept(scored: Scored, weights: np.ndarray) -> Accepted:
    """Count with `weights` (draws, images): how often each image is in each draw."""
    order = np.argsort(-scored.scores, kind="stable")
    ranked = scored.scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    weights = weights[:, order]
    images = np.cumsum(weights, axis=1, dtype=np.float64)[:, ends]
    errors = np.cumsum(weights * ~scored.correct[order], axis=1, dtype=np.float64)[:, ends]
    return Accepted(ranked[ends], images, errors)


def aurc(accepted: Accepted) -> np.ndarray:
    """Return the area under the risk-coverage curve, (draws,)."""
    risks = accepted.risks
    before = np.concatenate([np.full((len(risks), 1), np.nan), risks[:, :-1]], axis=1)
    heights = (np.where(np.isnan(before), risks, before) + risks) / 2
    return _area(accepted, heights)


def augrc(accepted: Accepted) -> np.ndarray:
    """Return the area under the generalised risk-coverage curve, (draws,)."""
    risks = accepted.errors / accepted.totals
    return _area(accepted, risks - np.diff(risks, axis=1, prepend=0.0) / 2)


def _area(accepted: Accepted, heights: np.ndarray) -> np.ndarray:
    widths = np.diff(accepted.coverages, axis=1, prepend=0.0)
    return np.where(widths > 0, widths * heights, 0.0).sum(axis=1)


def auroc(accepted: Accepted) -> np.ndarray:
    """Return the AUROC of error prediction, (draws,): how often a right answer scores above a wrong one.

    Ties count as half. NaN in a draw without right or without wrong answers.
    """
    errors = np.diff(accepted.errors, axis=1, prepend=0.0)
    right = np.diff(accepted.images, axis=1, prepend=0.0) - errors
    wrong = accepted.errors[:, -1:]
    below = (right * (wrong - accepted.errors + errors / 2)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return below / (right.sum(axis=1) * wrong[:, 0])


def risk_at(accepted: Accepted, coverages: Sequence[float]) -> np.ndarray:
    """Return the risk on the curve at each coverage, (draws, coverages).

    coverages: in (0, 1]; raises InputError otherwise.
    """
    asked = np.asarray(coverages, np.float64)
    if not ((asked > 0) & (asked <= 1)).all():
        raise InputError(f"risk-coverage curve: expected coverages in (0, 1], got {asked.tolist()}")
    images, risks, totals = accepted.images, accepted.risks, accepted.totals
    wanted = asked * totals
    # One search through all draws: the counts of a draw are shifted beyond those of the draw before it.
    shift = np.arange(len(images))[:, None] * (totals.max() + 1.0)
    found = np.searchsorted((images + shift).ravel(), (wanted + shift).ravel()).reshape(wanted.shape)
    right = np.minimum(found - np.arange(len(images))[:, None] * images.shape[1], images.shape[1] - 1)
    left = np.maximum(right - 1, 0)
    high, low = (np.take_along_axis(risks, at, axis=1) for at in (right, left))
    start, end = (np.take_along_axis(images, at, axis=1) for at in (left, right))
    with np.errstate(invalid="ignore", divide="ignore"):
        between = low + (high - low) * (wanted - start) / (end - start)
    return np.where((right == 0) | (start == 0), high, between)


def last_group_within(accepted: Accepted, *, risk: float) -> np.ndarray:
    """Return the position of the lowest accepted score with at most this risk, (draws,); -1 if none has."""
    within = accepted.risks <= risk
    last = within.shape[1] - 1 - np.argmax(within[:, ::-1], axis=1)
    return np.where(within.any(axis=1), last, -1)


def nearest_group(accepted: Accepted, *, exclude_share: float) -> np.ndarray:
    """Return the position of the lowest accepted score where the excluded share is nearest, (draws,).

    Of two equally near shares the smaller counts, as in `oncorobust.evaluation.sensitivity.most_sensitive`.
    """
    gaps = gaps_to(exclude_share, (accepted.totals - accepted.images) / accepted.totals)
    gaps = np.where(accepted.images > 0, gaps, np.inf)
    return gaps.shape[1] - 1 - np.argmin(gaps[:, ::-1], axis=1)


def gaps_to(share: float, shares: np.ndarray) -> np.ndarray:
    """Return how far shares of images are from a share; equally far ones give the same number, without rounding errors.

    0.3 - 0.2 and 0.2 - 0.1 differ in floating point, so that of 10 images 3 would be nearer to 20 % than 1.
    """
    return np.round(np.abs(shares - share), 9)
