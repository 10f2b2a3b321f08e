"""Intervals of many cells at once: shares and means over images, and signed sums of them, clustered by patient.

A cell is a tuple of terms over the same draws. Its method depends on the data's counts alone:

    fewer than two patients behind a term     no interval; `reason` says so
    all patients have the same value          bound of Clopper and Pearson by patient; none for a mean
    a mean, or a departing patients >= 100    BCa bootstrap of patients
    else                                      Wilson with design effect; for several terms MOVER

A patient departs if their value is not the most frequent one; the smallest count over the terms and their sum decides.
For fewer departing patients the bootstrap's bounds are too close: with 20 patients and a true share of 0.05, 95 %
intervals hold it in 88 to 93 % of cohorts (percentile: 79 to 87 %), those of the score in 96 %. `make test-statistics`
simulates this. For a mean of numbers that are not between 0 and 1 there is only the bootstrap, which is too narrow for
few patients.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.evaluation.bootstrap import bca_bounds
from oncorobust.evaluation.resampling import LEVEL, N_DRAWS, NO_INTERVAL, Draws, Estimate, draw_patients, patient_sums
from oncorobust.evaluation.share_bounds import Term, sum_bounds, unvaried_bounds

BCA, WILSON, MOVER, CLOPPER_PEARSON = (
    "BCa bootstrap",
    "Wilson with design effect",
    "MOVER with design effect",
    "Clopper-Pearson by patient",
)
"""Names of the methods: `Estimate.method`."""

MIN_DEPARTING = 100
"""Departing patients from which the bootstrap is used."""

_CELLS_AT_ONCE, _DRAWS_AT_ONCE = 64, 1000

Cell = Sequence[Term]


def share_term(
    flags: np.ndarray,
    patient_ids: Iterable[str],
    draws: Draws,
    *,
    within: np.ndarray | None = None,
    factor: float = 1.0,
) -> Term:
    """Make the term of the share of images with a flag, among all images or those `within` ((images,) Booleans)."""
    ids = list(patient_ids)
    inside = np.ones(len(ids), bool) if within is None else np.asarray(within, bool)
    return Term(factor, patient_sums(np.asarray(flags) * inside, ids, draws), patient_sums(inside, ids, draws))


def share_interval(
    flags: np.ndarray, patient_ids: Sequence[str], *, level: float = LEVEL, n_draws: int = N_DRAWS, seed: int = 0
) -> Estimate:
    """Return the share of images with a flag, and its interval over patients.

    flags: (n,) Booleans, such as which images are robust at an epsilon. patient_ids: (n,) the images' patients. seed:
    of the bootstrap draws, which are used for many patients. Raises InputError for no image, or another number of ids.
    """
    if len(flags) != len(patient_ids):
        raise InputError(f"expected a patient id for each of {len(flags)} images, got {len(patient_ids)}")
    draws = draw_patients(patient_ids, n_draws=n_draws, seed=seed)
    (found,) = ratio_intervals([[share_term(flags, patient_ids, draws)]], draws, level=level)
    return found


def ratio_intervals(cells: Sequence[Cell], draws: Draws, *, level: float) -> list[Estimate]:
    """Return each cell's value with its two-sided interval.

    A cell's value is the sum of factor x numerator / denominator over its terms. n_images counts the denominators of
    the terms with a positive factor, or with a negative one if these are more; n_patients counts patients with images
    in any term. The value is None if a term has no images.
    """
    methods = [_method(cell) for cell in cells]
    resampled = [cell for cell, (method, _) in zip(cells, methods, strict=True) if method == BCA]
    from_draws = iter(_bca(resampled, draws, level))
    return [
        _estimate(cell, method, reason, next(from_draws) if method == BCA else _bounds(cell, method, level), level)
        for cell, (method, reason) in zip(cells, methods, strict=True)
    ]


def _method(cell: Cell) -> tuple[str, str]:
    """Return the name of a cell's method, and the reason if it is none."""
    fewest = min(term.n_patients for term in cell)
    shares = all(term.is_share for term in cell)
    if fewest < 2:
        return NO_INTERVAL, "no images" if fewest == 0 else "all images are of one patient"
    if not _varies(cell):
        return (CLOPPER_PEARSON, "") if shares else (NO_INTERVAL, "all patients have the same value")
    if not shares or _departing(cell) >= MIN_DEPARTING:
        return BCA, ""
    return (WILSON if len(cell) == 1 else MOVER), ""


def _varies(cell: Cell) -> bool:
    parts = [term.factor * term.residuals / term.denominator.sum() for term in cell]
    sizes = np.abs(parts).sum(axis=0)
    return bool(np.any(np.abs(np.sum(parts, axis=0)) > 1e-12 * np.maximum(sizes, 1e-300)))


def _departing(cell: Cell) -> int:
    """Return how many patients have another value than the most frequent one, at the fewest of terms and sum."""
    rates = np.array(
        [
            term.factor * np.divide(term.numerator, term.denominator, out=np.zeros(len(term.numerator)), where=has)
            for term in cell
            for has in [term.denominator > 0]
        ]
    )
    has_images = np.array([term.denominator > 0 for term in cell])
    groups = [*(rate[has] for rate, has in zip(rates, has_images, strict=True))]
    groups.append(rates.sum(axis=0)[has_images.any(axis=0)])
    return min(len(group) - int(np.unique(group.round(9), return_counts=True)[1].max()) for group in groups)


def _bounds(cell: Cell, method: str, level: float) -> tuple[float, float] | None:
    if method == NO_INTERVAL:
        return None
    return (unvaried_bounds if method == CLOPPER_PEARSON else sum_bounds)(cell, level=level)


def _estimate(cell: Cell, method: str, reason: str, bounds: tuple[float, float] | None, level: float) -> Estimate:
    stated = all(term.denominator.sum() > 0 for term in cell)
    value = sum(term.factor * term.value for term in cell) if stated else None
    signed = [(term.factor > 0, term.denominator.sum()) for term in cell]
    n_images = max(sum(images for positive, images in signed if positive is sign) for sign in (True, False))
    n_patients = np.any([term.denominator > 0 for term in cell], axis=0).sum()
    low, high = bounds if bounds is not None else (None, None)
    return Estimate(value, low, high, level, method, int(n_images), int(n_patients), reason)


def _bca(cells: Sequence[Cell], draws: Draws, level: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start in range(0, len(cells), _CELLS_AT_ONCE):
        group = cells[start : start + _CELLS_AT_ONCE]
        sums = _Sums(group)
        steps = range(0, len(draws.counts), _DRAWS_AT_ONCE)
        drawn = np.vstack([sums.values(draws.counts[at : at + _DRAWS_AT_ONCE] @ sums.matrix) for at in steps])
        total = sums.matrix.sum(axis=0)
        bounds = bca_bounds(sums.values(total[None])[0], drawn, sums.values(total - sums.matrix), level=level)
        found += [(float(low), float(high)) for low, high in bounds.T]
    return found


class _Sums:
    """The distinct sums per patient of some cells as one matrix, and the cells' values from sums over patients."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        """Number the distinct numerators and denominators, which cells often share."""
        columns: dict[bytes, int] = {}
        vectors: list[np.ndarray] = []

        def column(vector: np.ndarray) -> int:
            exact = np.ascontiguousarray(vector, np.float64)
            if columns.setdefault(exact.tobytes(), len(vectors)) == len(vectors):
                vectors.append(exact)
            return columns[exact.tobytes()]

        self._cells = [[(one.factor, column(one.numerator), column(one.denominator)) for one in cell] for cell in cells]
        self.matrix = np.stack(vectors, axis=1)

    def values(self, sums: np.ndarray) -> np.ndarray:
        """Return the cells' values, (rows, cells), from (rows, columns) sums; NaN where a term has no images."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack(
                [sum(factor * sums[:, top] / sums[:, bottom] for factor, top, bottom in cell) for cell in self._cells],
                axis=1,
            )
