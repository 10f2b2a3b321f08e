"""The HTML page of a run: data, tables, figures, training and the way back to the inputs, in one file.

The page needs no network: images are inside as base64, as are style sheet and scripts (`inline`), and all that it
shows is there without scripts. It holds no time of writing, so that the same results give the same bytes. Titles, class
names and notes come from a user's files; the template (`templates/report.html.j2`, with a partial for each section)
escapes them by Jinja's autoescape, and a Content-Security-Policy forbids all scripts but the page's own. Numbers are
the tables' cells, shown as `tables.numbers` shows them; `text` and `model_text` hold the sentences.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT
from oncorobust.base.errors import InputError
from oncorobust.base.layout import stage_command
from oncorobust.report.certificate_text import certificate_sentences
from oncorobust.report.comparison_text import comparison_sentences
from oncorobust.report.figure_text import figure_captions
from oncorobust.report.model_text import hardening_of, model_sentence, noise_sentences, training_text
from oncorobust.report.page.charts import charts_view, embedded_svg
from oncorobust.report.page.exhibits import Exhibits, exhibit_views
from oncorobust.report.page.inline import TEMPLATES, inline
from oncorobust.report.page.parts import MODELS, DatasetPart, embedded
from oncorobust.report.page.readers import ReaderFiles, readers_view
from oncorobust.report.page.summary import attacked_by, cards
from oncorobust.report.page.table_views import table_view
from oncorobust.report.page.text import PROTOCOLS, SearchLine, findings, percent, readable_unit_of, search_line
from oncorobust.report.page.trace import Facts, trace_view
from oncorobust.report.seed_text import seed_findings
from oncorobust.report.selective_text import rule_findings
from oncorobust.report.tables.cell import Table, TableColumn
from oncorobust.report.tables.certificates import TABLE_C
from oncorobust.report.tables.protocols import attack_protocols
from oncorobust.report.tables.render import marked_title
from oncorobust.report.tables.training_seeds import TABLE_V
from oncorobust.report.tables.validity import CAPTION, Gate, watermark
from oncorobust.report.verdict_text import policy_view
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Params

_NEEDED = {3: "hardened", 5: "strict", 6: "certified"}
"""What a run must have for a figure to be shown, by the figure's number."""


def render_report(
    datasets: Sequence[DatasetPart],
    *,
    tables: Sequence[Table],
    gates: Sequence[Gate],
    figures: Sequence[bytes],
    curves: Mapping[str, Any],
    verdicts: Sequence[Mapping[str, Any]],
    epsilon: float,
    files: ReaderFiles,
    params: Params,
    exhibits: Mapping[str, Exhibits],
    facts: Facts | None,
    assessment: Mapping[str, Any] | None = None,
) -> str:
    """Return the page as HTML.

    datasets: in the order of the tables' columns. tables: all of `tables.build`. gates: the checks of each model.
    figures: all figures as SVG. curves: content of curves.json. verdicts: contents of the verdict files of the
    policies. epsilon: of the accuracies under attack on the first screen, that of Table S5. files: rows and images
    behind the sections for three readers. exhibits: of the gallery and the table of images, by data set. params: of the
    run. facts: what a click on a number tells; None without a repository to trace it in. assessment: content of
    assessment.json, which then stands in place of the commands of a repository; None for a run of the pipeline. Raises
    InputError where the tables have other data sets, or data sets hold different protocols.
    """
    columns = {column.key: column for column in tables[0].columns}
    if [part.key for part in datasets] != list(columns):
        raise InputError(f"cells.json: data sets {list(columns)} (expected {[part.key for part in datasets]})")
    protocols = attack_protocols({part.key: part.attack for part in datasets})
    by_name = {one.name: one for one in tables}
    beside_paper = [column.title for column in columns.values() if column.paper]
    hardening = " or ".join(dict.fromkeys(filter(None, (hardening_of(part.training) for part in datasets))))
    titles = {key: marked_title(column) for key, column in columns.items()}
    views = exhibit_views(datasets, exhibits, titles)
    policies = [policy_view(one, titles, units={part.key: part.unit for part in datasets}) for one in verdicts]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            parts=[
                (part, columns[part.key], _sentences(part, columns[part.key], by_name, protocols)) for part in datasets
            ],
            cards=cards(datasets, by_name, gates=gates, verdicts=verdicts, protocols=protocols, epsilon=epsilon),
            protocols=[text for protocol, text in PROTOCOLS.items() if protocol in protocols],
            attacked_by=attacked_by(datasets, protocols),
            searches=_searches(datasets, columns) if "strict" in protocols else [],
            tables=[
                table_view(table, {part.key: readable_unit_of(part.summary) for part in datasets}) for table in tables
            ],
            figures=_figures(figures, datasets, protocols, paper=bool(beside_paper), hardened=bool(hardening)),
            certificates=_certificates(datasets, columns, by_name[TABLE_C]),
            gates=[list(of) for _, of in groupby(gates, key=lambda one: one.dataset)],
            gate_caption=CAPTION,
            policies=policies,
            readers=readers_view(
                datasets,
                tables,
                files,
                gates=gates,
                policies=policies,
                params=params,
                models=MODELS,
                assessment=assessment,
            ),
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
            gallery=views.gallery,
            images=views.images,
            inline=inline(),
            trace=None if facts is None else trace_view(tables, facts),
            command=partial(stage_command, project=facts is not None and facts.project),
            place="project" if facts is not None and facts.project else "repository",
            charts=charts_view(curves),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("oncorobust", TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        percent=percent, embedded=embedded, embedded_svg=embedded_svg, training_text=training_text
    )
    return environment


def _searches(
    datasets: Sequence[DatasetPart], columns: Mapping[str, TableColumn]
) -> list[tuple[TableColumn, str, SearchLine]]:
    """Return the strict search of each attacked model."""
    return [
        (columns[part.key], name, search_line(part.attack[model], part.summary))
        for part in datasets
        for model, name in MODELS.items()
        if model in part.attack
    ]


def _figures(
    figures: Sequence[bytes],
    datasets: Sequence[DatasetPart],
    protocols: frozenset[Protocol],
    *,
    paper: bool,
    hardened: bool,
) -> list[tuple[int, bytes, str]]:
    """Return number, image and caption of each figure for which the run has results."""
    certified = any(part.certify for part in datasets)
    two_classes = any(len(part.summary["class_names"]) == 2 for part in datasets)
    captions = figure_captions(protocols, two_classes=two_classes, paper=paper, certified=certified)
    has = {"hardened": hardened, "certified": certified, "strict": "strict" in protocols, "always": True}
    return [
        (number, *shown)
        for number, shown in enumerate(zip(figures, captions, strict=True), start=1)
        if has[_NEEDED.get(number, "always")]
    ]


def _certificates(
    datasets: Sequence[DatasetPart], columns: Mapping[str, TableColumn], table: Table
) -> list[tuple[TableColumn, list[str]]]:
    """Return what is guaranteed of the models of each data set with certificates. table: Table C."""
    return [
        (
            columns[part.key],
            certificate_sentences(
                table, columns[part.key], part.certify, readable_unit_of(part.summary), unit=part.unit
            ),
        )
        for part in datasets
        if part.certify
    ]


def _sentences(
    part: DatasetPart, column: TableColumn, tables: Mapping[str, Table], protocols: frozenset[Protocol]
) -> list[str]:
    hardening = hardening_of(part.training)
    told = findings(column, tables, part.attack, protocols, unit=part.unit, hardening=hardening)
    told += seed_findings(tables[TABLE_V], column, hardening=hardening)
    told += rule_findings(tables["Table D"], column, unit=part.unit)
    return [model_sentence(part.training["clean"]), *noise_sentences(part.training), *told]
