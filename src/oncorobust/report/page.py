"""One HTML page that says what was measured, on what, and how to check it; it needs no network.

Everything is inside the page: images as base64, the style sheet, no scripts. It holds no time of writing, so that the
same results give the same bytes. Titles, class names and notes come from a person's files and are escaped by the
template (`templates/report.html.j2`, Jinja with autoescape); a Content-Security-Policy forbids scripts all the same.
Numbers are the tables' cells, shown as `table_text` shows them; `report_text` has the sentences.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json
from oncorobust.report.page_text import (
    PROTOCOLS,
    figure_captions,
    findings,
    percent,
    readable_unit_of,
    search_line,
    training_text,
)
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.report.tables.render import ReadableUnit, counts_text, lay_out

MODELS = {"clean": "clean-trained", "adversarial": "adversarially trained"}
"""The two models of a data set, and what they are called on the page."""


@dataclass(frozen=True)
class DatasetPart:
    """What the page shows of one data set, beside the tables: summary.json, metrics by model, PNG images."""

    key: str
    summary: Mapping[str, Any]
    training: Mapping[str, Mapping[str, Any]]
    attack: Mapping[str, Mapping[str, Any]]
    contact_sheet: bytes
    curves: Mapping[str, bytes]


@dataclass(frozen=True)
class _TableView:
    """A table as the template writes it: heads with the columns they span, and a command that traces a cell.

    A table without rows has only its caption to show: no lines, and no cell to trace.
    """

    table: Table
    counts: str
    label_heads: tuple[str, ...]
    groups: list[tuple[str, int]]
    heads: list[tuple[str, bool]]
    lines: list[tuple[tuple[str, ...], list[tuple[str, bool]]]]
    trace: str | None


def render_report(datasets: Sequence[DatasetPart], *, tables: Sequence[Table], figures: Sequence[bytes]) -> str:
    """The page as HTML text.

    datasets: in the order of the tables' columns. tables: Tables 1, 2, S5, G and T. figures: Figures 1 to 3 as PNG.
    Raises InputError where data sets and tables do not name the same, or data sets hold different protocols.
    """
    columns = {column.key: column for column in tables[0].columns}
    if [part.key for part in datasets] != list(columns):
        raise InputError(f"expected data sets {list(columns)}, got {[part.key for part in datasets]} in cells.json")
    environment = Environment(
        loader=PackageLoader("oncorobust.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(percent=percent, embedded=embedded, training_text=training_text)
    protocols, by_name = (
        attack_protocols({part.key: part.attack for part in datasets}),
        {one.name: one for one in tables},
    )
    return environment.get_template("report.html.j2").render(
        parts=[
            (part, columns[part.key], findings(columns[part.key], by_name, part.attack, protocols)) for part in datasets
        ],
        protocols=[text for protocol, text in PROTOCOLS.items() if protocol in protocols],
        searches=[
            (columns[part.key], name, search_line(part.attack[model], part.summary))
            for part in datasets
            for model, name in MODELS.items()
            if "strict" in protocols
        ],
        tables=[_view(table, {part.key: readable_unit_of(part.summary) for part in datasets}) for table in tables],
        figures=list(zip(figures, figure_captions(protocols), strict=True)),
        synthetic=[column.title for column in columns.values() if column.synthetic],
        all_synthetic=all(column.synthetic for column in columns.values()),
        models=MODELS,
    )


def embedded(png: bytes) -> str:
    """A PNG as the source of an HTML image."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def _view(table: Table, units: Mapping[str, ReadableUnit]) -> _TableView:
    layout = lay_out(table, units)
    from_paper = ["paper" in (one.group, one.text) for one in layout.headings]
    return _TableView(
        table=table,
        counts=counts_text(table),
        label_heads=layout.label_heads,
        groups=[(text, len(list(span))) for text, span in groupby(layout.headings, key=lambda one: one.group)],
        heads=[(one.text, paper) for one, paper in zip(layout.headings, from_paper, strict=True)],
        lines=[(line.labels, list(zip(line.texts, from_paper, strict=True))) for line in layout.lines],
        trace=_trace_command(table) if table.rows else None,
    )


def _trace_command(table: Table) -> str:
    """A command that traces a cell of a table: one under PGD where there is such a row."""
    cell = next((one for one in table.cells if one.row.startswith("PGD")), table.cells[0])
    column = "" if table.data_sets == "rows" else f" --column {cell.column}"
    return f'oncorobust trace "{table.name}" --row {cell.row}{column}'


def read_dataset_part(dataset: str) -> DatasetPart:
    """Read what the page shows of a data set from the work tree."""
    processed, reports = Path("data/processed", dataset), Path("reports", dataset)
    return DatasetPart(
        key=dataset,
        summary=read_json(processed / "summary.json"),
        training={model: read_json(reports / model / "training.json") for model in MODELS},
        attack={model: read_json(reports / model / "attack.json") for model in MODELS},
        contact_sheet=read_image(processed / "contact_sheet.png"),
        curves={model: read_image(reports / model / "curves.png") for model in MODELS},
    )


def read_image(path: str | Path) -> bytes:
    """The bytes of a PNG. Raises InputError where the file is missing or is no PNG."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"expected a PNG image, got {error} in {path}") from error
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise InputError(f"expected a PNG image, got {content[:8]!r} in {path}")
    return content
