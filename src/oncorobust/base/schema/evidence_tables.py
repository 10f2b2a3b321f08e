"""Schema of what Tables E, M, N, R, D, C, A and V hold, computed from the rows: one CSV file a table."""

from oncorobust.base import layout
from oncorobust.base.schema.acquisition import L2
from oncorobust.base.schema.entries import EPSILON, NO_UNIT, PIXELS, Table
from oncorobust.base.schema.tables import ROW, each, estimate, number

_TWO = "two classes"

TABLE_E = Table(
    layout.table_file("beyond_accuracy"),
    "one model without attack or under one attack",
    (
        ROW,
        *each(
            *estimate("balanced_accuracy", "Mean of the classes' recalls."),
            *estimate("sensitivity", "Share of the positive images predicted as positive.", _TWO),
            *estimate("specificity", "Share of the negative images predicted as negative.", _TWO),
            *estimate("missed", "Share of the positive images that the attack turns from right to wrong.", _TWO),
            *estimate("false_alarms", "Share of the negative images that it turns from right to wrong.", _TWO),
            *estimate("auc", "Area under the ROC curve; ties count one half.", _TWO),
            *estimate("calibration_error", "Expected calibration error, ten bins.", _TWO),
            *estimate("brier_score", "Mean squared distance of the label's probability from 1.", _TWO),
        ),
    ),
)

TABLE_M = Table(
    layout.table_file("minimal_epsilons"),
    "one model; no row without the strict protocol",
    (
        ROW,
        *each(
            *estimate("median_first_flipped", "Median of first_flipped.", unit=EPSILON),
            *estimate("median_last_safe", "Median of last_safe.", unit=EPSILON),
            *estimate("restricted_mean", "Mean of min(first_flipped, largest epsilon).", unit=EPSILON),
            *estimate("share_censored", "Share of the images that no attack flips."),
        ),
    ),
)

TABLE_N = Table(
    layout.table_file("medical_against_natural"),
    "one natural data set and model, against the medical data set of the columns; no row without the strict protocol",
    (
        ROW,
        *each(
            *estimate("median_medical", "Median of first_flipped of the medical images.", unit=EPSILON),
            *estimate("median_natural", "Median of first_flipped of the natural images.", unit=EPSILON),
            *estimate("median_difference", "median_natural minus median_medical.", unit=EPSILON),
            *estimate("probability_smaller", "Probability that a medical image has the smaller first_flipped."),
            number("size_medical", "Height and width of the medical images.", unit=PIXELS),
            number("size_natural", "Height and width of the natural images.", unit=PIXELS),
            number("classes_medical", "Number of classes of the medical data set.", unit="classes"),
            number("classes_natural", "Number of classes of the natural data set.", unit="classes"),
            number("training_medical", "Number of medical training images.", unit="images"),
            number("training_natural", "Number of natural training images.", unit="images"),
        ),
    ),
)

TABLE_R = Table(
    layout.table_file("selective_prediction"),
    "one score of certainty of one model",
    (
        ROW,
        *each(
            *estimate("aurc", "Area under the risk-coverage curve."),
            *estimate("augrc", "Area under the generalised risk-coverage curve."),
            *estimate("error_auroc", "AUROC of the score for right against wrong answers."),
            *estimate("accuracy_at_coverage", "Accuracy on the curve at the coverage 1 - exclude_share."),
            *estimate("frozen_coverage", "Coverage; threshold from validation, for coverage."),
            *estimate("frozen_accuracy", "Accuracy of the accepted; threshold from validation, for coverage."),
            *estimate("frozen_coverage_at_risk", "Coverage; threshold from validation, for risk."),
            *estimate("frozen_accuracy_at_risk", "Accuracy of the accepted; threshold from validation, for risk."),
            *estimate("chosen_coverage", "Coverage; threshold from test, for coverage."),
            *estimate("chosen_accuracy", "Accuracy of the accepted; threshold from test, for coverage."),
        ),
    ),
)

TABLE_D = Table(
    layout.table_file("decision_rules"),
    "one score of certainty of one model",
    (
        ROW,
        *each(
            *estimate("guaranteed_coverage", "Coverage; threshold whose risk is guaranteed."),
            *estimate("guaranteed_risk", "Errors among the accepted, and 0 to the upper bound of the risk."),
            *estimate("partial_correlation", "Rank correlation with correctness given the margin.", unit=NO_UNIT),
            *estimate("auroc_given", "AUROC of error prediction by the margin."),
            *estimate("auroc_both", "AUROC of error prediction by the margin and minimal epsilon."),
            *estimate("auroc_gain", "auroc_both minus auroc_given."),
            *estimate("wrong_accepted_none", "Share of the images misclassified and accepted; no attack."),
            *estimate("wrong_accepted_pgd", "The same under PGD."),
            *estimate("wrong_accepted_adaptive", "The same under an attack that knows the rule."),
        ),
    ),
)

TABLE_C = Table(
    layout.table_file("certificates"),
    "one model, smoothed, without attack or at one epsilon; no row without certificates",
    (
        ROW,
        *each(
            *estimate("certified", "Share predicted right that no change within epsilon can alter."),
            *estimate("attacked", "Share predicted right that an attack on the smoothed model does not alter."),
            *estimate("accuracy", "Accuracy of the smoothed model; an abstention counts as wrong."),
            *estimate("base_accuracy", "Accuracy of the model itself on the same images."),
            *estimate("price", "accuracy minus base_accuracy."),
            *estimate("abstained", "Share of the images on which the smoothed model abstains."),
            *estimate(
                "one_answer", "Share of the images whose label is the commonest: right under one answer for all."
            ),
            *estimate("above_one_answer", "accuracy minus one_answer."),
            when="the data set has certificates",
        ),
    ),
)

TABLE_A = Table(
    layout.table_file("acquisition_changes"),
    "one change of the acquisition at one severity, or the worst case, seen by one model; a change that applies to no "
    "image of a data set; no row without `acquisition`",
    (
        ROW,
        *each(
            *estimate("accuracy", "Accuracy on the changed images; worst case: right unchanged and at every severity."),
            *estimate("difference", "accuracy minus that of the clean model."),
            *estimate("noise_l_inf", "Accuracy under sign noise of the same l_inf size."),
            *estimate("noise_l2", "Accuracy under Gaussian noise of the same l_2 size."),
            *estimate("flipped", "Share of the images whose answer the change alters."),
            *estimate("l_inf", "Median l_inf size of the change; without interval.", unit=EPSILON),
            *estimate("l2", "Median l_2 size of the change; without interval.", unit=L2),
            *estimate("times_l_inf", "l_inf divided by the median first flipped epsilon.", unit=NO_UNIT),
            *estimate("times_l2", "l2 divided by the median minimal l_2 distance.", unit=NO_UNIT),
            when="the data set has changes of the acquisition",
        ),
    ),
)

TABLE_OF_SEEDS = Table(
    layout.table_file("training_seeds"),
    "one model, or adversarial minus clean, without attack or under one attack; no row without further training seeds",
    (
        ROW,
        *each(
            *estimate("this_run", "Accuracy of the model of this run."),
            *estimate("mean_over_seeds", "Mean over all training seeds; without interval."),
            *estimate("smallest_over_seeds", "Smallest over all training seeds; without interval."),
            *estimate("largest_over_seeds", "Largest over all training seeds; without interval."),
            *estimate("deviation_over_seeds", "Standard deviation between training seeds; without interval."),
            number("n_training_seeds", "Number of training seeds.", unit="seeds"),
        ),
    ),
)
