"""The paper's attacks as tables and figures show them, and the keys of table rows.

Colours are from the palette of Okabe and Ito (jfly.uni-koeln.de/color), which colour-blind people can tell apart.
"""

from dataclasses import dataclass

from oncorobust.base.epsilons import epsilon_text


@dataclass(frozen=True)
class ShownAttack:
    """An attack: its name in results files, its title for readers, and its colour and marker in figures."""

    name: str
    title: str
    colour: str
    marker: str


FGSM = ShownAttack("fgsm", "FGSM", "#0072B2", "o")
PGD = ShownAttack("pgd", "PGD", "#D55E00", "s")
BIM = ShownAttack("bim", "BIM", "#009E73", "^")

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
