"""Sentences of the page on changes of the acquisition, from Table A and acquisition.json."""

from collections.abc import Iterator, Mapping
from typing import Any

from oncorobust.base.layout import ADVERSARIAL, CLEAN, NOISE
from oncorobust.report.page.text import change_text, shown_percent
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.acquisition import UNCHANGED, WORST, change_title, changed_row
from oncorobust.report.tables.acquisition_sources import ALL_CHANGES, levels_of
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.numbers import display_estimate

_MODELS = {CLEAN: "Clean", ADVERSARIAL: "Adversarially trained", NOISE: "Noise-trained"}
Contents = Mapping[str, Mapping[str, Any]]
"""Content of acquisition.json by model."""


def acquisition_sentences(table: Table, column: TableColumn, contents: Contents, *, unit: str) -> list[str]:
    """Return what changes of the acquisition do to each model of a data set, and which do not apply.

    table: Table A. unit: of `page.text.sampled_unit`.
    """
    told = [text for model in contents for text in _of_model(table, column, model, contents[model], unit)]
    return [*told, *_not_possible(contents[CLEAN])]


def acquisition_finding(table: Table, column: TableColumn, contents: Contents) -> list[str]:
    """Return one sentence on the clean model for the findings; none where no change applies."""
    content = contents.get(CLEAN)
    if content is None or not content["changes"]:
        return []
    change, severity, cell = _worst(table, column, CLEAN, content)
    unchanged = _cell(table, column, changed_row(BASELINE, UNCHANGED, CLEAN), "accuracy")
    return [
        f"Without an attacker: of {_counted(content)} that a scanner, a protocol or an archive can make, "
        f"{_named(content, change, severity)} leaves the lowest accuracy, {shown_percent(cell)}; unchanged "
        f"{shown_percent(unchanged)}.{_larger(table, column, cell.row)}"
    ]


def _of_model(table: Table, column: TableColumn, model: str, content: Mapping[str, Any], unit: str) -> Iterator[str]:
    if not content["changes"]:
        return
    unchanged = _cell(table, column, changed_row(BASELINE, UNCHANGED, model), "accuracy")
    every = _cell(table, column, changed_row(ALL_CHANGES, WORST, model), "accuracy")
    change, severity, lowest = _worst(table, column, model, content)
    noise = _cell(table, column, lowest.row, "noise_l_inf")
    yield (
        f"{_MODELS[model]} model: accuracy {shown_percent(unchanged)} on the {unchanged.n_images} unchanged images. "
        f"The lowest of {_counted(content)} is {shown_percent(lowest)}, with {_named(content, change, severity)}; "
        f"noise of the same l_inf size leaves {shown_percent(noise)}.{_larger(table, column, lowest.row)} In brackets: "
        f"95 % interval over {unit}."
    )
    text = f"{shown_percent(every)} of the images are right unchanged and under every change and severity"
    difference = table.find(row=every.row, column=column.key, field="difference")
    compared = "" if difference is None else change_text(difference, unit)
    yield f"{_MODELS[model]} model, worst case: {text}{compared and f'; against the clean model, {compared}'}."


def _worst(table: Table, column: TableColumn, model: str, content: Mapping[str, Any]) -> tuple[str, float, Cell]:
    """Return the change and severity with the lowest accuracy, the first of equal ones, and its cell."""
    places = [(change, severity) for change in content["changes"] for severity in levels_of(content, change).values()]
    cells = [_cell(table, column, changed_row(*place, model), "accuracy") for place in places]
    lowest = min(range(len(cells)), key=lambda position: cells[position].value or 0.0)
    return (*places[lowest], cells[lowest])


def _larger(table: Table, column: TableColumn, row: str) -> str:
    """Return a sentence on how large the change of a row is beside the median minimal perturbation; empty for none."""
    told = []
    for field, norm in (("times_l_inf", "l_inf"), ("times_l2", "l2")):
        cell = table.find(row=row, column=column.key, field=field)
        if cell is not None and cell.value is not None:
            told.append(f"{display_estimate(cell, 'times')} times in {norm}")
    size = " and ".join(told)
    return f" The change is {size} as large as the median minimal perturbation of an attack." if told else ""


def _not_possible(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changes that do not apply, by reason."""
    by_reason: dict[str, list[str]] = {}
    for change, reasons in content["not_possible"].items():
        for one in reasons:
            images = "" if change not in content["changes"] else f" (to {one['n_images']} images)"
            by_reason.setdefault(one["reason"], []).append(change_title(change, content) + images)
    for reason, changes in by_reason.items():
        yield f"Does not apply: {', '.join(changes)} ({reason})."


def _counted(content: Mapping[str, Any]) -> str:
    n_changes, n_levels = len(content["changes"]), sum(len(one["levels"]) for one in content["changes"].values())
    return f"{n_changes} {'change' if n_changes == 1 else 'changes'} at {n_levels} severities"


def _named(content: Mapping[str, Any], change: str, severity: float) -> str:
    return f"“{change_title(change, content)}” ({severity:g} {content['changes'][change]['unit']})"


def _cell(table: Table, column: TableColumn, row: str, field: str) -> Cell:
    found = table.find(row=row, column=column.key, field=field)
    if found is None:
        raise ValueError(f"{table.name}: expected {field} of {column.key} in row {row}, got none")
    return found
