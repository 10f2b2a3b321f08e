"""What a user asks of a proposal, and what a proposal says of itself."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["classes", "pattern", "table", "npz", "dicom", "bids", "nnunet"]
"""Where labels come from: a folder per class, file names, a table, `.npz` arrays, DICOM with a table, BIDS, nnU-Net."""

KINDS: dict[Kind, str] = {
    "classes": "one folder per class",
    "pattern": "file names that follow a pattern",
    "table": "a table joined to files",
    "npz": "NumPy arrays of images and labels",
    "dicom": "a DICOM tree",
    "bids": "a BIDS data set",
    "nnunet": "an nnU-Net data set",
}

MAX_FILES = 1_000_000
_EXAMPLES = 10


@dataclass(frozen=True)
class Request:
    """The options of `oncorobust manifest`; None where the user left a choice to the proposal.

    table: a CSV or XLSX file; its columns are file_column (path, name, stem, or an id), label_column, patient_column
    and split_column. modality: of DICOM, the suffix of BIDS files, the channel of nnU-Net, or the end of the names of
    one sequence. value: name or number of the structure whose presence in an nnU-Net segmentation is the label. middle:
    one image per DICOM series.
    without: classes to leave out. alike: whether patient ids that differ only in case, spaces or zeros are one patient.
    """

    folder: Path
    kind: Kind | None = None
    pattern: str | None = None
    table: Path | None = None
    sheet: str | None = None
    file_column: str | None = None
    label_column: str | None = None
    patient_column: str | None = None
    split_column: str | None = None
    modality: str | None = None
    value: str | None = None
    middle: bool = False
    without: tuple[str, ...] = ()
    alike: Literal["same", "different"] | None = None
    ignore_zeros: bool = False
    drop_conflicts: bool = False
    no_split: bool = False
    max_files: int = MAX_FILES


@dataclass
class Notes:
    """What is said of a proposal while it is made.

    found: how the folder was recognized. unsure: what was guessed. left_out: reasons with counts; examples: their first
    paths or ids. patients: what gives the patients of the rows, and patients_by: whether it was guessed from folders or
    a table, or stated; both are empty where the kind of the folder settles it or nothing gives them.
    """

    kind: Kind = "classes"
    found: str = ""
    unsure: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    patients: str = ""
    patients_by: Literal["", "folders", "table", "stated"] = ""

    def leave_out(self, reason: str, count: int, examples: list[str]) -> None:
        """Say that files or rows are left out, and name the first ten."""
        if count:
            self.left_out[reason] += count
            held = self.examples.setdefault(reason, [])
            held.extend(examples[: _EXAMPLES - len(held)])
