"""A picture of one image per class under changes of its acquisition: a row per change, a column per severity.

The unchanged image opens each row. A changed image whose prediction differs has a double frame and the predicted class
below it, so that flips are seen without colour, too. The same examples give the same bytes.
"""

import io
import textwrap
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from oncorobust.base.arrays import Image
from oncorobust.evaluation.acquisition_examples import ChangedExample
from oncorobust.evaluation.changed_images import ChangeLevel
from oncorobust.report.tables.render import SYNTHETIC

MOST_EXAMPLES = 10
"""Classes that are drawn."""

_SIDE, _GAP, _MARGIN, _NAMES = 112, 12, 20, 170
_HEADER, _TITLE, _LINE = 76, 34, 15
_LETTERS = 19
"""Of a line below a tile."""
_INK, _QUIET, _ALARM, _PAPER, _GROUND = "#1b1b1b", "#6a6a6a", "#b3261e", "#ffffff", "#ebebeb"


def draw_acquisition_sheet(examples: Sequence[ChangedExample], *, title: str, synthetic: bool) -> PIL.Image.Image:
    """Return the picture. title: such as data set and model. synthetic: whether to mark the images as synthetic."""
    drawn = examples[:MOST_EXAMPLES]
    columns = 1 + max((level.level for one in drawn for level in one.changed), default=0)
    width = max(2 * _MARGIN + _NAMES + columns * (_SIDE + _GAP), 760)
    height = _HEADER + sum(_height(one, width) for one in drawn) + _MARGIN
    sheet = PIL.Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, title, n_left=len(examples) - len(drawn), width=width, synthetic=synthetic)
    top = _HEADER
    for one in drawn:
        _draw_example(sheet, draw, one, top=top)
        top += _height(one, width)
    return sheet


def to_png(sheet: PIL.Image.Image) -> bytes:
    """Return the picture as PNG."""
    stream = io.BytesIO()
    sheet.save(stream, format="png")
    return stream.getvalue()


def _draw_header(draw: ImageDraw.ImageDraw, title: str, *, n_left: int, width: int, synthetic: bool) -> None:
    _write(draw, (_MARGIN, 14), _short(title, 70), size=19)
    rest = f" {n_left} more classes are not drawn." if n_left > 0 else ""
    text = f"Double frame: the prediction differs from that of the unchanged image, and is written below.{rest}"
    _write(draw, (_MARGIN, 46), text, size=12, colour=_QUIET)
    if synthetic:
        box = (width - _MARGIN - 130, 12, width - _MARGIN, 42)
        draw.rectangle(box, fill=_PAPER, outline=_ALARM, width=2)
        draw.text(((box[0] + box[2]) / 2, 27), SYNTHETIC, fill=_ALARM, font=_font(17), anchor="mm")


def _draw_example(sheet: PIL.Image.Image, draw: ImageDraw.ImageDraw, one: ChangedExample, *, top: int) -> None:
    answer = f"predicted {_short(one.predicted, 24)}"
    heading = f"{_short(one.class_name, 24)}: image {_short(one.image_id, 40)}, {answer} unchanged"
    _write(draw, (_MARGIN, top + 8), heading, size=14)
    top += _TITLE
    for _, group in groupby(one.changed, key=lambda level: level.change):
        levels = list(group)
        for number, line in enumerate(textwrap.wrap(_short(levels[0].title, 80), 24)[:4]):
            _write(draw, (_MARGIN, top + 4 + number * _LINE), line, size=13)
        left = _MARGIN + _NAMES
        _draw_tile(sheet, draw, one.image, ("unchanged", ""), left=left, top=top)
        for level in levels:
            left, (image, predicted) = _MARGIN + _NAMES + level.level * (_SIDE + _GAP), one.changed[level]
            flip = "" if predicted == one.predicted else predicted
            _draw_tile(sheet, draw, image, (severity_text(level), flip), left=left, top=top)
        top += _row_height(levels)
    for line in _reasons(one, sheet.width):
        _write(draw, (_MARGIN, top), line, size=12, colour=_QUIET)
        top += _LINE


def severity_text(level: ChangeLevel) -> str:
    """Return a severity with its unit, such as `20 HU`."""
    return f"{level.severity:g} {level.unit}".strip()


def _draw_tile(
    sheet: PIL.Image.Image, draw: ImageDraw.ImageDraw, image: Image, texts: tuple[str, str], *, left: int, top: int
) -> None:
    """Draw an image with its severity below it and, if it flips (the second text), the prediction and a frame."""
    sheet.paste(_thumbnail(image), (left, top))
    severity, flip = texts
    lines = [(line, _INK) for line in _lines(severity)]
    lines += [(_short(f"flips: {flip}", _LETTERS), _ALARM)] if flip else []
    for number, (line, colour) in enumerate(lines):
        _write(draw, (left, top + _SIDE + 5 + number * _LINE), line, size=12, colour=colour)
    if flip:
        for width, place in ((3, -4), (1, 1)):
            box = (left + place, top + place, left + _SIDE - 1 - place, top + _SIDE - 1 - place)
            draw.rectangle(box, outline=_ALARM, width=width)


def _thumbnail(image: Image) -> PIL.Image.Image:
    """Return an image (h, w, 1 or 3), 0 black and 1 white, as large as it fits on a grey square."""
    grey = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    picture = PIL.Image.fromarray(grey[:, :, 0] if grey.shape[2] == 1 else grey).convert("RGB")
    scale = _SIDE / max(picture.size)
    size = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
    way = PIL.Image.Resampling.BOX if scale < 1 else PIL.Image.Resampling.NEAREST
    framed = PIL.Image.new("RGB", (_SIDE, _SIDE), _GROUND)
    framed.paste(picture.resize(size, way), ((_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2))
    return framed


def _lines(severity: str) -> list[str]:
    """Return a severity in lines that fit below a tile."""
    return textwrap.wrap(_short(severity, 3 * _LETTERS), _LETTERS)


def _row_height(levels: Sequence[ChangeLevel]) -> int:
    return _SIDE + (1 + max(len(_lines(severity_text(level))) for level in levels)) * _LINE + 14


def _height(one: ChangedExample, width: int) -> int:
    rows = [list(group) for _, group in groupby(one.changed, key=lambda level: level.change)]
    return _TITLE + sum(map(_row_height, rows)) + _LINE * len(_reasons(one, width)) + 10


def _reasons(one: ChangedExample, width: int) -> list[str]:
    """Return the lines that say which changes do not apply, and why."""
    texts = (
        f"{_short(change, 40)} does not apply: {_short(reason, 200)}" for change, reason in one.not_possible.items()
    )
    return [line for text in texts for line in textwrap.wrap(text, (width - 2 * _MARGIN) // 7)]


def _short(text: str, length: int) -> str:
    """Return a text without characters that cannot be printed, at most so long."""
    clean = "".join(one if one.isprintable() else "?" for one in text)
    return clean if len(clean) <= length else f"{clean[: length - 3]}..."


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, *, size: int, colour: str = _INK) -> None:
    draw.text(place, text, fill=colour, font=_font(size))
