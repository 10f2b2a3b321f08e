"""The intervals of accuracy curves over epsilon as bands, from per-image rows.

The samples of patients are those of the tables (`report.tables.intervals`), so that a band has at a table's epsilon the
ends of the interval in the table.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import N_DRAWS, draw_patients
from oncorobust.report.figures.robustness_curves import Curve, accuracies
from oncorobust.report.measures import Measure, measures_of
from oncorobust.report.tables.cell import RowsSource
from oncorobust.report.tables.intervals import ratio_estimates
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.report.tables.sources import accuracy_source, clean_source, strict_source

CurveKey = tuple[str, str, str]
"""Model, attack and ending of the measure of a curve."""

Bands = Mapping[CurveKey, tuple[Curve, Curve]]
"""Lower and upper ends in percent at the epsilons of a curve, from 0; not a number where there is no interval."""


def band_files(dataset: str, models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the files of rows that the bands of a data set need; models: attack.json by model."""
    return sorted({one.file for _, sources in _curves(dataset, models) for one in sources})


def curve_bands(
    dataset: str, models: Mapping[str, Mapping[str, Any]], rows: Mapping[str, pd.DataFrame], *, seed: int
) -> Bands:
    """Return the band of every curve of a data set.

    models: attack.json by model. rows: by the name of their file. seed: of the run.
    """
    curves = list(_curves(dataset, models))
    patients = sorted({str(one) for frame in rows.values() for one in frame["patient_id"]})
    draws = draw_patients(patients, n_draws=N_DRAWS, seed=child_seed(seed, "patients", dataset))
    estimates = iter(ratio_estimates([one for _, sources in curves for one in sources], rows, draws))
    found = {}
    for key, sources in curves:
        points = [next(estimates) for _ in sources]
        ends = np.array([(one.low, one.high) for one in points], dtype=float)  # None becomes not a number
        found[key] = (100 * ends[:, 0], 100 * ends[:, 1])
    return found


def _curves(dataset: str, models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[CurveKey, list[RowsSource]]]:
    """Yield each curve with the source of each of its points."""
    protocols = attack_protocols({dataset: models})
    for model, metrics in models.items():
        for measure in measures_of(protocols):
            for attack in metrics["strict"]["attacks"] if measure.attacked_label is None else PAPER_ATTACKS:
                epsilons = sorted(map(epsilon_from_key, accuracies(metrics, attack=attack, measure=measure)))
                points = [_point(dataset, model, attack, epsilon, measure) for epsilon in epsilons]
                yield (model, attack, measure.ending), [_clean(dataset, model, measure), *points]


def _clean(dataset: str, model: str, measure: Measure) -> RowsSource:
    return clean_source(dataset, model, protocol=measure.protocol).rows[0]


def _point(dataset: str, model: str, attack: str, epsilon: float, measure: Measure) -> RowsSource:
    if measure.attacked_label is None:
        return strict_source(dataset, model, attack=attack, epsilon=epsilon).rows[0]
    label = measure.attacked_label
    return accuracy_source(dataset, model, attack=attack, epsilon=epsilon, attacked_label=label).rows[0]
