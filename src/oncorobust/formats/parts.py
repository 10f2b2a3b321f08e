"""What a row of a manifest names of its file: a frame, an entry of an array, a slice of a volume, or three planes.

| column | meaning |
|---|---|
| `frame` | frame of a DICOM file, from 1 as DICOM counts |
| `array` | array of a .npz file |
| `array_index` | entry from 0 along the first axis of an array, or the fourth of a NIfTI file |
| `plane` | `axial` (also if empty), `coronal`, `sagittal`, or `orthogonal`: all three, as channels |
| `slice` | number from 0, `middle`, `largest` (of the segmentation), or a position in mm such as `-35.5 mm` |
| `point_mm` | point `x y z` of the three planes, in LPS mm; otherwise the centre of the segmentation |
| `segmentation` | file of the segmentation, relative to the tree |
| `segmentation_values` | its values that count, such as `1 3`; otherwise all but 0 |

`path` of a volume is its file, a DICOM file whose frames are slices, or a folder with the DICOM files of one series.
A cell may be empty. A filled cell that a file has no use for is refused, because the image read would not be the one
that the row means.
"""

import math
import re
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character

Plane = Literal["axial", "coronal", "sagittal", "orthogonal"]
Named = Literal["middle", "largest"]

_PLANES = get_args(Plane)
_WHOLE = re.compile(r"\d{1,9}")
_POSITION = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*mm")


@dataclass(frozen=True)
class Part:
    """What a row names of its file; a part without any of it is the whole file.

    frame: from 1. array_index, slice: from 0. slice_mm: along the patient's axis of the plane, LPS. segmentation: file.
    segmentation_values: empty for all but 0.
    """

    frame: int | None = None
    array: str | None = None
    array_index: int | None = None
    plane: Plane | None = None
    slice: int | Named | None = None
    slice_mm: float | None = None
    point_mm: tuple[float, float, float] | None = None
    segmentation: Path | None = None
    segmentation_values: tuple[int, ...] = ()

    @cached_property
    def named(self) -> tuple[str, ...]:
        """Names of the columns that are filled."""
        filled = (field.name for field in fields(self) if getattr(self, field.name) not in (None, ()))
        return tuple(dict.fromkeys(name.removesuffix("_mm") if name == "slice_mm" else name for name in filled))


WHOLE = Part()
COLUMNS = tuple(field.name for field in fields(Part) if field.name != "slice_mm")


def read_parts(table: pd.DataFrame, path: Path) -> list[Part]:
    """Read the parts of a manifest's rows. The frame's index is the line. Raises InputError naming the line."""
    columns = [name for name in COLUMNS if name in table]
    if not columns:
        return [WHOLE] * len(table)
    parts = []
    for line, cells in zip(table.index, table[columns].to_numpy(), strict=True):
        row = {name: str(cell) for name, cell in zip(columns, cells, strict=True) if cell}
        try:
            parts.append(_part(row, path.parent) if row else WHOLE)
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from error
    return parts


def _part(row: dict[str, str], tree: Path) -> Part:
    for name, cell in row.items():
        if found := refused_character(cell):
            raise InputError(f"expected {name} of plain characters, got {found}")
    index, position = _slice(row["slice"]) if "slice" in row else (None, None)
    part = Part(
        frame=_number(row, "frame", first=1),
        array=row.get("array"),
        array_index=_number(row, "array_index", first=0),
        plane=_plane(row.get("plane")),
        slice=index,
        slice_mm=position,
        point_mm=_point(row["point_mm"]) if "point_mm" in row else None,
        segmentation=tree / row["segmentation"] if "segmentation" in row else None,
        segmentation_values=_values(row["segmentation_values"]) if "segmentation_values" in row else (),
    )
    _check_together(part)
    return part


def _check_together(part: Part) -> None:
    """Check that the columns of a row fit each other. Raises InputError."""
    named = part.named
    if part.frame is not None and len(named) > 1:
        raise InputError(f"expected frame alone, got {' and '.join(named)}: a frame is one image of a DICOM file")
    if part.plane == "orthogonal":
        if "slice" in named:
            raise InputError("expected no slice with plane orthogonal, whose three planes meet in point_mm, got both")
        if part.point_mm is None and part.segmentation is None:
            raise InputError("expected point_mm or segmentation with plane orthogonal, got neither")
    elif part.point_mm is not None:
        raise InputError("expected point_mm only with plane orthogonal, got it without")
    if part.slice == "largest" and part.segmentation is None:
        raise InputError("expected a segmentation with slice largest, got none")
    if part.segmentation_values and part.segmentation is None:
        raise InputError("expected a segmentation with segmentation_values, got none")


def _number(row: dict[str, str], name: str, *, first: int) -> int | None:
    if name not in row:
        return None
    if not _WHOLE.fullmatch(row[name]) or int(row[name]) < first:
        raise InputError(f"expected a whole number from {first} as {name}, got {row[name]!r}")
    return int(row[name])


def _plane(cell: str | None) -> Plane | None:
    found: Plane | None = next((plane for plane in _PLANES if plane == cell), None)
    if cell is not None and found is None:
        raise InputError(f"unknown plane {cell!r} (known: {', '.join(_PLANES)})")
    return found


def _slice(cell: str) -> tuple[int | Named | None, float | None]:
    """Return the number or word, or else the position in mm, of a cell."""
    named: Named | None = next((word for word in get_args(Named) if word == cell), None)
    if named is not None:
        return named, None
    if _WHOLE.fullmatch(cell):
        return int(cell), None
    if found := _POSITION.fullmatch(cell):
        return None, float(found[1])
    raise InputError(
        f"expected a whole number from 0, middle, largest, or a position such as -35.5 mm as slice, got {cell!r}"
    )


def _point(cell: str) -> tuple[float, float, float]:
    try:
        numbers = [float(text) for text in cell.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise InputError(f"expected three numbers x y z in mm as point_mm, got {cell!r}")
    x_mm, y_mm, z_mm = numbers
    return x_mm, y_mm, z_mm


def _values(cell: str) -> tuple[int, ...]:
    texts = cell.split()
    if not all(_WHOLE.fullmatch(text) and int(text) for text in texts):
        raise InputError(f"expected whole numbers from 1 such as `1 3` as segmentation_values, got {cell!r}")
    return tuple(sorted({int(text) for text in texts}))
