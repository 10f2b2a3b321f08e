"""Table C: what randomized smoothing certifies of each model, beside an attack on the same smoothed model.

The smoothed model answers as the model does most often under Gaussian noise. All its numbers are over the same images:

    model:Baseline    accuracy of the smoothed model and of the model itself, their difference, share abstained;
                      accuracy of one answer for all images, and by how much the smoothed model is above it
    model:epsilon     certified: share predicted right that no change within epsilon can alter, a lower bound
                      under attack: share predicted right that an attack on it did not alter, an upper bound

A model that gives all images one answer is certified at every epsilon. It is right for the commonest label, which is
half of the images where two classes are balanced, so a certified accuracy means something only above that.

All values are computed from the rows of certificates.csv (`intervals.with_intervals`). Without certificates the table
has no rows and its caption says so, because the pipeline names its files before it runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import results_file, table_file
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Statistic, Table
from oncorobust.report.tables.common import shown_as, table_columns
from oncorobust.report.tables.numbers import display
from oncorobust.report.tables.sources import Metrics, rows_cell
from oncorobust.settings.pipeline import Report

TABLE_C = "Table C"

_FIELDS = (
    Field("certified", "smoothed model", "certified", "percent"),
    Field("attacked", "smoothed model", "under attack", "percent"),
    Field("accuracy", "smoothed model", "without attack", "percent"),
    Field("base_accuracy", "model itself", "without attack", "percent"),
    Field("price", "smoothed minus itself", "without attack", "points"),
    Field("abstained", "smoothed model", "abstained", "percent"),
    Field("one_answer", "one answer for all", "without attack", "percent"),
    Field("above_one_answer", "smoothed minus one answer", "without attack", "points"),
)
_CAPTION = (
    "What randomized smoothing guarantees. The smoothed model answers as the model does most often under Gaussian "
    "noise, and abstains where no answer is frequent enough; an abstention counts as wrong. Certified: share of the "
    "images that it answers right and whose answer no change of pixels within epsilon (l_inf radius for pixel values "
    "in [0, 1]) can alter, a lower bound. Under attack: share predicted right that an attack on the smoothed model "
    "itself did not alter, an upper bound. Baseline: without attack, of the smoothed model and of the model itself on "
    "the same images, and of one answer for all images, which would be certified at every epsilon. {models}. Sigma is "
    "chosen on validation patients. A certificate is one of the smoothed model, not of the model itself."
)
_NOTE = (
    "Certified: of the smoothed model of Table C, not of the model itself: share of the images that it answers right "
    "and whose answer no change within epsilon can alter; Baseline: its accuracy without attack ({models})."
)
_MISSING = "Empty, because no data set has certificates (`certify` in params.yaml)."
_CHANGES = {
    "tied": "changes that are equal in all channels",
    "untied": "any change",
    "lesion": "changes inside the lesion's box",
}
"""What a certificate holds for, by the kind of noise."""


def table_c(certify: Metrics, *, report: Report, table_epsilons: Sequence[float]) -> Table:
    """Return Table C; certify: contents of certify.json by data set and model, empty without certificates."""
    cells = [
        cell
        for dataset, models in certify.items()
        for model, metrics in models.items()
        for cell in _cells(dataset, model, metrics, table_epsilons)
    ]
    return Table(
        name=TABLE_C,
        file=table_file("certificates"),
        caption=_CAPTION.format(models=_settings(certify, report)) if cells else _MISSING,
        row_heads=("Model", "Epsilon"),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        data_sets="blocks",
        columns=table_columns(certify, report),
        fields=_FIELDS,
        cells=tuple(cells),
    )


def certified_note(certify: Metrics, report: Report) -> str:
    """Return the sentences of another table's caption on its certified numbers; empty without certificates."""
    return f" {_NOTE.format(models=_settings(certify, report))}" if certify else ""


def certified_row(model: str, epsilon: float) -> str:
    """Return the key of a row of Table C."""
    return f"{model}:{epsilon_text(epsilon)}"


def certificate_source(
    dataset: str, model: str, metrics: Mapping[str, Any], statistic: Statistic, *, epsilon: float | None = None
) -> RowsSource:
    """Return a statistic over the certified test images at the chosen sigma. metrics: content of certify.json."""
    where: dict[str, str | float] = {"split": "test", "sigma": metrics["sigma"]}
    return RowsSource(results_file(dataset, model, "certificates.csv"), where, statistic, 1, epsilon)


def certified_source(dataset: str, model: str, metrics: Mapping[str, Any], epsilon: float) -> RowsSource:
    """Return the certified accuracy at an epsilon; at 0, the accuracy of the smoothed model without attack."""
    if epsilon == 0:
        return certificate_source(dataset, model, metrics, "smoothed_accuracy")
    return certificate_source(dataset, model, metrics, "certified_accuracy", epsilon=epsilon)


def alpha_text(metrics: Mapping[str, Any]) -> str:
    """Return for what alpha holds: `alpha 0.001 for each image`."""
    if metrics["alpha_of"] == "image":
        return f"alpha {metrics['alpha']:g} for each image"
    return f"alpha {metrics['alpha']:g} for all {metrics['n_images']} images together (Bonferroni)"


def _settings(certify: Metrics, report: Report) -> str:
    """Return sigma, samples and alpha of each data set's smoothed models."""
    return "; ".join(_settings_of(shown_as(name, report).title, models) for name, models in certify.items())


def _settings_of(title: str, models: Mapping[str, Mapping[str, Any]]) -> str:
    one = next(iter(models.values()))
    sigmas = ", ".join(f"sigma {metrics['sigma']:g} ({model})" for model, metrics in models.items())
    changes, reach = _CHANGES[one["noise"]], max(metrics["largest_epsilon"] for metrics in models.values())
    return (
        f"{title}: {sigmas}, at most {one['n_samples']} samples for each image, which can certify up to epsilon "
        f"{display(reach, 'epsilon')}, {alpha_text(one)}, {changes}"
    )


def _cells(dataset: str, model: str, metrics: Mapping[str, Any], epsilons: Sequence[float]) -> Iterator[Cell]:
    of_baseline: dict[str, tuple[tuple[Statistic, int], ...]] = {
        "accuracy": (("smoothed_accuracy", 1),),
        "base_accuracy": (("base_accuracy", 1),),
        "price": (("smoothed_accuracy", 1), ("base_accuracy", -1)),
        "abstained": (("abstained_share", 1),),
        "one_answer": (("commonest_label_share", 1),),
        "above_one_answer": (("smoothed_accuracy", 1), ("commonest_label_share", -1)),
    }
    for field, terms in of_baseline.items():
        sources = [_signed(certificate_source(dataset, model, metrics, name), sign) for name, sign in terms]
        yield rows_cell(*sources, table=TABLE_C, row=f"{model}:{BASELINE}", dataset=dataset, field=field)
    at_epsilons: dict[str, Statistic] = {"certified": "certified_accuracy", "attacked": "smoothed_robust_accuracy"}
    for epsilon in epsilons:
        for field, statistic in at_epsilons.items():
            source = certificate_source(dataset, model, metrics, statistic, epsilon=epsilon)
            row = certified_row(model, epsilon)
            yield rows_cell(source, table=TABLE_C, row=row, dataset=dataset, field=field)


def _signed(source: RowsSource, sign: int) -> RowsSource:
    return replace(source, sign=sign)
