"""Tables 1 and S5: accuracy without attack and under each attack, by every measure that a run holds.

Their rows are no attack (Baseline), the attacks in the paper's order and, under the strict protocol, `ALL`, the worst
case over its whole cascade. A strict number of an attack counts that attack and all before it in the cascade (FGSM,
BIM, PGD, ...), so that the numbers fall from FGSM to BIM, PGD and ALL, while the paper's order of rows puts PGD before
BIM. Where a data set has certificates, its certified accuracy stands in the rows Baseline and ALL, in a column of its
own, because it is that of the smoothed model (Table C).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import ADVERSARIAL, table_file
from oncorobust.report.measures import STRICT, Measure, measures_of
from oncorobust.report.shown_attacks import ALL, ATTACKS, BASELINE, row_key
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Table, Unit
from oncorobust.report.tables.certificates import certified_note, certified_source
from oncorobust.report.tables.common import note_on_paper, shown_as, table_columns
from oncorobust.report.tables.sources import (
    Metrics,
    Source,
    accuracy_source,
    clean_source,
    paper_cells,
    rows_cell,
    sourced_cell,
    strict_source,
)
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

_MEANINGS: dict[Protocol, str] = {
    "paper": "Predicted labels: the attack moves away from the model's own prediction, as in the paper. True labels: "
    "the attack moves away from the true label.",
    "strict": "Strict: share of the images that are classified correctly and that neither this attack nor any attack "
    "before it changes within epsilon. The attacks run in the order FGSM, BIM, PGD and so on, so the PGD row includes "
    "FGSM and BIM. These rows are of the strict search's own attacks; ALL is the worst case over all attacks, those of "
    "the paper's protocol too where it was run.",
}
_CERTIFIED = "certified (smoothed)"
_NOT_HARDENED = "Empty, because no data set has an adversarially trained model (`harden` in params.yaml)."
_BEFORE_AND_AFTER: tuple[tuple[str, str, Unit], ...] = (
    ("original", "original", "percent"),
    ("adversarially_trained", "adv. trained", "percent"),
    ("difference", "difference", "points"),
)


@dataclass(frozen=True)
class _Row:
    """A row: its title, the attack's name in results files, and the measures that have a number for it."""

    title: str
    attack: str
    measures: tuple[Measure, ...]


def _rows(protocols: frozenset[Protocol], cascade: Sequence[str], certify: Metrics) -> list[_Row]:
    """Return the rows under attack; only strict and certified numbers are of all attacks."""
    rows = [_Row(one.title, one.name, measures_of(protocols)) for one in ATTACKS]
    if cascade:
        return [*rows, _Row(ALL, cascade[-1], (STRICT,))]
    return [*rows, _Row(ALL, "", ())] if certify else rows


def table_1(
    attack: Metrics,
    *,
    report: Report,
    certify: Metrics,
    table_epsilons: Sequence[float],
    protocols: frozenset[Protocol],
    cascade: Sequence[str],
) -> Table:
    """Return Table 1: accuracy of the clean models, without attack and under each attack at each epsilon.

    certify: certify.json of the data sets with certificates. cascade: the attacks of the strict protocol in order,
    empty without it.
    """
    rows = _rows(protocols, cascade, certify)
    cells = tuple(
        cell
        for dataset in attack
        for key, sources in _table_1_sources(dataset, rows, table_epsilons, protocols)
        for cell in _table_1_cells(attack, dataset, key, sources, paper=shown_as(dataset, report).paper)
    )
    proven = tuple(
        rows_cell(source, table="Table 1", row=row, dataset=dataset, field="accuracy_certified")
        for dataset in certify
        for row, source in _certified_rows(dataset, certify, table_epsilons)
    )
    return Table(
        name="Table 1",
        file=table_file("table1"),
        caption=(
            "Accuracy (%) of the clean models, without attack (Baseline) and under attack, by epsilon (l_inf radius "
            f"for pixel values in [0, 1]). {_meanings(protocols)}{certified_note(certify, report)}"
            f"{note_on_paper(cells, 'Table 1')}"
        ),
        row_heads=("Attack", "Epsilon"),
        rows=(BASELINE, *(row_key(one.title, epsilon) for one in rows for epsilon in table_epsilons)),
        data_sets="across",
        columns=table_columns(attack, report),
        fields=(
            *(Field(f"accuracy{one.ending}", "", one.heading, "percent") for one in measures_of(protocols)),
            *([Field("accuracy_certified", "", _CERTIFIED, "percent")] if certify else []),
            Field("paper", "", "paper", "percent", paper=True),
        ),
        cells=cells + proven,
    )


def _table_1_sources(
    dataset: str, rows: Sequence[_Row], epsilons: Sequence[float], protocols: frozenset[Protocol]
) -> Iterator[tuple[str, dict[Measure, Source]]]:
    """Yield each row's key with the sources of its numbers."""
    yield BASELINE, {one: clean_source(dataset, "clean", protocol=one.protocol) for one in measures_of(protocols)}
    for row in rows:
        for epsilon in epsilons:
            sources = {one: _source(dataset, "clean", row.attack, epsilon, one) for one in row.measures}
            yield row_key(row.title, epsilon), sources


def _table_1_cells(
    attack: Metrics, dataset: str, row: str, sources: dict[Measure, Source], *, paper: str | None
) -> list[Cell]:
    place = {"table": "Table 1", "row": row, "dataset": dataset}
    ours = [sourced_cell(attack, source, field=f"accuracy{one.ending}", **place) for one, source in sources.items()]
    return ours + paper_cells("table1", {"paper": (row, paper)} if paper else {}, **place)


def _certified_rows(dataset: str, certify: Metrics, epsilons: Sequence[float]) -> Iterator[tuple[str, RowsSource]]:
    """Yield the rows of Table 1 with a certified accuracy of the clean model, and its source."""
    for epsilon in (0.0, *epsilons):
        yield row_key(ALL, epsilon) if epsilon else BASELINE, _certified(dataset, certify, "clean", epsilon)


def _certified(dataset: str, certify: Metrics, model: str, epsilon: float) -> RowsSource:
    return certified_source(dataset, model, certify[dataset][model], epsilon)


def table_s5(
    attack: Metrics, *, report: Report, certify: Metrics, protocols: frozenset[Protocol], cascade: Sequence[str]
) -> Table:
    """Return Table S5: accuracy under attack of the clean and the adversarially trained models, at one epsilon.

    It has the data sets with an adversarially trained model; without any it has no rows, and its caption says so,
    because the pipeline names its files before it runs. certify, cascade: as for `table_1`.
    """
    epsilon = report.adversarial_training_epsilon
    hardened = {dataset: models for dataset, models in attack.items() if ADVERSARIAL in models}
    proven = {dataset: models for dataset, models in certify.items() if ADVERSARIAL in models}
    rows = [_Row(BASELINE, "", measures_of(protocols)[:1]), *_rows(protocols, cascade, proven)] if hardened else []
    cells = tuple(
        cell
        for dataset in hardened
        for row in rows
        for cell in _table_s5_cells(attack, dataset, row, epsilon, paper=shown_as(dataset, report).paper)
    ) + tuple(cell for dataset in proven for cell in _certified_before_and_after(dataset, proven, epsilon))
    groups = [(f"{{}}{one.ending}", one.heading, False) for one in measures_of(protocols)]
    groups += [("{}_certified", _CERTIFIED, False)] if proven else []
    return Table(
        name="Table S5",
        file=table_file("table_s5"),
        caption=_NOT_HARDENED
        if not hardened
        else (
            f"Accuracy (%) without attack (Baseline) and under attack at epsilon {epsilon_text(epsilon)} of the clean "
            "(original) and the adversarially trained models, and the difference in percentage points, with the p "
            "value of an exact test by patient, adjusted by Holm for all differences of the table. "
            f"{_meanings(protocols)}{certified_note(proven, report)}{note_on_paper(cells, 'Table S5')}"
        ),
        row_heads=("Attack",),
        rows=tuple(one.title for one in rows),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=tuple(
            Field(name.format(field), group, heading, unit, paper)
            for name, group, paper in [*groups, ("paper_{}", "paper", True)]
            for field, heading, unit in _BEFORE_AND_AFTER
        ),
        cells=cells,
    )


def _table_s5_cells(attack: Metrics, dataset: str, row: _Row, epsilon: float, *, paper: str | None) -> list[Cell]:
    place = {"table": "Table S5", "row": row.title, "dataset": dataset}
    ours = [
        sourced_cell(attack, source, field=field, **place) for field, source in _before_and_after(dataset, row, epsilon)
    ]
    return ours + paper_cells("table_s5", _printed_places(row, epsilon, paper), **place)


def _certified_before_and_after(dataset: str, certify: Metrics, epsilon: float) -> Iterator[Cell]:
    """Yield the certified accuracies of both models and their difference, without attack and at the epsilon."""
    for row, at in ((BASELINE, 0.0), (ALL, epsilon)):
        before, after = (_certified(dataset, certify, model, at) for model in ("clean", "adversarial"))
        place = {"table": "Table S5", "row": row, "dataset": dataset}
        yield rows_cell(before, field="original_certified", **place)
        yield rows_cell(after, field="adversarially_trained_certified", **place)
        yield rows_cell(after, replace(before, sign=-1), field="difference_certified", **place)


def _before_and_after(dataset: str, row: _Row, epsilon: float) -> Iterator[tuple[str, Source]]:
    for measure in row.measures:
        before, after = (_of_row(dataset, model, row, epsilon, measure) for model in ("clean", "adversarial"))
        for (field, _, _), source in zip(_BEFORE_AND_AFTER, (before, after, after.minus(before)), strict=True):
            yield field + measure.ending, source


def _of_row(dataset: str, model: str, row: _Row, epsilon: float, measure: Measure) -> Source:
    if row.title == BASELINE:
        return clean_source(dataset, model, protocol=measure.protocol)
    return _source(dataset, model, row.attack, epsilon, measure)


def _printed_places(row: _Row, epsilon: float, paper: str | None) -> dict[str, tuple[str, str]]:
    """Return where the paper's Table S5 would have a row's numbers, by our field."""
    if paper is None:
        return {}
    return {
        f"paper_{field}": (row_key(row.title, epsilon), f"{paper} {field.replace('_', ' ')}")
        for field, _, _ in _BEFORE_AND_AFTER
    }


def _source(dataset: str, model: str, attack: str, epsilon: float, measure: Measure) -> Source:
    if measure.attacked_label is None:
        return strict_source(dataset, model, attack=attack, epsilon=epsilon)
    return accuracy_source(dataset, model, attack=attack, epsilon=epsilon, attacked_label=measure.attacked_label)


def _meanings(protocols: frozenset[Protocol]) -> str:
    return " ".join(text for protocol, text in _MEANINGS.items() if protocol in protocols)
