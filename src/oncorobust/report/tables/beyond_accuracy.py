"""Table E: what accuracy does not tell, for each model, without attack and under attack at one epsilon.

A missed cancer is not a false alarm: sensitivity, specificity, balanced accuracy and the two directions of flips stand
beside AUC, calibration error and Brier score. Rows are

    model:Baseline         without attack
    model:PGD:epsilon      PGD of the paper's protocol, away from the true label
    model:ALL:epsilon      the worst answer to each image under the strict protocol

The strict search states answers, not margins, so ALL has no AUC and no calibration. With more than two classes only
balanced accuracy is defined. The epsilon is that of Table S5.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import results_file, table_file
from oncorobust.report.shown_attacks import ALL, BASELINE, PGD, row_key
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Statistic, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.sources import CLEAN_ROWS, Metrics, rows_cell
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

_BY_CLASS: tuple[Field, ...] = (
    Field("balanced_accuracy", "answers", "balanced accuracy", "percent"),
    Field("sensitivity", "answers", "sensitivity", "percent"),
    Field("specificity", "answers", "specificity", "percent"),
)
_FLIPS: tuple[Field, ...] = (
    Field("missed", "flipped by the attack", "positive to negative", "percent"),
    Field("false_alarms", "flipped by the attack", "negative to positive", "percent"),
)
_OF_MARGINS: tuple[Field, ...] = (
    Field("auc", "scores", "AUC", "score"),
    Field("calibration_error", "scores", "calibration error", "score"),
    Field("brier_score", "scores", "Brier score", "score"),
)
_CAPTION = (
    "Beyond accuracy, without attack (Baseline), under PGD away from the true label, and under the worst case of all "
    "attacks (ALL) at epsilon {epsilon}. {positive}Flipped by the attack: share of all images of the "
    "class that are right without attack and predicted as the other class under attack; missed cancers first. "
    "Calibration error: expected calibration error with ten bins of equally many images, biased upwards in small "
    "samples."
)


def table_e(
    attack: Metrics,
    *,
    report: Report,
    class_names: Mapping[str, Sequence[str]],
    protocols: frozenset[Protocol],
    cascade: Sequence[str],
) -> Table:
    """Return Table E, whose values and intervals are computed from the rows (`intervals.with_intervals`).

    class_names: by data set, in the order of their labels. cascade: the attacks of the strict protocol in order.
    """
    columns = table_columns(attack, report)
    epsilon = report.adversarial_training_epsilon
    positives = {one.key: report.positive_class(one.key, class_names[one.key]) for one in columns}
    two = [one for one in columns if len(class_names[one.key]) == 2]
    told = "; ".join(f"{one.title}: {class_names[one.key][positives[one.key]]}" for one in two)
    cells = [
        cell
        for dataset, models in attack.items()
        for model in models
        for cell in _cells(
            dataset,
            model,
            epsilon=epsilon,
            classes=(len(class_names[dataset]), positives[dataset]),
            protocols=protocols,
            last_attack=cascade[-1] if cascade else None,
        )
    ]
    return Table(
        name="Table E",
        file=table_file("beyond_accuracy"),
        caption=_CAPTION.format(epsilon=epsilon_text(epsilon), positive=f"Positive class: {told}. " if told else ""),
        row_heads=("Model", "Attack", "Epsilon"),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        data_sets="blocks",
        columns=columns,
        fields=(*_BY_CLASS, *_FLIPS, *_OF_MARGINS),
        cells=tuple(cells),
    )


def _cells(
    dataset: str,
    model: str,
    *,
    epsilon: float,
    classes: tuple[int, int],
    protocols: frozenset[Protocol],
    last_attack: str | None,
) -> Iterator[Cell]:
    two = classes[0] == 2
    for title, fields, source in _rows(dataset, model, epsilon=epsilon, protocols=protocols, last_attack=last_attack):
        for field in fields if two else _BY_CLASS[:1]:
            statistic: Any = field.name
            options: dict[str, str | int | float] = {"n_classes": classes[0], "positive": classes[1]}
            chosen = RowsSource(source.file, source.where, statistic, 1, source.epsilon, options)
            yield rows_cell(chosen, table="Table E", row=f"{model}:{title}", dataset=dataset, field=field.name)


def _rows(
    dataset: str, model: str, *, epsilon: float, protocols: frozenset[Protocol], last_attack: str | None
) -> Iterator[tuple[str, tuple[Field, ...], RowsSource]]:
    """Yield the row without the model, its fields, and its rows with any statistic."""
    statistic: Statistic = "accuracy"
    file, where = CLEAN_ROWS["paper"]  # rows without attack are made under either protocol
    predictions = results_file(dataset, model, file)
    yield BASELINE, (*_BY_CLASS, *_OF_MARGINS), RowsSource(predictions, where, statistic, 1)
    if "paper" in protocols:
        under: dict[str, str | float] = {"attack": PGD.name, "epsilon": epsilon, "attacked_label": "true"}
        fields = (*_BY_CLASS, *_FLIPS, *_OF_MARGINS)
        yield row_key(PGD.title, epsilon), fields, RowsSource(predictions, under, statistic, 1)
    if last_attack is not None:
        intervals = results_file(dataset, model, "intervals.csv")
        worst = RowsSource(intervals, {"attack": last_attack}, statistic, 1, epsilon)
        yield row_key(ALL, epsilon), (*_BY_CLASS, *_FLIPS), worst
