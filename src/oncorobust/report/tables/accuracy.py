"""Tables 1 and S5: accuracy under each attack, by the labels attacked away from and by the strict protocol.

Their rows are the attacks in the paper's order and, under the strict protocol, `ALL`, the worst case over its whole
cascade. A strict number of an attack counts that attack and all before it in the cascade (FGSM, BIM, PGD, ...), so that
the numbers fall from FGSM over BIM and PGD to ALL, while the paper's order of rows puts PGD before BIM.
"""

from collections.abc import Iterator, Sequence

from oncorobust.report.tables.cell import Field, Table, Unit, epsilon_text
from oncorobust.report.tables.common import ALL, ATTACKS, shown_as, table_columns
from oncorobust.report.tables.sources import (
    BASELINE,
    Metrics,
    Source,
    accuracy_source,
    paper_cells,
    row_key,
    sourced_cell,
    strict_source,
)
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

_HEADINGS: dict[str, tuple[Protocol, str]] = {
    "": ("paper", "predicted labels"),
    "_true_labels": ("paper", "true labels"),
    "_strict": ("strict", "strict"),
}
"""Ending of a field's name, the protocol that measures it, and its heading."""

_MEANINGS: dict[Protocol, str] = {
    "paper": "Predicted labels: the attack moves away from the model's own prediction, as in the paper; true labels: "
    "away from the true label.",
    "strict": "Strict: images that are right and that no attack so far changes within epsilon. Strict attacks run in "
    "the order FGSM, BIM, PGD and so on, so the PGD row includes FGSM and BIM, and ALL is the worst case over all.",
}
_BEFORE_AND_AFTER: tuple[tuple[str, str, Unit], ...] = (
    ("original", "original", "percent"),
    ("adversarially_trained", "adv. trained", "percent"),
    ("difference", "difference", "points"),
)


def table_1(
    attack: Metrics,
    *,
    report: Report,
    table_epsilons: Sequence[float],
    protocols: frozenset[Protocol],
    cascade: Sequence[str],
) -> Table:
    """Table 1: accuracy of the clean-trained models, without attack and under each attack at each epsilon.

    cascade: the attacks of the strict protocol in order, empty without it.
    """
    points = [(BASELINE, 0.0), *((one, epsilon) for one in _rows(protocols) for epsilon in table_epsilons)]
    cells = []
    for dataset in attack:
        for one, epsilon in points:
            place = {"table": "Table 1", "row": row_key(one, epsilon), "dataset": dataset}
            for ending in _endings(one, protocols):
                source = _source(dataset, "clean", one, epsilon=epsilon, ending=ending, cascade=cascade)
                cells.append(sourced_cell(attack, source, field=f"accuracy{ending}", **place))
            paper = shown_as(dataset, report).paper
            cells += paper_cells("table1", {"paper": (place["row"], paper)} if paper else {}, **place)
    caption = (
        "Accuracy (%) of the clean-trained models, without attack (Baseline) and under attack by epsilon (l_inf radius "
        f"in [0, 1] pixel units). {_meanings(protocols)} Paper: the paper's Table 1."
    )
    return Table(
        name="Table 1",
        file="reports/tables/table1.csv",
        caption=caption,
        row_heads=("Attack", "Epsilon"),
        rows=tuple(row_key(one, epsilon) for one, epsilon in points),
        data_sets="across",
        columns=table_columns(attack, report),
        fields=(
            *(Field(f"accuracy{ending}", "", _HEADINGS[ending][1], "percent") for ending in _shown(protocols)),
            Field("paper", "", "paper", "percent"),
        ),
        cells=tuple(cells),
    )


def table_s5(attack: Metrics, *, report: Report, protocols: frozenset[Protocol], cascade: Sequence[str]) -> Table:
    """Table S5: accuracy under attack of the clean-trained and the adversarially trained models, at one epsilon.

    cascade: the attacks of the strict protocol in order, empty without it.
    """
    epsilon = report.adversarial_training_epsilon
    groups = [*((f"{{}}{ending}", _HEADINGS[ending][1]) for ending in _shown(protocols)), ("paper_{}", "paper")]
    cells = []
    for dataset in attack:
        for one in _rows(protocols):
            place = {"table": "Table S5", "row": one.upper(), "dataset": dataset}
            for field, source in _before_and_after(dataset, one, epsilon, protocols, cascade):
                cells.append(sourced_cell(attack, source, field=field, **place))
            places = _printed_places(one, epsilon, paper=shown_as(dataset, report).paper)
            cells += paper_cells("table_s5", places, **place)
    caption = (
        f"Accuracy (%) under attack at epsilon {epsilon_text(epsilon)} of the clean-trained (original) and the "
        "adversarially trained models, and the difference in percentage points. "
        f"{_meanings(protocols)} Paper: the paper's Table S5."
    )
    return Table(
        name="Table S5",
        file="reports/tables/table_s5.csv",
        caption=caption,
        row_heads=("Attack",),
        rows=tuple(one.upper() for one in _rows(protocols)),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=tuple(
            Field(name.format(field), group, heading, unit)
            for name, group in groups
            for field, heading, unit in _BEFORE_AND_AFTER
        ),
        cells=tuple(cells),
    )


def _rows(protocols: frozenset[Protocol]) -> tuple[str, ...]:
    return (*ATTACKS, ALL) if "strict" in protocols else ATTACKS


def _shown(protocols: frozenset[Protocol]) -> list[str]:
    return [ending for ending, (protocol, _) in _HEADINGS.items() if protocol in protocols]


def _endings(attack: str, protocols: frozenset[Protocol]) -> list[str]:
    """Endings of the fields that a row has a number in: the worst case is a strict one only."""
    return ["_strict"] if attack == ALL else _shown(protocols)


def _meanings(protocols: frozenset[Protocol]) -> str:
    return " ".join(text for protocol, text in _MEANINGS.items() if protocol in protocols)


def _source(dataset: str, model: str, attack: str, *, epsilon: float, ending: str, cascade: Sequence[str]) -> Source:
    if ending == "_strict":
        return strict_source(dataset, model, attack=cascade[-1] if attack == ALL else attack, epsilon=epsilon)
    attacked_label = _HEADINGS[ending][1].removesuffix(" labels")
    return accuracy_source(dataset, model, attack=attack, epsilon=epsilon, attacked_label=attacked_label)


def _before_and_after(
    dataset: str, attack: str, epsilon: float, protocols: frozenset[Protocol], cascade: Sequence[str]
) -> Iterator[tuple[str, Source]]:
    for ending in _endings(attack, protocols):
        before, after = (
            _source(dataset, model, attack, epsilon=epsilon, ending=ending, cascade=cascade)
            for model in ("clean", "adversarial")
        )
        for (field, _, _), source in zip(_BEFORE_AND_AFTER, (before, after, after.minus(before)), strict=True):
            yield field + ending, source


def _printed_places(attack: str, epsilon: float, *, paper: str | None) -> dict[str, tuple[str, str]]:
    """Where the paper's Table S5 would have a row's numbers, by the field of ours."""
    if paper is None:
        return {}
    return {
        f"paper_{field}": (row_key(attack, epsilon), f"{paper} {field.replace('_', ' ')}")
        for field, _, _ in _BEFORE_AND_AFTER
    }
