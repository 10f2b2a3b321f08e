"""Headers of a DICOM tree without the files that are no further images: identical copies and localizers.

A localizer (the third value of ImageType, PS3.3 C.8.2.1.1.1) shows where the slices lie. Some scanners and archives
store it in the series of the slices.
"""

from pathlib import Path

import pandas as pd

from oncorobust.formats.identical_files import describe_identical, first_of_identical, identical

_LOCALIZER = "LOCALIZER"


def images_only(headers: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows of `index_dicom(folder)` without copies and localizers, and notes on what was left out.

    A localizer is kept if its series has nothing else.
    """
    copies = _copies(folder, headers)
    headers = headers.drop(index=copies.index)
    localizers = _localizers(headers)
    notes = describe_identical([folder / path for path in copies["path"]], folder)
    if len(localizers):
        series = localizers["SeriesInstanceUID"].nunique()
        example = localizers["path"].iloc[0]
        notes += (f"{len(localizers)} localizers in {series} series were left out, for example {example}",)
    return headers.drop(index=localizers.index).reset_index(drop=True), notes


def _copies(folder: Path, headers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of files whose bytes are those of another file, all but one of each."""
    named = headers[headers["SOPInstanceUID"] != ""]
    repeated = named[named["SOPInstanceUID"].duplicated(keep=False)]
    copies: list[object] = []
    for _, rows in repeated.groupby("SOPInstanceUID", sort=False):
        used: list[Path] = []
        by_path = {folder / path: label for label, path in rows["path"].items()}
        while by_path:
            path = first_of_identical(list(by_path))
            label = by_path.pop(path)
            if any(identical(path, other) for other in used):
                copies.append(label)
            else:
                used.append(path)
    return headers.loc[copies]


def _localizers(headers: pd.DataFrame) -> pd.DataFrame:
    is_localizer = headers["ImageType"].astype(str).str.upper().str.split("\\").str[2] == _LOCALIZER
    is_localizer = is_localizer.fillna(False).astype(bool)
    others = set(headers.loc[~is_localizer, "SeriesInstanceUID"])
    return headers[is_localizer & headers["SeriesInstanceUID"].isin(others)]
