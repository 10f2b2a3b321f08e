"""The paper's attacks as tables and figures show them, and the keys of table rows."""

from dataclasses import dataclass

from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.palette import BLUE, GREEN, VERMILLION


@dataclass(frozen=True)
class ShownAttack:
    """An attack: its name in results files, its title for readers, and its colour and marker in figures."""

    name: str
    title: str
    colour: str
    marker: str


FGSM = ShownAttack("fgsm", "FGSM", BLUE, "o")
PGD = ShownAttack("pgd", "PGD", VERMILLION, "s")
BIM = ShownAttack("bim", "BIM", GREEN, "^")

ATTACKS = (FGSM, PGD, BIM)
"""The attacks in the order of the paper's tables, which is that of `attacks.names.PAPER_ATTACKS`."""

BASELINE = "Baseline"
"""Row without attack."""

ALL = "ALL"
"""Row of the strict worst case: every attack of the cascade."""


def row_key(title: str, epsilon: float) -> str:
    """Return a table's row for an attack or a threat at an epsilon: `PGD:0.002`, `tied:0.002`."""
    return f"{title}:{epsilon_text(epsilon)}"


def row_place(row: str) -> tuple[str, float]:
    """Return the title and the epsilon of a row's key; `Baseline` has epsilon 0."""
    title, _, epsilon = row.partition(":")
    return title, float(epsilon or 0)
