"""Names of the attacks of both protocols, in order. This module imports nothing, so that every room can use it."""

PAPER_ATTACKS = ("fgsm", "pgd", "bim")
"""The paper's attacks, in the order of its tables."""

STRICT_ATTACKS = ("fgsm", "bim", "pgd", "apgd", "fmn", "square", "converged")
"""The attacks of the strict protocol, in the order in which the cascade runs them."""
