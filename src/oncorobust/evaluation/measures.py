"""Measures beside accuracy: sensitivity, specificity, balanced accuracy, AUC, and the direction of flips.

Which class is positive (malignant) is an argument, never guessed. Defined for

    two classes      sensitivity, specificity, balanced accuracy, AUC, flips from either class to the other
    more classes     recall of each class against the rest, and their mean, which is balanced accuracy. Sensitivity and
                     specificity need a positive class, and the stored margin is no score of one class: these three
                     are empty, with the reason.

Every measure but AUC is a ratio of sums over images, or a mean of such ratios. A `Ratio` is both addends per image.
A class without images, or with images of one patient only, gives an empty estimate that says so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oncorobust.base.arrays import Flags, Labels
from oncorobust.base.errors import InputError
from oncorobust.evaluation.intervals import ratio_intervals, share_term
from oncorobust.evaluation.resampling import NO_INTERVAL, Draws, Estimate
from oncorobust.evaluation.share_bounds import Term


class Ratio(NamedTuple):
    """A measure as sum(numerator) / sum(denominator), one number per image each."""

    numerator: np.ndarray
    denominator: np.ndarray


def accuracy(labels: Labels, predicted: Labels) -> Ratio:
    """Count correct images among all."""
    return Ratio(labels == predicted, np.ones(len(labels), bool))


def recall(labels: Labels, predicted: Labels, *, of: int) -> Ratio:
    """Count correct images among those of a class: sensitivity of the positive class, specificity of the other."""
    return answered(labels, predicted, of=of, answer=of)


def answered(labels: Labels, predicted: Labels, *, of: int, answer: int) -> Ratio:
    """Count images of a class that get an answer, such as malignant images predicted as benign, among those of it."""
    return Ratio((labels == of) & (predicted == answer), labels == of)


def flipped(labels: Labels, clean: Labels, attacked: Labels, *, of: int, answer: int) -> Ratio:
    """Count images of a class that are right without attack and get another answer under attack, among those of it.

    clean, attacked: predictions of the same images in the same order. The denominator is all images of the class, so
    that the share adds to the share that is wrong without attack (`answered`).
    """
    return Ratio((labels == of) & (clean == of) & (attacked == answer), labels == of)


def mean_of(ratios: Sequence[Ratio], patient_ids: Sequence[str], draws: Draws) -> list[Term]:
    """Return the mean of ratios as a cell of `ratio_intervals`."""
    factor = 1 / len(ratios)
    return [share_term(one.numerator, patient_ids, draws, within=one.denominator, factor=factor) for one in ratios]


def class_estimates(
    labels: Labels,
    predicted: Labels,
    patient_ids: Sequence[str],
    draws: Draws,
    *,
    n_classes: int,
    positive: int,
    level: float,
) -> dict[str, Estimate]:
    """Estimate sensitivity, specificity and balanced accuracy.

    labels, predicted, patient_ids: (images,). n_classes: of the data set. positive: class index.
    Raises InputError if a label, an answer or `positive` is no class index.
    """
    check_classes(labels, predicted, n_classes=n_classes, positive=positive)
    recalls = {one: recall(labels, predicted, of=one) for one in range(n_classes)}
    balanced = _estimates({"balanced_accuracy": recalls}, patient_ids, draws, level=level)
    if n_classes != 2:
        return dict.fromkeys(("sensitivity", "specificity"), _only_for_two(n_classes, patient_ids, level)) | balanced
    single = {"sensitivity": positive, "specificity": 1 - positive}
    measures = {name: {one: recalls[one]} for name, one in single.items()}
    return _estimates(measures, patient_ids, draws, level=level) | balanced


def class_recalls(
    labels: Labels, predicted: Labels, patient_ids: Sequence[str], draws: Draws, *, n_classes: int, level: float
) -> list[Estimate]:
    """Estimate the recall of each class against the rest; their mean is balanced accuracy."""
    check_classes(labels, predicted, n_classes=n_classes, positive=0)
    measures = {str(one): {one: recall(labels, predicted, of=one)} for one in range(n_classes)}
    return list(_estimates(measures, patient_ids, draws, level=level).values())


FLIPS = {
    "positive_to_negative_clean": "positive images predicted as negative without attack: missed cancers",
    "positive_to_negative_flipped": "positive images right without attack and predicted as negative under attack",
    "negative_to_positive_clean": "negative images predicted as positive without attack: false alarms",
    "negative_to_positive_flipped": "negative images right without attack and predicted as positive under attack",
}
"""The shares that `flip_estimates` gives, each among all images of the class that is named first."""


def flip_estimates(
    labels: Labels,
    clean: Labels,
    attacked: Labels,
    patient_ids: Sequence[str],
    draws: Draws,
    *,
    n_classes: int,
    positive: int,
    level: float,
) -> dict[str, Estimate]:
    """Estimate the share of either class that is wrong without attack, and the share that an attack turns wrong.

    labels, clean, attacked, patient_ids: (images,), the same images in the same order; clean and attacked are answers.
    Keys: those of FLIPS. Defined for two classes.
    Raises InputError if a label, an answer or `positive` is no class index.
    """
    for answers in (clean, attacked):
        check_classes(labels, answers, n_classes=n_classes, positive=positive)
    if n_classes != 2:
        return dict.fromkeys(FLIPS, _only_for_two(n_classes, patient_ids, level))
    measures = {}
    for name, of in (("positive_to_negative", positive), ("negative_to_positive", 1 - positive)):
        measures[f"{name}_clean"] = {of: answered(labels, clean, of=of, answer=1 - of)}
        measures[f"{name}_flipped"] = {of: flipped(labels, clean, attacked, of=of, answer=1 - of)}
    return _estimates(measures, patient_ids, draws, level=level)


def check_classes(labels: Labels, predicted: Labels, *, n_classes: int, positive: int) -> None:
    """Raise InputError if a label, an answer or the positive class is no index of a class."""
    if not 0 <= positive < n_classes:
        raise InputError(f"positive class: expected an index from 0 to {n_classes - 1}, got {positive}")
    for name, values in (("label", labels), ("answer", predicted)):
        wrong = sorted({*np.unique(values).tolist()} - set(range(n_classes)))
        if wrong:
            raise InputError(f"{name}s: expected class indices from 0 to {n_classes - 1}, got {wrong[0]}")


def empty(reason: str, patient_ids: Sequence[str], *, level: float) -> Estimate:
    """Return an estimate without a value, which says why."""
    return Estimate(None, None, None, level, NO_INTERVAL, len(patient_ids), len(set(patient_ids)), reason)


def n_patients_of(chosen: Flags, patient_ids: Sequence[str]) -> int:
    """Return the number of patients of the chosen images."""
    return len(set(np.asarray(patient_ids, dtype=object)[chosen].tolist()))


def too_few_patients(groups: dict[str, Flags], patient_ids: Sequence[str]) -> str:
    """Say which group of images has fewer than two patients; "" if none has. groups: (images,) Booleans by name."""
    for name, chosen in groups.items():
        n_patients = n_patients_of(chosen, patient_ids)
        if n_patients < 2:
            found = "images of 1 patient only" if n_patients else "no images"
            return f"{name} has {found}; at least 2 patients are needed"
    return ""


def _only_for_two(n_classes: int, patient_ids: Sequence[str], level: float) -> Estimate:
    return empty(f"defined for two classes, not for {n_classes}", patient_ids, level=level)


def _estimates(
    measures: dict[str, dict[int, Ratio]], patient_ids: Sequence[str], draws: Draws, *, level: float
) -> dict[str, Estimate]:
    """Estimate each measure, the mean of the ratios of some classes, unless one of them has too few patients."""
    found = {}
    for name, ratios in measures.items():
        groups = {f"class {index}": one.denominator for index, one in ratios.items()}
        reason = too_few_patients(groups, patient_ids)
        if reason:
            found[name] = empty(reason, patient_ids, level=level)
        else:
            cell = mean_of(list(ratios.values()), patient_ids, draws)
            (found[name],) = ratio_intervals([cell], draws, level=level)
    return found
