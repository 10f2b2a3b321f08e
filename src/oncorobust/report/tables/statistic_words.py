"""What each statistic over per-image rows is, as a template of words.

Words in braces come from the source: images (with their number), applies (of a threat model), changed (of a change of
the acquisition; empty for all of them), condition (of the answers), attacks (of the cascade, with a verb), epsilon, and
the columns and options that the source names. Statistics over training seeds are not here: they repeat one of these.
"""

from collections.abc import Mapping

from oncorobust.report.shown_attacks import ATTACKS
from oncorobust.report.tables.cell import Statistic

ATTACK_TITLES = {one.name: one.title for one in ATTACKS}
"""Titles of attacks by their name in results files; others are named as they are."""

_RULE = "of the rule that accepts images by the score {score}"
_VALIDATION = "with the threshold chosen on validation images"

STATISTIC_WORDS: Mapping[Statistic, str] = {
    "accuracy": "share of the {images}{applies} that are predicted as labelled {condition}",
    "robust_accuracy": "share of the {images} that are predicted as labelled and that {attacks} within epsilon "
    "{epsilon}",
    "accuracy_kept": "share of the images kept, after the most sensitive ones on the grid are excluded, that are "
    "predicted as labelled",
    "coverage": "share of the images that are kept after the most sensitive ones on the grid are excluded",
    "threshold": "largest minimal epsilon on the grid among the excluded images",
    "accuracy_kept_strict": "share of the images kept, after the most sensitive ones by the strict search are "
    "excluded, that are predicted as labelled",
    "coverage_strict": "share of the images that are kept after the most sensitive ones by the strict search are "
    "excluded",
    "threshold_strict": "largest first flipped epsilon of the strict search among the excluded images",
    "robust_accuracy_threat": "share of the {images}{applies} that are predicted as labelled and that an attack under "
    "this threat does not change within epsilon {epsilon}",
    "n_images": "number of images{applies}",
    "sensitivity": "share of the images of the positive class that are predicted as such {condition}",
    "specificity": "share of the images of the other class that are predicted as such {condition}",
    "balanced_accuracy": "mean over the classes of the share of a class's images predicted as such {condition}",
    "auc": "probability that an image of the positive class has a larger margin for it than an image of the other class"
    " {condition}",
    "calibration_error": "expected calibration error of the probability of the predicted class, in ten bins of equally "
    "many images, {condition}",
    "brier_score": "mean squared distance of the probability of the label from 1 {condition}",
    "missed": "share of the images of the positive class that are predicted as labelled without attack and as the "
    "other class {condition}",
    "false_alarms": "share of the images of the other class that are predicted as labelled without attack and as "
    "the positive class {condition}",
    "share_censored": "share of the images predicted as labelled that no attack changes up to epsilon {epsilon}, the "
    "largest one searched",
    "median_first_flipped": "median first flipped epsilon of the images predicted as labelled",
    "median_last_safe": "median last safe epsilon of the images predicted as labelled",
    "restricted_mean": "mean first flipped epsilon of the images predicted as labelled, where images that no attack "
    "changes count with {epsilon}, the largest epsilon searched",
    "base_accuracy": "share of the {images} that the model itself predicts as labelled",
    "smoothed_accuracy": "share of the {images} that the smoothed model (sigma {sigma}) predicts as labelled without "
    "abstaining",
    "abstained_share": "share of the {images} on which the smoothed model (sigma {sigma}) abstains",
    "commonest_label_share": "share of the {images} whose label is the commonest among them, which one answer for all "
    "images would get right",
    "certified_accuracy": "share of the {images} that the smoothed model (sigma {sigma}) predicts as labelled and "
    "whose certified epsilon is at least {epsilon}",
    "smoothed_robust_accuracy": "share of the {images} that the smoothed model (sigma {sigma}) predicts as labelled "
    "and that the attack on it does not change within epsilon {epsilon}",
    "unchanged_accuracy": "share of the {images}{changed} that are predicted as labelled unchanged",
    "changed_accuracy": "share of the {images} that are predicted as labelled under the change {change}, severity "
    "{severity}",
    "changed_flips": "share of the {images} whose answer the change {change}, severity {severity}, alters",
    "noise_l_inf_accuracy": "share of the {images} that are predicted as labelled under sign noise of the l_inf size "
    "of the change {change}, severity {severity}",
    "noise_l2_accuracy": "share of the {images} that are predicted as labelled under Gaussian noise of the l2 size of "
    "the change {change}, severity {severity}",
    "worst_changed_accuracy": "share of the {images}{changed} that are predicted as labelled unchanged and at every "
    "severity",
    "robust_accuracy_l2": "share of the {images} that are predicted as labelled and that the l2 search does not change "
    "within an l2 distance of {epsilon}",
    "median_l_inf": "median l_inf size of the change {change}, severity {severity}",
    "median_l2": "median l2 size of the change {change}, severity {severity}",
    "times_l_inf": "median l_inf size of the change {change}, severity {severity}, divided by the median first flipped "
    "epsilon of those of the same images that are predicted as labelled",
    "times_l2": "median l2 size of the change {change}, severity {severity}, divided by the median least l2 distance "
    "of those of the same images that are predicted as labelled",
    "aurc": f"area under risk over coverage {_RULE}",
    "augrc": f"area under generalised risk over coverage {_RULE}",
    "error_auroc": "probability that a right answer has a larger score {score} than a wrong one",
    "accuracy_at_coverage": f"accuracy among the accepted images {_RULE}, at a coverage of 1 - {{exclude_share}}",
    "frozen_coverage": f"coverage on test images {_RULE}, {_VALIDATION} to exclude {{exclude_share}}",
    "frozen_accuracy": f"accuracy among the accepted test images {_RULE}, {_VALIDATION} to exclude {{exclude_share}}",
    "frozen_coverage_at_risk": f"coverage on test images {_RULE}, {_VALIDATION} for a risk of at most {{risk}}",
    "frozen_accuracy_at_risk": f"accuracy among the accepted test images {_RULE}, {_VALIDATION} for a risk of at most "
    "{risk}",
    "chosen_coverage": f"coverage on test images {_RULE}, with the threshold chosen on the same images to exclude "
    "{exclude_share}",
    "chosen_accuracy": f"accuracy among the accepted test images {_RULE}, with the threshold chosen on the same images "
    "to exclude {exclude_share}",
    "guaranteed_coverage": f"share of the test images, one of each patient, that are accepted {_RULE}, at the "
    "threshold whose risk is at most {risk} with confidence {confidence}",
    "guaranteed_risk": f"share of errors among the accepted test images, one of each patient, {_RULE}, at the "
    "threshold whose risk is at most {risk} with confidence {confidence}",
    "partial_correlation": "partial rank correlation of the score {score} with right answers, given the margin",
    "auroc_given": "probability that a right answer has a larger margin than a wrong one",
    "auroc_both": "probability that a right answer has a larger value of margin and score {score} together than a "
    "wrong one",
    "auroc_gain": "AUROC of error prediction by margin and score {score} together minus that of the margin alone",
    "wrong_accepted_none": f"share of the test images that are misclassified and accepted without attack, {_RULE}",
    "wrong_accepted_pgd": f"share of the test images that PGD within epsilon {{epsilon}} misclassifies and has "
    f"accepted, {_RULE}",
    "wrong_accepted_adaptive": f"share of the test images that an attack within epsilon {{epsilon}} that knows the "
    f"rule misclassifies and has accepted, {_RULE}",
    "share_withstanding": "share of the images predicted as labelled that no attack changes within epsilon {epsilon}",
    "share_safe": "share of the images predicted as labelled on which every attack failed at more than {epsilon}",
    "risk_at_coverage": f"share of errors among the accepted images {_RULE}, at coverage {{coverage}}",
    "value_of_image": "{column} of the image {image_id}",
    "median_difference": "median first flipped epsilon of the images predicted as labelled, second group minus first",
    "probability_smaller": "probability that an image of the first group has the smaller minimal epsilon, of the "
    "images predicted as labelled",
}
