"""Checks of the validity gate that compare attacks with each other, from the rows that stage `attack` stores."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from oncorobust.attacks.names import CONVERGED
from oncorobust.base.epsilons import epsilon_text
from oncorobust.evaluation.comparisons import Comparison, compare, exchange_test, holm
from oncorobust.evaluation.intervals import ratio_intervals, share_term
from oncorobust.evaluation.resampling import Draws, Estimate
from oncorobust.evaluation.validity import Check, in_percent, in_points, judge, named, not_done, patient_share

TOLERATED = 0.05
"""Share of patients up to which single images may contradict a check."""

MUCH_SMALLER = 0.8
"""A gradient-free attack is stronger on an image if its epsilon is at most this share of the white-box attacks'."""

_GRADIENT_FREE = ("square",)
_NO_PAPER = "the paper's protocol was not run"
_NO_STRICT = "the strict protocol was not run"


def check_iterative(predictions: pd.DataFrame, draws: Draws, *, level: float) -> Check:
    """Check that BIM and PGD change at least as many answers as FGSM at each epsilon. predictions: of predictions.csv.

    At each epsilon FGSM is compared with the stronger of the two.
    """
    name, expected = "iterative attacks", "BIM or PGD is at least as strong as FGSM at each epsilon, within chance"
    rows = predictions[predictions["attacked_label"] == "true"]
    if rows.empty:
        return not_done(name, expected, f"{_NO_PAPER}; each strict attack counts the examples of those before it")
    parts = {epsilon: rows[rows["epsilon"] == epsilon] for epsilon in rows["epsilon"].unique()}
    found = {epsilon: _single_against_iterative(part, draws, level) for epsilon, part in parts.items()}
    adjusted = holm([one.p_value for one in found.values()])
    beyond = [
        (one, epsilon, p)
        for (epsilon, one), p in zip(found.items(), adjusted, strict=True)
        if (one.difference.value or 0) > 0 and p < 1 - level
    ]
    epsilon, worst = max(found.items(), key=lambda one: one[1].difference.value or 0)
    if beyond:
        worst, epsilon, _ = max(beyond, key=lambda one: one[0].difference.value or 0)
    finding = (
        f"the success rate of FGSM exceeds that of the stronger of BIM and PGD most at epsilon "
        f"{epsilon_text(float(epsilon))}, by {in_points(worst.difference)}"
    )
    if (worst.difference.value or 0) <= 0:
        finding = f"the success rate of FGSM exceeds that of BIM and PGD at none of {len(found)} epsilons"
    return judge(name, expected, red=bool(beyond), finding=finding)


def _single_against_iterative(rows: pd.DataFrame, draws: Draws, level: float) -> Comparison:
    parts = {attack: part.set_index("image_id") for attack, part in rows.groupby("attack")}
    single = parts["fgsm"]
    flips = {
        attack: (part["predicted"] != part["label"]).loc[single.index].to_numpy() for attack, part in parts.items()
    }
    iterative = max((flips["bim"], flips["pgd"]), key=lambda one: int(one.sum()))
    return compare(iterative, flips["fgsm"], single["patient_id"].tolist(), draws, level=level)


def check_more_steps(intervals: pd.DataFrame, epsilons: Sequence[float], draws: Draws, *, level: float) -> Check:
    """Check that many more steps leave the strict accuracy within its interval. intervals: of intervals.csv."""
    name, expected = "more steps", "the accuracy after many more steps lies within the interval of the accuracy before"
    attacks = intervals["attack"].drop_duplicates().tolist()
    if CONVERGED not in attacks[1:]:
        return not_done(name, expected, _NO_STRICT)
    place = attacks.index(CONVERGED)
    before, after = (intervals[intervals["attack"] == one] for one in attacks[place - 1 : place + 1])
    pairs = [
        (epsilon, _robust(before, epsilon, draws, level), _robust(after, epsilon, draws, level)) for epsilon in epsilons
    ]
    falls = [(epsilon, old, new) for epsilon, old, new in pairs if _value(new) < _low(old)]
    epsilon, old, new = max(falls or pairs, key=lambda one: _value(one[1]) - _value(one[2]))
    finding = (
        f"the accuracy falls most at epsilon {epsilon_text(epsilon)}, from {in_percent(old)} to {in_percent(new)}"
        if _value(new) < _value(old)
        else f"the accuracy changes at none of {len(pairs)} epsilons"
    )
    return judge(name, expected, red=bool(falls), finding=finding)


def _robust(rows: pd.DataFrame, epsilon: float, draws: Draws, level: float) -> Estimate:
    robust = ((rows["label"] == rows["predicted"]) & (rows["first_flipped"] > epsilon)).to_numpy()
    (estimate,) = ratio_intervals([(share_term(robust, rows["patient_id"], draws),)], draws, level=level)
    return estimate


def _value(estimate: Estimate) -> float:
    return 0.0 if estimate.value is None else estimate.value


def _low(estimate: Estimate) -> float:
    return 0.0 if estimate.low is None else estimate.low


def check_success_grows(
    predictions: pd.DataFrame, intervals: pd.DataFrame, epsilons: Sequence[float], draws: Draws, *, level: float
) -> Check:
    """Check that success grows with epsilon; name the images that no attack changes."""
    name, expected = (
        "success with epsilon",
        "success never falls with epsilon, within chance; images that stay are named",
    )
    if not epsilons:
        return not_done(name, expected, "no protocol was run")
    falls = [fall for attack in ("bim", "pgd") for fall in _falls(predictions, attack, draws, level)]
    adjusted = holm([one.p_value for one, _ in falls]) if falls else []
    beyond = [
        text for (one, text), p in zip(falls, adjusted, strict=True) if _value(one.difference) < 0 and p < 1 - level
    ]
    told = [*beyond, _who_stays(intervals, predictions, max(epsilons))]
    return judge(name, expected, red=bool(beyond), finding="; ".join(told))


def _falls(predictions: pd.DataFrame, attack: str, draws: Draws, level: float) -> list[tuple[Comparison, str]]:
    """Compare the success of one attack at each epsilon with that at the epsilon before."""
    rows = predictions[(predictions["attack"] == attack) & (predictions["attacked_label"] == "true")]
    found, before = [], None
    for epsilon in sorted(rows["epsilon"].unique()):
        part = rows[rows["epsilon"] == epsilon].set_index("image_id")
        flips = part["predicted"] != part["label"]
        if before is not None:
            old, new = before.loc[part.index].to_numpy(), flips.to_numpy()
            one = compare(old, new, part["patient_id"].tolist(), draws, level=level)
            text = f"the success rate of {attack.upper()} changes by {in_points(one.difference)} up to epsilon "
            found.append((one, text + epsilon_text(float(epsilon))))
        before = flips
    return found


def _who_stays(intervals: pd.DataFrame, predictions: pd.DataFrame, largest: float) -> str:
    if len(intervals):
        last = intervals.groupby("image_id", sort=False).tail(1)
        stay = last.loc[np.isinf(last["first_flipped"]), "image_id"].tolist()
        n_images, who = len(last), "the strict search"
    else:
        rows = predictions[(predictions["epsilon"] == largest) & (predictions["attacked_label"] == "true")]
        flipped = (rows["predicted"] != rows["label"]).groupby(rows["image_id"], sort=False).any()
        stay, n_images, who = flipped.index[~flipped].tolist(), len(flipped), "the paper's attacks"
    told = f"{who} changed {n_images - len(stay)} of {n_images} images up to epsilon {epsilon_text(largest)}"
    return f"{told}; unchanged: {named(stay)}" if stay else told


def check_gradient_free(intervals: pd.DataFrame, *, level: float) -> Check:
    """Check that attacks without gradients need no much smaller epsilon than the white-box attacks before them."""
    name = "gradient-free attacks"
    expected = (
        f"at most {100 * TOLERATED:.0f} % of the patients have an image that only a gradient-free attack changes, or "
        f"changes within {MUCH_SMALLER:g} times the epsilon of the attacks with gradients"
    )
    attacks = intervals["attack"].drop_duplicates().tolist()
    free = [one for one in _GRADIENT_FREE if one in attacks[1:]]
    if not free:
        return not_done(name, expected, _NO_STRICT)
    tables = {attack: part.set_index("image_id") for attack, part in intervals.groupby("attack")}
    first = tables[attacks[0]]
    stronger = np.zeros(len(first), dtype=bool)
    for attack in free:
        before, after = (
            tables[one]["first_flipped"].loc[first.index].to_numpy()
            for one in (attacks[attacks.index(attack) - 1], attack)
        )
        stronger |= np.isfinite(after) & (np.isinf(before) | (after <= MUCH_SMALLER * before))
    share = patient_share(stronger, first["patient_id"], level=level)
    finding = f"{share} have such an image under {', '.join(free)}"
    if stronger.any():
        finding += f": {named(first.index[stronger].tolist())}"
    return judge(name, expected, red=share.low > TOLERATED, finding=finding)


def check_noise(threats: pd.DataFrame, intervals: pd.DataFrame) -> Check:
    """Check that noise changes at most half as many answers as the strict attacks at the same epsilon."""
    name, expected = "noise", "noise changes at most half as many answers as the attacks at the same epsilon"
    noise = threats[threats["threat"] == "noise"]
    if noise.empty or intervals.empty:
        return not_done(name, expected, f"{_NO_STRICT}, or not with the threat noise")
    nearest = intervals.groupby("image_id", sort=False).tail(1).set_index("image_id")["first_flipped"]
    excess = 2 * noise["flipped"].astype(int) - (nearest.loc[noise["image_id"]].to_numpy() <= noise["epsilon"]).astype(
        int
    )
    by_patient = excess.groupby(noise["patient_id"].to_numpy()).sum()
    n_noise = int(noise["flipped"].sum())
    n_attack = int((nearest.loc[noise["image_id"]].to_numpy() <= noise["epsilon"]).sum())
    counts = f"noise changes {n_noise} answers, the attacks {n_attack}, of {len(noise)} images and epsilons"
    if n_attack == 0:
        return not_done(name, expected, f"{counts}: epsilon is too small to compare them")
    p_value = exchange_test(by_patient.to_numpy())
    if 2 * n_noise > n_attack and p_value >= TOLERATED:
        return not_done(name, expected, f"{counts}: {len(by_patient)} patients are too few to tell")
    return judge(name, expected, red=2 * n_noise > n_attack, finding=counts)
