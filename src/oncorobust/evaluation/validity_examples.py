"""Checks of the validity gate on examples: inside the ball, above every safe bound, still adversarial when stored."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.units import grey_levels
from oncorobust.evaluation.comparisons import Comparison, compare, holm
from oncorobust.evaluation.resampling import Draws
from oncorobust.evaluation.validity import Check, in_points, judge, named, not_done, patient_share
from oncorobust.evaluation.validity_attacks import TOLERATED

ROUNDING = 1e-6
"""By how much float32 may carry a pixel out of a ball."""

CERTIFIED = "certified"
"""Column of intervals.csv with the epsilon up to which an answer is proven not to change, where one was computed."""

_BITS = {"stored_8": 8, "stored_12": 12, "stored_16": 16}
_WHOLE = ("tied", "full")


def check_ball(
    predictions: pd.DataFrame, intervals: pd.DataFrame, epsilons: Sequence[float], examined: Mapping[str, Any]
) -> Check:
    """Check that stored examples, and those of `examine_model`, are inside ball and box."""
    name, expected = "ball and box", f"no pixel changes by more than epsilon (and {ROUNDING:g}) or leaves [0, 1]"
    attacked = predictions[predictions["attack"] != "none"]
    found = intervals.loc[np.isfinite(intervals["first_flipped"].to_numpy(dtype=float)), "first_flipped"]
    excess = np.concatenate([attacked["linf"] - attacked["epsilon"], found - max(epsilons, default=1.0)]).astype(float)
    if len(excess) == 0:
        return not_done(name, expected, "no example was stored")
    outside, worst = int((excess > ROUNDING).sum()), max(float(excess.max()), 0.0)
    finding = f"{outside} of {len(excess)} examples leave their ball; the largest excess is {worst:.2g}"
    red = outside > 0
    if "box" in examined:
        low, high = examined["box"]["least_pixel"], examined["box"]["largest_pixel"]
        finding += f"; pixels under the unbounded attack are from {low:g} to {high:g}"
        red = red or low < 0 or high > 1
    return judge(name, expected, red=red, finding=finding)


def check_bounds(predictions: pd.DataFrame, intervals: pd.DataFrame, threats: pd.DataFrame, *, level: float) -> Check:
    """Check that no bound is above an epsilon at which an answer changed.

    In each row last_safe is at most first_flipped; a certified epsilon is below every epsilon at which the answer
    changed; and the paper's attacks, threat models and noise hardly ever change an answer below last_safe.
    """
    name = "safe bounds"
    expected = (
        "last_safe is at most first_flipped; no certified epsilon is above a success; at most "
        f"{100 * TOLERATED:.0f} % of the patients have an image that another attack changes below last_safe"
    )
    if intervals.empty:
        return not_done(name, expected, "the strict protocol was not run")
    crossed = intervals.loc[intervals["last_safe"] > intervals["first_flipped"], "image_id"].unique().tolist()
    last = intervals.groupby("image_id", sort=False).tail(1).set_index("image_id")
    success = _nearest_success(predictions, threats).reindex(last.index, fill_value=np.inf)
    below = (success < last["last_safe"] - ROUNDING).to_numpy()
    share = patient_share(below, last["patient_id"], level=level)
    told = [f"{len(crossed)} images have last_safe above first_flipped{_listed(crossed)}"]
    told.append(f"{share} have an image changed below last_safe{_listed(last.index[below].tolist())}")
    red = bool(crossed) or share.low > TOLERATED
    if CERTIFIED in last:
        proven = last[CERTIFIED].fillna(0.0) >= np.minimum(success, last["first_flipped"]) + ROUNDING
        told.append(f"{int(proven.sum())} certified epsilons are above a success{_listed(last.index[proven].tolist())}")
        red = red or bool(proven.any())
    return judge(name, expected, red=red, finding="; ".join(told))


def _listed(image_ids: Sequence[str]) -> str:
    return f" ({named(image_ids)})" if image_ids else ""


def _nearest_success(predictions: pd.DataFrame, threats: pd.DataFrame) -> pd.Series:
    """Return by image the smallest change that altered the clean answer under the paper's attacks or a threat model."""
    clean = predictions[predictions["attack"] == "none"].set_index("image_id")["predicted"]
    attacked = predictions[predictions["attack"] != "none"]
    changed = attacked["predicted"].to_numpy() != clean.reindex(attacked["image_id"]).to_numpy()
    # A stored threat also rounds the image, by up to half a grey level beyond epsilon.
    flipped = threats["flipped"].astype(bool) & ~threats["threat"].isin(list(_BITS))
    parts = [attacked.loc[changed, ["image_id", "linf"]], threats.loc[flipped, ["image_id", "epsilon"]]]
    return pd.concat([part.set_axis(["image_id", "at"], axis=1) for part in parts]).groupby("image_id")["at"].min()


def check_rounding(threats: pd.DataFrame, draws: Draws, *, level: float) -> Check:
    """Check that attacks on stored grey levels are as strong as attacks on all values, from one grey level on.

    Below half a level rounding undoes every change, and between half a level and one it undoes some: no fault.
    """
    name = "rounding"
    expected = (
        "from an epsilon of one grey level on, attacks that survive storing change as many answers, within chance"
    )
    whole = next((one for one in _WHOLE if (threats["threat"] == one).any()), None)
    stored = [one for one in _BITS if (threats["threat"] == one).any()]
    if whole is None or not stored:
        missing = f"threat {' or '.join(_WHOLE)}" if whole is None else f"threat {' or '.join(_BITS)}"
        return not_done(name, expected, f"the run has no {missing}")
    found = [
        (f"{threat} at epsilon {epsilon_text(epsilon)}", _lost(threats, (whole, threat), epsilon, draws, level))
        for threat in stored
        for epsilon in threats["epsilon"].unique()
        if epsilon * grey_levels(_BITS[threat]) >= 1
    ]
    if not found:
        return not_done(name, expected, "every epsilon is below one grey level")
    adjusted = holm([one.p_value for _, one in found])
    weaker = [
        place
        for (place, one), p in zip(found, adjusted, strict=True)
        if (one.difference.value or 0) > 0 and p < 1 - level
    ]
    place, worst = max(found, key=lambda one: one[1].difference.value or 0)
    finding = f"the success rate falls most for {place}, by {in_points(worst.difference)} against {whole}"
    if (worst.difference.value or 0) <= 0:
        finding = f"the success rate falls against {whole} in none of {len(found)} cells"
    return judge(name, expected, red=bool(weaker), finding=finding)


def _lost(threats: pd.DataFrame, pair: tuple[str, str], epsilon: float, draws: Draws, level: float) -> Comparison:
    """Compare the images flipped under a stored threat with those flipped without rounding."""
    whole, stored = (
        threats[(threats["threat"] == one) & (threats["epsilon"] == epsilon)].set_index("image_id") for one in pair
    )
    kept, flipped = (part["flipped"].astype(bool).loc[whole.index].to_numpy() for part in (stored, whole))
    return compare(kept, flipped, whole["patient_id"].tolist(), draws, level=level)
