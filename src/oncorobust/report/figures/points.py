"""The points of Figures 2 to 8 with their sources, from what the figures draw.

The values of Figures 2, 3 and 7 are read from the metrics by the pointer that each point states, and their intervals
come from the same samples of patients as those of the tables. The values of Figures 5 and 8 are computed from the
rows; those of Figures 4 and 6 are the values that are drawn, which a trace compares with the rows. Figure 1 shows
images and has no points. The paper's diamonds in Figure 2 are the cells `paper` of Table 1, and its dotted line is 1
minus the cell Baseline.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.epsilons import epsilon_from_key, epsilon_text
from oncorobust.base.layout import ADVERSARIAL, CLEAN, figure_file, results_file
from oncorobust.evaluation.resampling import N_DRAWS
from oncorobust.report.figures.acquisition_points import acquisition_series
from oncorobust.report.figures.certified import Certified
from oncorobust.report.figures.image_bounds import shown_images
from oncorobust.report.figures.robustness_curves import accuracies, last_attack
from oncorobust.report.figures.series import Points, PointSource, Series, Varies, place_text
from oncorobust.report.figures.style import PlotData, protocols_of
from oncorobust.report.measures import STRICT, Measure, measures_of
from oncorobust.report.shown_attacks import ATTACKS, PGD
from oncorobust.report.tables.cell import RowsSource, Statistic, TableColumn, Unit
from oncorobust.report.tables.intervals import with_estimate, with_intervals
from oncorobust.report.tables.point_estimates import NO_INTERVAL_HERE
from oncorobust.report.tables.protocols import largest_epsilon
from oncorobust.report.tables.sources import Source, accuracy_source, clean_source, strict_source, sum_of_metrics

_CAPTIONS = {
    "Figure 1": f"Figure 1 shows images and draws no points: trace {figure_file(1, 'png')}.",
    "Figure 2": "Accuracy of the clean models under attack, by epsilon.",
    "Figure 3": "Accuracy under attack before and after adversarial training, by epsilon.",
    "Figure 4": "Risk of the clean models by score and coverage.",
    "Figure 5": "Share of the correctly classified images that withstand an epsilon, by model.",
    "Figure 6": "Bounds of each certified image that is drawn.",
    "Figure 7": "Accuracy of each model without attack and under attack.",
    "Figure 8": "Accuracy of each model under changes of the acquisition, noise and an attack, by size.",
}
_PERCENT: Unit = "percent"
_UNITS: Mapping[str, Unit] = {**dict.fromkeys(_CAPTIONS, _PERCENT), "Figure 6": "epsilon"}


def figure_points(datasets: Sequence[PlotData], *, epsilon: float) -> Points:
    """Return the points of all figures; only those of Figures 4 and 6 have values yet (`with_values`).

    epsilon: that of Table S5, for Figure 7.

    Raises InputError where the data sets were not all attacked under the same protocols.
    """
    measures = measures_of(protocols_of(datasets))
    columns = tuple(
        TableColumn(one.key, one.title, one.paper, one.attack[CLEAN]["n_images"], one.synthetic) for one in datasets
    )
    return Points(
        _CAPTIONS, _UNITS, columns, tuple(one for data in datasets for one in _series(data, measures, epsilon))
    )


def with_values(points: Points, datasets: Sequence[PlotData], rows: Mapping[str, pd.DataFrame], *, seed: int) -> Points:
    """Return the points with their values and intervals. rows: by the name of their file. seed: of the run.

    Raises InputError where a metrics file lacks a number, or rows lack a column.
    """
    metrics = {
        results_file(data.key, model, "attack.json"): content
        for data in datasets
        for model, content in data.attack.items()
    }
    cells = [
        replace(cell, value=sum_of_metrics(cell.metrics, metrics)) if cell.metrics else cell
        for one in points.series
        if not one.values
        for cell in one.cells()
    ]
    (table,) = with_intervals([replace(points.to_tables()[0], cells=tuple(cells))], rows, seed=seed)
    found = iter(table.cells)
    series = (one if one.values else one.filled([next(found) for _ in one.places]) for one in points.series)
    return replace(points, series=tuple(series))


def _series(data: PlotData, measures: Sequence[Measure], epsilon: float) -> Iterator[Series]:
    for measure in measures:
        if measure is not STRICT:
            yield from _accuracies("Figure 2", data, CLEAN, measure)
    if STRICT in measures:
        yield _worst_case("Figure 2", data, CLEAN)
    if ADVERSARIAL in data.attack:
        for model in (CLEAN, ADVERSARIAL):
            for measure in measures:
                yield from _accuracies("Figure 3", data, model, measure)
            if STRICT in measures:
                yield _worst_case("Figure 3", data, model)
    yield from _risks(data)
    yield from _survival(data)
    if data.certified is not None:
        yield from _certified(data.key, data.certified)
        yield from _bounds(data, data.certified)
    for model in data.attack:
        yield from _trade_off(data, model, measures[-1], epsilon)
    yield from acquisition_series(data)


def _trade_off(data: PlotData, model: str, measure: Measure, epsilon: float) -> Iterator[Series]:
    """Yield the two accuracies of a model in Figure 7."""
    clean = clean_source(data.key, model, protocol=measure.protocol)
    attack = last_attack(data.attack[model]) if measure is STRICT else PGD.name
    attacked = _attacked_source(data.key, model, attack, measure, epsilon)
    for name, source, place in (("without attack", clean, 0.0), ("under attack", attacked, epsilon)):
        point = PointSource(source.rows[0], "nothing", source.metrics[0])
        yield Series("Figure 7", f"{model} model, {name}", data.key, point, None, (place_text(place),))


def _accuracies(figure: str, data: PlotData, model: str, measure: Measure) -> Iterator[Series]:
    for attack in ATTACKS:
        yield _accuracy(figure, data, model, attack.name, measure, f"{attack.title}, {measure.heading}")


def _worst_case(figure: str, data: PlotData, model: str) -> Series:
    return _accuracy(figure, data, model, last_attack(data.attack[model]), STRICT, "all attacks, strict")


def _accuracy(figure: str, data: PlotData, model: str, attack: str, measure: Measure, name: str) -> Series:
    """Return a curve of accuracy over epsilon, which starts with the clean accuracy."""
    epsilons = sorted(map(epsilon_from_key, accuracies(data.attack[model], attack=attack, measure=measure)))
    clean = clean_source(data.key, model, protocol=measure.protocol)
    at_zero = _attacked_source(data.key, model, attack, measure, 0.0)
    source = _point_source(at_zero, "epsilon" if measure is STRICT else "where")
    titled = name if figure == "Figure 2" else f"{model} model, {name}"
    places = tuple(place_text(one) for one in (0.0, *epsilons))
    first = PointSource(clean.rows[0], "nothing", clean.metrics[0])
    return Series(figure, titled, data.key, source, first, places)


def _attacked_source(dataset: str, model: str, attack: str, measure: Measure, epsilon: float) -> Source:
    """Return the source of an accuracy under attack."""
    if measure.attacked_label is None:
        return strict_source(dataset, model, attack=attack, epsilon=epsilon)
    label = measure.attacked_label
    return accuracy_source(dataset, model, attack=attack, epsilon=epsilon, attacked_label=label)


def _point_source(at_zero: Source, varies: Varies) -> PointSource:
    """Return the source of a curve from that of its point at epsilon 0."""
    (metric,), (rows,) = at_zero.metrics, at_zero.rows
    folder, _, _ = metric.pointer.rpartition("/")
    return PointSource(rows, varies, replace(metric, pointer=f"{folder}/{{epsilon}}"))


def _certified(dataset: str, found: Certified) -> Iterator[Series]:
    """Yield the curves of the smoothed clean model in Figure 2."""
    file = results_file(dataset, CLEAN, "certificates.csv")
    where: dict[str, str | float] = {"split": "test", "sigma": found.sigma}
    start = PointSource(RowsSource(file, dict(where), "smoothed_accuracy", 1), "nothing")
    statistics: tuple[tuple[str, Statistic, np.ndarray], ...] = (
        ("certified, smoothed model", "certified_accuracy", found.epsilon),
        ("attack on smoothed model", "smoothed_robust_accuracy", found.attack_epsilon),
    )
    for name, statistic, epsilons in statistics:
        source = PointSource(RowsSource(file, dict(where), statistic, 1), "epsilon")
        yield Series("Figure 2", name, dataset, source, start, tuple(map(place_text, epsilons)))


def _risks(data: PlotData) -> Iterator[Series]:
    file = results_file(data.key, CLEAN, "scores.csv")
    for score, curve in data.risks.items():
        rows = RowsSource(file, {"split": "test"}, "risk_at_coverage", 1, None, {"score": score})
        places = tuple(map(epsilon_text, curve.coverages))
        series = Series("Figure 4", score, data.key, PointSource(rows, "coverage"), None, places)
        found = zip(series.cells(), curve.estimates, strict=True)
        yield series.filled([with_estimate(cell, one, seed=curve.seed, n_draws=N_DRAWS) for cell, one in found])


def _survival(data: PlotData) -> Iterator[Series]:
    for model, shown in data.survival.items():
        attack = last_attack(data.attack[model])
        file = results_file(data.key, model, "intervals.csv")
        where: dict[str, str | float] = {"attack": attack}
        reach = largest_epsilon(data.attack[model], attack=attack)
        upper = RowsSource(file, dict(where), "share_withstanding", 1)
        lower = RowsSource(file, dict(where), "share_safe", 1, None, {"reach": reach})
        places = tuple(map(place_text, shown.epsilon))
        for name, rows in (("first flipped", upper), ("last safe", lower)):
            yield Series("Figure 5", f"{model} model, {name}", data.key, PointSource(rows, "epsilon"), None, places)


def _bounds(data: PlotData, found: Certified) -> Iterator[Series]:
    """Yield the bounds of each image that Figure 6 draws."""
    images = shown_images(found)
    places = tuple(map(str, images.index))
    smoothed, itself = (results_file(data.key, CLEAN, one) for one in ("certificates.csv", "intervals.csv"))
    of_smoothed: dict[str, Any] = {"split": "test", "sigma": found.sigma}
    bounds = [
        ("certified epsilon", "certified_epsilon", smoothed, "certified_epsilon", of_smoothed),
        ("attack on smoothed model", "first_flipped", smoothed, "first_flipped", of_smoothed),
    ]
    if "strict" in data.attack[CLEAN]:
        where = {"attack": last_attack(data.attack[CLEAN])}
        bounds.append(("model itself, last safe", "last_safe", itself, "last_safe", where))
        bounds.append(("model itself, first flipped", "first_flipped_itself", itself, "first_flipped", where))
    for name, shown, file, column, where in bounds:
        source = PointSource(RowsSource(file, dict(where), "value_of_image", 1, None, {"column": column}), "image_id")
        drawn = tuple(one if np.isfinite(one) else None for one in images[shown].tolist())
        reasons = (NO_INTERVAL_HERE,) * len(drawn)
        yield Series("Figure 6", name, data.key, source, None, places, drawn, reasons=reasons)
