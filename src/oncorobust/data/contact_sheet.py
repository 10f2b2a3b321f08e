"""A contact sheet: images of each class and augmented copies, for inspection before training and evaluation.

It shows problems that a table does not: a wrong window, a crop that misses the lesion, swapped axes, a class that can
be recognised by its image borders, an augmentation that cuts off the object. The sheet states the number of images in
each split, which stored values became black and white, and whether the images are synthetic.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oncorobust.base.arrays import Images
from oncorobust.base.seeds import child_rng
from oncorobust.data.augment import augment
from oncorobust.data.dataset import LabelledImages
from oncorobust.formats.records import SPLITS
from oncorobust.settings.data import Augment

COLUMNS = 14
_GAP = 0.06  # of an image's side
_SHEET_INCHES = 13.0
_LABEL_INCHES = 2.3
_MARGIN_INCHES = 0.3
_HEADER_INCHES = 0.95
_HEADING_INCHES = 0.5
_BLOCK_GAP_INCHES = 0.16
_INK, _QUIET, _ALARM = "#1b1b1b", "#6a6a6a", "#b3261e"

Block = tuple[str, str, Images]
"""A name, a caption and images (n, h, w, 3)."""


def draw_contact_sheet(data: LabelledImages, summary: dict[str, Any], *, settings: Augment, seed: int) -> Figure:
    """Draw training images of each class and, if the settings ask for copies, augmented copies of some images.

    Without training images it shows test images.
    """
    trained_on = data.has("train")
    shown = data.select("train" if trained_on else "test")
    blocks = [_class_block(shown, label, summary, seed) for label in range(len(data.class_names))]
    copies = _copy_blocks(shown, settings, seed) if settings.copies and trained_on else []
    side = (_SHEET_INCHES - _LABEL_INCHES - 2 * _MARGIN_INCHES) / (COLUMNS + (COLUMNS - 1) * _GAP)
    heights = [_rows(block) * side * (1 + _GAP) + _BLOCK_GAP_INCHES for block in (*blocks, *copies)]
    height = _HEADER_INCHES + sum(heights) + (_HEADING_INCHES if copies else 0) + _MARGIN_INCHES
    figure = Figure(figsize=(_SHEET_INCHES, height), facecolor="white")
    _draw_header(figure, data, summary, shown="training images" if trained_on else "test images")
    top = height - _HEADER_INCHES
    for position, block in enumerate((*blocks, *copies)):
        if position == len(blocks):
            _write(figure, _MARGIN_INCHES, top - 0.22, _describe(settings), size=11.0, colour=_INK)
            top -= _HEADING_INCHES
        _draw_block(figure, block, top=top, side=side)
        top -= heights[position]
    return figure


def write_contact_sheet(path: Path, figure: Figure) -> None:
    """Write the sheet as PNG; the same sheet gives the same bytes."""
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def _class_block(shown: LabelledImages, label: int, summary: dict[str, Any], seed: int) -> Block:
    rows = 2 if len(shown.class_names) <= 4 else 1
    members = np.flatnonzero(shown.labels == label)
    chosen = child_rng(seed, "contact sheet", label).permutation(members)[: rows * COLUMNS]
    name = shown.class_names[label]
    splits = [split for split in SPLITS if any(summary["counts"][split].values())]
    counts = [f"{split} {summary['counts'][split][name]:,}" for split in splits]
    return name, "\n".join(counts if rows == 2 else counts[:1]), shown.images(np.sort(chosen))


def _copy_blocks(train: LabelledImages, settings: Augment, seed: int) -> list[Block]:
    """Return the first image shown of each of the first three classes, followed by its copies."""
    blocks: list[Block] = []
    for label in range(min(3, len(train.class_names))):
        members = np.flatnonzero(train.labels == label)
        chosen = np.sort(child_rng(seed, "contact sheet", label).permutation(members)[:COLUMNS])[:1]
        if not len(chosen):
            continue
        image, image_id = train.images(chosen)[0], train.image_ids[int(chosen[0])]
        copies = [
            augment(image, settings=settings, image_id=image_id, copy=copy, seed=seed)
            for copy in range(min(settings.copies + 1, COLUMNS))
        ]
        blocks.append((train.class_names[label], image_id, np.stack(copies)))
    return blocks


def _describe(settings: Augment) -> str:
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


def _draw_header(figure: Figure, data: LabelledImages, summary: dict[str, Any], *, shown: str) -> None:
    top = float(figure.get_figheight())
    low, high = summary["intensity_range"]
    patients = f"{summary['n_patients']:,} patients, " if summary["n_patients"] < summary["n_images"] else ""
    totals = {split: sum(summary["counts"][split].values()) for split in SPLITS}
    splits = ", ".join(f"{total:,} {split}" for split, total in totals.items() if total)
    details = (
        f"{summary['n_images']:,} images, {patients}{splits}   ·   {summary['size']} x {summary['size']} pixels   ·   "
        f"black {low:g}, white {high:g} ({summary['intensity_unit']})"
    )
    _write(figure, _MARGIN_INCHES, top - 0.42, f"{data.name}: {shown}", size=17.0, colour=_INK, weight="bold")
    _write(figure, _MARGIN_INCHES, top - 0.72, details, size=10.0, colour=_QUIET)
    if data.synthetic:
        figure.text(
            1 - _MARGIN_INCHES / _SHEET_INCHES,
            1 - 0.42 / top,
            "SYNTHETIC",
            ha="right",
            fontsize=17.0,
            weight="bold",
            color=_ALARM,
            bbox={"boxstyle": "square,pad=0.3", "facecolor": "none", "edgecolor": _ALARM, "linewidth": 1.5},
        )


def _draw_block(figure: Figure, block: Block, *, top: float, side: float) -> None:
    name, caption, images = block
    height = _rows(block) * side * (1 + _GAP)
    _write(figure, _MARGIN_INCHES, top - 0.19, _shorten(name, 20), size=12.0, colour=_INK, weight="bold")
    _write(figure, _MARGIN_INCHES, top - 0.26, _shorten(caption, 26), size=8.5, colour=_QUIET, va="top")
    mosaic = _mosaic(images)
    sheet = float(figure.get_figheight())
    width = _SHEET_INCHES - _LABEL_INCHES - 2 * _MARGIN_INCHES
    axes: Axes = figure.add_axes(
        (
            (_MARGIN_INCHES + _LABEL_INCHES) / _SHEET_INCHES,
            (top - height) / sheet,
            width / _SHEET_INCHES,
            height / sheet,
        )
    )
    axes.imshow(mosaic, vmin=0, vmax=1, interpolation="antialiased")
    axes.set_anchor("NW")
    axes.set_axis_off()


def _mosaic(images: Images) -> np.ndarray:
    """Arrange images in rows of COLUMNS on a white background, (H, W, 3)."""
    count, height, width, _ = images.shape
    gap = max(1, round(_GAP * width))
    rows = max(-(-count // COLUMNS), 1)
    mosaic = np.ones((rows * (height + gap) - gap, COLUMNS * (width + gap) - gap, 3), dtype=np.float32)
    for position, image in enumerate(images):
        top, left = (position // COLUMNS) * (height + gap), (position % COLUMNS) * (width + gap)
        mosaic[top : top + height, left : left + width] = image
    return mosaic


def _rows(block: Block) -> int:
    """Return the rows of images that a block takes; a class without images takes an empty one."""
    return max(-(-len(block[2]) // COLUMNS), 1)


def _shorten(text: str, length: int) -> str:
    return "\n".join(line if len(line) <= length else line[: length - 1] + "…" for line in text.split("\n"))


def _write(
    figure: Figure,
    left: float,
    bottom: float,
    text: str,
    *,
    size: float,
    colour: str,
    weight: str = "normal",
    va: str = "baseline",
) -> None:
    # Names of classes and files are never formulas.
    figure.text(
        left / _SHEET_INCHES,
        bottom / float(figure.get_figheight()),
        text,
        fontsize=size,
        color=colour,
        weight=weight,
        va=va,
        parse_math=False,
    )
