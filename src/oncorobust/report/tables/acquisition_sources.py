"""Sources of the numbers of a model under changes of the acquisition: acquisition.json, and the rows that it counts.

`reports/<data set>/<model>/` holds acquisition.json beside acquisition.csv, which has a row for each image, change and
severity. Severities are numbered by level in the former and stand in a column of the latter.
"""

from collections.abc import Mapping
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import results_file
from oncorobust.report.tables.cell import MetricSource, RowsSource, Statistic
from oncorobust.report.tables.sources import Source

ALL_CHANGES = "all"
"""In place of a change: all that apply to an image."""

OF_LEVEL: Mapping[str, tuple[str, Statistic]] = {
    "accuracy": ("accuracy", "changed_accuracy"),
    "noise_l_inf": ("noise_l_inf_accuracy", "noise_l_inf_accuracy"),
    "noise_l2": ("noise_l2_accuracy", "noise_l2_accuracy"),
    "flipped": ("flips", "changed_flips"),
    "l_inf": ("median_l_inf", "median_l_inf"),
    "l2": ("median_l2", "median_l2"),
}
"""Key in acquisition.json and statistic of each number at one severity, by field."""


def severity_text(severity: float) -> str:
    """Return a severity without its unit, as rows' keys and places of points have it."""
    return epsilon_text(severity)


def levels_of(content: Mapping[str, Any], change: str) -> dict[str, float]:
    """Return the severities of a change, by the key of their level, increasing. content: of acquisition.json."""
    levels = {key: float(one["severity"]) for key, one in content["changes"][change]["levels"].items()}
    return dict(sorted(levels.items(), key=lambda one: one[1]))


def changed_rows(dataset: str, model: str, change: str, severity: float, statistic: Statistic) -> RowsSource:
    """Return a statistic of the images under a change at one severity."""
    where: dict[str, str | float] = {"change": change, "severity": severity}
    return RowsSource(results_file(dataset, model, "acquisition.csv"), where, statistic, 1)


def level_source(dataset: str, model: str, change: str, level: tuple[str, float], field: str) -> Source:
    """Return the source of a number at one severity. level: its key and the severity. field: of `OF_LEVEL`."""
    key, statistic = OF_LEVEL[field]
    place = f"/changes/{change}/levels/{level[0]}"
    return Source(
        (_metric(dataset, model, f"{place}/{key}"),),
        (changed_rows(dataset, model, change, level[1], statistic),),
        (_metric(dataset, model, f"{place}/n_images"),),
    )


def unchanged_source(dataset: str, model: str, change: str = ALL_CHANGES) -> Source:
    """Return the source of the accuracy on the unchanged images to which a change, or any change, applies."""
    return _of_images(dataset, model, change, "clean_accuracy", "unchanged_accuracy")


def worst_source(dataset: str, model: str, change: str = ALL_CHANGES) -> Source:
    """Return the source of the worst case over the severities of a change, or over all changes and severities."""
    return _of_images(dataset, model, change, "worst_accuracy", "worst_changed_accuracy")


def l2_attack_rows(dataset: str, model: str, l2: float) -> RowsSource:
    """Return the accuracy that the search for the nearest image in l2 leaves within a distance."""
    return RowsSource(results_file(dataset, model, "acquisition.csv"), {}, "robust_accuracy_l2", 1, l2)


def times_rows(
    dataset: str, model: str, change: str, severity: float, *, searched: RowsSource | None
) -> tuple[RowsSource, ...]:
    """Return the sources of how many times larger a change is than the median minimal perturbation.

    searched: the rows of the strict search for l_inf (`strict_rows`); None for l2.
    """
    statistic: Statistic = "times_l2" if searched is None else "times_l_inf"
    first = changed_rows(dataset, model, change, severity, statistic)
    return (first,) if searched is None else (first, searched)


def strict_rows(dataset: str, model: str, *, attack: str, reach: float) -> RowsSource:
    """Return the rows with the minimal epsilon of each image. attack: last one of the cascade. reach: largest epsilon.

    They are the second source of `times_rows`.
    """
    return RowsSource(results_file(dataset, model, "intervals.csv"), {"attack": attack}, "times_l_inf", 1, reach)


def _of_images(dataset: str, model: str, change: str, key: str, statistic: Statistic) -> Source:
    """Return the source of a number of the images to which a change applies."""
    place, where = ("", {}) if change == ALL_CHANGES else (f"/changes/{change}", {"change": change})
    return Source(
        (_metric(dataset, model, f"{place}/{key}"),),
        (RowsSource(results_file(dataset, model, "acquisition.csv"), dict(where), statistic, 1),),
        (_metric(dataset, model, f"{place}/n_images"),),
    )


def _metric(dataset: str, model: str, pointer: str) -> MetricSource:
    return MetricSource(results_file(dataset, model, "acquisition.json"), pointer, 1)
