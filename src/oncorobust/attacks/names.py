"""Names of the attacks of both protocols, in order. This module imports nothing, so that every room can use it."""

PAPER_ATTACKS = ("fgsm", "pgd", "bim")
"""The paper's attacks, in the order of its tables."""

CONVERGED = "converged"
"""The attack of many small steps that ends the cascade."""

STRICT_ATTACKS = ("fgsm", "bim", "pgd", "apgd", "fmn", "square", CONVERGED)
"""The attacks of the strict protocol, in the order in which the cascade runs them."""

FROM_PAPER = "paper"
"""The last row of the strict protocol beside the paper's: bounds lowered to nearer examples of the paper's attacks."""
