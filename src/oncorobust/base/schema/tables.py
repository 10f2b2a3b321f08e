"""Schema of what the tables hold: one CSV file a table, cells.json, and the points of `oncorobust front`.

The values of a CSV file are those of cells.json before rounding: accuracies, and differences of them, as fractions.
"""

from collections.abc import Iterator

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, FRACTION, NO_UNIT, VERSION, Column, Document, Key, Table

_PAPER = "paper's protocol"
_STRICT = "strict protocol"
_ROW = Column("row", "string", NO_UNIT, "Key of the row, such as Baseline, PGD:0.002 or a data set.")
_MARK = "Whether the images of the data set are synthetic."


def _number(name: str, meaning: str, when: str = "", *, unit: str = FRACTION) -> Column:
    """A column of a table, empty where the table has no number."""
    return Column(name, "number or empty", unit, meaning, when)


def _each(*columns: Column) -> Iterator[Column]:
    """These columns once for each data set, and whether it is synthetic."""
    for column in columns:
        yield Column(f"<data set>.{column.name}", column.type, column.unit, column.meaning, column.when)
    yield Column("<data set>.synthetic", "boolean", NO_UNIT, _MARK)


TABLE_1 = Table(
    layout.table_file("table1"),
    "no attack, or one attack at one epsilon, on the clean-trained model",
    (
        _ROW,
        *_each(
            _number("accuracy", "Accuracy, attacked away from the predicted label.", _PAPER),
            _number("accuracy_true_labels", "Accuracy, attacked away from the true label.", _PAPER),
            _number("accuracy_strict", "Accuracy under the strict protocol.", _STRICT),
            _number("paper", "Accuracy in the paper's Table 1."),
        ),
    ),
)


def _ranked(ending: str, protocol: str) -> Iterator[Column]:
    """The columns of Table 2 by one protocol."""
    yield _number(f"accuracy_kept{ending}", "Accuracy without the most sensitive images.", protocol)
    yield _number(f"accuracy_change{ending}", "accuracy_kept minus accuracy_all.", protocol)
    yield _number(f"coverage{ending}", "Share of the images kept.", protocol)
    yield _number(f"threshold_epsilon{ending}", "Largest minimal epsilon left out.", protocol, unit=EPSILON)


TABLE_2 = Table(
    layout.table_file("table2"),
    "one data set, clean-trained model",
    (
        _ROW,
        _number("accuracy_all", "Accuracy on all images ranked."),
        *_ranked("", _PAPER),
        *_ranked("_strict", _STRICT),
        _number("paper_accuracy_all", "accuracy_all in the paper's Table 2."),
        _number("paper_accuracy_kept", "accuracy_kept in the paper's Table 2."),
        _number("paper_accuracy_change", "accuracy_change in the paper's Table 2."),
        _number("paper_threshold_epsilon", "threshold_epsilon in the paper's Table 2.", unit=EPSILON),
        Column("synthetic", "boolean", NO_UNIT, _MARK),
    ),
)


def _before_and_after(name: str, described: str, protocol: str = "") -> Iterator[Column]:
    """The columns of Table S5 under one heading."""
    yield _number(name.format("original"), f"Accuracy of the clean-trained model, {described}.", protocol)
    yield _number(
        name.format("adversarially_trained"), f"Accuracy of the adversarially trained model, {described}.", protocol
    )
    yield _number(name.format("difference"), f"The second minus the first, {described}.", protocol)


TABLE_S5 = Table(
    layout.table_file("table_s5"),
    "one attack at the epsilon of report.adversarial_training_epsilon",
    (
        _ROW,
        *_each(
            *_before_and_after("{}", "attacked away from the predicted label", _PAPER),
            *_before_and_after("{}_true_labels", "attacked away from the true label", _PAPER),
            *_before_and_after("{}_strict", "under the strict protocol", _STRICT),
            *_before_and_after("paper_{}", "in the paper's Table S5"),
        ),
    ),
)

TABLE_G = Table(
    layout.table_file("gap"),
    "one epsilon, clean-trained model; no row unless both protocols ran",
    (
        _ROW,
        *_each(
            _number("paper_protocol", "Accuracy under PGD of the paper's protocol."),
            _number("labels", "Part of the gap: attacked away from the true label."),
            _number("restarts", "Part of the gap: random starts, any iterate, FGSM and BIM."),
            _number("worst_case", "Part of the gap: all other attacks of the suite."),
            _number("steps", "Part of the gap: PGD with many more steps."),
            _number("total", "strict minus paper_protocol, the sum of the parts."),
            _number("strict", "Accuracy under the strict protocol."),
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
            _number("original_clean", "Clean accuracy of the clean-trained model."),
            _number("original", "Its accuracy under the threat model."),
            _number("adversarially_trained_clean", "Clean accuracy of the adversarially trained model."),
            _number("adversarially_trained", "Its accuracy under the threat model."),
        ),
    ),
)

FRONT = Table(
    layout.front_file("<data set>", "csv"),
    "one run of adversarial training, or the clean model, as `oncorobust front` compares them",
    (
        Column("experiment", "string", NO_UNIT, "Name of the DVC experiment; empty for the clean model."),
        Column("label", "string", NO_UNIT, "Settings in which the run differs from the others."),
        Column("validation_accuracy", "number", FRACTION, "Clean accuracy on the validation images."),
        Column("validation_robust_accuracy", "number", FRACTION, "Robust accuracy on the validation images."),
        Column("on_front", "boolean", NO_UNIT, "Whether no other run is better in one and at least equal in both."),
        Column("epsilon", "number", EPSILON, "Epsilon at which validation attacks."),
        Column("synthetic", "boolean", NO_UNIT, _MARK),
    ),
)

_OURS = "our own numbers"
_FROM_PAPER = "numbers of the paper"
_WITH, _WITHOUT = "numbers with an interval", "numbers without an interval"
_TABLE, _COLUMN, _FIELD = (
    "tables/<position>",
    "tables/<position>/columns/<position>",
    "tables/<position>/fields/<position>",
)
_CELL = "cells/<position>"
_METRIC, _ROWS, _PRINTED = f"{_CELL}/metrics/<position>", f"{_CELL}/rows/<position>", f"{_CELL}/paper"

CELLS = Document(
    layout.CELLS,
    "the layout of every table, and every number with its sources",
    (
        VERSION,
        Key(f"{_TABLE}/name", "string", NO_UNIT, "Name of the table, such as Table 1."),
        Key(f"{_TABLE}/file", "string", NO_UNIT, "CSV file of the table."),
        Key(f"{_TABLE}/caption", "string", NO_UNIT, "Caption of the table."),
        Key(f"{_TABLE}/data_sets", "string", NO_UNIT, "Where the data sets stand: across, rows or blocks."),
        Key(f"{_TABLE}/row_heads", "list of strings", NO_UNIT, "Headings of the parts of a row's key."),
        Key(f"{_TABLE}/rows", "list of strings", NO_UNIT, "Keys of the rows, in order."),
        Key(f"{_COLUMN}/key", "string", NO_UNIT, "Key of a data set in params.yaml."),
        Key(f"{_COLUMN}/title", "string", NO_UNIT, "Title of the data set."),
        Key(f"{_COLUMN}/paper", "string or null", NO_UNIT, "Column of the paper's tables; null for none."),
        Key(f"{_COLUMN}/n_images", "integer", "images", "Number of test images behind the numbers."),
        Key(f"{_COLUMN}/synthetic", "boolean", NO_UNIT, _MARK),
        Key(f"{_FIELD}/name", "string", NO_UNIT, "Name of one of a row's numbers for a data set."),
        Key(f"{_FIELD}/group", "string", NO_UNIT, "Heading above the number's heading; empty for none."),
        Key(f"{_FIELD}/heading", "string", NO_UNIT, "Heading of the number."),
        Key(f"{_FIELD}/unit", "string", NO_UNIT, "How the number is shown: percent, points, epsilon or count."),
        Key(f"{_CELL}/table", "string", NO_UNIT, "Name of the table."),
        Key(f"{_CELL}/row", "string", NO_UNIT, "Key of the row."),
        Key(f"{_CELL}/column", "string", NO_UNIT, "Key of the data set."),
        Key(f"{_CELL}/field", "string", NO_UNIT, "Name of the number in its row and data set."),
        Key(f"{_CELL}/value", "number", "of the field", "The number before rounding."),
        Key(f"{_CELL}/interval", "null", NO_UNIT, "null where no interval was computed.", _WITHOUT),
        Key(f"{_CELL}/interval/low", "number", "of the field", "Lower end of the interval of the number.", _WITH),
        Key(f"{_CELL}/interval/high", "number", "of the field", "Upper end of the interval of the number.", _WITH),
        Key(f"{_CELL}/interval/level", "number", FRACTION, "Confidence level, such as 0.95.", _WITH),
        Key(f"{_CELL}/interval/method", "string", NO_UNIT, "Method that gave the interval.", _WITH),
        Key(f"{_CELL}/n_images", "integer or null", "images", "Images behind the number; null where not known."),
        Key(f"{_CELL}/n_patients", "integer or null", "patients", "Patients behind the number; null where not known."),
        Key(f"{_METRIC}/file", "string", NO_UNIT, "JSON file that holds a term of the number.", _OURS),
        Key(f"{_METRIC}/pointer", "string", NO_UNIT, "JSON pointer to the term.", _OURS),
        Key(f"{_METRIC}/sign", "integer", NO_UNIT, "1 or -1: sign of the term.", _OURS),
        Key(f"{_ROWS}/file", "string", NO_UNIT, "CSV file whose rows give a term of the number.", _OURS),
        Key(f"{_ROWS}/where/<column>", "string or number", NO_UNIT, "Value that selects rows.", _OURS),
        Key(f"{_ROWS}/statistic", "string", NO_UNIT, "Statistic of the selected rows.", _OURS),
        Key(f"{_ROWS}/epsilon", "number or null", EPSILON, "Epsilon of the statistic; null for none.", _OURS),
        Key(f"{_ROWS}/sign", "integer", NO_UNIT, "1 or -1: sign of the term.", _OURS),
        Key(_PRINTED, "null", NO_UNIT, "null for our own numbers.", _OURS),
        Key(f"{_PRINTED}/file", "string", NO_UNIT, "File of the transcribed table.", _FROM_PAPER),
        Key(f"{_PRINTED}/row", "string", NO_UNIT, "Row of the transcribed table.", _FROM_PAPER),
        Key(f"{_PRINTED}/column", "string", NO_UNIT, "Column of the transcribed table.", _FROM_PAPER),
    ),
)
