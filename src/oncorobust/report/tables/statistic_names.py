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

CertificateStatistic = Literal[
    "base_accuracy",
    "smoothed_accuracy",
    "abstained_share",
    "certified_accuracy",
    "smoothed_robust_accuracy",
]
"""Shares of the images that the smoothed model certifies (`row_statistics`): Table C, and Tables 1 and S5.

    base_accuracy             images that the model itself answers as labelled
    smoothed_accuracy         images that the smoothed model answers as labelled, without abstaining
    abstained_share           images on which the smoothed model abstains
    certified_accuracy        images of smoothed_accuracy whose certified epsilon is at least an epsilon
    smoothed_robust_accuracy  images of smoothed_accuracy that no attack on the smoothed model changes within an epsilon
"""

GuaranteeStatistic = Literal["guaranteed_coverage", "guaranteed_risk"]
"""Coverage and risk at a threshold that is guaranteed for future patients (`rule_estimates`): Table D."""

AddedStatistic = Literal["partial_correlation", "auroc_given", "auroc_both", "auroc_gain"]
"""What the score adds to the margin (`rule_estimates`): Table D."""

RuleAttackStatistic = Literal["wrong_accepted_none", "wrong_accepted_pgd", "wrong_accepted_adaptive"]
"""Share of the test images that are misclassified and accepted, by attack on the rule (`rule_estimates`): Table D."""

GroupStatistic = Literal["median_difference", "probability_smaller"]
"""Statistics of two groups of images of different patients (`group_estimates`)."""

PointStatistic = Literal["share_withstanding", "share_safe", "risk_at_coverage", "value_of_image"]
"""What only figures draw (`row_statistics`, `point_estimates`).

    share_withstanding    images predicted as labelled that no attack flips within an epsilon, of those so predicted
    share_safe            the same by the largest epsilon at which all attacks failed
    risk_at_coverage      share of errors among the images of the largest scores
    value_of_image        a column of one image's row
"""

SeedStatistic = Literal[
    "mean_over_seeds",
    "smallest_over_seeds",
    "largest_over_seeds",
    "deviation_over_seeds",
    "n_training_seeds",
]
"""Statistics of a share over training seeds (`seed_spread`)."""
