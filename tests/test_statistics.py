"""The simulation of the statistics: intervals of clustered shares hold the true share as often as they claim.

`make test-statistics` runs it. The coverage of 1,000 cohorts has a standard error of 0.7 percentage points, so settings
whose true coverage is near an end of the band leave it in some runs of 1,000. So 1,000 cohorts are simulated at one
correlation, and 10,000 cohorts at a lower and a higher one, where the standard error is 0.2 points.
"""

import cohorts
import pytest

pytestmark = pytest.mark.statistics


@pytest.mark.parametrize(("correlation", "n_cohorts"), [(0.2, 1000), (0.1, 10_000), (0.3, 10_000)])
@pytest.mark.parametrize(("n_patients", "share"), cohorts.SETTINGS)
def test_intervals_of_a_share_hold_the_truth_in_93_to_97_percent(
    n_patients: int, share: float, correlation: float, n_cohorts: int
) -> None:
    found = cohorts.shares(n_patients, share, correlation=correlation, n_cohorts=n_cohorts, seed=14)
    held = cohorts.coverage(found, share)
    print(f"{n_patients} patients, share {share}, correlation {correlation}, {n_cohorts} cohorts: {held:.1%}")
    assert 0.93 <= held <= 0.97


@pytest.mark.parametrize("pair", cohorts.PAIRS)
@pytest.mark.parametrize("n_patients", [20, 60, 300])
def test_intervals_of_a_difference_hold_the_truth_in_at_least_93_percent(n_patients: int, pair: list[float]) -> None:
    """They hold it more often where models seldom differ, as no discordant image says little about the difference."""
    found = cohorts.differences(n_patients, pair, correlation=0.2, n_cohorts=1000, seed=14)
    held = cohorts.coverage(found, pair[1] - pair[2])
    print(f"{n_patients} patients, pair {pair}: {held:.1%}")
    assert held >= 0.93
