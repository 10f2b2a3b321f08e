"""The rule that gives up an image's sampling: beside the exact recursion, and what may never be given up or gone on."""

import numpy as np
import pytest
from scipy.stats import betabinom

from oncorobust.certificates import stopping
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import schedule_of
from oncorobust.certificates.stopping import hopeless_counts

WORTH = 3


def exact_counts(at: list[int], needed: list[list[int]]) -> list[list[int]]:
    """The same rule by the beta-binomial distribution itself, count by count."""
    k, price = len(needed[0]), WORTH * at[-1]
    hopeless = [[at[-1]] * k for _ in at]
    value = {(count, certified): 0.0 for count in range(at[-1] + 1) for certified in range(k + 1)}
    for place in reversed(range(len(at) - 1)):
        n, step, now = at[place], at[place + 1] - at[place], {}
        for count in range(n + 1):
            chances = betabinom.pmf(np.arange(step + 1), step, count + 0.5, n - count + 0.5)
            for certified in range(k + 1):
                expected = -float(step)
                for more, chance in enumerate(chances):
                    found = sum(count + more >= one for one in needed[place + 1])
                    reached = max(certified, found)
                    expected += chance * (price * (reached - certified) + value[count + more, reached])
                now[count, certified] = max(0.0, expected)
        for certified in range(k):
            hopeless[place][certified] = next(c for c in range(n + 2) if c > n or now[c, certified] > 0) - 1
        value = now
    return hopeless


def test_the_rule_is_that_of_the_exact_recursion_within_two_counts() -> None:
    at = [16, 24, 40, 64, 96, 128]
    never = [one + 1 for one in at]
    needed = [[never[0]] * 2, [never[1]] * 2, [31, 40], [never[3]] * 2, [62, 90], [80, 118]]
    found = hopeless_counts(np.array(at), np.array(needed))
    exact = np.array(exact_counts(at, needed))
    assert np.abs(found - exact).max() <= 2
    assert (found[:-1] > 0).all(), "each check gives some images up"


def test_no_image_goes_on_that_cannot_be_certified_and_none_ends_that_is_nearly_certain_to_be() -> None:
    schedule = schedule_of(SamplingPlan(n_samples=2000), sigma=0.1, n_free=1024, epsilons=(0.001, 0.002, 0.004))
    last, needed = int(schedule.at[-1]), schedule.needed
    for place, n in enumerate(schedule.at[:-1].tolist()):
        for epsilon in range(len(schedule.epsilons)):
            least = min(int(needed[later, epsilon]) - int(at - n) for later, at in enumerate(schedule.at) if at > n)
            assert schedule.hopeless[place, epsilon] >= min(least - 1, n), "not even agreement of all others would do"
        within = needed[-1] <= last
        assert (schedule.hopeless[place, within] < n).all(), "all samples agree"
    assert schedule.hopeless[-1].tolist() == [last] * len(schedule.epsilons)


def test_plans_of_many_samples_have_the_rule_of_a_dense_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = schedule_of(SamplingPlan(n_samples=20_000), sigma=0.25, n_free=1024, epsilons=(0.001, 0.01, 0.02))
    assert (np.diff(schedule.hopeless[:, 0]) >= 0).all()
    monkeypatch.setattr(stopping, "_DENSITY", 256)
    dense = hopeless_counts(schedule.at, schedule.needed)
    assert (np.abs(schedule.hopeless - dense) <= 1 + 0.1 * np.sqrt(schedule.at[:, None]) / 2).all(), "a tenth of 1 sd"
