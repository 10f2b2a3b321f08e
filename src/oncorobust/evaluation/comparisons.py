"""Comparisons of two models on the same patients: the paired difference, its interval, an exact test, and Holm.

The null hypothesis of the test is that the two models are exchangeable for every patient: the difference of a patient's
correct images is as likely to have the other sign. Patients whose difference is 0 do not count. The distribution of the
sum over all assignments of signs is computed exactly, one patient after another, so that no assignments need to be
drawn at random. If each patient has one image, this is the exact McNemar test.
Sources: McNemar 1947; Holm 1979; for permutation by cluster, Gail et al. 1996, "On design considerations and
randomization-based inference for community intervention trials".
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Flags
from oncorobust.base.errors import InputError
from oncorobust.evaluation.intervals import ratio_intervals
from oncorobust.evaluation.resampling import Draws, Estimate, patient_sums
from oncorobust.evaluation.share_bounds import Term


@dataclass(frozen=True)
class Comparison:
    """The difference of two models' shares of flagged images, second minus first, with its interval and test.

    p_value: two-sided, before any correction for several tests. test: the test's name. n_only_first, n_only_second:
    images that only one of the models has flagged; n_undecided: patients for whom the two models have equally many.
    """

    difference: Estimate
    p_value: float
    test: str
    n_only_first: int
    n_only_second: int
    n_undecided: int


def compare(first: Flags, second: Flags, patient_ids: Sequence[str], draws: Draws, *, level: float) -> Comparison:
    """Compare two models by one flag per image, such as "correct under attack".

    first, second: (images,), the same images in the same order (`pair_rows` makes sure). patient_ids: (images,). draws:
    of these patients. level: of the difference's interval.
    """
    images = patient_sums(np.ones(len(first)), patient_ids, draws)
    flagged = [patient_sums(flags, patient_ids, draws) for flags in (first, second)]
    terms = (Term(1.0, flagged[1], images), Term(-1.0, flagged[0], images))
    (difference,) = ratio_intervals([terms], draws, level=level)
    by_patient = flagged[1] - flagged[0]
    single = images.max() == 1
    return Comparison(
        difference,
        exchange_test(by_patient),
        "exact McNemar" if single else "exact permutation of the models by patient",
        n_only_first=int((first & ~second).sum()),
        n_only_second=int((second & ~first).sum()),
        n_undecided=int((by_patient[images > 0] == 0).sum()),
    )


def exchange_test(differences: np.ndarray) -> float:
    """Return the exact two-sided p value of the sum of (patients,) whole-number differences if every sign is random.

    1.0 if all differences are 0. Never 0: a p value below the smallest float is returned as that float.
    """
    sizes = np.abs(differences[differences != 0]).astype(int)
    half = np.ones(1)  # half[i]: probability that the patients with a positive sign add up to i
    for size in sizes:
        longer = np.zeros(len(half) + size)
        longer[: len(half)] += half / 2
        longer[size:] += half / 2
        half = longer
    sums = 2 * np.arange(len(half)) - sizes.sum()
    p_value = float(half[np.abs(sums) >= abs(int(differences.sum()))].sum())
    return min(1.0, max(p_value, sys.float_info.min))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values of a family of tests, adjusted by Holm's step-down procedure, in their order."""
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, float)[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def pair_rows(first: pd.DataFrame, second: pd.DataFrame, *, names: tuple[str, str]) -> pd.DataFrame:
    """Return the second model's rows in the order of the first's, after checking that both are of the same images.

    first, second: one row per image, with image_id, patient_id and label. names: of the two models or files, for
    messages. Raises InputError if an image has several rows, is in one frame only, or has another patient or label.
    """
    for name, rows in zip(names, (first, second), strict=True):
        repeated = rows["image_id"][rows["image_id"].duplicated()].drop_duplicates()
        if len(repeated):
            found = f"{len(repeated)} images have several rows, for example {_some(repeated)}"
            raise InputError(f"{name}: expected one row per image, but {found}: rows of two models are mixed")
    _check_same_images(first["image_id"], second["image_id"], names)
    ordered = second.set_index("image_id", drop=False).loc[first["image_id"]].reset_index(drop=True)
    for column in ("patient_id", "label"):
        differs = first[column].to_numpy() != ordered[column].to_numpy()
        if differs.any():
            found = f"{differs.sum()} images have another {column}, for example {_some(ordered['image_id'][differs])}"
            raise InputError(f"{names[0]} and {names[1]}: {found}: rows of two data sets are mixed")
    return ordered


def _check_same_images(first: pd.Series, second: pd.Series, names: tuple[str, str]) -> None:
    only = [
        f"{len(left)} images are only in {name} ({_some(left)})"
        for name, left in zip(names, (first[~first.isin(second)], second[~second.isin(first)]), strict=True)
        if len(left)
    ]
    if only:
        expected = "expected rows of two models on the same images"
        raise InputError(f"{names[0]} and {names[1]}: {expected}, but {' and '.join(only)}")


def _some(ids: pd.Series) -> str:
    return ", ".join(map(str, list(ids)[:3])) + (", ..." if len(ids) > 3 else "")
