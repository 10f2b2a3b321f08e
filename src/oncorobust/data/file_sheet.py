"""A contact sheet of the files that a proposed manifest names: some images of each class as the reader returns them.

Images are scaled to their own 0.5 and 99.5 percentiles, unless they have 8 bits, so that any range of values is seen.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from oncorobust.data.channels import without_equal_channels
from oncorobust.formats.records import StoredImage

COLUMNS = 12
_SIDE = 96
_GAP = 6
_LINE = 20
_INK, _QUIET, _PAPER = (27, 27, 27), (106, 106, 106), (255, 255, 255)
_LONGEST = 90


def draw_file_sheet(blocks: Mapping[str, Sequence[StoredImage]], *, title: str) -> Image.Image:
    """Return the sheet: a line with the name of each class, and its images below."""
    width = COLUMNS * (_SIDE + _GAP) + _GAP
    height = 2 * _LINE + len(blocks) * (_LINE + _SIDE + 2 * _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    draw.text((_GAP, _GAP), _plain(title), fill=_QUIET, font=font)
    top = 2 * _LINE
    for name, images in blocks.items():
        draw.text((_GAP, top), _plain(name), fill=_INK, font=font)
        for column, image in enumerate(images[:COLUMNS]):
            sheet.paste(_thumbnail(image), (_GAP + column * (_SIDE + _GAP), top + _LINE))
        top += _LINE + _SIDE + 2 * _GAP
    return sheet


def describe_values(images: Sequence[StoredImage]) -> list[str]:
    """Return lines on the values of some images: the range, the bits that hold it, and whether they are grey."""
    low = min(float(image.values.min()) for image in images)
    high = max(float(image.values.max()) for image in images)
    lines = [f"values in {len(images)} images read: {low:g} to {high:g}"]
    whole = all(image.values.dtype.kind in "iu" for image in images)
    if whole and low >= 0:
        used = max(int(high).bit_length(), 1)
        held = max(8 * image.values.dtype.itemsize for image in images)
        lines[0] += f", {used} of {held} bits"
    colour = [image for image in images if image.values.ndim == 3]
    grey = sum(without_equal_channels(image.values).ndim == 2 for image in colour)
    if not colour:
        lines.append("all are grey")
    elif grey == len(colour) == len(images):
        lines.append("all are grey, stored in three equal channels; they are read as grey")
    else:
        lines.append(
            f"{len(images) - len(colour)} are grey, {grey} grey in three equal channels, {len(colour) - grey} in colour"
        )
    return lines


def _plain(text: str) -> str:
    clean = "".join(one if one.isprintable() else "?" for one in text)
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 3]}..."


def _thumbnail(image: StoredImage) -> Image.Image:
    values = image.values.astype(np.float64)
    low, high = image.limits if image.limits == (0.0, 255.0) else np.percentile(values, (0.5, 99.5))
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    picture = Image.fromarray(np.rint(255 * scaled).astype(np.uint8)).convert("RGB")
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    framed = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    framed.paste(picture, ((_SIDE - picture.width) // 2, (_SIDE - picture.height) // 2))
    return framed
