"""Descriptions of results: columns and tables (CSV), keys and documents (JSON).

A name may hold placeholders: `<data set>.accuracy` is a column for each data set, and `threats/<threat>/n_images` is a
key below each threat model. Slashes separate the levels of a JSON file; `<position>` is a position in a list.
"""

from dataclasses import dataclass
from typing import Literal

Type = Literal[
    "string",
    "integer",
    "number",
    "boolean",
    "string or null",
    "string or number",
    "integer or null",
    "integer or empty",
    "number or null",
    "number or empty",
    "null",
    "list of strings",
    "list of integers",
    "list of numbers",
    "list of numbers or nulls",
]
"""Type of a value. A CSV file writes booleans as True and False and infinity as inf; a JSON file holds no infinity."""

NO_UNIT = ""
FRACTION = "fraction"
"""Share from 0 to 1."""
EPSILON = "l_inf radius in [0, 1] pixel units"
PIXELS = "pixels"


@dataclass(frozen=True)
class Column:
    """One column of a CSV file.

    when: the condition under which the file has the column; empty where it always has it.
    """

    name: str
    type: Type
    unit: str
    meaning: str
    when: str = ""


@dataclass(frozen=True)
class Table:
    """One CSV file; file: its place in the repository; row: what one row describes."""

    file: str
    row: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in the order of the file."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class Key:
    """One key of a JSON file.

    when: the condition under which the file has the key; empty where it always has it.
    """

    name: str
    type: Type
    unit: str
    meaning: str
    when: str = ""


@dataclass(frozen=True)
class Document:
    """One JSON file; file: its place in the repository; holds: what it describes."""

    file: str
    holds: str
    keys: tuple[Key, ...]


VERSION = Key("schema_version", "integer", NO_UNIT, "Version of this schema.")
DATASET = Key("dataset", "string", NO_UNIT, "Key of the data set in params.yaml.")
MODEL = Key("model", "string", NO_UNIT, "Model: clean or adversarial.")
SYNTHETIC = Key("synthetic", "boolean", NO_UNIT, "Whether the images are synthetic.")

IMAGE_ID = Column("image_id", "string", NO_UNIT, "Identifier of the image, unique in its data set.")
PATIENT_ID = Column(
    "patient_id", "string", NO_UNIT, "Identifier of the patient; the image where there are no patients."
)
LABEL = Column("label", "integer", NO_UNIT, "True class, counted from 0 in the order of class_names in summary.json.")
PREDICTED = Column("predicted", "integer", NO_UNIT, "Class that the model predicts for the image without attack.")

MARK = "Whether the images of the data set are synthetic."
