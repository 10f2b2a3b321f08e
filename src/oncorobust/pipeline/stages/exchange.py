"""The results for other programs, and the cards of the models: the stage `exchange`."""

from collections.abc import Mapping, Sequence
from typing import Any

from oncorobust.base import layout
from oncorobust.base.files import file_md5, file_sha256, whole_outputs, write_json
from oncorobust.base.schema.version import read_results
from oncorobust.pipeline.table_outputs import read_gates
from oncorobust.report.exchange.citations import citations
from oncorobust.report.exchange.latex import gates_to_latex, to_latex
from oncorobust.report.exchange.measured import measured_of
from oncorobust.report.exchange.ml_bom import ml_bom
from oncorobust.report.exchange.model_card import CardFacts, model_card
from oncorobust.report.exchange.results import results_content
from oncorobust.report.exchange.workbook import to_sheets
from oncorobust.report.exchange.xlsx import write_workbook
from oncorobust.report.tables.cell import Table, tables_from_json
from oncorobust.report.tables.sources import read_summaries
from oncorobust.report.tables.validity import Gate, watermark
from oncorobust.settings.pipeline import Params


def exchange(params: Params) -> None:
    """Read the tables, the gates and what describes each model; write results.json, LaTeX, XLSX, cards and BibTeX.

    Raises InputError naming a file that is missing or unreadable.
    """
    tables, gates = tables_from_json(read_results(layout.CELLS)), read_gates()
    summaries = read_summaries(params.models)
    latex = {layout.latex_file(one.file): to_latex(one) for one in tables}
    latex[layout.latex_file(layout.table_file("validity"))] = gates_to_latex(gates)
    facts = [
        one
        for dataset, models in params.models.items()
        for one in _facts(dataset, models, summaries[dataset], tables, gates)
    ]
    texts = {
        **latex,
        **{layout.card_file(one.dataset, one.model): model_card(one) for one in facts},
        layout.CITATIONS: _citations(params, summaries),
    }
    documents: dict[str, dict[str, Any]] = {layout.bom_file(one.dataset, one.model): ml_bom(one) for one in facts}
    documents[layout.RESULTS] = results_content(tables, mark=watermark(gates))
    with whole_outputs(layout.WORKBOOK, *texts, *documents) as (workbook, *drafts):
        write_workbook(workbook, to_sheets(tables, gates))
        for draft, text in zip(drafts, texts.values(), strict=False):
            draft.write_text(text, encoding="utf-8")
        for draft, document in zip(drafts[len(texts) :], documents.values(), strict=True):
            write_json(draft, document)


def _facts(
    dataset: str,
    models: Sequence[str],
    summary: Mapping[str, Any],
    tables: Sequence[Table],
    gates: Sequence[Gate],
) -> list[CardFacts]:
    """Return what is known about each model of a data set."""
    trainings = {model: read_results(layout.results_file(dataset, model, "training.json")) for model in models}
    of = {gate.model: gate for gate in gates if gate.dataset == dataset}
    return [
        CardFacts(
            dataset=dataset,
            title=of[model].title,
            model=model,
            summary=summary,
            trainings=trainings,
            gate=of[model],
            numbers=measured_of(tables, dataset, model),
            md5=file_md5(layout.model_file(dataset, model)),
            sha256=file_sha256(layout.model_file(dataset, model)),
        )
        for model in models
    ]


def _citations(params: Params, summaries: Mapping[str, Mapping[str, Any]]) -> str:
    contents = [read_results(layout.results_file(name, layout.CLEAN, "attack.json")) for name in params.models]
    names = [attack for one in contents for attack in one.get("strict", {}).get("attacks", ())]
    names += ["fgsm", "bim", "pgd"] if "paper" in params.attacks.protocols else []
    return citations(summaries, attacks=names, certified=bool(params.certified))
