"""What an archive changes: lossy compression at a ratio that the file really has, and fewer grey levels.

A ratio is the bits of the image over the bits of its file: 8 bits per value where values are 0 to 255, else 12. Pillow
writes JPEG of 8 bits and JPEG 2000 of up to 16 bits, so values are first rounded to 256 or 4096 steps of the image's
own range. Only what the compression changes is added to the values; the rounding is another change (`fewer_levels`).

JPEG: the quantization tables of libjpeg at quality 50 (those of the standard), times a factor that is searched for the
ratio; full colour resolution. JPEG 2000: irreversible 9-7 wavelet, by the rate control of OpenJPEG. Either takes the
file nearest to the ratio; `jpeg_ratio` and `jpeg2000_ratio` state its ratio. Very smooth images compress more than
asked.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image
from PIL.JpegImagePlugin import JpegImageFile

from oncorobust.formats.records import Scan

_EIGHT_BITS = (0.0, 255.0)
_WINDOW_BOTTOM = -1024.0
_NEAR = 0.02
_TRIES = 10
_WIDEST_TABLES = 100.0
_WIDEST_RATE = 1.5
_CODE_BLOCK = (32, 32)
"""Smaller than OpenJPEG's 64: with few blocks, sizes of files lie too far apart (128 pixels, 30 : 1: 16 % off)."""


@dataclass(frozen=True)
class _Steps:
    """Values in whole steps above the lowest one. bits: of one value, as compression ratios count them."""

    whole: np.ndarray
    low: float
    step: float
    bits: int


def _in_steps(scan: Scan, count: int) -> _Steps:
    """Return values in steps: the stored ones where they are 0 to 255, else `count` steps of the image's range."""
    if scan.limits == _EIGHT_BITS:
        return _Steps(np.rint(scan.values).astype(np.uint8), 0.0, 1.0, 8)
    values = scan.values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    step = (high - low) / count
    whole = np.rint((values - low) / step)
    return _Steps(whole.astype(np.uint8 if count < 256 else np.uint16), low, step, 12)


def _with_loss(scan: Scan, steps: _Steps, decoded: np.ndarray) -> np.ndarray:
    return scan.values + steps.step * (decoded.astype(np.float64) - steps.whole)


def _decoded(file: bytes) -> np.ndarray:
    with PIL.Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture)


def _ratio(steps: _Steps, file: bytes) -> float:
    return steps.whole.size * steps.bits / (8 * len(file))


def _distance(steps: _Steps, file: bytes, ratio: float) -> float:
    return float(abs(np.log(_ratio(steps, file) / ratio)))


def jpeg(scan: Scan, ratio: float, _rng: np.random.Generator) -> np.ndarray:
    """Return values (h, w) or (h, w, 3) as JPEG keeps them at a compression ratio."""
    steps = _in_steps(scan, 255)
    return _with_loss(scan, steps, _decoded(_jpeg_file(steps, ratio)))


def jpeg2000(scan: Scan, ratio: float, _rng: np.random.Generator) -> np.ndarray:
    """Return values (h, w) or (h, w, 3) as JPEG 2000 keeps them at a compression ratio."""
    steps = _in_steps(scan, _steps_of_jpeg2000(scan))
    return _with_loss(scan, steps, _decoded(_jpeg2000_file(steps, ratio)))


def jpeg_ratio(scan: Scan, ratio: float) -> float:
    """Return the compression ratio of the file that `jpeg` takes for a ratio."""
    steps = _in_steps(scan, 255)
    return _ratio(steps, _jpeg_file(steps, ratio))


def jpeg2000_ratio(scan: Scan, ratio: float) -> float:
    """Return the compression ratio of the file that `jpeg2000` takes for a ratio."""
    steps = _in_steps(scan, _steps_of_jpeg2000(scan))
    return _ratio(steps, _jpeg2000_file(steps, ratio))


def _steps_of_jpeg2000(scan: Scan) -> int:
    """Return the largest step: Pillow writes colours only with 8 bits."""
    return 4095 if scan.values.ndim == 2 else 255


def _jpeg_file(steps: _Steps, ratio: float) -> bytes:
    picture = PIL.Image.fromarray(steps.whole)
    tables = _standard_tables(picture)

    def write(factor: float) -> bytes:
        scaled = [[min(max(round(entry * factor), 1), 255) for entry in table] for table in tables]
        stream = io.BytesIO()
        picture.save(stream, "JPEG", qtables=scaled, subsampling=0, optimize=True)
        return stream.getvalue()

    return _nearest(write, steps, ratio, widest=_WIDEST_TABLES)


def _standard_tables(picture: PIL.Image.Image) -> list[list[int]]:
    stream = io.BytesIO()
    picture.resize((8, 8)).save(stream, "JPEG", quality=50)
    stream.seek(0)
    return [list(table) for table in JpegImageFile(stream).quantization.values()]


def _jpeg2000_file(steps: _Steps, ratio: float) -> bytes:
    """Return the codestream nearest to a ratio; Pillow's rates count 16 bits a value for all above 8."""
    picture = PIL.Image.fromarray(steps.whole)
    asked = ratio * 8 * steps.whole.itemsize / steps.bits

    def write(factor: float) -> bytes:
        stream = io.BytesIO()
        rates = [max(asked * factor, 1.0)]
        picture.save(
            stream,
            "JPEG2000",
            quality_mode="rates",
            quality_layers=rates,
            irreversible=True,
            codeblock_size=_CODE_BLOCK,
            no_jp2=True,
        )
        return stream.getvalue()

    return _nearest(write, steps, ratio, widest=_WIDEST_RATE)


def _nearest(write: Callable[[float], bytes], steps: _Steps, ratio: float, *, widest: float) -> bytes:
    """Return the file nearest to a ratio, among those that `write` gives for factors from 1 / widest to widest.

    A larger factor gives a smaller file. The first factor is 1; each further one halves the logarithm of what is left.
    """
    low, high = -np.log(widest), np.log(widest)
    files: list[bytes] = []
    while len(files) < _TRIES:
        middle = (low + high) / 2
        files.append(write(float(np.exp(middle))))
        if _distance(steps, files[-1], ratio) < _NEAR:
            break
        low, high = (low, middle) if _ratio(steps, files[-1]) > ratio else (middle, high)
    return min(files, key=lambda file: _distance(steps, file, ratio))


def windowed(scan: Scan, width: float, _rng: np.random.Generator) -> np.ndarray:
    """Return values in HU kept as 256 grey levels of a window that begins at -1024 HU and has a width in HU."""
    step = width / 255
    levels = np.rint((scan.values.astype(np.float64) - _WINDOW_BOTTOM) / step)
    return np.clip(levels, 0, 255) * step + _WINDOW_BOTTOM


def fewer_levels(scan: Scan, percent: float, _rng: np.random.Generator) -> np.ndarray:
    """Return values rounded to grey levels that lie a percentage of the range apart, to the next whole number of them.

    The range is 0 to 255 where values can hold that, else the image's own. 0.392 % are the 256 levels of 8 bits.
    """
    values = scan.values.astype(np.float64)
    low, high = _EIGHT_BITS if scan.limits == _EIGHT_BITS else (float(values.min()), float(values.max()))
    step = (high - low) / round(100 / percent)
    return np.rint((values - low) / step) * step + low
