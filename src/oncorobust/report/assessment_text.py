"""The numbers of one assessed model in a few lines, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from oncorobust.base import layout
from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.measures import STRICT
from oncorobust.report.page.text import readable_unit_of, sampled_unit, shown_percent
from oncorobust.report.shown_attacks import ALL, BASELINE, row_place
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.numbers import ReadableUnit, display_estimate, in_units
from oncorobust.report.tables.validity import Gate, watermark


def summary_lines(
    tables: Sequence[Table],
    gates: Sequence[Gate],
    *,
    attack: Mapping[str, Any],
    summary: Mapping[str, Any],
    classes: Sequence[str],
    page: str,
) -> list[str]:
    """Return clean and robust accuracy, median minimal epsilon, and what the validity gate says.

    tables: of a run of the strict protocol on one data set. attack, summary: contents of attack.json and summary.json.
    classes: names in the order of the model's outputs. page: path of the page.
    """
    by_name, readable = {one.name: one for one in tables}, readable_unit_of(summary)
    first, survival, unit = by_name["Table 1"], by_name["Table M"], sampled_unit(summary)
    return [
        *(["SYNTHETIC images: the numbers have no medical meaning"] if summary["synthetic"] else []),
        f"Classes: {', '.join(f'{number} {name}' for number, name in enumerate(classes))}",
        f"Images: {attack['n_images']} of {attack['n_test_images']} test images; 95 % intervals over {unit}",
        f"Clean accuracy: {_percent(first, BASELINE)}",
        *(
            f"Robust accuracy at epsilon {_epsilon(row, readable)}: {_percent(first, row)}"
            for row in first.rows
            if row_place(row)[0] == ALL
        ),
        f"Median minimal epsilon of the images that are right without attack: {_median(survival)}",
        _gate_line(gates),
        f"Page: {page}",
    ]


def _epsilon(row: str, readable: ReadableUnit) -> str:
    epsilon = row_place(row)[1]
    return f"{epsilon_text(epsilon)} ({in_units(epsilon, readable)})"


def _percent(table: Table, row: str) -> str:
    cell = table.find(row=row, column=table.columns[0].key, field=f"accuracy{STRICT.ending}")
    return "no number" if cell is None else shown_percent(cell)


def _median(table: Table) -> str:
    cell = table.find(row=layout.CLEAN, column=table.columns[0].key, field="median_first_flipped")
    return "no number" if cell is None else display_estimate(cell, "epsilon")


def _gate_line(gates: Sequence[Gate]) -> str:
    """Return how many checks of the validity gate are green, red and not done, with the mark of the red ones."""
    found = [check.status for gate in gates for check in gate.checks]
    counts = ", ".join(f"{found.count(status)} {status}" for status in ("green", "red", "not done"))
    mark = watermark(gates)
    return f"Validity: {counts}{f'. {mark}' if mark else ''}"
