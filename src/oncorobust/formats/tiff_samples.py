"""Grey samples of TIFF files that Pillow does not read: any number of bits, signed, floating-point, BigTIFF.

Samples are uncompressed or compressed with Deflate, in strips or tiles. Those whose bits are no multiple of 8 are
packed from the highest bit on, and each row begins with a new byte (TIFF 6.0, section 3).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.formats.tiff_pages import Page

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
"""Values of SampleFormat."""

UNCOMPRESSED, _DEFLATE = 1, (8, 32946)
_COMPRESSION = {
    5: "LZW", 6: "JPEG", 7: "JPEG", 32773: "PackBits", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
    34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """How the samples of a page are stored: bits, SampleFormat, number per pixel, and whether 0 is white."""

    bits: int
    form: int
    count: int
    white_is_zero: bool

    @property
    def limits(self) -> tuple[float, float] | None:
        """Return the limits of the values by BitsPerSample; None for floating-point numbers."""
        if self.form == FLOAT:
            return None
        return (
            (-(2.0 ** (self.bits - 1)), 2.0 ** (self.bits - 1) - 1)
            if self.form == SIGNED
            else (0.0, 2.0**self.bits - 1)
        )


def samples_of(page: Page) -> Samples:
    """Return how the samples of a page are stored."""
    return Samples(page.first(258, 1), page.first(339, UNSIGNED), page.first(277, 1), page.first(262, 1) == 0)


def compression_of(page: Page) -> str:
    """Return the name of a page's compression."""
    number = page.first(259, UNCOMPRESSED)
    return _COMPRESSION.get(number, f"compression {number}")


def read_samples(path: Path, page: Page) -> np.ndarray:
    """Read grey samples (h, w) as stored. Raises InputError for what is not read, with a way out."""
    samples = samples_of(page)
    predictor = page.first(317, 1)
    if samples.count != 1 or page.first(262, 1) > 1:
        raise InputError(
            f"expected grey samples or 8-bit colour, got {samples.count} samples of {samples.bits} bits in {path}"
        )
    if (
        page.first(259, UNCOMPRESSED) not in (UNCOMPRESSED, *_DEFLATE)
        or predictor > 2
        or (predictor == 2 and samples.form == FLOAT)
    ):
        raise InputError(
            f"expected {_kind(samples)} without compression or with Deflate, got {compression_of(page)}"
            f"{' with a predictor' if predictor > 1 else ''} in {path} (save the file without compression)"
        )
    if samples.bits not in ((16, 32, 64) if samples.form == FLOAT else (*range(1, 17), 32)):
        raise InputError(
            f"expected 1 to 16 or 32 bits per sample, or 16, 32 or 64 of floating-point numbers, got {_kind(samples)} "
            f"in {path}"
        )
    height, width = page.size
    if height * width > (Image.MAX_IMAGE_PIXELS or np.inf):
        raise InputError(f"expected at most {Image.MAX_IMAGE_PIXELS} pixels, got {height} x {width} in {path}")
    with path.open("rb") as file:
        content = file.read()
    values = np.zeros((height, width), dtype=_dtype(samples))
    for (top, left), part in _parts(content, page, samples, path):
        kept = values[top : top + part.shape[0], left : left + part.shape[1]]
        kept[:] = part[: kept.shape[0], : kept.shape[1]]
    return values


def _kind(samples: Samples) -> str:
    form = {SIGNED: "signed ", FLOAT: "floating-point "}.get(samples.form, "")
    return f"{form}samples of {samples.bits} bits"


def _dtype(samples: Samples) -> np.dtype:
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= samples.bits)
    return np.dtype(f"{'uif'[max(0, samples.form - 1) % 3]}{size}")


def _parts(content: bytes, page: Page, samples: Samples, path: Path) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Yield the strips or tiles with the place of their upper left corner."""
    height, width = page.size
    tiled = 324 in page.tags
    rows, columns = (page.first(323, 0), page.first(322, 0)) if tiled else (page.first(278, height), width)
    offsets, lengths = (page.tags.get(tag, ()) for tag in ((324, 325) if tiled else (273, 279)))
    rows = min(rows, height) if not tiled else rows
    across = -(-width // columns)
    if len(offsets) != len(lengths) or len(offsets) != across * -(-height // rows):
        raise InputError(f"expected {across * -(-height // rows)} strips or tiles, got {len(offsets)} in {path}")
    for position, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
        top, left = position // across * rows, position % across * columns
        high = rows if tiled else min(rows, height - top)
        expected = high * -(-columns * samples.bits // 8)
        raw = content[offset : offset + length]
        if page.first(259, UNCOMPRESSED) != UNCOMPRESSED:
            raw = zlib.decompressobj().decompress(raw, expected)
        if len(raw) < expected:
            raise InputError(f"expected {expected} bytes in a strip or tile, got {len(raw)} in {path}")
        part = _unpack(np.frombuffer(raw[:expected], dtype=np.uint8).reshape(high, -1), columns, samples, page.order)
        if page.first(317, 1) == 2:
            part = np.cumsum(part, axis=1, dtype=part.dtype) & part.dtype.type(2**samples.bits - 1)
        yield (top, left), _signed(part, samples)


def _unpack(rows: np.ndarray, width: int, samples: Samples, order: str) -> np.ndarray:
    """Return unsigned (or floating-point) values (h, width) from bytes (h, n)."""
    bits = samples.bits
    if bits in (8, 16, 32, 64):
        kind = "f" if samples.form == FLOAT else "u"
        return rows.view(np.dtype(f"{order}{kind}{bits // 8}")).astype(f"{kind}{bits // 8}")
    single = np.unpackbits(rows, axis=1)[:, : width * bits].reshape(len(rows), width, bits)
    return single @ (1 << np.arange(bits - 1, -1, -1, dtype=np.uint64)).astype(
        _dtype(Samples(bits, UNSIGNED, 1, False))
    )


def _signed(values: np.ndarray, samples: Samples) -> np.ndarray:
    """Interpret unsigned values of so many bits by SampleFormat."""
    if samples.form != SIGNED:
        return values
    unused = 8 * values.dtype.itemsize - samples.bits
    return (values << unused).view(_dtype(samples)) >> unused
