"""What three readers ask of the page: a radiologist, a reviewer and a hospital's board.

radiologist  confusion matrices with the measures of Table E, wrong and sensitive images, epsilon in words
reviewer     how the attacked images were drawn, intervals and tests, warnings beside the numbers they concern
board        software, data, parameters, calibration, subgroups, intended use, limits (`board`)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from oncorobust.base.layout import CLEAN, results_file
from oncorobust.data.dataset import LabelledImages
from oncorobust.report.described import Described
from oncorobust.report.epsilon_words import epsilon_sentences
from oncorobust.report.model_warnings import ModelWarning, warnings_of
from oncorobust.report.page.confusion import Confusion, confusions
from oncorobust.report.page.examples import Examples, clean_errors, most_sensitive
from oncorobust.report.page.reviewer import (
    Sample,
    TableMethods,
    drawing_sentence,
    interval_sentence,
    sample_of,
    table_methods,
)
from oncorobust.report.page.text import readable_unit_of
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.render import marked_title
from oncorobust.report.tables.validity import Gate
from oncorobust.settings.pipeline import Params

_FILES = ("predictions.csv", "sensitivity.csv")
"""Per-image rows of each model that this part of the page reads, beside those that Table E names."""


@dataclass(frozen=True)
class ModelView:
    """What the radiologist reads of one model. name: as the page calls it."""

    name: str
    warnings: tuple[ModelWarning, ...]
    confusions: tuple[Confusion, ...]
    errors: Examples
    sensitive: Examples


@dataclass(frozen=True)
class DatasetView:
    """What the radiologist and the reviewer read of one data set.

    positive: class to which sensitivity refers, empty with more than two classes. epsilon: what that of Table E means.
    sample: the attacked images. has_intervals: whether minimal epsilons are those of the strict search, not of PGD's
    grid.
    """

    key: str
    title: str
    positive: str
    epsilon: tuple[str, ...]
    sample: Sample
    has_intervals: bool
    models: tuple[ModelView, ...]


@dataclass(frozen=True)
class ClinicalView:
    """What the radiologist and the reviewer read."""

    datasets: tuple[DatasetView, ...]
    drawing: str
    intervals: str
    methods: tuple[TableMethods, ...]


@dataclass(frozen=True)
class StoredImages:
    """Per-image rows by the name of their file, those of `clinical_files` among them, and images by data set."""

    rows: Mapping[str, pd.DataFrame]
    images: Mapping[str, LabelledImages]


def clinical_files(models: Mapping[str, Sequence[str]], tables: Sequence[Table]) -> list[str]:
    """Return the files of per-image rows that the view needs; models: attacked models by data set."""
    own = [results_file(name, model, file) for name, of in models.items() for model in of for file in _FILES]
    named = [source.file for cell in _table_e(tables).cells for source in cell.rows]
    return list(dict.fromkeys([*own, *named]))


def clinical_view(
    parts: Sequence[Described],
    tables: Sequence[Table],
    stored: StoredImages,
    *,
    gates: Sequence[Gate],
    params: Params,
    models: Mapping[str, str],
) -> ClinicalView:
    """Return what the radiologist and the reviewer read.

    tables: all of the run. gates: the checks of each model. models: their names by key. Raises InputError where rows do
    not fit.
    """
    table = _table_e(tables)
    titles = {one.key: marked_title(one) for one in table.columns}
    datasets = tuple(
        DatasetView(
            key=one.key,
            title=titles[one.key],
            positive=_positive(one, params),
            epsilon=tuple(epsilon_sentences(params.report.adversarial_training_epsilon, one.summary)),
            sample=sample_of(one, stored.rows[results_file(one.key, CLEAN, "predictions.csv")]),
            has_intervals="strict" in one.attack[CLEAN],
            models=tuple(_models(one, table, stored, gates, models)),
        )
        for one in parts
    )
    return ClinicalView(
        datasets=datasets,
        drawing=drawing_sentence((one.sample for one in datasets), seed=params.seed),
        intervals=interval_sentence(tables),
        methods=table_methods(tables),
    )


def _table_e(tables: Sequence[Table]) -> Table:
    return next(one for one in tables if one.name == "Table E")


def _positive(part: Described, params: Params) -> str:
    names = part.summary["class_names"]
    return names[params.report.positive_class(part.key, names)] if len(names) == 2 else ""


def _models(
    part: Described, table: Table, stored: StoredImages, gates: Sequence[Gate], models: Mapping[str, str]
) -> Iterator[ModelView]:
    readable, images = readable_unit_of(part.summary), stored.images[part.key]
    warnings = warnings_of(part, gates, table)
    for model in part.attack:
        predictions, ranking = (stored.rows[results_file(part.key, model, file)] for file in _FILES)
        matrices = confusions(
            table,
            stored.rows,
            dataset=part.key,
            model=model,
            class_names=part.summary["class_names"],
            readable=readable,
        )
        yield ModelView(
            name=models[model],
            warnings=warnings[model],
            confusions=matrices,
            errors=clean_errors(predictions, images),
            sensitive=most_sensitive(ranking, images, readable=readable),
        )
