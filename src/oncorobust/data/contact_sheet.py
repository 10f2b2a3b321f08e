"""A contact sheet: images of each class and split before and after preprocessing, their values, and warnings.

It shows problems that a table does not: a wrong window, a crop that misses the lesion, swapped axes, a class that can
be recognised by its image borders, an augmentation that cuts off the object. Beside each class stand histograms of its
values, before with the values that become black and white, and after; behind them, in grey, those of all classes.

Everything is drawn on one pair of axes in pixels of the sheet: a pair for each image or histogram would take most of
the time of the stage.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from oncorobust.data.appearance_warnings import WARNING
from oncorobust.data.appearances import MOST_CLASSES, Appearances, group_widths
from oncorobust.data.dataset import LabelledImages
from oncorobust.data.sheet_rows import class_row, copy_rows, describe_copies
from oncorobust.data.sheet_tiles import SIDE, Tile
from oncorobust.data.value_histograms import Histogram, histograms
from oncorobust.formats.lesion_boxes import LESION_BOX
from oncorobust.formats.records import SPLITS
from oncorobust.settings.data import Augment

_DPI = 110
_GAP, _GROUP_GAP = 4, 14  # between images, and between the images of two splits
_WIDTH, _MARGIN, _LEFT = 1430, 33, 264
_PLOT_LEFT, _PLOT_WIDTH, _PLOT_HEIGHT = 1214, 180, 50
_HEADER, _LINE, _HEADING = 132, 17, 26
_CLASS, _COPY = 2 * SIDE + _GAP + 26, SIDE + 16
_COPIES_HEADING = 52
_MOST_TICKED = 4  # classes; of more, only the first and the last have numbers at their histograms
_INK, _QUIET, _ALARM, _FILL, _GREY = "#1b1b1b", "#6a6a6a", "#b3261e", "#3b6ea5", "#d9d9d9"
_TITLES = {"train": "training", "validation": "validation", "test": "test"}


@dataclass
class Sheet:
    """A sheet as drawn, in pixels from the upper left corner: lines and texts in a figure, tiles beside it."""

    height: int
    figure: Figure = field(init=False)
    tiles: list[tuple[Tile, int, int]] = field(default_factory=list)
    """Tile, left and top edge."""

    def __post_init__(self) -> None:
        """Start with an empty sheet of its height."""
        size = _WIDTH / _DPI, self.height / _DPI
        self.figure = Figure(figsize=size, dpi=_DPI, facecolor="white")
        axes = self.figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, _WIDTH), ylim=(self.height, 0))
        axes.set_axis_off()

    @property
    def axes(self) -> Axes:
        """The one pair of axes, in pixels."""
        return self.figure.axes[0]

    def text(
        self, left: int | float, bottom: int | float, text: str, size: float, colour: str = _INK, **options: Any
    ) -> None:
        """Write a text from its left end and base line."""
        # Names of classes and files are never formulas.
        self.axes.text(left, bottom, text, fontsize=size, color=colour, parse_math=False, **options)


def draw_contact_sheet(
    data: LabelledImages, summary: dict[str, Any], seen: Appearances, *, settings: Augment, seed: int
) -> Sheet:
    """Draw images of each class, and augmented copies of some training images if the settings ask for copies.

    summary: content of summary.json, with all notes.
    """
    warnings = _wrapped(note.removeprefix(WARNING) for note in summary["notes"] if note.startswith(WARNING))
    copies = copy_rows(data, settings, seed) if settings.copies and data.has("train") else []
    names, splits = data.class_names[:MOST_CLASSES], [split for split in SPLITS if data.has(split)]
    top = _HEADER + _LINE * max(1, len(warnings)) + _HEADING
    sheet = Sheet(top + len(names) * _CLASS + (_COPIES_HEADING + len(copies) * _COPY if copies else 0) + 6)
    _draw_header(sheet, data, summary, warnings)
    _draw_headings(sheet, splits, bottom=top - 8)
    drawn, ticked = histograms(seen), range(len(names)) if len(names) <= _MOST_TICKED else (0, len(names) - 1)
    for label, name in enumerate(names):
        _draw_names(sheet, name, _caption(summary, seen, label, name), top=top)
        for number, title in enumerate(("before", "after")):
            middle = top + number * (SIDE + _GAP)
            sheet.text(_LEFT - 9, middle + SIDE / 2, title, 8.0, _QUIET, ha="right")
            _draw_tiles(sheet, class_row(data, seen, label, splits, after=title == "after"), splits, top=middle)
            _draw_histogram(sheet, drawn[number], label, top=middle, ticks=label in ticked)
        top += _CLASS
    if copies:
        sheet.text(_MARGIN, top + 20, describe_copies(settings), 11.0)
        for number, (name, image_id, tiles) in enumerate(copies):
            place = top + _COPIES_HEADING - 10 + number * _COPY
            _draw_names(sheet, name, _shorten(image_id, 30), top=place)
            _draw_tiles(sheet, tiles, ["train"], top=place)
    return sheet


def write_contact_sheet(path: Path, sheet: Sheet) -> None:
    """Write the sheet as PNG; the same sheet gives the same bytes."""
    canvas = FigureCanvasAgg(sheet.figure)
    canvas.draw()
    pixels = np.array(canvas.buffer_rgba())[:, :, :3]
    for tile, left, top in sheet.tiles:
        pixels[top : top + SIDE, left : left + SIDE] = tile.pixels
    PIL.Image.fromarray(pixels).save(path, format="png", dpi=(_DPI, _DPI))


def _caption(summary: dict[str, Any], seen: Appearances, label: int, name: str) -> str:
    counts = summary["counts"]
    lines = [f"{split} {counts[split][name]:,}" for split in SPLITS if any(counts[split].values())]
    below, above, padded = seen.mean_shares(label)
    clipped = f"clipped {_percent(below)} low, {_percent(above)} high"
    return "\n".join([*lines, clipped, *([f"padding {_percent(padded)}"] if padded else [])])


def _percent(share: float) -> str:
    return "0 %" if share == 0 else "<0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _draw_header(sheet: Sheet, data: LabelledImages, summary: dict[str, Any], warnings: Sequence[str]) -> None:
    low, high = summary["intensity_range"]
    patients = f"{summary['n_patients']:,} patients, " if summary["n_patients"] < summary["n_images"] else ""
    totals = {split: sum(summary["counts"][split].values()) for split in SPLITS}
    splits = ", ".join(f"{total:,} {split}" for split, total in totals.items() if total)
    details = (
        f"{summary['n_images']:,} images, {patients}{splits}   ·   {summary['size']} x {summary['size']} pixels   ·   "
        f"black {low:g}, white {high:g} ({summary['intensity_unit']})"
    )
    before = "Before: as stored, from its lowest to its highest value. After: as the model receives it."
    boxes = " Box: the lesion." if LESION_BOX[0] in data.rows else ""
    more = len(data.class_names) - MOST_CLASSES
    rest = f" {more} more classes are not drawn." if more > 0 else ""
    sheet.text(_MARGIN, 46, f"{data.name}: images before and after preprocessing", 17.0, weight="bold")
    sheet.text(_MARGIN, 76, details, 10.0, _QUIET)
    sheet.text(_MARGIN, 100, before + boxes + rest, 9.0, _QUIET)
    text, colour = ("\n".join(warnings), _ALARM) if warnings else ("No warnings.", _QUIET)
    sheet.text(_MARGIN, 114, text, 9.0, colour, va="top")
    if data.synthetic:
        frame = {"boxstyle": "square,pad=0.3", "facecolor": "none", "edgecolor": _ALARM, "linewidth": 1.5}
        sheet.text(_WIDTH - _MARGIN, 46, "SYNTHETIC", 17.0, _ALARM, ha="right", weight="bold", bbox=frame)


def _draw_headings(sheet: Sheet, splits: Sequence[str], *, bottom: int) -> None:
    """Write the names of the splits above their images, and what the histograms show."""
    starts, first = _starts(splits), 0
    for split, width in group_widths(splits).items():
        sheet.text(starts[first], bottom, _TITLES[split], 9.0, _QUIET)
        first += width
    sheet.text(_PLOT_LEFT, bottom, "values (grey: all classes)", 9.0, _QUIET)


def _draw_names(sheet: Sheet, name: str, caption: str, *, top: int) -> None:
    sheet.text(_MARGIN, top + 16, _shorten(name, 20), 12.0, weight="bold")
    sheet.text(_MARGIN, top + 26, caption, 8.0, _QUIET, va="top")


def _draw_tiles(sheet: Sheet, row: Sequence[Tile | None], splits: Sequence[str], *, top: int) -> None:
    for tile, left in zip(row, _starts(splits), strict=False):
        if tile is not None:
            sheet.tiles.append((tile, left, top))


def _starts(splits: Sequence[str]) -> list[int]:
    """Return the left edges of a row's tiles, with a wider gap between two splits."""
    groups = [number for number, width in enumerate(group_widths(splits).values()) for _ in range(width)]
    return [_LEFT + k * (SIDE + _GAP) + group * (_GROUP_GAP - _GAP) for k, group in enumerate(groups)]


def _draw_histogram(sheet: Sheet, histogram: Histogram, label: int, *, top: int, ticks: bool) -> None:
    """Draw square roots of the shares, so that rare values are seen."""
    edges, base = histogram.edges, top + _PLOT_HEIGHT
    own = histogram.of_class.get(label, np.zeros_like(histogram.pooled))
    highest = float(np.sqrt(max(histogram.pooled.max(), own.max())))

    def across(value: float) -> float:
        return _PLOT_LEFT + _PLOT_WIDTH * (value - float(edges[0])) / float(edges[-1] - edges[0])

    lefts, lines = np.repeat([across(edge) for edge in edges], 2), []
    for shares, is_own in ((histogram.pooled, False), (own, True)):
        heights = base - np.concatenate([[0], np.repeat(np.sqrt(shares) / highest * (_PLOT_HEIGHT - 4), 2), [0]])
        points = np.stack([lefts, heights], axis=1)
        if is_own:
            lines.append(points)
        else:
            sheet.axes.add_collection(PolyCollection([points], facecolors=_GREY), autolim=False)
    lines += [np.array([(across(mark), base), (across(mark), top)]) for mark in histogram.marks]
    lines.append(np.array([(lefts[0], base), (lefts[-1], base)]))
    colours = [_FILL, *[_ALARM] * len(histogram.marks), _QUIET]
    sheet.axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.9), autolim=False)
    for tick in histogram.ticks if ticks else ():
        sheet.text(across(tick), base + 3, f"{tick:g}", 6.5, _QUIET, ha="center", va="top")


def _wrapped(warnings: Iterable[str]) -> list[str]:
    return [
        line
        for warning in warnings
        for line in textwrap.wrap(warning, 175, initial_indent="! ", subsequent_indent="   ", break_on_hyphens=False)
    ]


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
