"""Reader of the CSV files beside brain volumes: `lesions.csv` for DICOM series, `cases.csv` for NIfTI.

Files are UTF-8, separated by commas, with a header; spaces around cells are removed and unused columns ignored.

`lesions.csv`: patient_id, study_uid, series_uid, lesion_id, label (1 lesion, 0 non-lesion), and the position: either
x_mm, y_mm, z_mm (DICOM's patient coordinates, LPS) and diameter_mm, or sop_uid, row, col (from 0, in the stored image)
and diameter_px. The diameter of a non-lesion may be empty. `cases.csv`: case, patient_id.
"""

from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.csv_text import check_columns, check_filled, read_table
from oncorobust.formats.outside import finite_number

IDENTITY = ("patient_id", "study_uid", "series_uid", "lesion_id", "label")
PLACE_MM = ("x_mm", "y_mm", "z_mm")
PLACE_PX = ("sop_uid", "row", "col")


def read_lesions(path: Path) -> pd.DataFrame:
    """Read `lesions.csv`: IDENTITY with label 0 or 1, PLACE_MM or PLACE_PX, and diameter (mm or pixels; NaN if empty).

    The index is the line in the file. Raises InputError naming the file and the line.
    """
    table = read_table(path)
    check_columns(table, IDENTITY, path)
    given = [names for names in (PLACE_MM, PLACE_PX) if set(names) & set(table.columns)]
    if len(given) != 1:
        wanted = f"positions as {', '.join(PLACE_MM)} or as {', '.join(PLACE_PX)}"
        raise InputError(f"expected {wanted}, got {'both' if given else 'neither'} in {path}")
    diameter = "diameter_mm" if given[0] is PLACE_MM else "diameter_px"
    check_columns(table, given[0], path)
    check_filled(table, (*IDENTITY, *given[0]), path)
    if diameter not in table:
        raise InputError(f"expected a column {diameter}, got {', '.join(table.columns)} in {path}")
    for line in table.index[~table["label"].isin(("0", "1"))]:
        raise InputError(f"expected label 1 (lesion) or 0, got {table['label'][line]!r} in {path}, line {line}")
    for line in table.index[table["lesion_id"].duplicated()]:
        again = f"{table['lesion_id'][line]!r} again in {path}, line {line}"
        raise InputError(f"expected each lesion_id once over all patients and time points, got {again}")
    if table["label"].nunique() < 2:
        raise InputError(f"expected rows with label 1 and with label 0, got only {table['label'].iloc[0]} in {path}")
    _check_patients(table, path)
    numbers = {name: _numbers(table, name, path) for name in given[0] if name != "sop_uid"}
    typed = table[[*IDENTITY, *given[0]]].assign(**numbers, diameter=_diameters(table, diameter, path))
    return typed.astype({"label": "int64"})


def read_patients(path: Path) -> dict[str, str]:
    """Read the patient of each case from `cases.csv`. Raises InputError naming the file and the line."""
    table = read_table(path)
    check_columns(table, ("case", "patient_id"), path)
    check_filled(table, ("case", "patient_id"), path)
    for line in table.index[table["case"].duplicated()]:
        raise InputError(f"expected each case once, got {table['case'][line]!r} again in {path}, line {line}")
    return dict(zip(table["case"], table["patient_id"], strict=True))


def _check_patients(table: pd.DataFrame, path: Path) -> None:
    """Check that each study has one patient: one person under two ids could be in training and test images."""
    patients = table.groupby("study_uid", sort=False)["patient_id"].unique()
    for study, names in patients[patients.map(len) > 1].items():
        raise InputError(f"expected one patient_id for study_uid {study}, got {len(names)} in {path}")


def _diameters(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    filled = (table[name] != "") | (table["label"] == "1")
    numbers = _numbers(table[filled], name, path)
    for line in numbers.index[numbers <= 0]:
        raise InputError(f"expected a {name} above 0, got {numbers[line]:g} in {path}, line {line}")
    return numbers.reindex(table.index)


def _numbers(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    numbers = {
        line: finite_number(cell, expected=f"a number as {name}", where=f"{path}, line {line}")
        for line, cell in table[name].items()
    }
    return pd.Series(numbers, dtype=float)
