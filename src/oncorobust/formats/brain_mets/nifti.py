"""Reader of brain volumes in NIfTI with segmentations, named as in BraTS-METS.

`<case>-t1c.nii.gz` (T1 with contrast) is beside `<case>-seg.nii.gz`, in any folder of the tree. A case is one time
point. Its patient is the first number of BraTS-MET-<patient>-<time point>, unless cases.csv (case, patient_id) says
otherwise; all time points of a patient stay together.

Axes and directions come from the header (`nifti_forms`), never from assumptions; x and y change sign from
NIfTI's RAS to DICOM's LPS. Slices are stacked along the axis nearest to the feet-head direction.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.base.seeds import child_rng
from oncorobust.formats.brain_mets.labels import (
    check_all_occur,
    code_book,
    count_labels,
    describe_labels,
)
from oncorobust.formats.brain_mets.nifti_files import read_image, read_segmentation, shared_form
from oncorobust.formats.brain_mets.regions import Lesion, Negative, Regions, find_lesions, find_negatives
from oncorobust.formats.brain_mets.tables import read_patients
from oncorobust.formats.lesion_boxes import box_columns
from oncorobust.formats.nifti_forms import SAME_PLACE_MM
from oncorobust.formats.volumes import (
    Grid,
    Volume,
    check_square_pixels,
    crop_side,
    display_order,
    percentiles_inside,
    reorder,
    reorder_grid,
    square_corner,
)
from oncorobust.settings.data import BrainMets

FILE = re.compile(r"(?P<case>.+)-(?P<part>t1c|seg)\.nii(\.gz)?")
CASES = "cases.csv"

_BRATS = re.compile(r"BraTS-MET-(\d+)-\d+")
_LEAST_BRAIN = 0.5
_MOST_BRAIN = 0.95


@dataclass(frozen=True)
class Case:
    """One time point of one patient: an image and its segmentation."""

    name: str
    patient_id: str
    image: Path
    segmentation: Path


@dataclass(frozen=True)
class Found:
    """What a case's volumes show.

    grid: in display order, by this form of the image's header. apart_mm: by how much the forms of a header differ.
    counts: voxels of each label. brain_share: share of voxels other than 0.
    """

    grid: Grid
    form: str
    apart_mm: float
    counts: dict[str, int]
    brain_share: float
    lesions: tuple[Lesion, ...]
    negatives: tuple[Negative, ...]


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
    found: dict[str, Found] = {}
    for number, case in enumerate(cases, start=1):
        found[case.name] = one = _find(case, settings, seed=seed)
        side = crop_side(one.grid, crop_mm=settings.crop_mm, where=str(case.image))
        rows += _rows(folder, case, one.grid, (*one.lesions, *one.negatives), side=side)
        on_progress(number, len(cases), case.name)
    counts = [one.counts for one in found.values()]
    check_all_occur(counts, settings.labels, folder)
    by_name = {case.name: case for case in cases}
    return Regions(
        index=pd.DataFrame(rows),
        load=lambda name: read_volume(by_name[name].image, found[name].form),
        flags=(None,),
        notes=(describe_labels(counts, code_book(settings.labels)), *_note_forms(found), *_notes(found)),
    )


def read_volume(path: Path, form: str) -> Volume:
    """Read an image in display order. Raises InputError naming the file.

    form: which one of the header places the voxels.
    """
    stored = read_image(path)
    order = display_order(stored.forms[form], slice_axis=None)
    values = reorder(stored.values, order)
    grid = reorder_grid(stored.forms[form], order)
    return Volume(values=values, grid=grid, percentiles=percentiles_inside(values, str(path)))


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


def _find(case: Case, settings: BrainMets, *, seed: int) -> Found:
    image = read_image(case.image)
    segmentation = read_segmentation(case.segmentation)
    form = shared_form(image, segmentation, case.image, case.segmentation)
    order = display_order(image.forms[form], slice_axis=None)
    grid = reorder_grid(image.forms[form], order)
    check_square_pixels(grid, str(case.image))
    book = code_book(settings.labels)
    counts = count_labels(segmentation.values, book, case.segmentation)
    labels = reorder(segmentation.values, order)
    brain = reorder(image.values != 0, order)
    lesions = find_lesions(np.isin(labels, list(book.metastasis.values())), brain, spacing_mm=grid.spacing_mm)
    _check_in_brain(lesions, grid, case)
    negatives = find_negatives(
        lesions,
        labels != 0,
        brain,
        spacing_mm=grid.spacing_mm,
        side=crop_side(grid, crop_mm=settings.crop_mm, where=str(case.image)),
        min_distance_mm=settings.min_distance_mm,
        rng=child_rng(seed, "brain_mets", case.name),
    )
    apart_mm = max(image.apart_mm, segmentation.apart_mm)
    return Found(grid, form, apart_mm, counts, float(brain.mean()), lesions, negatives)


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


def _note_forms(found: dict[str, Found]) -> Iterator[str]:
    """Note where headers contradict themselves, by how much, and which form was used."""
    apart = {name: one for name, one in found.items() if one.apart_mm > SAME_PLACE_MM}
    if apart:
        most = max(one.apart_mm for one in apart.values())
        used = Counter(one.form for one in apart.values())
        yield (
            f"headers of {len(apart)} cases place the voxels twice, up to {most:.1f} mm apart (sform and qform, or "
            f"voxel sizes in pixdim): {_some(list(apart))}; used the form on which image and segmentation agree: "
            f"{', '.join(f'{form} in {count}' for form, count in used.most_common())}"
        )


def _notes(found: dict[str, Found]) -> Iterator[str]:
    without = [name for name, one in found.items() if not one.lesions]
    if without:
        yield f"{len(without)} cases have no metastasis: {_some(without)}"
    short = {name: len(one.lesions) - len(one.negatives) for name, one in found.items()}
    lacking = {name: count for name, count in short.items() if count}
    if lacking:
        text = f"{sum(lacking.values())} metastases have no negative region, because none fits"
        yield f"{text}, in {len(lacking)} cases: {_some(list(lacking))}"
    full = [name for name, one in found.items() if one.brain_share > _MOST_BRAIN]
    if full:
        yield (
            f"{len(full)} cases have values other than 0 in more than {_MOST_BRAIN:.0%} of their voxels, so negative "
            f"regions may lie outside the brain (expected volumes without skull and air): {_some(full)}"
        )
    shown = sum(negative.shows_mask for one in found.values() for negative in one.negatives)
    if shown:
        yield f"{shown} negative regions show segmented tissue away from their centre, for want of other places"


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _text(position: np.ndarray) -> str:
    return f"({', '.join(f'{number:.1f}' for number in position)}) mm"
