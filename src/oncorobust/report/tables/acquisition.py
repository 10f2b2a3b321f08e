"""Table A: what a scanner, a protocol or an archive changes, beside noise and an attack of the same size.

A row is a change at one severity, seen by one model:

    Baseline:unchanged:model  accuracy on the unchanged images to which at least one change applies
    all:worst:model           share predicted as labelled unchanged, and under every change and severity
    change:severity:model     under one severity of one change
    change:worst:model        share predicted as labelled unchanged, and at every severity of this change
    change                    a change that applies to no image of the data set, with the reason

Numbers of a row: accuracy under the change, and under noise of its size; the difference of a hardened model to the
clean one; the share of changed answers; the median size of the change, and how many times larger that is than the
median minimal perturbation of an attack. Without the block `acquisition` the table has no rows and its caption says so,
because the pipeline names its files before it runs. Source of the rows: `oncorobust.evaluation.acquisition_rows`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oncorobust.base.layout import CLEAN, TRAINED, table_file
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.acquisition_sources import (
    ALL_CHANGES,
    OF_LEVEL,
    level_source,
    levels_of,
    severity_text,
    strict_rows,
    times_rows,
    unchanged_source,
    worst_source,
)
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Table
from oncorobust.report.tables.common import shown_as, table_columns
from oncorobust.report.tables.protocols import largest_epsilon
from oncorobust.report.tables.sources import Metrics, Source, rows_cell, sourced_cell
from oncorobust.settings.pipeline import Report

TABLE_A = "Table A"
UNCHANGED, WORST = "unchanged", "worst"
"""In place of a severity: no change, and the worst case over all severities."""

_FIELDS = (
    Field("accuracy", "accuracy", "with the change", "percent"),
    Field("difference", "accuracy", "minus clean model", "points"),
    Field("noise_l_inf", "accuracy", "noise of equal l_inf", "percent"),
    Field("noise_l2", "accuracy", "noise of equal l2", "percent"),
    Field("flipped", "", "answers changed", "percent"),
    Field("l_inf", "median size", "l_inf", "epsilon"),
    Field("l2", "median size", "l2", "l2"),
    Field("times_l_inf", "times the minimal", "l_inf", "times"),
    Field("times_l2", "times the minimal", "l2", "times"),
)
_CAPTION = (
    "Accuracy of each model under what a scanner, a protocol or an archive changes in an image, by the severity of the "
    "change. Changes act on the values of the file, before crop, window and resize. Worst: share of the images that "
    "are predicted as labelled unchanged and at every severity; all changes: under every change that applies. Noise: "
    "random signs of the l_inf size, and Gaussian noise of the l2 size, of each image's change. Answers changed: share "
    "of the images, predicted as labelled or not, whose answer the change alters. Median size: of the change in the "
    "model's input, for pixel values in [0, 1]; the values of a grey image count once. Times the minimal: that size "
    "divided by the median minimal perturbation of the same images, as far as they are predicted as labelled "
    "unchanged: for l2 the nearest adversarial image found{strict}."
)
_STRICT = ", for l_inf first flipped of the strict search"
_MISSING = "Empty, because no data set has changes of the acquisition (`acquisition` in params.yaml)."


def table_a(acquisition: Metrics, *, attack: Metrics, report: Report) -> Table:
    """Return Table A; acquisition: contents of acquisition.json by data set and model, empty without the block.

    attack: contents of attack.json. A model that is not attacked has no numbers by minimal epsilon. Raises InputError
    where a file lacks a number.
    """
    cells = [cell for dataset, models in acquisition.items() for cell in _cells(dataset, models, acquisition, attack)]
    changes = _changes(acquisition)
    return Table(
        name=TABLE_A,
        file=table_file("acquisition_changes"),
        caption=_caption(cells) + _applies_in_part(acquisition, report) if cells else _MISSING,
        row_heads=("Change", "Severity", "Model"),
        rows=tuple(sorted({cell.row for cell in cells}, key=lambda row: _order(row, list(changes)))),
        data_sets="blocks",
        columns=table_columns({name: attack[name] for name in acquisition}, report),
        fields=_FIELDS,
        cells=tuple(cells),
        labels=_labels(acquisition, changes),
    )


def changed_row(change: str, severity: float | str, model: str) -> str:
    """Return the key of a row: a change at a severity, or `UNCHANGED` or `WORST`, seen by a model."""
    return f"{change}:{severity if isinstance(severity, str) else severity_text(severity)}:{model}"


def change_title(name: str, content: Mapping[str, Any]) -> str:
    """Return a change as readers know it; name: of a change that may not apply. content: of acquisition.json."""
    title: str = content["changes"].get(name, {}).get("title", name.replace("_", " ").capitalize())
    return title


def _caption(cells: Iterable[Cell]) -> str:
    """Return the caption; without the strict protocol no change is compared with a minimal epsilon."""
    return _CAPTION.format(strict=_STRICT if any(cell.field == "times_l_inf" for cell in cells) else "")


def _cells(dataset: str, models: Mapping[str, Any], acquisition: Metrics, attack: Metrics) -> Iterator[Cell]:
    of_clean = list(_of_model(dataset, CLEAN, models[CLEAN]))
    for model, content in models.items():
        searched = _searched(dataset, model, attack)
        for (row, field, source), (_, _, before) in zip(_of_model(dataset, model, content), of_clean, strict=True):
            place = {"table": TABLE_A, "row": row, "dataset": dataset}
            yield sourced_cell(acquisition, source, field=field, **place)
            if field == "accuracy" and model != CLEAN:
                yield sourced_cell(acquisition, source.minus(before), field="difference", **place)
        for change in content["changes"]:
            for severity in levels_of(content, change).values():
                yield from _times(dataset, model, change, severity, searched)
    for change, reasons in models[CLEAN]["not_possible"].items():
        if change not in models[CLEAN]["changes"]:
            told = "; ".join(one["reason"] for one in reasons)
            yield Cell(TABLE_A, change, dataset, "accuracy", None, None, told, None, None, (), (), None)


def _of_model(dataset: str, model: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str, Source]]:
    """Yield row, field and source of each number that acquisition.json holds."""
    if not content["changes"]:
        return
    yield changed_row(BASELINE, UNCHANGED, model), "accuracy", unchanged_source(dataset, model)
    yield changed_row(ALL_CHANGES, WORST, model), "accuracy", worst_source(dataset, model)
    for change, found in content["changes"].items():
        if found["n_images"] != content["n_images"]:
            yield changed_row(change, UNCHANGED, model), "accuracy", unchanged_source(dataset, model, change)
        yield changed_row(change, WORST, model), "accuracy", worst_source(dataset, model, change)
        for level in levels_of(content, change).items():
            for field in OF_LEVEL:
                source = level_source(dataset, model, change, level, field)
                yield changed_row(change, level[1], model), field, source


def _times(dataset: str, model: str, change: str, severity: float, searched: RowsSource | None) -> Iterator[Cell]:
    """Yield how many times larger a change is than the minimal perturbation, for l_inf only of an attacked model."""
    place = {"table": TABLE_A, "row": changed_row(change, severity, model), "dataset": dataset}
    if searched is not None:
        rows = times_rows(dataset, model, change, severity, searched=searched)
        yield rows_cell(*rows, field="times_l_inf", **place)
    yield rows_cell(*times_rows(dataset, model, change, severity, searched=None), field="times_l2", **place)


def _searched(dataset: str, model: str, attack: Metrics) -> RowsSource | None:
    """Return the rows of the strict search of a model; None where it was not attacked so."""
    metrics = attack.get(dataset, {}).get(model, {})
    if "strict" not in metrics:
        return None
    last = metrics["strict"]["attacks"][-1]
    return strict_rows(dataset, model, attack=last, reach=largest_epsilon(metrics, attack=last))


def _changes(acquisition: Metrics) -> dict[str, str]:
    """Return the title of each change by its name, those that apply to any image first."""
    contents = [content for models in acquisition.values() for content in models.values()]
    names = [name for content in contents for name in content["changes"]]
    names += [name for content in contents for name in content["not_possible"]]
    merged = {"changes": {name: one for content in contents for name, one in content["changes"].items()}}
    return {name: change_title(name, merged) for name in dict.fromkeys(names)}


def _order(row: str, changes: list[str]) -> tuple[int, int, float, int]:
    """Return the place of a row, another for each: by change, its reasons first and its worst case last, then model."""
    change, severity, model = (*row.split(":"), "", "")[:3]
    first = [BASELINE, ALL_CHANGES, *changes]
    kind = {"": 0, UNCHANGED: 1, WORST: 3}.get(severity, 2)
    return first.index(change), kind, float(severity) if kind == 2 else 0.0, TRAINED.index(model) if model else 0


def _labels(acquisition: Metrics, changes: Mapping[str, str]) -> dict[str, str]:
    """Return what readers see for changes and severities (`Table.labels`)."""
    found = {f"{BASELINE}:{UNCHANGED}": "", ALL_CHANGES: "all changes", f"{ALL_CHANGES}:{WORST}": WORST, **changes}
    for content in (content for models in acquisition.values() for content in models.values()):
        for change, one in content["changes"].items():
            for severity in map(severity_text, levels_of(content, change).values()):
                found[f"{change}:{severity}"] = f"{severity} {one['unit']}".strip()
    return found


def _applies_in_part(acquisition: Metrics, report: Report) -> str:
    """Return a sentence on the changes that apply to some images of a data set only, and why; empty for none."""
    clauses = [
        f"{one['n_images']} of {content['n_images']} images of {shown_as(dataset, report).title} have no "
        f"{change_title(change, content)} ({one['reason']})"
        for dataset, content in ((name, models[CLEAN]) for name, models in acquisition.items())
        for change, reasons in content["not_possible"].items()
        if change in content["changes"]
        for one in reasons
    ]
    return f" {'; '.join(clauses)}." if clauses else ""
