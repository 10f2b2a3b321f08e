"""Reader of CBIS-DDSM's case descriptions: four CSVs, by abnormality and split, as one table of lesions.

A row is one lesion in one view. Lines end in CRLF, and one quoted cell of every row contains a further line break at
its end (the mask path for masses, the crop path for calcifications), so the files have twice as many lines as rows;
cells are stripped. The mass files use `breast_density`, the calcification files `breast density`; both are accepted.
Only the UIDs of a path, `case/StudyInstanceUID/SeriesInstanceUID/file`, are used, because the other names depend on the
client that downloaded the files, and one row of the published files has crop and mask swapped.

The 2016 release has other columns, other UIDs and fewer rows, and is rejected.

Source: Lee et al., "A curated mammography data set for use in computer-aided detection and diagnosis research",
Scientific Data 4, 2017, and its files in the Cancer Imaging Archive.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.formats.csv_text import check_columns, read_table
from oncorobust.formats.identical_files import identical

SHA256 = {
    "mass_case_description_train_set.csv": "d1b4249fe0176a7531f27458e9f6bfa95dcc93886b249b5aa4db6ed82083bbbe",
    "mass_case_description_test_set.csv": "bea24f508f2632944c856202a76e36a01aa6362f2c2f7a33f38b10ed1ea8de62",
    "calc_case_description_train_set.csv": "f7e705ac8badaf4d637519b0f2324b1f6e540325ecabeab582806421273bfb45",
    "calc_case_description_test_set.csv": "1a94adc4290f020e92d8e987992fb48ddc256e7b71e8d8f5b7a96f2cdd645673",
}
"""Checksums of the published files."""

PREFIXES = {"mass": "mass", "calcification": "calc"}
"""First part of the file names, by abnormality type."""

COLUMNS = {
    "patient id": "patient_id",
    "breast density": "breast_density",
    "left or right breast": "side",
    "image view": "view",
    "abnormality id": "abnormality_id",
    "abnormality type": "abnormality_type",
    "pathology": "pathology",
}
PATHS = {"image file path": "image", "cropped image file path": "crop", "roi mask file path": "mask"}
COLUMNS_OF_2016 = ("side", "view", "abn num", "od img path")

ALLOWED = {
    "breast density": ("0", "1", "2", "3", "4"),
    "left or right breast": ("LEFT", "RIGHT"),
    "image view": ("CC", "MLO"),
    "pathology": ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK"),
}
_PATTERNS = {"patient id": r"P_[0-9]{5}", "abnormality id": r"[1-9][0-9]?"}
_UID = r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+"


@dataclass(frozen=True)
class CaseFile:
    """One of the CSVs: its path, and the abnormality and split that its name gives."""

    path: Path
    abnormality: str
    split: str

    @property
    def as_published(self) -> bool:
        """Whether the file's bytes are those published."""
        return file_sha256(self.path) == SHA256[self.path.name]


def find_case_files(folder: Path, abnormalities: Collection[str]) -> list[CaseFile]:
    """Find the training and test CSV of each abnormality, at the top of the tree or one level below.

    Raises InputError naming a CSV that is missing, with those that were found, or two of one name that differ.
    """
    files = []
    for abnormality in (name for name in PREFIXES if name in abnormalities):
        for split in ("train", "test"):
            name = f"{PREFIXES[abnormality]}_case_description_{split}_set.csv"
            files.append(CaseFile(_find(folder, name), abnormality, split))
    return files


def read_lesions(files: list[CaseFile]) -> pd.DataFrame:
    """Read the lesions, one row each; every column is text.

    Columns: image_id (e.g. `mass_P_00001_LEFT_CC_1`), the values of COLUMNS, given_split, where (file and line), and
    `{image,crop,mask}_{study,series}`: the UIDs in the three paths. Raises InputError naming file and line.
    """
    lesions = pd.concat([_read_file(file) for file in files], ignore_index=True)
    key = ["abnormality_type", "patient_id", "side", "view", "abnormality_id"]
    lesions.insert(0, "image_id", lesions[key].agg("_".join, axis=1))
    _check_repeats(lesions)
    _check_splits(lesions)
    return lesions


def patients_in_both_splits(lesions: pd.DataFrame) -> list[str]:
    """Return patients with rows in training and test files; there are 31 when both abnormality types are read."""
    several = lesions.groupby("patient_id")["given_split"].nunique()
    return [str(patient) for patient in several.index[several > 1]]


def _check_repeats(lesions: pd.DataFrame) -> None:
    """Check that no lesion occurs twice and no image under two lesions, where it could be in two splits."""
    repeated = lesions[lesions["image_id"].duplicated()]
    if len(repeated):
        lesion = repeated.iloc[0]
        raise InputError(f"expected each lesion once, got {lesion['image_id']} again in {lesion['where']}")
    series = lesions.melt(["image_id", "where"], ["crop_series", "mask_series"], value_name="series")
    series = series.drop_duplicates(["image_id", "series"])
    repeated = series[series["series"].duplicated()]
    if len(repeated):
        lesion = repeated.iloc[0]
        raise InputError(f"expected each series for only one lesion, got {lesion['series']} again in {lesion['where']}")


def _check_splits(lesions: pd.DataFrame) -> None:
    for abnormality, rows in lesions.groupby("abnormality_type"):
        for patient in patients_in_both_splits(rows):
            first = rows[rows["patient_id"] == patient].drop_duplicates("given_split")["where"]
            raise InputError(
                f"expected each patient's {abnormality} rows in one split, got {patient} in {' and in '.join(first)}"
            )


def _find(folder: Path, name: str) -> Path:
    found = [path for path in (folder / name, *sorted(folder.glob(f"*/{name}"))) if path.is_file()]
    if not found:
        others = sorted(path.name for glob in ("*.csv", "*/*.csv") for path in folder.glob(glob) if path.is_file())
        listed = ", ".join(others[:10]) or "no CSV"
        raise InputError(f"expected {name}, got {listed} at the top of {folder} and one level below")
    for other in found[1:]:
        if not identical(found[0], other):
            raise InputError(f"expected {name} once, got {found[0]} and {other}")
    return found[0]


def _read_file(file: CaseFile) -> pd.DataFrame:
    table = read_table(file.path, rename=_column)
    if all(column in table for column in COLUMNS_OF_2016):
        raise InputError(
            f"expected the columns of the current release, got those of 2016 ({', '.join(COLUMNS_OF_2016)}, ...) "
            f"in {file.path}; download the current file from the Cancer Imaging Archive"
        )
    check_columns(table, (*COLUMNS, *PATHS), file.path)
    lesions = []
    for line, cells in zip(table.index, table.to_dict("records"), strict=True):
        where = f"{file.path}, line {line}"
        row = {str(name): str(cell) for name, cell in cells.items()}
        _check_cells(row, file.abnormality, where)
        lesion = {ours: row[theirs] for theirs, ours in COLUMNS.items()}
        for column, kind in PATHS.items():
            lesion[f"{kind}_study"], lesion[f"{kind}_series"] = _uids(row[column], column, where)
        lesions.append(lesion | {"given_split": file.split, "where": where})
    return pd.DataFrame(lesions, dtype="str")


def _column(header: str) -> str:
    """Normalize a header: `breast_density` in one file is `breast density` in another."""
    return " ".join(header.lower().replace("_", " ").split())


def _check_cells(row: dict[str, str], abnormality: str, where: str) -> None:
    for name, allowed in (ALLOWED | {"abnormality type": (abnormality,)}).items():
        if row[name] not in allowed:
            raise InputError(f"expected {name} {' or '.join(allowed)}, got {row[name]!r} in {where}")
    for name, pattern in _PATTERNS.items():
        if not re.fullmatch(pattern, row[name]):
            # An id that is not the collection's may be a person's name.
            found = "another" if name == "patient id" else repr(row[name])
            raise InputError(f"expected {name} like {pattern}, got {found} in {where}")


def _uids(path: str, column: str, where: str) -> tuple[str, str]:
    """Return StudyInstanceUID and SeriesInstanceUID of a path."""
    parts = path.split("/")
    if len(parts) != 4:
        raise InputError(f"expected case/StudyUID/SeriesUID/file as {column}, got {path!r} in {where}")
    for uid in parts[1:3]:
        if len(uid) > 64 or not re.fullmatch(_UID, uid):
            raise InputError(f"expected UIDs of digits and dots in {column}, got {uid!r} in {where}")
    return parts[1], parts[2]
