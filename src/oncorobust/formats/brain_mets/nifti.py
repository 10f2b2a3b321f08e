"""Reader of brain volumes in NIfTI with segmentations, named as in BraTS-METS.

`<case>-t1c.nii.gz` (T1 with contrast) is beside `<case>-seg.nii.gz`, in any folder of the tree. A case is one time
point. Its patient is the first number of BraTS-MET-<patient>-<time point>, unless cases.csv (case, patient_id) says
otherwise; all time points of a patient stay together.

Axes and directions come from the affine (sform, else qform), never from assumptions; x and y change sign from NIfTI's
RAS to DICOM's LPS. Slices are stacked along the axis nearest to the feet-head direction.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.base.seeds import child_rng
from oncorobust.formats.brain_mets.nifti_files import read_image, read_segmentation
from oncorobust.formats.brain_mets.regions import Lesion, Negative, Regions, find_lesions, find_negatives
from oncorobust.formats.brain_mets.tables import read_patients
from oncorobust.formats.lesion_boxes import box_columns
from oncorobust.formats.volumes import (
    Grid,
    Volume,
    check_square_pixels,
    crop_side,
    display_order,
    reorder,
    reorder_grid,
    square_corner,
    to_percentile_share,
)
from oncorobust.settings.data import BrainMets

FILE = re.compile(r"(?P<case>.+)-(?P<part>t1c|seg)\.nii(\.gz)?")
CASES = "cases.csv"

_BRATS = re.compile(r"BraTS-MET-(\d+)-\d+")
_LEAST_BRAIN = 0.5


@dataclass(frozen=True)
class Case:
    """One time point of one patient: an image and its segmentation."""

    name: str
    patient_id: str
    image: Path
    segmentation: Path


def find_cases(folder: Path, files: list[Path]) -> tuple[Case, ...]:
    """Pair a tree's files, whose names FILE matches, into cases. Raises InputError naming the file."""
    parts: dict[str, dict[str, Path]] = {}
    for file in files:
        found = FILE.fullmatch(file.name)
        if found:
            first = parts.setdefault(found["case"], {}).setdefault(found["part"], file)
            if first != file:
                raise InputError(f"expected each case once, got {found['case']} in {first} and {file}")
    listed = folder / CASES
    patients = read_patients(listed) if listed.is_file() else {}
    for case in patients:
        if case not in parts:
            raise InputError(f"{listed}: case {case!r} is not in the tree (expected {case}-t1c.nii.gz)")
    return tuple(_case(name, parts[name], patients, listed) for name in sorted(parts))


def open_nifti(
    folder: Path, cases: tuple[Case, ...], settings: BrainMets, *, seed: int, on_progress: Notify
) -> Regions:
    """Find the metastases and negatives of all cases, one volume at a time. Raises InputError naming the file."""
    rows: list[dict[str, Any]] = []
    without: list[str] = []
    short: dict[str, int] = {}
    shown = 0
    for number, case in enumerate(cases, start=1):
        grid, lesions, negatives = _find(case, settings, seed=seed)
        side = crop_side(grid, crop_mm=settings.crop_mm, where=str(case.image))
        rows += _rows(folder, case, grid, (*lesions, *negatives), side=side)
        if not lesions:
            without.append(case.name)
        if len(negatives) < len(lesions):
            short[case.name] = len(lesions) - len(negatives)
        shown += sum(negative.shows_mask for negative in negatives)
        on_progress(number, len(cases), case.name)
    by_name = {case.name: case for case in cases}
    return Regions(
        index=pd.DataFrame(rows),
        load=lambda name: read_volume(by_name[name].image),
        flags=(None,),
        notes=_notes(without, short, shown),
    )


def read_volume(path: Path) -> Volume:
    """Read an image in display order, scaled by its 0.5 and 99.5 percentiles. Raises InputError naming the file."""
    stored = read_image(path)
    order = display_order(stored.grid, slice_axis=None)
    values = to_percentile_share(reorder(stored.values, order), str(path))
    return Volume(values=values, grid=reorder_grid(stored.grid, order))


def _case(name: str, parts: dict[str, Path], patients: dict[str, str], listed: Path) -> Case:
    for part, other in (("t1c", "seg"), ("seg", "t1c")):
        if part not in parts:
            raise InputError(f"expected {name}-{part}.nii.gz beside {parts[other]}, got none")
    brats = _BRATS.fullmatch(name)
    patient = patients.get(name) or (brats[1] if brats else None)
    if patient is None:
        expected = f"a case named BraTS-MET-<patient>-<time point>, or a row for it in {listed}"
        raise InputError(f"{parts['t1c']}: the patient of case {name!r} is unknown (expected {expected})")
    return Case(name=name, patient_id=patient, image=parts["t1c"], segmentation=parts["seg"])


def _find(case: Case, settings: BrainMets, *, seed: int) -> tuple[Grid, tuple[Lesion, ...], tuple[Negative, ...]]:
    image = read_image(case.image)
    order = display_order(image.grid, slice_axis=None)
    grid = reorder_grid(image.grid, order)
    check_square_pixels(grid, str(case.image))
    segmentation = reorder(read_segmentation(case.segmentation, image, case.image).values, order)
    brain = reorder(image.values != 0, order)
    lesions = find_lesions(segmentation, brain, spacing_mm=grid.spacing_mm)
    _check_in_brain(lesions, grid, case)
    negatives = find_negatives(
        lesions,
        segmentation,
        brain,
        spacing_mm=grid.spacing_mm,
        side=crop_side(grid, crop_mm=settings.crop_mm, where=str(case.image)),
        min_distance_mm=settings.min_distance_mm,
        rng=child_rng(seed, "brain_mets", case.name),
    )
    return grid, lesions, negatives


def _check_in_brain(lesions: tuple[Lesion, ...], grid: Grid, case: Case) -> None:
    for lesion in lesions:
        if lesion.brain_share < _LEAST_BRAIN:
            place = _text(grid.to_mm(float(lesion.slice), lesion.row, lesion.column))
            share = f"{lesion.brain_share:.0%} of its voxels on image values other than 0"
            raise InputError(f"expected lesions in the brain, got one at {place} with {share} in {case.segmentation}")


def _rows(
    folder: Path, case: Case, grid: Grid, regions: tuple[Lesion | Negative, ...], *, side: int
) -> Iterator[dict[str, Any]]:
    for place, region in enumerate(regions):
        lesion = region if isinstance(region, Lesion) else None
        kind, number = ("negative", region.lesion) if isinstance(region, Negative) else ("lesion", place)
        top, left = square_corner(float(region.row), float(region.column), side=side)
        x_mm, y_mm, z_mm = grid.to_mm(float(region.slice), float(region.row), float(region.column))
        yield {
            "image_id": f"{case.name}-{kind}-{number + 1}",
            "patient_id": case.patient_id,
            "label": int(kind == "lesion"),
            "source": case.image.relative_to(folder).as_posix(),
            "volume": case.name,
            "lesion_id": f"{kind}-{number + 1}",
            "x_mm": x_mm,
            "y_mm": y_mm,
            "z_mm": z_mm,
            "diameter_mm": lesion.diameter_mm if lesion else np.nan,
            "slice": region.slice,
            "row": float(region.row),
            "column": float(region.column),
            **box_columns(lesion.box if lesion else None, top=top, left=left, side=side),
        }


def _notes(without: list[str], short: dict[str, int], shown: int) -> tuple[str, ...]:
    notes = []
    if without:
        notes.append(f"{len(without)} cases have no necrosis or enhancing tumour: {_some(without)}")
    if short:
        lacking = f"{sum(short.values())} metastases have no negative region, because none fits"
        notes.append(f"{lacking}, in {len(short)} cases: {_some(list(short))}")
    if shown:
        notes.append(f"{shown} negative regions show segmented tissue away from their centre, for want of other places")
    return tuple(notes)


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _text(position: np.ndarray) -> str:
    return f"({', '.join(f'{number:.1f}' for number in position)}) mm"
