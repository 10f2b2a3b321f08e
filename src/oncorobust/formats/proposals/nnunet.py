"""Rows from an nnU-Net data set: a case is labelled by whether its segmentation holds a structure.

Where every case holds it, each case gives two rows: the slice with the largest area, and a slice without the structure.

Source: nnU-Net v2, documentation/dataset_format.md: imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, dataset.json.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json
from oncorobust.base.progress import Notify
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.request import Notes, Request

_MARGIN = 2  # slices between a slice without the structure and the structure

Case = tuple[str, str, str]
"""Name, image and segmentation."""


def propose_nnunet(catalogue: Catalogue, request: Request, notes: Notes, *, on_progress: Notify) -> None:
    """Propose one or two rows for every training case. Reads the segmentations. Raises InputError."""
    described = read_json(request.folder / "dataset.json")
    name, values = _structure(_structures(described), request)
    cases = _cases(catalogue, described, request)
    without = [case for case, _, segmentation in cases if not segmentation]
    notes.leave_out("cases have no segmentation in labelsTr", len(without), without)
    cases = [one for one in cases if one[2]]
    free: dict[str, int | None] = {}
    present: dict[str, bool] = {}
    for number, (case, _, segmentation) in enumerate(cases, start=1):
        present[case], free[case] = _look(request.folder / segmentation, values)
        on_progress(number, len(cases), "segmentations")
    rows = list(_by_case(cases, present, name, values) if len(set(present.values())) == 2 else [])
    if rows:
        notes.unsure.append(f"the label of a case is whether its segmentation holds {name} (--value)")
    else:
        if not any(present.values()):
            raise InputError(f"{request.folder}: expected segmentations that hold {name}, got none among {len(cases)}")
        rows = list(_by_slice(cases, free, name, values))
        notes.unsure.append(
            f"every case holds {name}, so each gives two images: its slice with the largest area, and one "
            f"without {name}"
        )
    catalogue.propose(rows)
    notes.unsure.append("each case is a patient")


def _structures(described: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    found = {}
    for key, value in (described.get("labels") or {}).items():
        if isinstance(value, str):  # nnU-Net v1 and the Medical Segmentation Decathlon: number -> name
            key, value = value, key
        numbers = value if isinstance(value, list | tuple) else [value]
        if key.lower() not in ("background", "ignore"):
            found[key] = tuple(int(number) for number in numbers)
    return found


def _structure(structures: dict[str, tuple[int, ...]], request: Request) -> tuple[str, tuple[int, ...]]:
    if request.value is None and len(structures) == 1:
        return next(iter(structures.items()))
    named = structures | {str(numbers[0]): numbers for numbers in structures.values() if len(numbers) == 1}
    if request.value is None or request.value not in named:
        found = "no --value" if request.value is None else f"--value {request.value!r}"
        raise InputError(
            f"{request.folder / 'dataset.json'}: expected the structure whose presence is the label, one of "
            f"{', '.join(structures) or 'none'}, got {found}; state it with --value"
        )
    return next((name, numbers) for name, numbers in structures.items() if numbers == named[request.value])


def _cases(catalogue: Catalogue, described: dict[str, Any], request: Request) -> list[Case]:
    ending = str(described.get("file_ending", ".nii.gz"))
    channel = _channel(described, request)
    segmentations = set(catalogue.query("select path from files where top = 'labelsTr'"))
    found = []
    for path, name in catalogue.query("select path, name from files where top = 'imagesTr' order by path"):
        case = name.removesuffix(ending).removesuffix(f"_{channel:04d}")
        if name == f"{case}_{channel:04d}{ending}" or (name == f"{case}{ending}" and "_0" not in name[-12:]):
            segmentation = f"labelsTr/{case}{ending}"
            found.append((case, path, segmentation if segmentation in segmentations else ""))
    if not found:
        raise InputError(f"{request.folder}: expected images such as imagesTr/CASE_{channel:04d}{ending}, got none")
    return found


def _channel(described: dict[str, Any], request: Request) -> int:
    names = {
        str(name): int(key) for key, name in (described.get("channel_names") or described.get("modality") or {}).items()
    }
    if request.modality is not None:
        if request.modality not in names:
            raise InputError(f"--modality: expected one of {', '.join(names)}, got {request.modality!r}")
        return names[request.modality]
    if len(names) > 1:
        raise InputError(
            f"{request.folder / 'dataset.json'}: expected one channel, got {', '.join(names)}; choose one with "
            "--modality"
        )
    return 0


def _look(path: Path, values: tuple[int, ...]) -> tuple[bool, int | None]:
    """Return whether a segmentation holds a value, and the slice without it nearest to the middle, from the feet."""
    import nibabel

    try:
        image: Any = nibabel.as_closest_canonical(nibabel.load(path))
        held: np.ndarray = np.isin(np.rint(np.asarray(image.dataobj)), values)
    except Exception as error:  # a damaged file can raise almost any exception
        raise InputError(
            f"{path}: expected a segmentation that can be read, got {' '.join(str(error).split())}"
        ) from error
    slices: np.ndarray = np.atleast_1d(held.any(axis=(0, 1)))
    near = [slices[max(place - _MARGIN, 0) : place + _MARGIN + 1].any() for place in range(len(slices))]
    without = np.flatnonzero(~np.array(near))
    middle = (len(slices) - 1) / 2
    return bool(slices.any()), int(without[np.abs(without - middle).argmin()]) if len(without) else None


def _by_case(cases: list[Case], present: dict[str, bool], name: str, values: tuple[int, ...]) -> Iterator[ProposedRow]:
    for case, image, segmentation in cases:
        if present[case]:
            yield _largest(case, image, segmentation, name, values)
        else:
            yield ProposedRow(image, f"no {name}", patient_id=case, slice="middle")


def _by_slice(
    cases: list[Case], free: dict[str, int | None], name: str, values: tuple[int, ...]
) -> Iterator[ProposedRow]:
    for case, image, segmentation in cases:
        yield _largest(case, image, segmentation, name, values)
        if free[case] is not None:
            yield ProposedRow(image, f"no {name}", patient_id=case, slice=str(free[case]))


def _largest(case: str, image: str, segmentation: str, name: str, values: tuple[int, ...]) -> ProposedRow:
    numbers = " ".join(map(str, values))
    return ProposedRow(
        image, name, patient_id=case, slice="largest", segmentation=segmentation, segmentation_values=numbers
    )
