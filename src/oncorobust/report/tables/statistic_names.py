"""Names of the statistics that are no share of one model: of scores of certainty, two groups, and training seeds."""

from typing import Literal

SelectiveStatistic = Literal[
    "aurc",
    "augrc",
    "error_auroc",
    "accuracy_at_coverage",
    "frozen_coverage",
    "frozen_accuracy",
    "frozen_coverage_at_risk",
    "frozen_accuracy_at_risk",
    "chosen_coverage",
    "chosen_accuracy",
]
"""The score as a rule that accepts images (`selective_estimates`): Table R.

    frozen    the threshold is chosen on the validation images
    chosen    the threshold is chosen on the test images
"""

GuaranteeStatistic = Literal["guaranteed_coverage", "guaranteed_risk"]
"""Coverage and risk at a threshold that is guaranteed for future patients (`rule_estimates`): Table D."""

AddedStatistic = Literal["partial_correlation", "auroc_given", "auroc_both", "auroc_gain"]
"""What the score adds to the margin (`rule_estimates`): Table D."""

RuleAttackStatistic = Literal["wrong_accepted_none", "wrong_accepted_pgd", "wrong_accepted_adaptive"]
"""Share of the test images that are answered wrong and accepted, by attack on the rule (`rule_estimates`): Table D."""

GroupStatistic = Literal["median_difference", "probability_smaller"]
"""Statistics of two groups of images of different patients (`group_estimates`)."""

SeedStatistic = Literal[
    "mean_over_seeds",
    "smallest_over_seeds",
    "largest_over_seeds",
    "deviation_over_seeds",
    "n_training_seeds",
]
"""Statistics of a share over training seeds (`seed_spread`)."""
