"""Checks of the validity gate on one model and its data: gradients, answers, precision, splits, selection.

`examine_model` (`evaluation.model_validity`) measures what these checks judge; stage `attack` stores it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT
from oncorobust.evaluation.validity import Check, Evidence, PatientShare, judge, named, not_done, patient_share
from oncorobust.evaluation.validity_attacks import TOLERATED
from oncorobust.models.probabilities import are_probabilities

LARGEST_DIFFERENCE = 1e-4
"""Largest accepted difference of a logit between two passes, relative to the largest logit."""

MANY = 0.5
"""Share of images whose response may not differ from the first-order prediction."""

_NOT_EXAMINED = "attack.json holds no examination of the model: run stage attack again"
_NO_STRICT = "the strict protocol was not run"
_NO_OTHER = "no other model: examples are made on the clean model, for the hardened one"


def check_gradients(metrics: Mapping[str, Any]) -> Check:
    """Check that hardly any image has a gradient that is zero or not a number. metrics: attack.json."""
    name = "gradients"
    expected = f"the gradient is zero, or not a number, for at most {100 * FEW_WITHOUT_GRADIENT:.0f} % of the images"
    examined, zero = metrics.get("validity", {}), metrics["share_without_gradient"]
    undefined = examined.get("share_nan_gradient", 0.0)
    finding = f"zero for {100 * zero:.1f} %"
    if examined:
        finding += (
            f", not a number for {100 * undefined:.1f} %; the softmax of {100 * examined['share_saturated']:.1f} % "
            "is 1 in float32"
        )
    return judge(name, expected, red=max(zero, undefined) > FEW_WITHOUT_GRADIENT, finding=finding)


def check_response(examined: Mapping[str, Any]) -> Check:
    """Check that small steps along the gradient change the logits as the gradient predicts."""
    name = "response to the gradient"
    expected = (
        f"for at most {100 * MANY:.0f} % of the images a small step changes the margin by less than half or more "
    )
    expected += "than one and a half times what the gradient predicts"
    if not examined:
        return not_done(name, expected, _NOT_EXAMINED)
    found = examined["response"]
    if found["median_ratio"] is None:
        return judge(name, expected, red=True, finding="no image has a gradient to predict with")
    finding = f"{100 * found['share_off']:.0f} % of the images; the median of change / prediction is "
    return judge(name, expected, red=found["share_off"] > MANY, finding=finding + f"{found['median_ratio']:.3g}")


def check_determinism(examined: Mapping[str, Any]) -> Check:
    """Check that the same images give the same logits again, and in other batches."""
    name = "deterministic answers"
    expected = f"logits differ by at most {LARGEST_DIFFERENCE:g} of the largest between passes and between batch sizes"
    if not examined:
        return not_done(name, expected, _NOT_EXAMINED)
    again, batches = examined["repeat_difference"], examined["batch_difference"]
    finding = f"{again:.2g} between two passes, {batches:.2g} between two batch sizes"
    # NaN fails the comparisons.
    same = again <= LARGEST_DIFFERENCE and batches <= LARGEST_DIFFERENCE
    return judge(name, expected, red=not same, finding=finding)


def check_logits_given(examined: Mapping[str, Any], recorded: np.ndarray) -> Check:
    """Check that the model gives logits, not probabilities. recorded: (n, classes), its answers on fixed images."""
    name, expected = "logits", "outputs are logits, not probabilities"
    sums = "rows of the recorded answers sum to 1"
    probable = are_probabilities(recorded)
    if examined.get("probabilities", False) or probable:
        return judge(name, expected, red=True, finding=sums if probable else "rows of the outputs sum to 1")
    return judge(name, expected, red=False, finding="rows of the outputs do not sum to 1")


def check_precision(examined: Mapping[str, Any]) -> Check:
    """Check that the model and the device compute in full float32."""
    name, expected = "float32", "the model and the device compute in full float32"
    if not examined:
        return not_done(name, expected, _NOT_EXAMINED)
    found = examined["precision"]
    return judge(name, expected, red=found != "float32", finding=f"measured: {found}")


def check_unbounded(examined: Mapping[str, Any], *, level: float) -> Check:
    """Check that an attack that may change almost everything succeeds."""
    name = "unbounded attack"
    expected = f"PGD at epsilon 0.5 changes the answer to all images; at most {100 * TOLERATED:.0f} % may stay"
    return _attacked_again(name, expected, examined, ("unbounded", "unchanged", "stay"), absent="", level=level)


def check_restarts(examined: Mapping[str, Any], *, level: float) -> Check:
    """Check that another random start changes hardly any answer at an epsilon well below the search's last safe one."""
    name = "more restarts"
    expected = "PGD from another random point changes hardly any answer at 0.8 times the last safe epsilon"
    part = ("restarts", "changed", "change")
    return _attacked_again(name, expected, examined, part, absent=_NO_STRICT, level=level)


def check_transfer(examined: Mapping[str, Any], *, level: float) -> Check:
    """Check that examples made on another model change hardly any answer where the search says that none changes."""
    name = "transfer attacks"
    expected = "examples made on the clean model change hardly any answer at 0.8 times the last safe epsilon"
    absent = _NO_OTHER if "restarts" in examined else _NO_STRICT
    part = ("transfer", "changed", "change")
    return _attacked_again(name, expected, examined, part, absent=absent, level=level)


def _attacked_again(
    name: str, expected: str, examined: Mapping[str, Any], part: tuple[str, str, str], *, absent: str, level: float
) -> Check:
    """Judge one attack of `examine_model`. part: its key, that of the images against the check, what these do.

    absent: why the attack was not run, where it was not.
    """
    key, against, verb = part
    if not examined:
        return not_done(name, expected, _NOT_EXAMINED)
    if key not in examined:
        return not_done(name, expected, absent)
    found = examined[key]
    return _stubborn(name, expected, found["n_images"], found[against], verb, level=level)


def _stubborn(name: str, expected: str, n_images: int, against: list[str], verb: str, *, level: float) -> Check:
    if n_images == 0:
        return not_done(name, expected, "the search called no epsilon of an examined image safe")
    flags = np.arange(n_images) < len(against)
    share: PatientShare = patient_share(flags, list(map(str, range(n_images))), level=level)
    finding = f"{len(against)} of {n_images} images {verb} ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
    finding += f": {named(against)}" if against else ""
    return judge(name, expected, red=share.low > TOLERATED, finding=finding)


def check_patients(index: pd.DataFrame) -> Check:
    """Check that no patient is in two splits. index: rows of index.csv."""
    name, expected = "patients", "no patient has images in more than one split"
    splits = index.groupby("patient_id")["split"].nunique()
    shared = splits.index[splits > 1].tolist()
    finding = f"{len(shared)} of {len(splits)} patients are in more than one split"
    finding += f": {named(shared)}" if shared else ""
    return judge(name, expected, red=bool(shared), finding=finding)


def check_selection(kept_by: str | None, index: pd.DataFrame, training: Mapping[str, Any]) -> Check:
    """Check that test images had no part in choosing the weights. training: training.json.

    kept_by: the rule by which the weights were kept; None for a model that was not trained here.
    """
    name, expected = "selection", "the weights are those of the last epoch, or chosen on validation images"
    tested = [f"{part}/{key}" for part in ("start", "best", "last") for key in training.get(part, {}) if "test" in key]
    if kept_by is None:
        return not_done(
            name, expected, "the model was trained elsewhere; which images chose its weights is not recorded"
        )
    n_validation = int((index["split"] == "validation").sum())
    if kept_by == "last":
        return judge(name, expected, red=bool(tested), finding=_measured_on_test("the last epoch was kept", tested))
    finding = f"the weights were kept by {kept_by}, with {n_validation} validation images"
    chosen_on_test = not kept_by.startswith("validation_") or n_validation == 0
    return judge(name, expected, red=chosen_on_test or bool(tested), finding=_measured_on_test(finding, tested))


def _measured_on_test(finding: str, tested: list[str]) -> str:
    return f"{finding}; training.json has {', '.join(tested)}" if tested else finding


def check_seen(evidence: Evidence) -> Check:
    """Check that the attacked images are test images of the data set."""
    name, expected = "attacked images", "every attacked image is a test image"
    clean = evidence.predictions.loc[evidence.predictions["attack"] == "none", "image_id"]
    test = set(evidence.index.loc[evidence.index["split"] == "test", "image_id"])
    others = [one for one in clean if one not in test]
    finding = f"{len(others)} of {len(clean)} attacked images are not"
    return judge(name, expected, red=bool(others), finding=f"{finding}: {named(others)}" if others else finding)
