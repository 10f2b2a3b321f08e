"""Reader of brain regions that lesions.csv lists, on MR series in DICOM.

Series are identified by their UIDs in any folder, and only those named in lesions.csv are read. A position in
millimetres is converted to a voxel, and a position in pixels to millimetres, by ImagePositionPatient,
ImageOrientationPatient and PixelSpacing (PS3.3 C.7.6.2.1.1). Regions are cut from the slices as acquired, axial or not,
because other planes would require interpolation.

A listed region must lie inside its series and not on background (where all 3 x 3 pixels around its centre are 0). A
non-lesion's centre must be at least `min_distance_mm` from the surface of every lesion listed in the same
FrameOfReferenceUID; a lesion counts as a sphere of its diameter.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.brain_mets.regions import Regions
from oncorobust.formats.brain_mets.series import Series, build_series, read_series, read_slice
from oncorobust.formats.brain_mets.tables import PLACE_PX, read_lesions
from oncorobust.formats.dicom.images import images_only
from oncorobust.formats.dicom.index import index_dicom
from oncorobust.formats.lesion_boxes import box_around, box_columns
from oncorobust.formats.volumes import crop_side, reorder_grid, square_corner
from oncorobust.settings.data import BrainMets

LESIONS = "lesions.csv"

_FLAGS = {"": None, "YES": True}
_PLANES = ("sagittal", "coronal", "axial")


def open_dicom(folder: Path, settings: BrainMets, *, on_progress: Notify) -> Regions:
    """Find the listed regions and check each against its series. Raises InputError naming the file and the line."""
    listed = folder / LESIONS
    headers, left_out = images_only(index_dicom(folder, on_progress=on_progress), folder)
    if not listed.is_file():
        raise _no_list(folder, headers)
    table = read_lesions(listed)
    found = _find_series(folder, headers, table, listed)
    sides = {
        uid: crop_side(reorder_grid(series.grid, series.order), crop_mm=settings.crop_mm, where=f"series {uid}")
        for uid, series in found.items()
    }
    table = _to_mm(table, found, listed) if PLACE_PX[0] in table else table.rename(columns={"diameter": "diameter_mm"})
    index = _with_boxes(_index(table, found, listed), found, sides)
    _check_distances(index, found, settings.min_distance_mm, listed)
    _check_in_brain(folder, index, found, listed, on_progress=on_progress)
    used = headers["SeriesInstanceUID"].isin(list(found))
    return Regions(
        index=_together(index),
        load=lambda uid: read_series(folder, found[uid]),
        flags=tuple(_FLAGS.get(str(flag), False) for flag in headers.loc[used, "SyntheticData"].unique()),
        notes=(*left_out, *_notes(found)),
    )


def _no_list(folder: Path, headers: pd.DataFrame) -> InputError:
    for modality in ("RTSTRUCT", "SEG"):
        files = headers.loc[headers["Modality"] == modality, "path"]
        if len(files):
            found = f"{modality}, which is not supported, in {folder / files.iloc[0]}"
            return InputError(
                f"expected {folder / LESIONS}, got {found}; convert it to {LESIONS} with one row per region"
            )
    return InputError(f"expected {LESIONS} beside DICOM series, or <case>-t1c.nii.gz files, got neither in {folder}")


def _find_series(folder: Path, headers: pd.DataFrame, table: pd.DataFrame, listed: Path) -> dict[str, Series]:
    """Build the named series, by SeriesInstanceUID, in the order of their first lines."""
    groups = headers.groupby("SeriesInstanceUID", observed=True).groups
    found: dict[str, Series] = {}
    for line, row in table.iterrows():
        uid, where = row["series_uid"], f"{listed}, line {line}"
        if uid not in groups:
            total = f"{len(groups)} series below {folder}"
            raise InputError(f"{where}: unknown series_uid {uid} (expected one of the {total})")
        files = headers.loc[groups[uid]]
        for column, name, wanted in (("Modality", "Modality", "MR"), ("study_uid", "StudyInstanceUID", None)):
            expected = wanted or row[column]
            others = files.loc[files[name] != expected, name]
            if len(others):
                raise InputError(f"{where}: {name} of series {uid} is {others.iloc[0]} (expected {expected})")
        if uid not in found:
            found[uid] = build_series(folder, files)
    return found


def _to_mm(table: pd.DataFrame, found: dict[str, Series], listed: Path) -> pd.DataFrame:
    """Convert positions in pixels of an image to LPS mm."""
    rows = []
    for line, row in table.iterrows():
        series = found[row["series_uid"]]
        if row["sop_uid"] not in series.sop_uids:
            raise InputError(
                f"expected a sop_uid of series {row['series_uid']}, got {row['sop_uid']} in {listed}, line {line}"
            )
        place = series.grid.to_mm(float(series.sop_uids.index(row["sop_uid"])), row["row"], row["col"])
        rows.append((*place, row["diameter"] * series.grid.spacing_mm[1]))
    names = ["x_mm", "y_mm", "z_mm", "diameter_mm"]
    placed = pd.DataFrame(rows, columns=pd.Index(names), index=table.index, dtype=float)
    return pd.concat([table.drop(columns=[*PLACE_PX, "diameter"]), placed], axis=1)


def _index(table: pd.DataFrame, found: dict[str, Series], listed: Path) -> pd.DataFrame:
    """Return the rows of Regions, still in the order of the file and with its lines as index."""
    places = []
    for line, row in table.iterrows():
        series = found[row["series_uid"]]
        position = (row["x_mm"], row["y_mm"], row["z_mm"])
        stored = series.grid.to_voxel(*position)
        if not series.grid.holds(stored):
            size = " x ".join(map(str, series.grid.shape))
            raise InputError(
                f"expected a position in the {size} voxels (slice, row, column) of series {row['series_uid']}, "
                f"got {_text(position)} mm, which is voxel {_text(stored)}, in {listed}, line {line}"
            )
        shown = reorder_grid(series.grid, series.order).to_voxel(*position)
        places.append((series.paths[round(stored[0])], round(shown[0]), shown[1], shown[2]))
    columns = pd.Index(["source", "slice", "row", "column"])
    index = pd.DataFrame(places, columns=columns, index=table.index)
    return pd.concat([table.rename(columns={"series_uid": "volume"}), index], axis=1).assign(
        image_id=table["lesion_id"]
    )


def _with_boxes(index: pd.DataFrame, found: dict[str, Series], sides: dict[str, int]) -> pd.DataFrame:
    """Add the box of a sphere with the lesion's diameter, because the list says nothing more about its outline."""
    columns = []
    for row in index.to_dict("records"):
        spacing_mm, side = found[row["volume"]].grid.spacing_mm[1], sides[row["volume"]]
        box = box_around(row["row"], row["column"], diameter=row["diameter_mm"] / spacing_mm) if row["label"] else None
        top, left = square_corner(row["row"], row["column"], side=side)
        columns.append(box_columns(box, top=top, left=left, side=side))
    return pd.concat([index, pd.DataFrame(columns, index=index.index)], axis=1)


def _check_distances(index: pd.DataFrame, found: dict[str, Series], min_distance_mm: float, listed: Path) -> None:
    frames = index["volume"].map({uid: series.frame_of_reference for uid, series in found.items()})
    for _, rows in index.groupby(frames, sort=False):
        lesions = rows[rows["label"] == 1]
        for line, row in rows[rows["label"] == 0].iterrows():
            offsets = lesions[["x_mm", "y_mm", "z_mm"]] - row[["x_mm", "y_mm", "z_mm"]].astype(float)
            distance = np.sqrt((offsets**2).sum(axis=1)) - lesions["diameter_mm"] / 2
            if (distance < min_distance_mm).any():
                near = f"{distance.min():.1f} mm from lesion {lesions.loc[distance.idxmin(), 'lesion_id']!r}"
                wanted = f"expected non-lesions at least {min_distance_mm:g} mm from all lesions"
                raise InputError(f"{wanted}, got {row['lesion_id']!r} at {near} in {listed}, line {line}")


def _check_in_brain(
    folder: Path, index: pd.DataFrame, found: dict[str, Series], listed: Path, *, on_progress: Notify
) -> None:
    """Check that regions are not on background, decoding each slice with regions once."""
    total = index["source"].nunique()
    for number, (source, rows) in enumerate(index.groupby("source", sort=False), start=1):
        values = read_slice(folder, str(source), found[rows["volume"].iloc[0]]).values
        for line, row in rows.iterrows():
            stored = found[row["volume"]].grid.to_voxel(row["x_mm"], row["y_mm"], row["z_mm"])
            top, left = (max(round(place) - 1, 0) for place in stored[1:])
            if not values[top : top + 3, left : left + 3].any():
                place = f"pixel {_text(stored[1:])} of {folder / str(source)}, where all pixels are 0"
                raise InputError(f"expected a position in the brain, got {place}, in {listed}, line {line}")
        on_progress(number, total, "slices")


def _together(index: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by series, so that reading them in order decodes each series once."""
    order = {uid: number for number, uid in enumerate(index["volume"].unique())}
    return index.sort_values("volume", key=lambda uids: uids.map(order), kind="stable").reset_index(drop=True)


def _notes(found: dict[str, Series]) -> tuple[str, ...]:
    planes = Counter(_PLANES[int(np.argmax(np.abs(series.grid.affine[:3, 0])))] for series in found.values())
    if len(planes) == 1:
        return ()
    return (f"series of several planes: {', '.join(f'{count} {plane}' for plane, count in planes.most_common())}",)


def _text(numbers: tuple[float, ...] | np.ndarray) -> str:
    return f"({', '.join(f'{number:.1f}' for number in numbers)})"
