"""Sentences and small numbers of the page: findings, both protocols, the strict search.

Sentences about a protocol appear only where a run holds it. Every number is a table's cell or stands in a metrics file;
only counts of images and epsilons in readable units are computed here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT, epsilon_text
from oncorobust.base.units import readable_unit
from oncorobust.report.measures import PREDICTED, STRICT, TRUE, Measure, measures_of
from oncorobust.report.shown_attacks import ALL, BASELINE, PGD, row_key, row_place
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.missed import missed_epsilons, missed_text
from oncorobust.report.tables.numbers import ReadableUnit, display, display_estimate, in_units, p_text
from oncorobust.settings.attacks import Protocol

PROTOCOLS: dict[Protocol, tuple[str, str]] = {
    "paper": (
        "The paper’s protocol.",
        "ART’s FGSM, BIM and PGD attack every image separately at each epsilon of a grid, and the image after the last "
        "step counts. As in ART by default, the paper’s attacks move an image away from the model’s own prediction. "
        "This can correct a misclassified image: with two classes the accuracy cannot fall below 1 − clean accuracy, "
        "however strong the attack. The columns with true labels are the same attacks, moving away from the true "
        "label.",
    ),
    "strict": (
        "The strict protocol.",
        "For each image, a cascade of attacks searches for the smallest epsilon at which any attack changes the "
        "model’s prediction. Each attack runs where all before it failed, with the margin of the logits as loss, and "
        "every iterate of every restart counts. An image is robust at an epsilon only if it is classified "
        "correctly without attack and no attack changes the prediction within that epsilon. Misclassified images "
        "count as errors, and no curve rises with epsilon. One search gives the accuracy at every epsilon. Where the "
        "paper’s protocol runs beside it, an example of its attacks that is nearer counts too. An image "
        "that no attack changes up to the largest epsilon is right-censored.",
    ),
}
"""Name and description of each protocol."""

_LARGEST_P = 0.05
"""Adjusted p value from which on no difference is said to be shown."""


def sampled_unit(summary: Mapping[str, Any]) -> str:
    """Return what a data set's intervals sample: patients, or images where each image counts as a patient of its own.

    summary: content of summary.json.
    """
    return "patients" if summary["n_patients"] < summary["n_images"] else "images"


def findings(
    column: TableColumn,
    tables: Mapping[str, Table],
    attack: Mapping[str, Any],
    protocols: frozenset[Protocol],
    *,
    unit: str,
    hardening: str,
) -> list[str]:
    """Return the main numbers of one data set as sentences.

    tables: by name. attack: attack.json by model. unit: of `sampled_unit`. hardening: what to call it; empty without a
    hardened model.
    """
    s5, measure = tables["Table S5"], measures_of(protocols)[0]
    sentences = [_clean_accuracy(attack["clean"], tables["Table 1"], column)]
    sentences += _changes(s5, column, BASELINE, "Clean accuracy", measure=measure, unit=unit, hardening=hardening)
    if "paper" in protocols:
        sentences += _paper_findings(column, tables, hardening=hardening, unit=unit)
    if "strict" in protocols:
        sentences += _strict_findings(column, tables, hardening=hardening, unit=unit)
    missed = missed_text(missed_epsilons(tables["Table 1"].cells, column.key))
    return [*sentences, missed] if missed else sentences


def _clean_accuracy(attack: Mapping[str, Any], first: Table, column: TableColumn) -> str:
    """Return the accuracy without attack of the images that were attacked, and of all test images if these are more."""
    field = next(one.name for one in first.fields if not one.paper)
    shown, n_images, n_all = _shown(first, BASELINE, column, field), attack["n_images"], attack["n_test_images"]
    n_right = round(attack["clean_accuracy"] * n_images)
    if n_images == n_all:
        return f"Clean accuracy: {shown} ({n_right} of {n_all} test images)."
    return (
        f"Clean accuracy: {shown} ({n_right} of the {n_images} test images that were attacked); "
        f"{round(attack['test_accuracy'] * n_all)} of all {n_all} test images."
    )


def _paper_findings(column: TableColumn, tables: Mapping[str, Table], *, hardening: str, unit: str) -> list[str]:
    first, second = tables["Table 1"], tables["Table 2"]
    epsilon = _largest_epsilon(first)
    row = row_key(PGD.title, epsilon)
    predicted, true = (_shown(first, row, column, f"accuracy{one.ending}") for one in (PREDICTED, TRUE))
    what = "Accuracy under PGD (predicted labels)"
    return [
        f"Accuracy under PGD at epsilon {epsilon_text(epsilon)}: {predicted} with predicted labels, as in the paper; "
        f"{true} with true labels.",
        *_changes(tables["Table S5"], column, PGD.title, what, measure=PREDICTED, unit=unit, hardening=hardening),
        _exclusion(second, column, "the most sensitive images", ending=PREDICTED.ending),
    ]


def _strict_findings(column: TableColumn, tables: Mapping[str, Table], *, hardening: str, unit: str) -> list[str]:
    first, second = tables["Table 1"], tables["Table 2"]
    epsilon = _largest_epsilon(first)
    strict = _shown(first, row_key(ALL, epsilon), column, f"accuracy{STRICT.ending}")
    what = "Strict robust accuracy"
    return [
        f"Strict robust accuracy, the worst case over all attacks, at epsilon {epsilon_text(epsilon)}: {strict}.",
        *_changes(tables["Table S5"], column, ALL, what, measure=STRICT, unit=unit, hardening=hardening),
        _exclusion(second, column, "the images that are most sensitive in the strict search", ending=STRICT.ending),
    ]


def _changes(
    s5: Table, column: TableColumn, row: str, what: str, *, measure: Measure, unit: str, hardening: str
) -> Iterator[str]:
    """Yield an accuracy of Table S5 before and after hardening, and what hardening did to it; nothing without one."""
    if not hardening:
        return
    before, after = (_shown(s5, row, column, name + measure.ending) for name in ("original", "adversarially_trained"))
    difference = s5.find(row=row, column=column.key, field="difference" + measure.ending)
    change = "" if difference is None else change_text(difference, unit)
    at = "" if difference is None or row == BASELINE else f" at epsilon {epsilon_text(_epsilon(difference))}"
    yield f"{what}{at}: {before} before and {after} after {hardening}{change and f'; {change}'}."


def _epsilon(cell: Cell) -> float:
    """Return the epsilon of the rows behind a cell."""
    source = cell.rows[0]
    return float(source.where["epsilon"]) if source.epsilon is None else source.epsilon


def change_text(cell: Cell, unit: str = "") -> str:
    """Return what hardening did to an accuracy, from a difference of two models: gain, loss or no shown difference.

    unit: of `sampled_unit`, to say how many there are; empty where that is told elsewhere. Empty where the difference
    has no interval or no test.
    """
    if cell.test is None or cell.interval is None or cell.value is None:
        return ""
    if cell.test.p_holm >= _LARGEST_P:
        told = "" if cell.n_patients is None or not unit else f" with {cell.n_patients} {unit}"
        return f"no difference shown{told} ({p_text(cell.test.p_holm)})"
    name = "a gain" if cell.value > 0 else "a loss"
    value, _, interval = display_estimate(cell, "points").partition(" ")
    return f"{name}: {value} percentage points {interval}, {p_text(cell.test.p_holm)}"


def _exclusion(second: Table, column: TableColumn, excluded: str, *, ending: str) -> str:
    coverage, kept = (_shown(second, column.key, column, name + ending) for name in ("coverage", "accuracy_kept"))
    all_images = _shown(second, column.key, column, "accuracy_all")
    return f"Excluding {excluded} (coverage {coverage}) changes the accuracy from {all_images} to {kept}."


def _largest_epsilon(table: Table) -> float:
    return max(row_place(row)[1] for row in table.rows)


def _shown(table: Table, row: str, column: TableColumn, field: str) -> str:
    cell = table.find(row=row, column=column.key, field=field)
    return "no number" if cell is None else shown_percent(cell)


def shown_percent(cell: Cell) -> str:
    """Return a share with its interval as the page's text gives it, or why there is none."""
    if cell.value is None:
        return display_estimate(cell, "percent")
    value, _, interval = display_estimate(cell, "percent").partition(" ")
    return f"{value}\u00a0%{interval and f' {interval}'}"


def percent(share: float) -> str:
    """Return a share as the page's text gives it, with a no-break space before the sign."""
    return f"{display(share, 'percent')}\u00a0%"


def readable_unit_of(summary: Mapping[str, Any]) -> ReadableUnit:
    """Return epsilon 1 in the unit that readers know, and its name, from a data set's summary.json."""
    low, high = map(float, summary["intensity_range"])
    return readable_unit((low, high), summary["intensity_unit"])


@dataclass(frozen=True)
class SearchLine:
    """The outcome and the cost of the strict search of one model, as the page shows them."""

    censored: str
    median: str
    median_in_units: str
    gradients: str
    forwards: str
    without_gradient: str
    flagged: bool


def search_line(attack: Mapping[str, Any], summary: Mapping[str, Any]) -> SearchLine:
    """Return one model's strict search, from its attack.json and the summary.json of its data set.

    Models with images whose gradient is zero are flagged: attacks by gradient cannot move those images.
    """
    strict, without_gradient = attack["strict"], attack["share_without_gradient"]
    median = strict.get("median_min_epsilon")  # absent where more than half of the images are censored
    return SearchLine(
        censored=percent(strict["share_censored"]),
        median="censored" if median is None else display(median, "epsilon"),
        median_in_units="" if median is None else in_units(median, readable_unit_of(summary)),
        gradients=f"{strict['gradients_per_image']:,.0f}",
        forwards=f"{strict['forwards_per_image']:,.0f}",
        without_gradient=percent(without_gradient),
        flagged=without_gradient > FEW_WITHOUT_GRADIENT,
    )
