"""Reader of LUNA16: squares around lung nodules, and around candidates that are none, on CT.

    subset0 ... subset9/<SeriesInstanceUID>.mhd and .raw        annotations.csv, candidates_V2.csv

The question is whether a place is a nodule, which is another question than its malignancy (`formats.lidc`). Nodules are
the rows of annotations.csv; non-nodules are the candidates of class 0 that are far enough from every nodule of their
scan. Candidates of class 1 lie on nodules of the first table and would repeat them. The image is a square of fixed
physical size on the slice through the centre. The lung masks of `seg-lungs-LUNA16` bear the same names as the scans, so
only volumes in folders `subset<digit>` are read.

LUNA16 has no patient, so each scan counts as one. LIDC-IDRI, from which the scans come, has eight patients with two.

Source: Setio et al., Medical Image Analysis 42, 2017; https://luna16.grand-challenge.org (CC BY 4.0).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.brain_mets.reader import keep_at_most
from oncorobust.formats.hu_squares import Square, cut_square, square_around
from oncorobust.formats.lesion_boxes import STORED_SIDE, box_around, box_columns
from oncorobust.formats.luna16.tables import CANDIDATES, NODULES, PLACE, find_table, read_candidates, read_nodules
from oncorobust.formats.luna16.volumes import CtVolume, read_header, read_slice
from oncorobust.formats.records import UNVERIFIED, RawImages, Scan, StoredImage, stack_of
from oncorobust.formats.synthetic_mark import is_synthetic
from oncorobust.formats.tree_walk import files_below
from oncorobust.settings.data import Luna16

CLASS_NAMES = ("non-nodule", "nodule")

_SUBSET = re.compile(r"subset[0-9]")
_LISTED = 10
_QUESTION = (
    "the labels say whether a place is a nodule, not whether a nodule is malignant; each scan counts as a patient, "
    "although LIDC-IDRI has eight patients with two scans"
)


def open_luna16(folder: Path, settings: Luna16, *, seed: int, on_progress: Notify) -> RawImages:
    """Open a LUNA16 tree without reading voxels. Values of `read` are HU.

    Besides the usual columns, the index has z_mm, row, col (of the centre, pixels, in the orientation of the image),
    slice, spacing_mm, diameter_mm (NaN for non-nodules) and the nodule's box (`lesion_boxes`).
    Raises InputError naming the file, and the line of a table, and what is wrong with it.
    """
    volumes = _find_volumes(folder, on_progress=on_progress)
    nodules_path, candidates_path = find_table(folder, [NODULES]), find_table(folder, CANDIDATES)
    nodules, notes = _of_scans(read_nodules(nodules_path), volumes, settings, nodules_path)
    candidates, more = _of_scans(read_candidates(candidates_path), volumes, settings, candidates_path)
    negatives = candidates[candidates["class"] == 0]
    distant = negatives[_distances(negatives, nodules) >= settings.min_distance_mm]
    notes += [*more, *_on_candidates(candidates, negatives, distant, settings)]
    rows = [
        *_rows(nodules.assign(label=1), volumes, settings, nodules_path),
        *_rows(distant.assign(label=0, diameter_mm=np.nan), volumes, settings, candidates_path),
    ]
    index = pd.DataFrame(rows, columns=None if rows else ["label"])
    if settings.max_per_patient is not None and rows:
        index = keep_at_most(index, max_per_patient=settings.max_per_patient, seed=seed)
        if len(index) < len(rows):
            notes.append(f"{len(rows) - len(index)} places were left out (max_per_patient {settings.max_per_patient})")
    reader = _Reader(index, volumes)
    return RawImages(
        index=index.reset_index(drop=True),
        class_names=CLASS_NAMES,
        read=reader.read,
        read_scan=reader.read_scan,
        synthetic=is_synthetic(folder),
        verified=UNVERIFIED,
        intensity_unit="HU",
        notes=(_QUESTION, *notes),
    )


def _find_volumes(folder: Path, *, on_progress: Notify) -> dict[str, CtVolume]:
    """Return the headers of all scans by SeriesInstanceUID."""
    paths = sorted(
        path for path in files_below(folder) if path.suffix.lower() == ".mhd" and _SUBSET.fullmatch(path.parent.name)
    )
    if not paths:
        raise InputError(f"expected scans as subset0 ... subset9/*.mhd, got none in {folder}")
    volumes: dict[str, CtVolume] = {}
    for done, path in enumerate(paths, start=1):
        volume = read_header(path)
        first = volumes.setdefault(volume.uid, volume)
        if first is not volume:
            raise InputError(f"expected each scan once, got {path} and {first.path}")
        on_progress(done, len(paths), "scans")
    return volumes


def _of_scans(
    table: pd.DataFrame, volumes: Mapping[str, CtVolume], settings: Luna16, path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows whose scan is in the tree, and a note on the others, which are refused unless allowed."""
    known = table["seriesuid"].isin(set(volumes))
    missing = table.loc[~known, "seriesuid"].unique()
    if not len(missing):
        return table, []
    counted = f"{int((~known).sum())} of {len(table)} rows of {path.name} name {len(missing)} scans"
    if settings.allow_missing:
        return table[known], [f"{counted} that are not in the tree; they were left out"]
    listed = ", ".join(missing[:_LISTED]) + (" and others" if len(missing) > _LISTED else "")
    raise InputError(
        f"expected a scan subset*/<seriesuid>.mhd for each row, but {counted} that are not in the tree: {listed} "
        f"({path}); add the missing subsets, or set preprocess.format.allow_missing: true to use a part of LUNA16"
    )


def _distances(candidates: pd.DataFrame, nodules: pd.DataFrame) -> pd.Series:
    """Return each candidate's distance from the nearest nodule of its scan, mm; infinity if the scan has none."""
    distances = pd.Series(np.inf, index=candidates.index)
    centres = dict(list(nodules.groupby("seriesuid")))
    for uid, rows in candidates.groupby("seriesuid"):
        if uid in centres:
            tree = KDTree(centres[uid][list(PLACE)].to_numpy())
            distances[rows.index] = tree.query(rows[list(PLACE)].to_numpy())[0]
    return distances


def _on_candidates(
    candidates: pd.DataFrame, negatives: pd.DataFrame, distant: pd.DataFrame, settings: Luna16
) -> list[str]:
    notes = []
    if hits := len(candidates) - len(negatives):
        notes.append(f"{hits} candidates of class 1 were left out, because they lie on nodules of {NODULES}")
    if near := len(negatives) - len(distant):
        notes.append(
            f"{near} candidates of class 0 were left out: less than {settings.min_distance_mm:g} mm from a nodule"
        )
    return notes


def _rows(
    table: pd.DataFrame, volumes: Mapping[str, CtVolume], settings: Luna16, path: Path
) -> list[dict[str, object]]:
    rows = []
    for uid, places in table.groupby("seriesuid"):
        volume = volumes[str(uid)]
        voxels = volume.to_voxel(places[list(PLACE)].to_numpy())
        for line in places.index[~volume.holds(voxels)]:
            where = ", ".join(f"{places[name][line]:g}" for name in PLACE)
            raise InputError(
                f"expected a place inside the scan, got ({where}) mm outside of {volume.path} in {path}, line {line}"
            )
        for line, label, diameter, place, voxel in zip(
            places.index, places["label"], places["diameter_mm"], places["coordZ"], voxels, strict=True
        ):
            rows.append(_row(volume, voxel, settings, label=label, diameter_mm=diameter, z_mm=place, line=line))
    return rows


def _row(
    volume: CtVolume,
    voxel: np.ndarray,
    settings: Luna16,
    *,
    label: int,
    diameter_mm: float,
    z_mm: float,
    line: int,
) -> dict[str, object]:
    number, (row, col) = int(np.rint(voxel[0])), (float(voxel[1]), float(voxel[2]))
    spacing_mm = float(volume.spacing_mm[0])
    square = square_around(row, col, side=max(2, round(settings.crop_mm / spacing_mm)))
    box = box_around(row, col, diameter=diameter_mm / spacing_mm) if label == 1 else None
    return {
        "image_id": f"{volume.uid}_{'n' if label == 1 else 'c'}{line}",
        "patient_id": volume.uid,
        "label": label,
        "source": f"{volume.path.parent.name}/{volume.path.name}",
        "slice": number,
        "z_mm": z_mm,
        "row": row,
        "col": col,
        "spacing_mm": spacing_mm,
        "diameter_mm": diameter_mm,
        **box_columns(box, top=square.top, left=square.left, side=square.side),
    }


@dataclass(frozen=True)
class _Reader:
    """Reads one slice, and cuts out the square around the place."""

    index: pd.DataFrame
    volumes: Mapping[str, CtVolume]

    def read(self, position: int) -> StoredImage:
        place = self.index.iloc[position]
        values = read_slice(self.volumes[place["patient_id"]], int(place["slice"]))
        return StoredImage(cut_square(values, _square(place)), limits=None)

    def read_scan(self, position: int) -> Scan:
        place = self.index.iloc[position]
        volume, number, square = self.volumes[place["patient_id"]], int(place["slice"]), _square(place)
        values = read_slice(volume, number).astype(np.float32)
        positions_mm = np.arange(volume.shape[0]) * float(volume.spacing_mm[2])
        return Scan(
            values,
            modality="CT",
            unit="HU",
            limits=None,
            spacing_mm=(float(volume.spacing_mm[1]), float(volume.spacing_mm[0])),
            stack=stack_of(number, positions_mm, lambda at: read_slice(volume, at), values),
            cut=lambda changed: cut_square(changed, square),
        )


def _square(place: pd.Series) -> Square:
    return square_around(place["row"], place["col"], side=int(place[STORED_SIDE]))
