"""Sentences of the page on certificates, from Table C and certify.json, for readers who do not know epsilon."""

from collections.abc import Iterator, Mapping
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.page.text import shown_percent
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.certificates import certified_row
from oncorobust.report.tables.numbers import ReadableUnit, display_estimate, in_units

_MODELS = {"clean": "clean", "adversarial": "adversarially trained", "noise": "noise-trained"}
_CHANGES = {
    "tied": "no change of any pixels by up to {size} each, as long as the image stays grey,",
    "untied": "no change of any pixels by up to {size} each",
    "lesion": "no change of pixels inside the lesion’s box by up to {size} each",
}
_WORTH_TELLING = 0.5
"""Share of the smoothed model's accuracy that must be certified at the epsilon of the sentence."""


def certificate_sentences(
    table: Table, column: TableColumn, certify: Mapping[str, Mapping[str, Any]], readable: ReadableUnit, *, unit: str
) -> list[str]:
    """Return what is guaranteed of each model of a data set.

    table: Table C. certify: certify.json by model. readable: epsilon 1 in a unit that readers know. unit: of
    `page.text.sampled_unit`. A sentence is on the largest epsilon at which at least half of the right answers of the
    smoothed model are certified, or on the smallest epsilon where there is none.
    """
    return [
        text for model, metrics in certify.items() for text in _of_model(table, column, model, metrics, readable, unit)
    ]


def _of_model(
    table: Table, column: TableColumn, model: str, metrics: Mapping[str, Any], readable: ReadableUnit, unit: str
) -> Iterator[str]:
    def cell(row: str, field: str) -> Cell:
        found = table.find(row=row, column=column.key, field=field)
        if found is None:
            raise ValueError(f"Table C: expected {field} of {column.key} in row {row}, got none")
        return found

    accuracy = cell(f"{model}:{BASELINE}", "accuracy")
    certified = {one: cell(certified_row(model, one), "certified") for one in metrics["epsilons"]}
    enough = [one for one, found in certified.items() if _value(found) >= _WORTH_TELLING * _value(accuracy)]
    epsilon = max(enough, default=min(certified))
    attacked, base = cell(certified_row(model, epsilon), "attacked"), cell(f"{model}:{BASELINE}", "base_accuracy")
    change = _CHANGES[metrics["noise"]].format(size=in_units(epsilon, readable))
    yield (
        f"{_MODELS[model].capitalize()} model: for {shown_percent(certified[epsilon])} of the "
        f"{certified[epsilon].n_images} test images, the smoothed model is right, and {change} can alter its answer "
        f"(epsilon {epsilon_text(epsilon)}), with {_confidence(metrics)}. An attack on the smoothed model itself left "
        f"{shown_percent(attacked)} right. In brackets: 95 % interval over {unit}."
    )
    price = display_estimate(cell(f"{model}:{BASELINE}", "price"), "points")
    yield (
        f"The price: without attack the smoothed {_MODELS[model]} model is right for {shown_percent(accuracy)} of the "
        f"images, the model itself for {shown_percent(base)}; a difference of {price} percentage points."
    )
    above = cell(f"{model}:{BASELINE}", "above_one_answer")
    if above.interval is None or above.interval.low is None or above.interval.low <= 0:
        one_answer = cell(f"{model}:{BASELINE}", "one_answer")
        yield (
            f"A model that gives every image the same answer would be right, with this guarantee at every epsilon, for "
            f"{shown_percent(one_answer)} of these images. It is not shown that the smoothed {_MODELS[model]} model is "
            f"right more often: a difference of {display_estimate(above, 'points')} percentage points."
        )


def _value(cell: Cell) -> float:
    return cell.value or 0.0


def _confidence(metrics: Mapping[str, Any]) -> str:
    confidence = f"{100 * (1 - metrics['alpha']):.6g} % confidence"
    return f"{confidence} for each image" if metrics["alpha_of"] == "image" else f"{confidence} for all images together"
