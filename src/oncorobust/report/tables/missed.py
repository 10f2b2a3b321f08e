"""Sentences on epsilons at which an attack of the paper's protocol leaves less accuracy than the strict search.

The search counts the examples of the paper's attacks too (`evaluation.paper_examples`). One that flips an image by a
rounding alone may not flip it when it is made again; the worst case is then not the lowest accuracy that the run knows.
"""

from collections.abc import Iterable

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.measures import STRICT, TRUE
from oncorobust.report.shown_attacks import ALL, BASELINE, row_place
from oncorobust.report.tables.cell import Cell

_SMALLEST = 1e-9
"""Smallest difference of two shares that is no rounding."""


def missed_epsilons(cells: Iterable[Cell], dataset: str) -> tuple[float, ...]:
    """Return the epsilons of Table 1 at which the lowest accuracy with true labels is below the strict worst case.

    cells: of Table 1. Epsilons increase; there are none where the run lacks one of the two protocols.
    """
    strict: dict[float, float] = {}
    true: dict[float, float] = {}
    for cell in cells:
        title, epsilon = row_place(cell.row)
        if cell.column != dataset or cell.value is None:
            continue
        if title == ALL and cell.field == f"accuracy{STRICT.ending}":
            strict[epsilon] = cell.value
        elif title != BASELINE and cell.field == f"accuracy{TRUE.ending}":
            true[epsilon] = min(cell.value, true.get(epsilon, cell.value))
    return tuple(sorted(one for one in strict if true.get(one, strict[one]) < strict[one] - _SMALLEST))


def missed_text(epsilons: Iterable[float]) -> str:
    """Return the sentence on some epsilons; empty without any."""
    shown = ", ".join(map(epsilon_text, epsilons))
    return (
        f"At epsilon {shown}, an attack of the paper’s protocol with true labels leaves a lower accuracy than the "
        "strict search, because an example at a smaller epsilon could not be made again; the lower number counts."
        if shown
        else ""
    )
