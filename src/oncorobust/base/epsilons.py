"""What writers and readers of a metrics file share: the names of epsilons, and the limit of a flag.

DVC splits metric paths at dots, so a key holds none.
"""

FEW_WITHOUT_GRADIENT = 0.01
"""Share of images without a gradient above which an evaluation by gradients is flagged."""


def epsilon_key(epsilon: float) -> str:
    """Key of an epsilon: 0.001 gives `eps_0_001`."""
    return "eps_" + format(epsilon, ".10f").rstrip("0").replace(".", "_")


def epsilon_from_key(key: str) -> float:
    """The epsilon of a key: `eps_0_001` gives 0.001."""
    return float(key.removeprefix("eps_").replace("_", "."))
