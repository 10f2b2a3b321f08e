"""Text and keys of an epsilon, and the share of images without a gradient above which results are flagged.

DVC splits metric paths at dots, so a key holds none.
"""

FEW_WITHOUT_GRADIENT = 0.01
"""Share of images without a gradient above which an evaluation by gradients is flagged."""


def epsilon_text(epsilon: float) -> str:
    """Return an epsilon as people write it, without exponent: 0.00001."""
    return format(epsilon, ".10f").rstrip("0").rstrip(".")


def epsilon_key(epsilon: float) -> str:
    """Return the key of an epsilon in a metrics file: 0.001 gives `eps_0_001`."""
    return "eps_" + format(epsilon, ".10f").rstrip("0").replace(".", "_")


def epsilon_from_key(key: str) -> float:
    """Return the epsilon of a key: `eps_0_001` gives 0.001."""
    return float(key.removeprefix("eps_").replace("_", "."))
