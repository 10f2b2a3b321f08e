"""Schema of the numbers of all tables with their sources: cells.json, and metrics.json for DVC."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, FRACTION, NO_UNIT, VERSION, Document, Key

_HASHED = "written by this version or a later one"
_MARK = "Whether the images of the data set are synthetic."
_OURS = "our own numbers"
_IN_METRICS = "our own numbers that stand in a metrics file"
_FROM_PAPER = "numbers of the paper"
_WITH, _WITHOUT = "numbers with an interval", "numbers without an interval"
_TEST, _NO_TEST = "differences between two models", "other numbers"
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
        Key("files/<position>/path", "string", NO_UNIT, "A file that the numbers were computed from.", _HASHED),
        Key("files/<position>/md5", "string", NO_UNIT, "MD5 of that file.", _HASHED),
        Key(f"{_TABLE}/name", "string", NO_UNIT, "Name of the table, such as Table 1."),
        Key(f"{_TABLE}/file", "string", NO_UNIT, "CSV file of the table."),
        Key(f"{_TABLE}/caption", "string", NO_UNIT, "Caption of the table."),
        Key(f"{_TABLE}/data_sets", "string", NO_UNIT, "Where the data sets stand: across, rows or blocks."),
        Key(f"{_TABLE}/row_heads", "list of strings", NO_UNIT, "Headings of the parts of a row's key."),
        Key(f"{_TABLE}/rows", "list of strings", NO_UNIT, "Keys of the rows, in order."),
        Key(
            f"{_TABLE}/labels/<beginning>",
            "string",
            NO_UNIT,
            "What readers see in place of the last part of the beginning of a row's key.",
            "tables with such keys",
        ),
        Key(f"{_COLUMN}/key", "string", NO_UNIT, "Key of a data set in params.yaml."),
        Key(f"{_COLUMN}/title", "string", NO_UNIT, "Title of the data set."),
        Key(f"{_COLUMN}/paper", "string or null", NO_UNIT, "Column of the paper's tables; null for none."),
        Key(f"{_COLUMN}/n_images", "integer", "images", "Number of test images behind the numbers."),
        Key(f"{_COLUMN}/synthetic", "boolean", NO_UNIT, _MARK),
        Key(f"{_FIELD}/name", "string", NO_UNIT, "Name of one of a row's numbers for a data set."),
        Key(f"{_FIELD}/group", "string", NO_UNIT, "Heading above the number's heading; empty for none."),
        Key(f"{_FIELD}/heading", "string", NO_UNIT, "Heading of the number."),
        Key(f"{_FIELD}/unit", "string", NO_UNIT, "How the number is shown, such as percent or epsilon."),
        Key(f"{_FIELD}/paper", "boolean", NO_UNIT, "Whether the numbers are the paper's."),
        Key(f"{_CELL}/table", "string", NO_UNIT, "Name of the table."),
        Key(f"{_CELL}/row", "string", NO_UNIT, "Key of the row."),
        Key(f"{_CELL}/column", "string", NO_UNIT, "Key of the data set."),
        Key(f"{_CELL}/field", "string", NO_UNIT, "Name of the number in its row and data set."),
        Key(f"{_CELL}/value", "number or null", "of the field", "The number before rounding; null for none."),
        Key(f"{_CELL}/interval", "null", NO_UNIT, "null where no interval was computed.", _WITHOUT),
        Key(
            f"{_CELL}/interval/low",
            "number or null",
            "of the field",
            "Lower end; null beyond the largest epsilon.",
            _WITH,
        ),
        Key(
            f"{_CELL}/interval/high",
            "number or null",
            "of the field",
            "Upper end; null beyond the largest epsilon.",
            _WITH,
        ),
        Key(f"{_CELL}/interval/level", "number", FRACTION, "Confidence level, such as 0.95.", _WITH),
        Key(f"{_CELL}/interval/method", "string", NO_UNIT, "Method that gave the interval.", _WITH),
        Key(f"{_CELL}/interval/seed", "integer", NO_UNIT, "Seed of the samples of patients.", _WITH),
        Key(f"{_CELL}/interval/n_draws", "integer", "samples", "Number of samples of patients.", _WITH),
        Key(f"{_CELL}/no_interval", "string", NO_UNIT, "Why there is no interval; empty where there is one."),
        Key(f"{_CELL}/n_images", "integer or null", "images", "Images behind the number; null where not known."),
        Key(f"{_CELL}/n_patients", "integer or null", "patients", "Patients behind the number; null where not known."),
        Key(f"{_METRIC}/file", "string", NO_UNIT, "JSON file that holds a term of the number.", _IN_METRICS),
        Key(f"{_METRIC}/pointer", "string", NO_UNIT, "JSON pointer to the term.", _IN_METRICS),
        Key(f"{_METRIC}/sign", "integer", NO_UNIT, "1 or -1: sign of the term.", _IN_METRICS),
        Key(f"{_ROWS}/file", "string", NO_UNIT, "CSV file whose rows give a term of the number.", _OURS),
        Key(f"{_ROWS}/where/<column>", "string or number", NO_UNIT, "Value that selects rows.", _OURS),
        Key(f"{_ROWS}/statistic", "string", NO_UNIT, "Statistic of the selected rows.", _OURS),
        Key(f"{_ROWS}/epsilon", "number or null", EPSILON, "Epsilon of the statistic; null for none.", _OURS),
        Key(
            f"{_ROWS}/options/<name>", "string or number", NO_UNIT, "What the statistic needs besides the rows.", _OURS
        ),
        Key(f"{_ROWS}/sign", "integer", NO_UNIT, "1 or -1: sign of the term.", _OURS),
        Key(f"{_CELL}/test", "null", NO_UNIT, "null for a number that is no difference between models.", _NO_TEST),
        Key(f"{_CELL}/test/p_value", "number", NO_UNIT, "Two-sided p value, before adjustment.", _TEST),
        Key(f"{_CELL}/test/p_holm", "number", NO_UNIT, "p value adjusted by Holm for the tests of the table.", _TEST),
        Key(f"{_CELL}/test/method", "string", NO_UNIT, "Name of the test.", _TEST),
        Key(_PRINTED, "null", NO_UNIT, "null for our own numbers.", _OURS),
        Key(f"{_PRINTED}/file", "string", NO_UNIT, "File of the transcribed table.", _FROM_PAPER),
        Key(f"{_PRINTED}/row", "string", NO_UNIT, "Row of the transcribed table.", _FROM_PAPER),
        Key(f"{_PRINTED}/column", "string", NO_UNIT, "Column of the transcribed table.", _FROM_PAPER),
    ),
)

_NUMBER_OF = "<table>/<data set>/<row>/<field>"

METRICS = Document(
    layout.METRICS,
    "every number of the tables with its interval, for `dvc metrics diff`",
    (
        VERSION,
        Key(f"{_NUMBER_OF}/value", "number or null", "of the field", "The number before rounding; null for none."),
        Key(f"{_NUMBER_OF}/low", "number or null", "of the field", "Lower end of its interval; null for none."),
        Key(f"{_NUMBER_OF}/high", "number or null", "of the field", "Upper end of its interval; null for none."),
        Key(f"{_NUMBER_OF}/n_images", "integer or null", "images", "Images behind the number; null for none."),
        Key(f"{_NUMBER_OF}/n_patients", "integer or null", "patients", "Patients behind the number; null for none."),
    ),
)
