"""The results for other programs, and the cards of the models: the stage `exchange`."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import whole_outputs, write_csv, write_json
from oncorobust.base.schema.version import read_results
from oncorobust.pipeline.table_outputs import read_gates
from oncorobust.report.exchange.card_facts import CardFacts
from oncorobust.report.exchange.citations import citations
from oncorobust.report.exchange.dvc_files import headline, robust_accuracy_points, training_points
from oncorobust.report.exchange.latex import gates_to_latex, to_latex
from oncorobust.report.exchange.measured import measured_of
from oncorobust.report.exchange.ml_bom import ml_bom
from oncorobust.report.exchange.model_card import model_card
from oncorobust.report.exchange.results import results_content
from oncorobust.report.exchange.workbook import to_sheets
from oncorobust.report.exchange.xlsx import write_workbook
from oncorobust.report.tables.cell import Table, tables_from_json
from oncorobust.report.tables.common import shown_as
from oncorobust.report.tables.render import marked_title
from oncorobust.report.tables.sources import Metrics, read_metrics, read_summaries
from oncorobust.report.tables.validity import Gate, watermark
from oncorobust.settings.pipeline import Params

_OF_THE_PAPER = ("fgsm", "bim", "pgd")


def exchange(params: Params) -> None:
    """Read the tables, the gates and what describes each model; write all files for other programs.

    Raises InputError naming a file that is missing or unreadable.
    """
    tables, gates = tables_from_json(read_results(layout.CELLS)), read_gates()
    attack, summaries = read_metrics(params.models, "attack.json"), read_summaries(params.models)
    origins = {name: shown_as(name, params.report).origin or "" for name in params.models}
    trained = {name: params.datasets[name].trained_models for name in params.models}
    facts = _facts(trained, summaries, tables, gates, origins)
    attacked = [one for one in facts if one.gate is not None]
    texts = {
        **{layout.latex_file(one.file): to_latex(one) for one in tables},
        layout.latex_file(layout.table_file("validity")): gates_to_latex(gates),
        **{layout.card_file(one.dataset, one.model): model_card(one) for one in facts},
        **{layout.headline_file(one.dataset, one.model): _headline(one, tables) for one in attacked},
        layout.CITATIONS: _citations(attack, summaries, tables),
    }
    documents: dict[str, dict[str, Any]] = {layout.bom_file(one.dataset, one.model): ml_bom(one) for one in facts}
    documents[layout.RESULTS] = results_content(tables, mark=watermark(gates))
    marked = {one.key: marked_title(one) for one in tables[0].columns}
    frames = _points(trained, attack, marked)
    with whole_outputs(layout.WORKBOOK, *texts, *documents, *frames) as (workbook, *drafts):
        write_workbook(workbook, to_sheets(tables, gates))
        of = dict(zip((*texts, *documents, *frames), drafts, strict=True))
        for path, text in texts.items():
            of[path].write_text(text, encoding="utf-8")
        for path, document in documents.items():
            write_json(of[path], document)
        for path, frame in frames.items():
            write_csv(of[path], frame)


def _facts(
    models: Mapping[str, Sequence[str]],
    summaries: Mapping[str, Mapping[str, Any]],
    tables: Sequence[Table],
    gates: Sequence[Gate],
    origins: Mapping[str, str],
) -> list[CardFacts]:
    """Return what is known about each trained model of each data set.

    The digests of a model's file are those that its training wrote: Snakemake would read all models once for each of
    this stage's outputs.
    """
    trainings, of = read_metrics(models, "training.json"), {(gate.dataset, gate.model): gate for gate in gates}
    titles = {gate.dataset: gate.title for gate in gates}
    return [
        CardFacts(
            dataset=dataset,
            title=titles[dataset],
            origin=origins[dataset],
            model=model,
            summary=summaries[dataset],
            trainings=trainings[dataset],
            gate=of.get((dataset, model)),
            numbers=measured_of(tables, dataset, model),
            md5=_digest(trainings, dataset, model, "model_md5"),
            sha256=_digest(trainings, dataset, model, "model_sha256"),
        )
        for dataset, held in models.items()
        for model in held
    ]


def _digest(trainings: Metrics, dataset: str, model: str, key: str) -> str:
    try:
        return str(trainings[dataset][model][key])
    except KeyError as error:
        where = layout.results_file(dataset, model, "training.json")
        message = f"{where}: expected {key}, got none: an older version wrote it; train the model again"
        raise InputError(message) from error


def _headline(facts: CardFacts, tables: Sequence[Table]) -> str:
    text: str = yaml.safe_dump(headline(facts.numbers, tables, facts.dataset, facts.model), sort_keys=False)
    return text


def _points(models: Mapping[str, Sequence[str]], attack: Metrics, titles: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return the files of curves. titles: of the data sets, marked where their images are synthetic."""
    histories = {
        (dataset, model): pd.read_csv(layout.results_file(dataset, model, "history.csv"))
        for dataset, held in models.items()
        for model in held
    }
    return {
        layout.ROBUST_POINTS: robust_accuracy_points(attack, titles),
        layout.TRAINING_POINTS: training_points(histories, titles),
    }


def _citations(attack: Metrics, summaries: Mapping[str, Mapping[str, Any]], tables: Sequence[Table]) -> str:
    contents = [models[layout.CLEAN] for models in attack.values()]
    names = [*_OF_THE_PAPER] if any(one["epsilons"] for one in contents) else []
    names += [name for one in contents for name in one.get("strict", {}).get("attacks", ())]
    certified = any(table.cells for table in tables if table.name == "Table C")
    return citations(summaries, attacks=names, certified=certified)
