"""Join of CBIS-DDSM's lesions to their files by StudyInstanceUID and SeriesInstanceUID.

Folders, file names, PatientID (a case, sometimes with `.dcm` at its end) and SeriesDescription differ between downloads
or are wrong; UIDs are reliable. A lesion's crop and mask are in one series of two files, or in two series of one file
each; `cbis_ddsm.roles` decides which of the two files is the crop. The mammograms need not be on disk; where one is,
the crop has to be smaller.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.cbis_ddsm.roles import ImageFile, split_by_size

SOP_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.1.2.1",
)
"""Secondary Capture; Digital X-Ray and Digital Mammography, each for presentation and for processing (PS3.4 B.5)."""

_LISTED = 10
_REQUIRED = {
    "SOPClassUID": ("of Secondary Capture, Digital X-Ray or Digital Mammography", SOP_CLASSES),
    "PhotometricInterpretation": ("MONOCHROME2 or MONOCHROME1", ("MONOCHROME2", "MONOCHROME1")),
    "SamplesPerPixel": ("1", (1,)),
    "PixelRepresentation": ("0 (unsigned)", (0,)),
    "BitsAllocated": ("8 or 16", (8, 16)),
    "BurnedInAnnotation": ("NO or absent (burnt-in text may reveal the class)", ("", "NO")),
}

Uids = tuple[str, str]
"""StudyInstanceUID, SeriesInstanceUID."""

Row = dict[Any, Any]
"""A row of a frame, by column."""

Series = dict[Uids, list[Row]]
"""The headers of the files of each series."""


def lesions_on_disk(lesions: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions of which crop and mask are on disk, with new row labels from 0; the others are left out."""
    sizes = headers.groupby(["StudyInstanceUID", "SeriesInstanceUID"], observed=True).size().to_dict()
    complete = [_is_complete(lesion, sizes) for lesion in lesions.to_dict("records")]
    return lesions[complete].reset_index(drop=True)


def join_files(lesions: pd.DataFrame, headers: pd.DataFrame, *, folder: Path) -> pd.DataFrame:
    """Find each lesion's files: columns crop and mask, relative to `folder`, and SyntheticData of both.

    lesions: from `read_lesions`. headers: from `index_dicom(folder)`. Raises InputError naming the lesions without
    files on disk, the series with too many or too few files, or the file with an unsuitable header.
    """
    series: Series = {}
    for row in headers.astype(object).where(headers.notna(), None).to_dict("records"):
        series.setdefault((row["StudyInstanceUID"], row["SeriesInstanceUID"]), []).append(row)
    _check_on_disk(lesions, series)
    found = [_files(lesion, series, folder) for lesion in lesions.to_dict("records")]
    return pd.DataFrame(found, index=lesions.index)


def _uids(lesion: Row, kind: str) -> Uids:
    return lesion[f"{kind}_study"], lesion[f"{kind}_series"]


def _is_complete(lesion: Row, sizes: dict[Any, int]) -> bool:
    wanted = {_uids(lesion, "crop"), _uids(lesion, "mask")}
    return all(sizes.get(uids, 0) >= 2 // len(wanted) for uids in wanted)


def _check_on_disk(lesions: pd.DataFrame, series: Series) -> None:
    missing = []
    for lesion in lesions.to_dict("records"):
        wanted = {_uids(lesion, "crop"), _uids(lesion, "mask")}
        missing += [f"{lesion['image_id']} ({uids[1]})" for uids in sorted(wanted - series.keys())]
    if missing:
        raise InputError(
            f"expected the series of all {len(lesions)} lesions on disk, got {len(missing)} missing; the first "
            f"{min(_LISTED, len(missing))}, with SeriesInstanceUID: {', '.join(missing[:_LISTED])}; "
            "set allow_missing: true to go on without these lesions"
        )


def _files(lesion: Row, series: Series, folder: Path) -> dict[str, Any]:
    """Find one lesion's crop and mask, with their SyntheticData."""
    wanted = sorted({_uids(lesion, "crop"), _uids(lesion, "mask")})
    for uids in wanted:
        if len(series[uids]) != 2 // len(wanted):
            names = ", ".join(row["path"] for row in series[uids][:_LISTED])
            raise InputError(
                f"expected {2 // len(wanted)} files in series {uids[1]} of {lesion['image_id']}, "
                f"got {len(series[uids])}: {names} in {folder}"
            )
    pair = {folder / row["path"]: row for uids in wanted for row in series[uids]}
    for path, row in pair.items():
        _check_header(row, path)
    first, second = (_image_file(row, path) for path, row in pair.items())
    crop, mask = split_by_size(first, second, mammogram=_mammogram(lesion, series, folder))
    return {
        "crop": pair[crop.path]["path"],
        "mask": pair[mask.path]["path"],
        "crop_synthetic": pair[crop.path]["SyntheticData"],
        "mask_synthetic": pair[mask.path]["SyntheticData"],
    }


def _mammogram(lesion: Row, series: Series, folder: Path) -> ImageFile | None:
    """Return the whole mammogram if it is on disk."""
    rows = series.get(_uids(lesion, "image"), [])
    return _image_file(rows[0], folder / rows[0]["path"]) if rows else None


def _check_header(row: Row, path: Path) -> None:
    for name, (expected, allowed) in _REQUIRED.items():
        if row[name] not in allowed:
            found = "none" if row[name] in (None, "") else row[name]
            raise InputError(f"expected {name} {expected}, got {found} in {path}")


def _image_file(row: Row, path: Path) -> ImageFile:
    if not row["Rows"] or not row["Columns"]:
        raise InputError(f"expected Rows and Columns, got {row['Rows']} and {row['Columns']} in {path}")
    return ImageFile(path=path, rows=row["Rows"], columns=row["Columns"], bits=row["BitsAllocated"])
