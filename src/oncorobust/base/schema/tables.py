"""Schema of what Tables 1, 2, S5, G and T hold: one CSV file a table.

The values of a CSV file are those of cells.json before rounding: accuracies, and differences of them, as fractions.
"""

from collections.abc import Iterator

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, FRACTION, MARK, NO_UNIT, Column, Table

_PAPER = "paper's protocol"
_STRICT = "strict protocol"
_CERTIFIED = "any data set has certificates"
ROW = Column("row", "string", NO_UNIT, "Key of the row, such as Baseline, PGD:0.002 or a data set.")


def number(name: str, meaning: str, when: str = "", *, unit: str = FRACTION) -> Column:
    """A column of a table, empty where the table has no number."""
    return Column(name, "number or empty", unit, meaning, when)


def estimate(name: str, meaning: str, when: str = "", *, unit: str = FRACTION) -> Iterator[Column]:
    """The columns of a number of ours and of the ends of its interval, empty where there is none."""
    yield number(name, meaning, when, unit=unit)
    yield number(f"{name}_low", f"Lower end of the interval of {name}.", when, unit=unit)
    yield number(f"{name}_high", f"Upper end of the interval of {name}.", when, unit=unit)


def each(*columns: Column, when: str = "") -> Iterator[Column]:
    """These columns once for each data set, and whether it is synthetic. when: of all of them, if not always."""
    for column in columns:
        yield Column(f"<data set>.{column.name}", column.type, column.unit, column.meaning, column.when or when)
    yield Column("<data set>.synthetic", "boolean", NO_UNIT, MARK, when)


TABLE_1 = Table(
    layout.table_file("table1"),
    "no attack, or one attack at one epsilon, on the clean-trained model",
    (
        ROW,
        *each(
            *estimate("accuracy", "Accuracy, attacked away from the predicted label.", _PAPER),
            *estimate("accuracy_true_labels", "Accuracy, attacked away from the true label.", _PAPER),
            *estimate("accuracy_strict", "Accuracy under the strict protocol.", _STRICT),
            *estimate("accuracy_certified", "Certified accuracy of the smoothed model.", _CERTIFIED),
            number("paper", "Accuracy in the paper's Table 1."),
        ),
    ),
)


def _ranked(ending: str, protocol: str) -> Iterator[Column]:
    """The columns of Table 2 by one protocol."""
    yield from estimate(f"accuracy_kept{ending}", "Accuracy without the most sensitive images.", protocol)
    yield from estimate(f"accuracy_change{ending}", "accuracy_kept minus accuracy_all.", protocol)
    yield from estimate(f"coverage{ending}", "Share of the images kept.", protocol)
    yield from estimate(f"threshold_epsilon{ending}", "Largest minimal epsilon left out.", protocol, unit=EPSILON)


TABLE_2 = Table(
    layout.table_file("table2"),
    "one data set, clean-trained model",
    (
        ROW,
        *estimate("accuracy_all", "Accuracy on all images ranked."),
        *_ranked("", _PAPER),
        *_ranked("_strict", _STRICT),
        number("paper_accuracy_all", "accuracy_all in the paper's Table 2."),
        number("paper_accuracy_kept", "accuracy_kept in the paper's Table 2."),
        number("paper_accuracy_change", "accuracy_change in the paper's Table 2."),
        number("paper_threshold_epsilon", "threshold_epsilon in the paper's Table 2.", unit=EPSILON),
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
    *_before_and_after("{}_certified", "smoothed and certified", _CERTIFIED),
)

TABLE_S5 = Table(
    layout.table_file("table_s5"),
    "one attack at the epsilon of report.adversarial_training_epsilon",
    (
        ROW,
        *each(
            *(column for one in _OURS_BEFORE_AND_AFTER for column in estimate(*one)),
            *(number(*one) for one in _before_and_after("paper_{}", "in the paper's Table S5")),
        ),
    ),
)

TABLE_G = Table(
    layout.table_file("gap"),
    "one epsilon, clean-trained model; no row unless both protocols ran",
    (
        ROW,
        *each(
            *estimate("paper_protocol", "Accuracy under PGD of the paper's protocol."),
            *estimate("labels", "Part of the gap: attacked away from the true label."),
            *estimate("restarts", "Part of the gap: random starts, any iterate, FGSM and BIM."),
            *estimate("worst_case", "Part of the gap: all other attacks of the suite."),
            *estimate("steps", "Part of the gap: PGD with many more steps."),
            *estimate("missed", "Part of the gap: examples of the paper's protocol that the search missed."),
            *estimate("total", "strict minus paper_protocol, the sum of the parts."),
            *estimate("strict", "Accuracy under the strict protocol."),
        ),
    ),
)

TABLE_T = Table(
    layout.table_file("threats"),
    "one threat model and epsilon; no row unless threat models ran",
    (
        ROW,
        *each(
            number("n_images", "Number of images that have the threat.", unit="images"),
            *estimate("original_clean", "Clean accuracy of the clean-trained model."),
            *estimate("original", "Its accuracy under the threat model."),
            *estimate("adversarially_trained_clean", "Clean accuracy of the adversarially trained model."),
            *estimate("adversarially_trained", "Its accuracy under the threat model."),
        ),
    ),
)
