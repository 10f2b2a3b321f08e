"""Table V: how much the seed of training alone changes the results, beside the interval over patients.

Each model of a data set is trained and attacked once more with each seed of `run.seeds`, on the same images and with
the same attacks (stage `repeat`). The table has the accuracy of this run with its interval over patients, and mean,
extremes and standard deviation over all training seeds, this run's among them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import ADVERSARIAL, CLEAN, repeat_file, table_file
from oncorobust.report.shown_attacks import ALL, BASELINE, PGD, row_key
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.sources import (
    Metrics,
    Source,
    accuracy_source,
    clean_source,
    rows_cell,
    sourced_cell,
    strict_source,
)
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

TABLE_V = "Table V"
DIFFERENCE = "difference"
"""Rows of the adversarially trained model minus the clean one."""

THIS_RUN = "this_run"
_OVER_SEEDS = (
    Field("mean_over_seeds", "over training seeds", "mean", "percent"),
    Field("smallest_over_seeds", "over training seeds", "smallest", "percent"),
    Field("largest_over_seeds", "over training seeds", "largest", "percent"),
    Field("deviation_over_seeds", "over training seeds", "standard deviation", "percent"),
    Field("n_training_seeds", "over training seeds", "seeds", "count"),
)
_CAPTION = (
    "Accuracy (%) of models that only the seed of training sets apart, without attack (Baseline), under PGD away from "
    "the true label, and in the strict worst case (ALL) at epsilon {epsilon}. This run: the model of the other tables, "
    "with its interval over patients. Over training seeds: all seeds, that of this run among them; the spread between "
    "them is no interval and is not part of one. Difference: adversarially trained minus clean, in percentage points, "
    "with the p value of an exact test by patient, adjusted by Holm for this table."
)
_NONE = "Empty, because no further training seeds were run (run.seeds in params.yaml)."


class Repeats(NamedTuple):
    """seed: of this run. further: further training seeds of each data set that runs."""

    seed: int
    further: Mapping[str, Sequence[int]]


def table_v(
    attack: Metrics, *, report: Report, protocols: frozenset[Protocol], cascade: Sequence[str], repeats: Repeats
) -> Table:
    """Return Table V, whose values over seeds are computed from the rows (`intervals.with_intervals`).

    cascade: the attacks of the strict protocol in order, empty without it.
    """
    measures = _measures(protocols, cascade, epsilon=report.adversarial_training_epsilon)
    cells = [
        cell
        for dataset, models in attack.items()
        if repeats.further.get(dataset)
        for title, signs in _compared(models).items()
        for measure, source_of in measures.items()
        for cell in _cells(attack, dataset, f"{title}:{measure}", signs, source_of, repeats)
    ]
    return Table(
        name=TABLE_V,
        file=table_file("training_seeds"),
        caption=_CAPTION.format(epsilon=epsilon_text(report.adversarial_training_epsilon)) if cells else _NONE,
        row_heads=("Model", "Attack", "Epsilon"),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=(Field(THIS_RUN, "", "this run", "percent"), *_OVER_SEEDS),
        cells=tuple(cells),
    )


def _measures(
    protocols: frozenset[Protocol], cascade: Sequence[str], *, epsilon: float
) -> dict[str, Callable[[str, str], Source]]:
    """Return by row, without the model, what gives the source of a model of a data set."""
    measures: dict[str, Callable[[str, str], Source]] = {BASELINE: partial(clean_source, protocol="paper")}
    if "paper" in protocols:
        under_pgd = partial(accuracy_source, attack=PGD.name, epsilon=epsilon, attacked_label="true")
        measures[row_key(PGD.title, epsilon)] = under_pgd
    if cascade:
        measures[row_key(ALL, epsilon)] = partial(strict_source, attack=cascade[-1], epsilon=epsilon)
    return measures


def _compared(models: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the models with their signs by the first part of the row: each model, and the difference of both."""
    alone = {model: {model: 1} for model in models}
    return alone | ({DIFFERENCE: {ADVERSARIAL: 1, CLEAN: -1}} if ADVERSARIAL in models else {})


def _cells(
    attack: Metrics,
    dataset: str,
    row: str,
    signs: Mapping[str, int],
    source_of: Callable[[str, str], Source],
    repeats: Repeats,
) -> Iterator[Cell]:
    place = {"table": TABLE_V, "row": row, "dataset": dataset}
    sources = [source_of(dataset, model) for model in signs]
    this_run = sources[0] if len(sources) == 1 else sources[0].minus(sources[1])
    yield sourced_cell(attack, this_run, field=THIS_RUN, **place)
    terms = [
        _of_seed(replace(source.rows[0], sign=sign), dataset, model, seed, repeats)
        for seed in (repeats.seed, *repeats.further[dataset])
        for source, (model, sign) in zip(sources, signs.items(), strict=True)
    ]
    for field in _OVER_SEEDS:
        statistic: Any = field.name
        yield rows_cell(*(replace(one, statistic=statistic) for one in terms), field=field.name, **place)


def _of_seed(source: RowsSource, dataset: str, model: str, seed: int, repeats: Repeats) -> RowsSource:
    """Return the source of the same share among the rows of a training seed, marked with the seed."""
    marked = replace(source, options={"of": source.statistic, "training_seed": seed})
    if seed == repeats.seed:
        return marked
    file = repeat_file(dataset, seed, PurePosixPath(source.file).name)
    return replace(marked, file=file, where={"model": model, **source.where})
