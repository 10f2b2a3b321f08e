"""The validity gate: checks that tell whether a model's numbers under attack can be believed.

An attack that fails for technical reasons makes a model look robust. Each check compares what a run has stored with
what holds for every sound evaluation, and is green, red, or not done because something is missing.

    validity_attacks     iterative attacks are at least as strong as a single step; more steps change nothing; success
                         grows with epsilon; gradient-free attacks are not stronger; noise is far weaker
    validity_examples    examples stay in the ball; bounds are sound; examples survive rounding
    validity_model       gradients exist and predict the response; answers repeat; outputs are logits in float32; an
                         unbounded attack succeeds; more restarts change nothing; splits share no patient; nothing was
                         selected on test images

A comparison of attacks is red only beyond chance: by the exact exchange test over patients, with Holm's adjustment over
the epsilons. A share of images is red if the exact lower bound of the share of patients is above what is tolerated.
Sources: Athalye, Carlini and Wagner 2018; Carlini et al. 2019, "On Evaluating Adversarial Robustness".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from oncorobust.base.arrays import Flags
from oncorobust.base.errors import InputError
from oncorobust.evaluation.resampling import Estimate

Status = Literal["green", "red", "not done"]


@dataclass(frozen=True)
class Check:
    """One line of the gate.

    name: what is checked. finding: what was found, with numbers; for a check that is not done, the reason. expected:
    what a sound evaluation shows.
    """

    name: str
    status: Status
    finding: str
    expected: str


@dataclass(frozen=True)
class Evidence:
    """What a run stores about one model, as the gate reads it.

    index: rows of index.csv. predictions, intervals, threats: rows of the model's files, empty where a protocol was not
    run. metrics: attack.json. training: training.json. logits: (n, classes) the model's recorded answers. kept_by: the
    rule by which training kept an epoch's weights (`keep` in params.yaml), None for a model that was not trained here.
    """

    index: pd.DataFrame
    predictions: pd.DataFrame
    intervals: pd.DataFrame
    threats: pd.DataFrame
    metrics: Mapping[str, Any]
    training: Mapping[str, Any]
    logits: np.ndarray
    kept_by: str | None


def judge(name: str, expected: str, *, red: bool, finding: str) -> Check:
    """Return a check that was done."""
    return Check(name, "red" if red else "green", finding, expected)


def not_done(name: str, expected: str, reason: str) -> Check:
    """Return a check that could not be done, with the reason."""
    return Check(name, "not done", reason, expected)


def red_names(checks: Iterable[Check]) -> list[str]:
    """Return the names of the red checks, in order."""
    return [one.name for one in checks if one.status == "red"]


def checks_to_json(checks: Iterable[Check]) -> list[dict[str, str]]:
    """Return checks as validity.json holds them."""
    return [asdict(check) for check in checks]


def checks_from_json(content: Mapping[str, Any], *, where: str) -> tuple[Check, ...]:
    """Return the checks of a validity.json. Raises InputError naming the file `where` if it holds none."""
    try:
        return msgspec.convert(content["checks"], tuple[Check, ...])
    except (KeyError, msgspec.ValidationError) as error:
        raise InputError(f"{where}: {error!r} (expected the checks of a model)") from error


@dataclass(frozen=True)
class PatientShare:
    """How many patients have at least one image with a property, and the exact interval of their share."""

    n_with: int
    n_patients: int
    low: float
    high: float

    def __str__(self) -> str:
        """Return the count and the interval: `2 of 12 patients (2 to 48 %)`."""
        return f"{self.n_with} of {self.n_patients} patients ({100 * self.low:.0f} to {100 * self.high:.0f} %)"


def patient_share(flags: Flags, patient_ids: Sequence[str] | pd.Series, *, level: float) -> PatientShare:
    """Count the patients with a flagged image; the interval is that of Clopper and Pearson at the level."""
    by_patient = pd.Series(np.asarray(flags, dtype=bool)).groupby(np.asarray(patient_ids, dtype=object)).any()
    interval = binomtest(int(by_patient.sum()), len(by_patient)).proportion_ci(level)
    return PatientShare(int(by_patient.sum()), len(by_patient), float(interval.low), float(interval.high))


def named(image_ids: Sequence[str], *, at_most: int = 10) -> str:
    """Return the first ids, and how many more there are."""
    ids = list(image_ids)
    rest = f" and {len(ids) - at_most} more" if len(ids) > at_most else ""
    return ", ".join(ids[:at_most]) + rest


def in_points(difference: Estimate) -> str:
    """Return a difference of shares in percentage points with its interval: `8 points (95 % CI -2 to 15)`."""
    if difference.value is None or difference.low is None or difference.high is None:
        return f"a difference without interval ({difference.reason})"
    ends = f"{100 * difference.low:.0f} to {100 * difference.high:.0f}"
    return f"{100 * difference.value:.0f} points ({100 * difference.level:.0f} % CI {ends})"


def in_percent(share: Estimate) -> str:
    """Return a share with its interval: `61 % (54 to 68)`."""
    if share.value is None or share.low is None or share.high is None:
        return f"a share without interval ({share.reason})"
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"
