"""Rows of tiles on the contact sheet: images of a class before or after preprocessing, and augmented copies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from oncorobust.base.seeds import child_rng
from oncorobust.data.appearances import COLUMNS, Appearances, group_widths
from oncorobust.data.augment import augment
from oncorobust.data.dataset import LabelledImages
from oncorobust.data.sheet_tiles import Tile, tile_of_processed
from oncorobust.formats.lesion_boxes import LESION_BOX
from oncorobust.settings.data import Augment


def class_row(
    data: LabelledImages, seen: Appearances, label: int, splits: Sequence[str], *, after: bool
) -> list[Tile | None]:
    """Return the tiles of one row, None where a split has fewer images than columns."""
    row: list[Tile | None] = []
    boxed = LESION_BOX[0] in data.rows
    for split, width in group_widths(splits).items():
        positions = seen.shown.get((label, split), np.array([], dtype=int))
        if after:
            boxes = _boxes(data.rows.iloc[positions]) if boxed else [None] * len(positions)
            images = data.images(positions)
            row += [tile_of_processed(image, box) for image, box in zip(images, boxes, strict=True)]
        else:
            row += [seen.tiles[int(position)] for position in positions]
        row += [None] * (width - len(positions))
    return row


def _boxes(rows: pd.DataFrame) -> list[np.ndarray | None]:
    """Return lesion boxes (top, left, bottom, right); NaN, which index.csv has as empty cells, without a lesion."""
    return [*rows[list(LESION_BOX)].apply(pd.to_numeric, errors="coerce").to_numpy(float)]


def copy_rows(data: LabelledImages, settings: Augment, seed: int) -> list[tuple[str, str, list[Tile | None]]]:
    """Return name, image_id and tiles of a training image of each of the first three classes, and of its copies."""
    train = data.select("train")
    rows: list[tuple[str, str, list[Tile | None]]] = []
    for label in range(min(3, len(data.class_names))):
        members = np.flatnonzero(train.labels == label)
        chosen = child_rng(seed, "contact sheet", label).permutation(members)[:1]
        if len(chosen):
            image, image_id = train.images(chosen)[0], train.image_ids[int(chosen[0])]
            tiles: list[Tile | None] = [
                tile_of_processed(augment(image, settings=settings, image_id=image_id, copy=copy, seed=seed), None)
                for copy in range(min(settings.copies + 1, COLUMNS))
            ]
            rows.append((data.class_names[label], image_id, tiles))
    return rows


def describe_copies(settings: Augment) -> str:
    """Return the heading of the augmented copies."""
    steps = []
    if settings.horizontal_flip:
        steps.append("random left-right flip")
    if settings.vertical_flip:
        steps.append("random up-down flip")
    if settings.max_rotation_degrees:
        steps.append(f"rotation within ±{settings.max_rotation_degrees:g}°")
    plural = "copy" if settings.copies == 1 else "copies"
    return (
        f"Augmentation: each row shows an image and its {settings.copies} {plural} ({', '.join(steps) or 'unchanged'})"
    )
