"""Epsilons as text and as keys of metrics files, and the share of zero gradients above which results are flagged.

DVC splits the paths of metrics at dots, so keys contain none.
"""

FEW_WITHOUT_GRADIENT = 0.01
"""Share of images with zero gradient above which an evaluation by gradient attacks is flagged."""


def epsilon_text(epsilon: float) -> str:
    """Format an epsilon without an exponent: 0.00001."""
    return format(epsilon, ".10f").rstrip("0").rstrip(".")


def epsilon_key(epsilon: float) -> str:
    """Return the key of an epsilon in a metrics file: 0.001 gives `eps_0_001`."""
    return "eps_" + format(epsilon, ".10f").rstrip("0").replace(".", "_")


def epsilon_from_key(key: str) -> float:
    """Return the epsilon of a key: `eps_0_001` gives 0.001."""
    return float(key.removeprefix("eps_").replace("_", "."))
