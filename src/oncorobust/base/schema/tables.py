"""Schema of what the tables hold: one CSV file a table.

The values of a CSV file are those of cells.json before rounding: accuracies, and differences of them, as fractions.
"""

from collections.abc import Iterator

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, FRACTION, MARK, NO_UNIT, PIXELS, Column, Table

_PAPER = "paper's protocol"
_STRICT = "strict protocol"
_TWO = "two classes"
_ROW = Column("row", "string", NO_UNIT, "Key of the row, such as Baseline, PGD:0.002 or a data set.")


def _number(name: str, meaning: str, when: str = "", *, unit: str = FRACTION) -> Column:
    """A column of a table, empty where the table has no number."""
    return Column(name, "number or empty", unit, meaning, when)


def _estimate(name: str, meaning: str, when: str = "", *, unit: str = FRACTION) -> Iterator[Column]:
    """The columns of a number of ours and of the ends of its interval, empty where there is none."""
    yield _number(name, meaning, when, unit=unit)
    yield _number(f"{name}_low", f"Lower end of the interval of {name}.", when, unit=unit)
    yield _number(f"{name}_high", f"Upper end of the interval of {name}.", when, unit=unit)


def _each(*columns: Column) -> Iterator[Column]:
    """These columns once for each data set, and whether it is synthetic."""
    for column in columns:
        yield Column(f"<data set>.{column.name}", column.type, column.unit, column.meaning, column.when)
    yield Column("<data set>.synthetic", "boolean", NO_UNIT, MARK)


TABLE_1 = Table(
    layout.table_file("table1"),
    "no attack, or one attack at one epsilon, on the clean-trained model",
    (
        _ROW,
        *_each(
            *_estimate("accuracy", "Accuracy, attacked away from the predicted label.", _PAPER),
            *_estimate("accuracy_true_labels", "Accuracy, attacked away from the true label.", _PAPER),
            *_estimate("accuracy_strict", "Accuracy under the strict protocol.", _STRICT),
            _number("paper", "Accuracy in the paper's Table 1."),
        ),
    ),
)


def _ranked(ending: str, protocol: str) -> Iterator[Column]:
    """The columns of Table 2 by one protocol."""
    yield from _estimate(f"accuracy_kept{ending}", "Accuracy without the most sensitive images.", protocol)
    yield from _estimate(f"accuracy_change{ending}", "accuracy_kept minus accuracy_all.", protocol)
    yield from _estimate(f"coverage{ending}", "Share of the images kept.", protocol)
    yield from _estimate(f"threshold_epsilon{ending}", "Largest minimal epsilon left out.", protocol, unit=EPSILON)


TABLE_2 = Table(
    layout.table_file("table2"),
    "one data set, clean-trained model",
    (
        _ROW,
        *_estimate("accuracy_all", "Accuracy on all images ranked."),
        *_ranked("", _PAPER),
        *_ranked("_strict", _STRICT),
        _number("paper_accuracy_all", "accuracy_all in the paper's Table 2."),
        _number("paper_accuracy_kept", "accuracy_kept in the paper's Table 2."),
        _number("paper_accuracy_change", "accuracy_change in the paper's Table 2."),
        _number("paper_threshold_epsilon", "threshold_epsilon in the paper's Table 2.", unit=EPSILON),
        Column("synthetic", "boolean", NO_UNIT, MARK),
    ),
)


def _before_and_after(name: str, described: str, protocol: str = "") -> Iterator[tuple[str, str, str]]:
    """The name, the meaning and the condition of each number of Table S5 under one heading."""
    yield name.format("original"), f"Accuracy of the clean-trained model, {described}.", protocol
    yield name.format("adversarially_trained"), f"Accuracy of the adversarially trained model, {described}.", protocol
    yield name.format("difference"), f"The second minus the first, {described}.", protocol


_OURS_BEFORE_AND_AFTER = (
    *_before_and_after("{}", "attacked away from the predicted label", _PAPER),
    *_before_and_after("{}_true_labels", "attacked away from the true label", _PAPER),
    *_before_and_after("{}_strict", "under the strict protocol", _STRICT),
)

TABLE_S5 = Table(
    layout.table_file("table_s5"),
    "one attack at the epsilon of report.adversarial_training_epsilon",
    (
        _ROW,
        *_each(
            *(column for one in _OURS_BEFORE_AND_AFTER for column in _estimate(*one)),
            *(_number(*one) for one in _before_and_after("paper_{}", "in the paper's Table S5")),
        ),
    ),
)

TABLE_G = Table(
    layout.table_file("gap"),
    "one epsilon, clean-trained model; no row unless both protocols ran",
    (
        _ROW,
        *_each(
            *_estimate("paper_protocol", "Accuracy under PGD of the paper's protocol."),
            *_estimate("labels", "Part of the gap: attacked away from the true label."),
            *_estimate("restarts", "Part of the gap: random starts, any iterate, FGSM and BIM."),
            *_estimate("worst_case", "Part of the gap: all other attacks of the suite."),
            *_estimate("steps", "Part of the gap: PGD with many more steps."),
            *_estimate("total", "strict minus paper_protocol, the sum of the parts."),
            *_estimate("strict", "Accuracy under the strict protocol."),
        ),
    ),
)

TABLE_T = Table(
    layout.table_file("threats"),
    "one threat model and epsilon; no row unless threat models ran",
    (
        _ROW,
        *_each(
            _number("n_images", "Number of images that have the threat.", unit="images"),
            *_estimate("original_clean", "Clean accuracy of the clean-trained model."),
            *_estimate("original", "Its accuracy under the threat model."),
            *_estimate("adversarially_trained_clean", "Clean accuracy of the adversarially trained model."),
            *_estimate("adversarially_trained", "Its accuracy under the threat model."),
        ),
    ),
)

TABLE_E = Table(
    layout.table_file("beyond_accuracy"),
    "one model without attack or under one attack",
    (
        _ROW,
        *_each(
            *_estimate("balanced_accuracy", "Mean of the classes' recalls."),
            *_estimate("sensitivity", "Share of the positive images answered as positive.", _TWO),
            *_estimate("specificity", "Share of the negative images answered as negative.", _TWO),
            *_estimate("missed", "Share of the positive images that the attack turns from right to wrong.", _TWO),
            *_estimate("false_alarms", "Share of the negative images that it turns from right to wrong.", _TWO),
            *_estimate("auc", "Area under the ROC curve; ties count one half.", _TWO),
            *_estimate("calibration_error", "Expected calibration error, ten bins.", _TWO),
            *_estimate("brier_score", "Mean squared distance of the label's probability from 1.", _TWO),
        ),
    ),
)

TABLE_M = Table(
    layout.table_file("minimal_epsilons"),
    "one model; no row without the strict protocol",
    (
        _ROW,
        *_each(
            *_estimate("median_first_flipped", "Median of first_flipped.", unit=EPSILON),
            *_estimate("median_last_safe", "Median of last_safe.", unit=EPSILON),
            *_estimate("restricted_mean", "Mean of min(first_flipped, largest epsilon).", unit=EPSILON),
            *_estimate("share_censored", "Share of the images that no attack flips."),
        ),
    ),
)

TABLE_N = Table(
    layout.table_file("medical_against_natural"),
    "one natural data set and model, against the medical data set of the columns; no row without the strict protocol",
    (
        _ROW,
        *_each(
            *_estimate("median_medical", "Median of first_flipped of the medical images.", unit=EPSILON),
            *_estimate("median_natural", "Median of first_flipped of the natural images.", unit=EPSILON),
            *_estimate("median_difference", "median_natural minus median_medical.", unit=EPSILON),
            *_estimate("probability_smaller", "Probability that a medical image has the smaller first_flipped."),
            _number("size_medical", "Height and width of the medical images.", unit=PIXELS),
            _number("size_natural", "Height and width of the natural images.", unit=PIXELS),
            _number("classes_medical", "Number of classes of the medical data set.", unit="classes"),
            _number("classes_natural", "Number of classes of the natural data set.", unit="classes"),
            _number("training_medical", "Number of medical training images.", unit="images"),
            _number("training_natural", "Number of natural training images.", unit="images"),
        ),
    ),
)

TABLE_R = Table(
    layout.table_file("selective_prediction"),
    "one score of certainty of one model",
    (
        _ROW,
        *_each(
            *_estimate("aurc", "Area under the risk-coverage curve."),
            *_estimate("augrc", "Area under the generalised risk-coverage curve."),
            *_estimate("error_auroc", "AUROC of the score for right against wrong answers."),
            *_estimate("accuracy_at_coverage", "Accuracy on the curve at the coverage 1 - exclude_share."),
            *_estimate("frozen_coverage", "Coverage; threshold from validation, for coverage."),
            *_estimate("frozen_accuracy", "Accuracy of the accepted; threshold from validation, for coverage."),
            *_estimate("frozen_coverage_at_risk", "Coverage; threshold from validation, for risk."),
            *_estimate("frozen_accuracy_at_risk", "Accuracy of the accepted; threshold from validation, for risk."),
            *_estimate("chosen_coverage", "Coverage; threshold from test, for coverage."),
            *_estimate("chosen_accuracy", "Accuracy of the accepted; threshold from test, for coverage."),
        ),
    ),
)

TABLE_D = Table(
    layout.table_file("decision_rules"),
    "one score of certainty of one model",
    (
        _ROW,
        *_each(
            *_estimate("guaranteed_coverage", "Coverage; threshold whose risk is guaranteed."),
            *_estimate("guaranteed_risk", "Errors among the accepted, and 0 to the upper bound of the risk."),
            *_estimate("partial_correlation", "Rank correlation with correctness given the margin.", unit=NO_UNIT),
            *_estimate("auroc_given", "AUROC of error prediction by the margin."),
            *_estimate("auroc_both", "AUROC of error prediction by the margin and minimal epsilon."),
            *_estimate("auroc_gain", "auroc_both minus auroc_given."),
            *_estimate("wrong_accepted_none", "Share of the images answered wrong and accepted; no attack."),
            *_estimate("wrong_accepted_pgd", "The same under PGD."),
            *_estimate("wrong_accepted_adaptive", "The same under an attack that knows the rule."),
        ),
    ),
)

TABLE_OF_SEEDS = Table(
    layout.table_file("training_seeds"),
    "one model, or adversarial minus clean, without attack or under one attack; no row without further training seeds",
    (
        _ROW,
        *_each(
            *_estimate("this_run", "Accuracy of the model of this run."),
            *_estimate("mean_over_seeds", "Mean over all training seeds; without interval."),
            *_estimate("smallest_over_seeds", "Smallest over all training seeds; without interval."),
            *_estimate("largest_over_seeds", "Largest over all training seeds; without interval."),
            *_estimate("deviation_over_seeds", "Standard deviation between training seeds; without interval."),
            _number("n_training_seeds", "Number of training seeds.", unit="seeds"),
        ),
    ),
)
