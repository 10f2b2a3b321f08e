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
    "commonest_label_share",
    "certified_accuracy",
    "smoothed_robust_accuracy",
]
"""Shares of the images that the smoothed model certifies (`row_statistics`): Table C, and Tables 1 and S5.

    base_accuracy             images that the model itself answers as labelled
    smoothed_accuracy         images that the smoothed model answers as labelled, without abstaining
    abstained_share           images on which the smoothed model abstains
    commonest_label_share     images of the label that most images have: right under one answer for all
    certified_accuracy        images of smoothed_accuracy whose certified epsilon is at least an epsilon
    smoothed_robust_accuracy  images of smoothed_accuracy that no attack on the smoothed model changes within an epsilon
"""

AcquisitionStatistic = Literal[
    "unchanged_accuracy",
    "changed_accuracy",
    "changed_flips",
    "noise_l_inf_accuracy",
    "noise_l2_accuracy",
    "worst_changed_accuracy",
    "robust_accuracy_l2",
    "median_l_inf",
    "median_l2",
    "times_l_inf",
    "times_l2",
]
"""Under changes of the acquisition (`row_statistics`, `acquisition_estimates`): Table A and Figure 8.

    unchanged_accuracy      images predicted as labelled without a change
    changed_accuracy        changed images predicted as labelled
    changed_flips           images whose answer the change alters
    noise_l_inf_accuracy    images predicted as labelled under noise of the change's l_inf size; the same for l2
    worst_changed_accuracy  images predicted as labelled unchanged and at every severity
    robust_accuracy_l2      images of unchanged_accuracy that the l2 search does not change within an l2 distance
    median_l_inf            median size of the change; the same for l2
    times_l_inf             that size divided by the median minimal epsilon; for l2, by the median minimal l2 distance
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
