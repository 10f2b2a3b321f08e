"""One HTML page that says what was measured, on what, and how to check it; it needs no network.

Everything is inside the page: images as base64, the style sheet, no scripts. It holds no time of writing, so that the
same results give the same bytes. Titles, class names and notes come from a person's files and are escaped by the
template (`templates/report.html.j2`, Jinja with autoescape). Numbers are the tables' cells, shown as `table_text` shows
them.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from oncorobust.cells import Table, TableColumn
from oncorobust.errors import InputError
from oncorobust.files import read_json
from oncorobust.table_text import counts_text, display, lay_out

MODELS = {"clean": "clean-trained", "adversarial": "adversarially trained"}
"""The two models of a data set, and what they are called on the page."""

FIGURE_CAPTIONS = (
    "Clean images and their adversarial counterparts by FGSM, PGD and BIM, with the class that the clean-trained model "
    "predicts and its probability; bold with a cross: no longer the clean prediction. The small images are the "
    "differences, magnified by the factor below them about middle grey.",
    "Accuracy of the clean-trained models under attack over epsilon. Solid: attacked away from the predicted labels, "
    "as in the paper; dashed: away from the true labels. Hollow diamonds: the paper's Table 1. Dotted: with two "
    "classes, the floor of the accuracy with predicted labels, 1 − clean accuracy.",
    "Accuracy under attack before (dashed, hollow) and after (solid, filled) adversarial training; left with predicted "
    "labels, right with true labels. Dotted: the epsilon of Table S5.",
)


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
    """A table as the template writes it: heads with the columns they span, and a command that traces a cell."""

    table: Table
    counts: str
    label_heads: tuple[str, ...]
    groups: list[tuple[str, int]]
    heads: list[tuple[str, bool]]
    lines: list[tuple[tuple[str, ...], list[tuple[str, bool]]]]
    trace: str


def render_report(datasets: Sequence[DatasetPart], *, tables: Sequence[Table], figures: Sequence[bytes]) -> str:
    """The page as HTML text.

    datasets: in the order of the tables' columns. tables: Tables 1, 2 and S5. figures: Figures 1 to 3 as PNG.
    Raises InputError where data sets and tables do not name the same.
    """
    columns = {column.key: column for column in tables[0].columns}
    if [part.key for part in datasets] != list(columns):
        raise InputError(f"expected data sets {list(columns)}, got {[part.key for part in datasets]} in cells.json")
    environment = Environment(
        loader=PackageLoader("oncorobust"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(percent=percent, embedded=embedded)
    return environment.get_template("report.html.j2").render(
        parts=[(part, columns[part.key], findings(columns[part.key], tables, part)) for part in datasets],
        tables=[_view(table) for table in tables],
        figures=list(zip(figures, FIGURE_CAPTIONS, strict=True)),
        synthetic=[column.title for column in columns.values() if column.synthetic],
        all_synthetic=all(column.synthetic for column in columns.values()),
        models=MODELS,
    )


def embedded(png: bytes) -> str:
    """A PNG as the source of an HTML image."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def findings(column: TableColumn, tables: Sequence[Table], part: DatasetPart) -> list[str]:
    """The main numbers of one data set in sentences, each taken from a table's cell or a metrics file."""
    first, second, s5 = tables
    strongest = next(row for row in reversed(first.rows) if row.startswith("PGD:"))
    clean = {model: percent(part.attack[model]["clean_accuracy"]) for model in MODELS}

    def shown(table: Table, row: str, field: str) -> str:
        cell = table.find(row=row, column=column.key, field=field)
        return percent(cell.value) if cell else "no number"

    return [
        f"Without attack the clean-trained model is right on {shown(first, 'Baseline', 'accuracy')} of "
        f"{column.n_images} test images.",
        f"Under PGD at epsilon {strongest.partition(':')[2]} it is right on {shown(first, strongest, 'accuracy')} with "
        f"predicted labels, as in the paper, and {shown(first, strongest, 'accuracy_true_labels')} with true labels.",
        f"Adversarial training changes the accuracy under PGD at the epsilon of Table S5 from "
        f"{shown(s5, 'PGD', 'original')} to {shown(s5, 'PGD', 'adversarially_trained')} (predicted labels), and the "
        f"accuracy without attack from {clean['clean']} to {clean['adversarial']}.",
        f"Leaving out the most sensitive images (coverage {shown(second, column.key, 'coverage')}) changes accuracy "
        f"from {shown(second, column.key, 'accuracy_all')} to {shown(second, column.key, 'accuracy_kept')}.",
    ]


def percent(share: float) -> str:
    """A share as the page's text gives it; the space before the sign does not break."""
    return f"{display(share, 'percent')}\u00a0%"


def _view(table: Table) -> _TableView:
    layout = lay_out(table)
    by_row = table.data_sets == "rows"
    row = table.rows[0] if by_row else next(row for row in table.rows if row.startswith("PGD"))
    from_paper = ["paper" in (one.group, one.text) for one in layout.headings]
    return _TableView(
        table=table,
        counts=counts_text(table),
        label_heads=layout.label_heads,
        groups=[(text, len(list(span))) for text, span in groupby(layout.headings, key=lambda one: one.group)],
        heads=[(one.text, paper) for one, paper in zip(layout.headings, from_paper, strict=True)],
        lines=[(line.labels, list(zip(line.texts, from_paper, strict=True))) for line in layout.lines],
        trace=f'oncorobust trace "{table.name}" --row {row}' + ("" if by_row else f" --column {table.columns[0].key}"),
    )


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
