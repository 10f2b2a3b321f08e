"""Rows from an nnU-Net data set: a case is labelled by whether its segmentation holds a structure.

Where every case holds it, each case gives two rows: the slice with the largest area, and a slice without the structure.
Pictures (a file_ending such as .png) have one slice.

Source: nnU-Net v2, documentation/dataset_format.md: imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, dataset.json.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json
from oncorobust.base.progress import Notify
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.label_values import read_labels
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request

_MARGIN = 2  # slices between a slice without the structure and the structure
_CHANNEL = re.compile(r"\d{4}")

Case = tuple[str, str, str]
"""Name, image and segmentation."""


def propose_nnunet(catalogue: Catalogue, request: Request, notes: Notes, *, on_progress: Notify) -> None:
    """Propose one or two rows for every training case. Reads the segmentations. Raises InputError."""
    described = read_json(request.folder / "dataset.json")
    name, values = _structure(_structures(described), request)
    cases = _cases(catalogue, described, request, notes)
    free: dict[str, int | None] = {}
    present: dict[str, bool] = {}
    for number, (case, _, segmentation) in enumerate(cases, start=1):
        present[case], free[case] = _look(request.folder / segmentation, values)
        on_progress(number, len(cases), "segmentations")
    deep = bool(catalogue.one("select depth > 1 from files where path = ?", cases[0][1]))
    _check_present(present, name, request.folder, deep=deep)
    if all(present.values()):
        rows = list(_by_slice(cases, free, name, values))
        notes.unsure.append(
            f"every case holds {name}, so each gives two images: its slice with the largest area, and one "
            f"without {name}"
        )
    else:
        rows = list(_by_case(cases, present, name, values))
        notes.unsure.append(f"the label of a case is whether its segmentation holds {name} (--value)")
    catalogue.propose(rows if deep else (ProposedRow(row.path, row.label, row.patient_id) for row in rows))
    notes.unsure.append("each case is a patient")


def _check_present(present: dict[str, bool], name: str, folder: Path, *, deep: bool) -> None:
    if not any(present.values()):
        raise InputError(f"{folder}: expected segmentations that hold {name}, got none among {len(present)}")
    if all(present.values()) and not deep:
        raise InputError(f"{folder}: expected pictures with and without {name}, got it in each of {len(present):,}")


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


def _cases(catalogue: Catalogue, described: dict[str, Any], request: Request, notes: Notes) -> list[Case]:
    """Return the cases with an image of the channel and a segmentation; count what has no partner.

    The names in labelsTr say whether the end of an image's name, such as _0000, is a channel or belongs to the case:
    the Medical Segmentation Decathlon writes no channels.
    """
    ending = str(described.get("file_ending", ".nii.gz"))
    channel = _channel(described, request)
    labels = catalogue.query("select path from files where top = 'labelsTr'")
    cases = {path.removeprefix("labelsTr/").removesuffix(ending): path for path in labels if path.endswith(ending)}
    found: dict[str, str] = {}
    lost, others = [], []
    for path in catalogue.query(f"select path from files where top = 'imagesTr' and {USABLE} order by path"):
        whole = path.removeprefix("imagesTr/").removesuffix(ending)
        case, _, number = whole.rpartition("_")
        if whole in cases:
            found[whole] = path
        elif case not in cases or not _CHANNEL.fullmatch(number):
            lost.append(path)
        elif int(number) == channel:
            found[case] = path
        else:
            others.append(path)
    outside = f"from files where top not in ('imagesTr', 'labelsTr') and {USABLE}"
    paths = list(catalogue.query(f"select path {outside} order by path limit 10"))
    notes.leave_out("images lie outside imagesTr", catalogue.one(f"select count(*) {outside}"), paths)
    notes.leave_out("images in imagesTr have no segmentation of their name in labelsTr", len(lost), lost)
    notes.leave_out("images are of other channels (--modality)", len(others), others)
    without = sorted(cases.keys() - found.keys())
    notes.leave_out("segmentations in labelsTr have no image of the channel in imagesTr", len(without), without)
    if not found:
        faulty = "select '; ' || path || ' ' || problem from files where top = 'imagesTr' and problem <> '' limit 1"
        raise InputError(
            f"{request.folder}: expected images such as imagesTr/CASE_{channel:04d}{ending} beside "
            f"labelsTr/CASE{ending}, got none{catalogue.one(faulty) or ''}"
        )
    return [(case, path, cases[case]) for case, path in sorted(found.items(), key=lambda one: one[1])]


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
    held: np.ndarray = np.isin(np.rint(read_labels(path)), values)
    slices: np.ndarray = np.asarray(held.any(axis=(1, 2)))
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
