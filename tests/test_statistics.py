"""The simulation of the statistics: intervals of clustered shares hold the true share as often as they claim.

`make test-statistics` runs it. The coverage of 1,000 cohorts has a standard error of 0.7 percentage points, so settings
whose true coverage is near an end of the band leave it in some runs of 1,000. So 1,000 cohorts are simulated at one
correlation, and 10,000 cohorts at a lower and a higher one, where the standard error is 0.2 points.
"""

import cohorts
import numpy as np
import pandas as pd
import pytest

from oncorobust.evaluation.resampling import draw_patients
from oncorobust.evaluation.validity_attacks import check_iterative, check_success_grows

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


def attacked_cohort(rng: np.random.Generator, n_patients: int, rate: float) -> pd.DataFrame:
    """Rows of predictions.csv: three equally strong attacks at four epsilons; images of a patient are alike."""
    sizes = rng.integers(1, 7, n_patients)
    patients = np.repeat([f"p{number}" for number in range(n_patients)], sizes)
    easy = np.repeat(rng.beta(4 * rate, 4 * (1 - rate), n_patients), sizes)  # correlation 0.2 within a patient
    about = {"image_id": [f"i{number}" for number in range(len(easy))], "patient_id": patients, "label": 0}
    parts = [
        pd.DataFrame(about | {"predicted": (rng.random(len(easy)) < easy).astype(int)}).assign(
            attack=attack, epsilon=epsilon, attacked_label="true"
        )
        for epsilon in (0.001, 0.002, 0.004, 0.006)
        for attack in ("fgsm", "bim", "pgd")
    ]
    return pd.concat(parts)


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("n_patients", [20, 60, 200])
def test_the_gate_is_red_by_chance_in_at_most_5_percent(n_patients: int, rate: float) -> None:
    """The worst case: equally strong attacks, and success that does not grow. A sound evaluation has less chance."""
    rng, n_cohorts = np.random.default_rng(14), 400
    none = pd.DataFrame(columns=["image_id", "patient_id", "attack", "first_flipped"])
    red = {"iterative": 0, "grows": 0}
    for seed in range(n_cohorts):
        rows = attacked_cohort(rng, n_patients, rate)
        draws = draw_patients(rows["patient_id"].unique().tolist(), n_draws=300, seed=seed)
        red["iterative"] += check_iterative(rows, draws, level=0.95).status == "red"
        red["grows"] += check_success_grows(rows, none, [0.006], draws, level=0.95).status == "red"
    print(f"{n_patients} patients, rate {rate}: {red} of {n_cohorts}")
    assert max(red.values()) / n_cohorts <= 0.05 + 2 * 0.011  # two standard errors of 400 cohorts
