"""The first screen of the page: a card for each data set with its main numbers, their limits and their verdicts.

The numbers are cells of Table 1 and, where a model was hardened, of Table S5. A warning stands on the card whose
numbers it spoils.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from oncorobust.attacks.names import FROM_PAPER
from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import ADVERSARIAL, CLEAN
from oncorobust.report.measures import STRICT, TRUE, Measure, measures_of
from oncorobust.report.model_text import hardening_of
from oncorobust.report.model_warnings import ModelWarning, warnings_of
from oncorobust.report.page.curve import curve_svg
from oncorobust.report.page.parts import MODELS, DatasetPart
from oncorobust.report.page.text import change_text, readable_unit_of
from oncorobust.report.shown_attacks import ALL, BASELINE, PGD, row_key
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.numbers import display_estimate, in_units
from oncorobust.report.tables.render import marked_title
from oncorobust.report.tables.validity import Gate
from oncorobust.report.verdict_text import dataset_outcome
from oncorobust.settings.attacks import Protocol

_NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Shown:
    """A share as the card shows it: its percentage, and its interval; place: row and field of its cell in a table."""

    percent: str
    interval: str
    table: str
    row: str
    field: str


@dataclass(frozen=True)
class CardLine:
    """An accuracy of the clean and of the hardened model, and what hardening did to it; after: None without one."""

    name: str
    before: Shown
    after: Shown | None
    change: str


@dataclass(frozen=True)
class Light:
    """The validity gate in words, of a model with a red check or of all others; status: `green` or `red`."""

    status: str
    text: str


@dataclass(frozen=True)
class Card:
    """A data set on the first screen.

    spoiled: models whose numbers are no evidence, with the reason in a word or two. warnings: with the name of their
    model. verdicts: policy and outcome on this data set. measure: name of the accuracy that the curve shows.
    """

    key: str
    title: str
    sample: str
    hardening: str
    lines: tuple[CardLine, ...]
    spoiled: Mapping[str, str]
    warnings: tuple[tuple[str, ModelWarning], ...]
    lights: tuple[Light, ...]
    verdicts: tuple[tuple[str, str], ...]
    curve: Markup
    measure: str


def cards(
    datasets: Sequence[DatasetPart],
    tables: Mapping[str, Table],
    *,
    gates: Sequence[Gate],
    verdicts: Sequence[Mapping[str, Any]],
    protocols: frozenset[Protocol],
    epsilon: float,
) -> tuple[Card, ...]:
    """Return the card of each data set.

    tables: by name. verdicts: contents of the verdict files. epsilon: of the accuracy under attack, one of those of
    Table 1 and that of Table S5.
    """
    columns = {one.key: one for one in tables["Table 1"].columns}
    measure = STRICT if "strict" in protocols else TRUE
    return tuple(
        Card(
            key=part.key,
            title=marked_title(columns[part.key]),
            sample=_sample(part),
            hardening=hardening_of(part.training),
            lines=tuple(_lines(part, columns[part.key], tables, measure, measures_of(protocols)[0], epsilon)),
            spoiled=_spoiled(part, [one for one in gates if one.dataset == part.key]),
            warnings=tuple(_warnings(part, tables["Table E"])),
            lights=tuple(_lights([one for one in gates if one.dataset == part.key])),
            verdicts=tuple(
                (one["policy"]["name"], outcome) for one in verdicts if (outcome := dataset_outcome(one, part.key))
            ),
            curve=_curve(part, columns[part.key], measure, epsilon),
            measure=_name(measure),
        )
        for part in datasets
    )


def _name(measure: Measure) -> str:
    return "strict robust accuracy" if measure == STRICT else "accuracy under PGD (true labels)"


def attacked_by(datasets: Sequence[DatasetPart], protocols: frozenset[Protocol]) -> str:
    """Return how the models were attacked, in a few words."""
    told = ["the paper’s protocol (FGSM, BIM, PGD)"] if "paper" in protocols else []
    if "strict" in protocols:
        n_attacks = len(set(datasets[0].attack[CLEAN]["strict"]["attacks"]) - {FROM_PAPER})
        told.append(f"the strict protocol (worst case over {n_attacks} attacks)")
    return " and ".join(told)


def _sample(part: DatasetPart) -> str:
    """Return the network and how many test images of how many patients were attacked."""
    attack, training = part.attack[CLEAN], part.training[CLEAN]
    patients = f" of {attack['n_patients']} patients" if part.unit == "patients" and "n_patients" in attack else ""
    return f"{training['architecture'] or training['weights']}, {attack['n_images']} test images{patients}"


def _lines(
    part: DatasetPart,
    column: TableColumn,
    tables: Mapping[str, Table],
    measure: Measure,
    clean: Measure,
    epsilon: float,
) -> Iterator[CardLine]:
    """Yield the clean accuracy, and the accuracy under attack at the epsilon."""
    title = ALL if measure == STRICT else PGD.title
    at = f" at epsilon {_epsilon(epsilon, part)}"
    for name, row, of, ending in (
        ("Clean accuracy", BASELINE, BASELINE, clean.ending),
        (f"{_name(measure).capitalize()}{at}", title, row_key(title, epsilon), measure.ending),
    ):
        if ADVERSARIAL in part.attack:
            before, after, difference = (
                _cell(tables["Table S5"], row, column, f"{field}{ending}")
                for field in ("original", "adversarially_trained", "difference")
            )
            yield CardLine(name, _shown(before), _shown(after), change_text(difference))
        else:
            yield CardLine(name, _shown(_cell(tables["Table 1"], of, column, f"accuracy{ending}")), None, "")


def _epsilon(epsilon: float, part: DatasetPart) -> str:
    """Return an epsilon, also in a unit that readers know: 0.002 (2.8 HU)."""
    return f"{epsilon_text(epsilon)} ({in_units(epsilon, readable_unit_of(part.summary)).replace(' ', _NO_BREAK, 1)})"


def _cell(table: Table, row: str, column: TableColumn, field: str) -> Cell:
    cell = table.find(row=row, column=column.key, field=field)
    if cell is None:
        raise ValueError(f"{table.name}: expected {field} of {column.key} in row {row}, got none")
    return cell


def _shown(cell: Cell) -> Shown:
    value, _, interval = display_estimate(cell, "percent").partition(" ")
    return Shown(f"{value}\u00a0%", interval.strip("()"), cell.table, cell.row, cell.field)


def _warnings(part: DatasetPart, answers: Table) -> Iterator[tuple[str, ModelWarning]]:
    """Yield the name of a model with each warning about it; the lights show the checks of the validity gate."""
    for model, found in warnings_of(part, [], answers).items():
        yield from ((MODELS[model], one) for one in found)


def _spoiled(part: DatasetPart, gates: Sequence[Gate]) -> dict[str, str]:
    """Return the models with a red check, and those whose kept weights collapsed."""
    red = {one.model: "not valid" for one in gates if any(check.status == "red" for check in one.checks)}
    return {model: "collapsed" for model, one in part.training.items() if one["collapsed"]} | red


def _lights(gates: Sequence[Gate]) -> Iterator[Light]:
    """Yield the checks of each model with a red one, and those of the other models together."""
    green = []
    for gate in gates:
        red = [one.name for one in gate.checks if one.status == "red"]
        if red:
            yield Light("red", f"{MODELS[gate.model]} model not valid: {', '.join(red)}")
        else:
            green += [one.status for one in gate.checks]
    passed, open_ = green.count("green"), green.count("not done")
    if green:
        yield Light("green", f"{passed} check{'' if passed == 1 else 's'} passed, {open_} not done")


def _curve(part: DatasetPart, column: TableColumn, measure: Measure, epsilon: float) -> Markup:
    told = "; ".join(
        f"{MODELS[curve.model]} model {100 * curve.points[0].value:.0f} % at epsilon 0, "
        f"{100 * curve.points[-1].value:.0f} % at epsilon {epsilon_text(curve.points[-1].epsilon)}"
        for curve in part.over_epsilon
    )
    largest = part.over_epsilon[0].points[-1].epsilon
    label = escape(f"{_name(measure).capitalize()} over epsilon, {marked_title(column)}: {told}")
    return Markup(curve_svg(part.over_epsilon, stated=epsilon, axis=escape(_epsilon(largest, part)), label=label))
