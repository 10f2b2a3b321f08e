"""The HTML page of a run: data, tables, figures, training and the way back to the inputs, in one file.

The page needs no network: images are inside as base64, the style sheet too, and there are no scripts. It holds no time
of writing, so that the same results give the same bytes. Titles, class names and notes come from a user's files; the
template (`templates/report.html.j2`) escapes them by Jinja's autoescape, and a Content-Security-Policy forbids scripts.
Numbers are the tables' cells, shown as `tables.numbers` shows them; `page_text` and `model_text` hold the sentences.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from oncorobust.base import layout
from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.report.certificate_text import certificate_sentences
from oncorobust.report.comparison_text import comparison_sentences
from oncorobust.report.figure_text import figure_captions
from oncorobust.report.model_text import hardening_of, model_sentence, noise_sentences, training_text
from oncorobust.report.page_text import (
    PROTOCOLS,
    findings,
    percent,
    readable_unit_of,
    sampled_unit,
    search_line,
)
from oncorobust.report.seed_text import seed_findings
from oncorobust.report.selective_text import rule_findings
from oncorobust.report.shown_attacks import PGD
from oncorobust.report.tables.cell import Table, TableColumn
from oncorobust.report.tables.certificates import TABLE_C
from oncorobust.report.tables.numbers import ReadableUnit
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.report.tables.render import counts_text, lay_out, marked_title
from oncorobust.report.tables.training_seeds import TABLE_V
from oncorobust.report.tables.validity import CAPTION, Gate, watermark
from oncorobust.report.verdict_text import policy_view
from oncorobust.settings.attacks import Protocol

_INTERVAL = re.compile(r"\S+ \(\S+ to [^)]+\)")
_NEEDED = {3: "hardened", 5: "strict", 6: "certified"}
"""What a run must have for a figure to be shown, by the figure's number."""

MODELS = {layout.CLEAN: "clean", layout.ADVERSARIAL: "adversarially trained", layout.NOISE: "noise-trained"}
"""The models of a data set, in order, and their names on the page."""


@dataclass(frozen=True)
class DatasetPart:
    """What the page shows of one data set besides the tables: summary.json, metrics by model, PNG images.

    certify: certify.json by model, empty without certificates.
    """

    key: str
    summary: Mapping[str, Any]
    training: Mapping[str, Mapping[str, Any]]
    attack: Mapping[str, Mapping[str, Any]]
    certify: Mapping[str, Mapping[str, Any]]
    contact_sheet: bytes
    curves: Mapping[str, bytes]

    @property
    def unit(self) -> str:
        """What the data set's intervals sample: patients or images."""
        return sampled_unit(self.summary)

    @property
    def trained(self) -> list[str]:
        """Models that were trained, not only evaluated."""
        return [model for model, one in self.training.items() if one["epochs_run"]]


@dataclass(frozen=True)
class _TableView:
    """A table as the template writes it: headings with the columns they span, and a command that traces a cell.

    A table without rows shows only its caption: no lines, and no cell to trace.
    """

    table: Table
    counts: str
    label_heads: tuple[str, ...]
    groups: list[tuple[str, int]]
    heads: list[tuple[str, bool]]
    lines: list[tuple[tuple[str, ...], list[tuple[str, bool]]]]
    trace: str | None


def render_report(
    datasets: Sequence[DatasetPart],
    *,
    tables: Sequence[Table],
    gates: Sequence[Gate],
    figures: Sequence[bytes],
    verdicts: Sequence[Mapping[str, Any]],
    assessment: Mapping[str, Any] | None = None,
) -> str:
    """Return the page as HTML.

    datasets: in the order of the tables' columns. tables: all of `tables.build`. gates: the checks of each model.
    figures: Figures 1 to 6 as PNG. verdicts: contents of the verdict files of the policies. assessment: content of
    assessment.json, which then stands in place of the commands of a repository; None for a run of the pipeline. Raises
    InputError where the tables have other data sets, or data sets hold different protocols.
    """
    columns = {column.key: column for column in tables[0].columns}
    if [part.key for part in datasets] != list(columns):
        raise InputError(f"cells.json: data sets {list(columns)} (expected {[part.key for part in datasets]})")
    environment = Environment(
        loader=PackageLoader("oncorobust.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(percent=percent, embedded=embedded, training_text=training_text)
    protocols = attack_protocols({part.key: part.attack for part in datasets})
    by_name = {one.name: one for one in tables}
    two_classes = any(len(part.summary["class_names"]) == 2 for part in datasets)
    beside_paper = [column.title for column in columns.values() if column.paper]
    hardening = " or ".join(dict.fromkeys(filter(None, (hardening_of(part.training) for part in datasets))))
    titles = {key: marked_title(column) for key, column in columns.items()}
    certified = any(part.certify for part in datasets)
    captions = figure_captions(protocols, two_classes=two_classes, paper=bool(beside_paper), certified=certified)
    has = {"hardened": bool(hardening), "certified": certified, "strict": "strict" in protocols, "always": True}
    return environment.get_template("report.html.j2").render(
        parts=[(part, columns[part.key], _sentences(part, columns[part.key], by_name, protocols)) for part in datasets],
        protocols=[text for protocol, text in PROTOCOLS.items() if protocol in protocols],
        searches=[
            (columns[part.key], name, search_line(part.attack[model], part.summary))
            for part in datasets
            for model, name in MODELS.items()
            if "strict" in protocols and model in part.attack
        ],
        tables=[_view(table, {part.key: readable_unit_of(part.summary) for part in datasets}) for table in tables],
        figures=[
            (number, *shown)
            for number, shown in enumerate(zip(figures, captions, strict=True), start=1)
            if has[_NEEDED.get(number, "always")]
        ],
        certificates=[
            (
                columns[part.key],
                certificate_sentences(
                    by_name[TABLE_C],
                    columns[part.key],
                    part.certify,
                    readable_unit_of(part.summary),
                    unit=part.unit,
                ),
            )
            for part in datasets
            if part.certify
        ],
        gates=gates,
        gate_caption=CAPTION,
        policies=[policy_view(one, titles, units={part.key: part.unit for part in datasets}) for one in verdicts],
        mark=watermark(gates),
        synthetic=[column.title for column in columns.values() if column.synthetic],
        all_synthetic=all(column.synthetic for column in columns.values()),
        models=MODELS,
        beside_paper=beside_paper,
        hardening=hardening,
        comparisons=comparison_sentences(by_name["Table N"]),
        trained=[(part, columns[part.key], trained) for part in datasets if (trained := part.trained)],
        flag_limit=FEW_WITHOUT_GRADIENT,
        assessment=assessment,
    )


def _sentences(
    part: DatasetPart, column: TableColumn, tables: Mapping[str, Table], protocols: frozenset[Protocol]
) -> list[str]:
    hardening = hardening_of(part.training)
    told = findings(column, tables, part.attack, protocols, unit=part.unit, hardening=hardening)
    told += seed_findings(tables[TABLE_V], column, hardening=hardening)
    told += rule_findings(tables["Table D"], column, unit=part.unit)
    return [model_sentence(part.training["clean"]), *noise_sentences(part.training), *told]


def unbroken(text: str) -> str:
    """Return a table's text with each number and its interval on one line: their spaces are no-break spaces."""
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text)


def embedded(png: bytes) -> str:
    """Return a PNG as the source of an HTML image."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def _view(table: Table, units: Mapping[str, ReadableUnit]) -> _TableView:
    layout = lay_out(table, units)
    return _TableView(
        table=table,
        counts=counts_text(table),
        label_heads=layout.label_heads,
        groups=[(text, len(list(span))) for text, span in groupby(layout.headings, key=lambda one: one.group)],
        heads=[(one.text, one.paper) for one in layout.headings],
        lines=[
            (line.labels, [(unbroken(text), one.paper) for text, one in zip(line.texts, layout.headings, strict=True)])
            for line in layout.lines
        ],
        trace=_trace_command(table) if table.rows else None,
    )


def _trace_command(table: Table) -> str:
    """Return a command that traces a cell of a table, under PGD where there is such a row."""
    cell = next((one for one in table.cells if one.row.startswith(PGD.title)), table.cells[0])
    column = "" if table.data_sets == "rows" else f" --column {cell.column}"
    return f'oncorobust trace "{table.name}" --row {cell.row}{column}'


def read_dataset_part(
    dataset: str, *, attacked: Sequence[str], trained: Sequence[str], certified: Sequence[str] = ()
) -> DatasetPart:
    """Read what the page shows of a data set from the work tree. attacked, trained, certified: names of its models."""
    processed = layout.processed(dataset)
    return DatasetPart(
        key=dataset,
        summary=read_results(f"{processed}/summary.json"),
        training={model: read_results(layout.results_file(dataset, model, "training.json")) for model in trained},
        attack={model: read_results(layout.results_file(dataset, model, "attack.json")) for model in attacked},
        certify={model: read_results(layout.results_file(dataset, model, "certify.json")) for model in certified},
        contact_sheet=read_image(f"{processed}/contact_sheet.png"),
        curves={model: read_image(layout.results_file(dataset, model, "curves.png")) for model in trained},
    )


def read_image(path: str | Path) -> bytes:
    """Read the bytes of a PNG. Raises InputError where the file is missing or not a PNG."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error} (expected a PNG image)") from error
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise InputError(f"{path}: begins with {content[:8]!r} (expected a PNG image)")
    return content
