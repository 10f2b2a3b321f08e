"""Crops of a manifest in pixels: a box (columns of BOX), or a square around a centre (columns of CENTER)."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.outside import finite_number
from oncorobust.formats.records import Scan, StoredImage

BOX = ("crop_top", "crop_left", "crop_height", "crop_width")
CENTER = ("center_row", "center_col", "crop_size")

Box = tuple[int, int, int, int]
"""Top, left, height and width of a crop, pixels."""


def read_boxes(table: pd.DataFrame, path: Path) -> list[Box] | None:
    """Read the crops of a manifest's rows; None without such columns. Raises InputError naming the line."""
    given = [names for names in (BOX, CENTER) if any(name in table for name in names)]
    if not given:
        return None
    if len(given) == 2:
        raise InputError(f"expected crops given by box or by centre, got columns of both in {path}")
    for name in given[0]:
        if name not in table:
            raise InputError(f"{path}: no column {name} (expected all of {', '.join(given[0])})")
    boxes = []
    for line, cells in table[list(given[0])].iterrows():
        numbers = [finite_number(cell, expected="a number of pixels", where=f"{path}, line {line}") for cell in cells]
        box = _from_center(*numbers) if given[0] is CENTER else _from_box(*numbers)
        if box[0] < 0 or box[1] < 0 or box[2] < 1 or box[3] < 1:
            raise InputError(f"expected a crop inside the image, got {_text(box)} in {path}, line {line}")
        boxes.append(box)
    return boxes


def _from_box(top: float, left: float, height: float, width: float) -> Box:
    return round(top), round(left), round(height), round(width)


def _from_center(row: float, col: float, size: float) -> Box:
    """Return the square whose middle is nearest to the centre; ties go up and left."""
    side = round(size)
    return math.floor(row - (side - 1) / 2), math.floor(col - (side - 1) / 2), side, side


def _text(box: Box) -> str:
    return f"rows {box[0]} to {box[0] + box[2] - 1}, columns {box[1]} to {box[1] + box[3] - 1}"


def crop(image: StoredImage, box: Box, file: Path) -> StoredImage:
    """Return the crop of an image. Raises InputError naming the file if it leaves the image."""
    top, left, height, width = box
    rows, columns = image.values.shape[:2]
    if top + height > rows or left + width > columns:
        raise InputError(f"expected a crop inside {rows} x {columns} pixels, got {_text(box)} in {file}")
    rows_kept, columns_kept = slice(top, top + height), slice(left, left + width)
    padded = None if image.padded is None else image.padded[rows_kept, columns_kept]
    return replace(image, values=image.values[rows_kept, columns_kept], padded=padded)


def crop_scan(scan: Scan, box: Box, file: Path) -> Scan:
    """Return a scan with the same values, of which the crop is taken (`Scan.cut`). Errors as `crop`."""
    return replace(scan, cut=lambda values: crop(StoredImage(scan.cut(values), None), box, file).values)
