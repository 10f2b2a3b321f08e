"""What the page tells of a number that is clicked: its words, sources, files, parameters, code and the trace command.

The page states what stage `report` knows for certain. dvc.lock is written after the page, and the commit that holds
the page after that, so neither can stand in it: the command of the dialog prints both. The MD5 of the rows and metrics
were taken by `tabulate` when it read them, those of models and images by the stages that wrote them. Parameters and
digests of the code are those of the work tree when the page was written; both runners write the page again when one of
them changes.

The data are tables of texts, files and stages, in which the cells name positions, so that a fact stands once:

    cells    by `table|row|column|field`: positions of its words, interval, sources, files and stages
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import PurePosixPath
from typing import Any

from oncorobust.base.layout import ADVERSARIAL, CLEAN, NOISE, SCRIPTS, images_file, model_file, stage_command
from oncorobust.report.tables.cell import Cell, Table
from oncorobust.report.tables.words import cell_words, interval_words, source_words

_TABULATED = ("table_epsilons", "protocols", "strict.threats")

STAGE_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "preprocess": ("seed", "datasets.{dataset}.preprocess", "datasets.{dataset}.augment"),
    "train": ("seed", "run.threads", *(f"datasets.{{dataset}}.{one}" for one in ("model", "augment", "train"))),
    "harden": ("seed", "run.threads", "datasets.{dataset}.augment", "datasets.{dataset}.harden"),
    "smooth": ("seed", "run.threads", "datasets.{dataset}.augment", "datasets.{dataset}.smooth"),
    "attack": ("seed", "run.threads", "attacks", "datasets.{dataset}.attack"),
    "rank": ("seed", "run.threads", "attacks", "datasets.{dataset}.rank", "datasets.{dataset}.attack"),
    "certify": (
        *("seed", "run.threads", "attacks.batch_size", "attacks.table_epsilons", "attacks.strict.search_precision"),
        *("datasets.{dataset}.certify", "datasets.{dataset}.attack"),
    ),
    "rescan": (
        *("seed", "run.threads", "attacks.batch_size", "attacks.strict.search_precision"),
        *(f"datasets.{{dataset}}.{one}" for one in ("preprocess", "acquisition", "attack")),
    ),
    "tabulate": ("seed", "run", "report", *(f"attacks.{one}" for one in _TABULATED)),
}
"""The parameters of the stages that the page names, as both graphs declare them."""

SHOWN_CODE = tuple(STAGE_PARAMETERS)
"""Stages whose code the page names."""

_MADE_BY = {
    **dict.fromkeys(("attack.json", "predictions.csv", "intervals.csv", "threats.csv"), "attack"),
    **dict.fromkeys(("rank.json", "sensitivity.csv", "scores.csv"), "rank"),
    **dict.fromkeys(("certify.json", "certificates.csv"), "certify"),
    **dict.fromkeys(("acquisition.json", "acquisition.csv"), "rescan"),
}
_TRAINED_BY = {CLEAN: ("train",), ADVERSARIAL: ("harden", "train"), NOISE: ("smooth", "train")}


@dataclass(frozen=True)
class Facts:
    """What stage `report` knows of the files behind the tables.

    md5s: by path. code: digests of the files of each stage of SHOWN_CODE, by path. parameters: content of params.yaml.
    project: whether the run is of a project that `oncorobust init` has made, and not of a clone of the repository.
    """

    md5s: Mapping[str, str]
    code: Mapping[str, Mapping[str, str]]
    parameters: Mapping[str, Any]
    project: bool = False


@dataclass(frozen=True)
class TraceView:
    """Data of the page's dialog, as JSON that can stand in a script element."""

    data: str


def trace_view(tables: Sequence[Table], facts: Facts) -> TraceView:
    """Return the data of every cell of the tables."""
    book = _Book(facts)
    cells = {cell_key(cell): book.cell(cell) for table in tables for cell in table.cells}
    content = {
        "command": "oncorobust trace",
        "texts": list(book.texts),
        "files": [[path, facts.md5s.get(path)] for path in book.files],
        "stages": list(book.stages.values()),
        "modules": [list(one) for one in book.modules],
        "cells": cells,
    }
    return TraceView(json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def cell_key(cell: Cell) -> str:
    """Return the key of a cell: its table and the attributes data-row, data-column and data-field of its number."""
    return f"{cell.table}|{cell.row}|{cell.column}|{cell.field}"


def known_md5s(
    read: Mapping[str, str],
    *,
    summaries: Mapping[str, Mapping[str, Any]],
    training: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, str]:
    """Return the MD5 by path of the files behind the tables.

    read: those that cells.json states. summaries: content of summary.json by data set. training: of training.json by
    data set and model.
    """
    images = {images_file(name): one["images_md5"] for name, one in summaries.items() if "images_md5" in one}
    models = {
        model_file(name, model): one["model_md5"]
        for name, of_models in training.items()
        for model, one in of_models.items()
        if "model_md5" in one
    }
    return {**read, **images, **models}


@dataclass(frozen=True)
class _Book:
    """The tables of texts, files, stages and modules that the cells share; each keeps the order of first use."""

    facts: Facts
    texts: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    modules: dict[tuple[str, str], int] = field(default_factory=dict)
    stages: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)

    def cell(self, cell: Cell) -> list[Any]:
        """Return words, interval, sources, files and stages of a cell, as positions."""
        read = list(dict.fromkeys([*(one.file for one in cell.metrics), *(one.file for one in cell.rows)]))
        places = [PurePosixPath(one).parts for one in read]
        results = [(parts[1], parts[2], parts[3]) for parts in places if len(parts) == 4 and parts[3] in _MADE_BY]
        behind = [path for dataset, model, _ in results for path in (model_file(dataset, model), images_file(dataset))]
        return [
            _at(self.texts, cell_words(cell)),
            _at(self.texts, interval_words(cell)),
            [_at(self.texts, one) for one in source_words(cell)],
            [_at(self.files, one) for one in dict.fromkeys([*read, *behind])],
            [self._stage(*one) for one in _chain(results)],
        ]

    def _stage(self, stage: str, dataset: str, model: str) -> int:
        key = (stage, dataset, model)
        if key not in self.stages:
            names = (one.format(dataset=dataset) for one in STAGE_PARAMETERS[stage])
            options = [f" --dataset {dataset}" if dataset else "", f" --model {model}" if model else ""]
            code = self.facts.code.get(stage, {})
            self.stages[key] = {
                "command": f"{stage_command(stage, project=self.facts.project)}{''.join(options)}",
                "parameters": [_at(self.texts, f"{name} = {self._parameter(name)}") for name in names],
                "modules": [_at(self.modules, one) for one in sorted(code.items(), key=_script_first)],
            }
        return list(self.stages).index(key)

    def _parameter(self, name: str) -> str:
        value = reduce(lambda tree, key: tree[key], name.split("."), self.facts.parameters)
        return json.dumps(value, ensure_ascii=False)


def _chain(results: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the stages behind some files of results, last one first, as stage, data set and model."""
    found: dict[tuple[str, str, str], None] = {("tabulate", "", ""): None}
    for dataset, model, file in results:
        found[(_MADE_BY[file], dataset, model)] = None
        if _MADE_BY[file] == "rank":
            found[("attack", dataset, model)] = None
    for dataset, model, _ in results:
        found.update(dict.fromkeys((one, dataset, "") for one in _TRAINED_BY[model]))
    for dataset, _, _ in results:
        found[("preprocess", dataset, "")] = None
    return list(found)


def _script_first(entry: tuple[str, str]) -> tuple[bool, str]:
    return not entry[0].startswith(f"{SCRIPTS}/"), entry[0]


def _at(positions: dict[Any, int], key: object) -> int:
    return positions.setdefault(key, len(positions))
