"""Table R: scores of certainty compared as rules that accept an image or leave it to a reader.

Table 2 keeps the paper's way, whose threshold is chosen on the images it is judged on. Here every score, minimal
epsilon among them, is judged alike: by measures that need no threshold, with a threshold that was chosen on validation
patients and frozen, and with one chosen on the test patients, the paper's way, beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from oncorobust.base.layout import results_file, table_file
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.sources import Metrics, rows_cell
from oncorobust.settings.pipeline import Report

_CAPTION = (
    "Selective prediction: the images with the largest score are accepted, the others are left to a reader. AURC and "
    "AUGRC: area under the risk-coverage curve and under its generalised form (in %); smaller is better. Error "
    "prediction: AUROC of the score for right against wrong answers. Threshold from validation: chosen on validation "
    "patients and frozen, for the coverage of Table 2 or for an error of at most {risks} among the accepted. Threshold "
    "from test: chosen on the images on which it is judged, as in the paper. Images of equal score stay together."
)
_FIELDS = (
    Field("aurc", "without a threshold", "AURC", "percent"),
    Field("augrc", "without a threshold", "AUGRC", "percent"),
    Field("error_auroc", "without a threshold", "error prediction", "score"),
    Field("accuracy_at_coverage", "without a threshold", "accuracy at the coverage", "percent"),
    Field("frozen_coverage", "threshold from validation, for coverage", "coverage", "percent"),
    Field("frozen_accuracy", "threshold from validation, for coverage", "accuracy", "percent"),
    Field("frozen_coverage_at_risk", "threshold from validation, for risk", "coverage", "percent"),
    Field("frozen_accuracy_at_risk", "threshold from validation, for risk", "accuracy", "percent"),
    Field("chosen_coverage", "threshold from test, as in the paper", "coverage", "percent"),
    Field("chosen_accuracy", "threshold from test, as in the paper", "accuracy", "percent"),
)


def table_r(attack: Metrics, rank: Metrics, *, report: Report) -> Table:
    """Return Table R, whose values and intervals are computed from scores.csv (`intervals.with_intervals`)."""
    cells = [
        cell
        for dataset, models in rank.items()
        for model, metrics in models.items()
        for cell in _cells(dataset, model, metrics)
    ]
    risks = sorted({f"{100 * one['largest_risk']:g} %" for models in rank.values() for one in models.values()})
    return Table(
        name="Table R",
        file=table_file("selective_prediction"),
        caption=_CAPTION.format(risks=" or ".join(risks)),
        row_heads=("Model", "Score"),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=_FIELDS,
        cells=tuple(cells),
    )


def _cells(dataset: str, model: str, metrics: Mapping[str, Any]) -> Iterator[Cell]:
    for name in metrics["scores"]:
        for field in _FIELDS:
            statistic: Any = field.name
            options: dict[str, str | int | float] = {
                "score": name,
                "exclude_share": metrics["exclude_share"],
                "risk": metrics["largest_risk"],
            }
            source = RowsSource(results_file(dataset, model, "scores.csv"), {}, statistic, 1, None, options)
            yield rows_cell(source, table="Table R", row=f"{model}:{name}", dataset=dataset, field=field.name)
