"""Reader of pictures: PNG, JPEG, TIFF and WebP, upright and as grey levels or 8-bit colour.

The orientation tag (EXIF, TIFF, or XMP) is applied, as viewers do, so rows and columns are those of the upright
picture. A palette is looked up, and opaque alpha is dropped. Grey TIFF samples of more than 8 bits keep their values,
with the limits of BitsPerSample; those of 1, 2 or 4 bits are scaled to 0 to 255. WhiteIsZero is inverted.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from oncorobust.base.errors import InputError
from oncorobust.formats.records import StoredImage
from oncorobust.formats.tiff_pages import STARTS, Page, read_pages, the_image
from oncorobust.formats.tiff_samples import (
    FLOAT,
    SIGNED,
    UNCOMPRESSED,
    Samples,
    compression_of,
    read_samples,
    samples_of,
)

_LIMITS = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}
_PHONE_JPEG = "MPO"
"""A JPEG with further pictures behind its own, such as a phone's depth or gain map (CIPA DC-007); the first is read."""
_ORIENTATION = 274
_MODES = ("L", "RGB", "F", "I")


def read_picture(path: Path) -> StoredImage:
    """Read a picture: 8- or 16-bit grey, grey of a TIFF file in any depth, or 8-bit RGB. Raises InputError."""
    with path.open("rb") as stream:
        is_tiff = stream.read(4) in STARTS
    return _read_tiff(path) if is_tiff else _read_other(path)


def turn_upright(values: np.ndarray, orientation: object) -> np.ndarray:
    """Return values (h, w, ...) turned and mirrored as an EXIF orientation says; others than 2 to 8 change nothing."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def _read_other(path: Path) -> StoredImage:
    with _strict_on_size(), Image.open(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames != 1 and picture.format != _PHONE_JPEG:
            raise InputError(f"expected one image, got {frames} frames in {path}")
        if picture.format == "PNG":
            _check_depth(path)
        orientation = picture.getexif().get(_ORIENTATION, 1)
        values = turn_upright(_values(picture, path), orientation)
    return StoredImage(values, _LIMITS.get(values.dtype.name), oriented=orientation in range(2, 9))


def _check_depth(path: Path) -> None:
    """Refuse 16-bit colour, which Pillow reduces to 8 bits without a word."""
    with path.open("rb") as stream:
        depth, colour = stream.read(26)[24:]
    if depth == 16 and colour != 0:
        raise InputError(f"expected 8-bit colour, got 16-bit colour in {path}")


def _read_tiff(path: Path) -> StoredImage:
    pages = read_pages(path)
    position = the_image(pages, path)
    page = pages[position]
    samples, orientation = samples_of(page), page.first(_ORIENTATION, 1)
    if samples.count > 1 and max(page.tags.get(258, (1,))) > 8:
        raise InputError(f"expected 8-bit colour, got {samples.bits}-bit colour in {path}")
    if samples.form == FLOAT and samples.white_is_zero:
        raise InputError(f"expected floating-point values with BlackIsZero, got WhiteIsZero in {path}")
    values = None if _swapped_by_pillow(page, samples) else _decoded_by_pillow(path, position, page, samples)
    limits = (0.0, 255.0) if values is not None and values.dtype == np.uint8 else samples.limits
    if values is None:
        values = turn_upright(read_samples(path, page), orientation)
        if samples.white_is_zero and limits is not None:
            values = (limits[0] + limits[1] - values.astype(np.float64)).astype(values.dtype)
        values, limits = _whole_bytes(values, samples, limits)
    return StoredImage(np.ascontiguousarray(values), limits, oriented=orientation in range(2, 9))


def _whole_bytes(
    values: np.ndarray, samples: Samples, limits: tuple[float, float] | None
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Scale grey levels of fewer than 8 bits to 0 to 255, as Pillow does."""
    if samples.bits >= 8 or samples.form != 1:
        return values, limits
    scaled = np.rint(values.astype(np.float64) * 255 / (2**samples.bits - 1)).astype(np.uint8)
    return scaled, (0.0, 255.0)


def _swapped_by_pillow(page: Page, samples: Samples) -> bool:
    """Return whether Pillow 13 exchanges the bytes of samples once more, after libtiff has put them into order."""
    compressed = page.first(259, UNCOMPRESSED) != UNCOMPRESSED
    return page.order == ">" and compressed and samples.bits > 8 and samples.form in (SIGNED, FLOAT)


def _decoded_by_pillow(path: Path, position: int, page: Page, samples: Samples) -> np.ndarray | None:
    """Return upright values of the layouts that Pillow decodes (it applies a TIFF file's orientation), else None."""
    try:
        # Of a path, Pillow 13 maps uncompressed grey into memory before it turns it, with height and width exchanged.
        with _strict_on_size(), path.open("rb") as stream, Image.open(stream) as picture:
            if position:
                picture.seek(position)
            values = _values(picture, path)
            deep = picture.mode.startswith("I;16")
    except (UnidentifiedImageError, KeyError):
        return None
    except OSError as error:
        if "decoder" in str(error) and "not available" in str(error):
            raise InputError(
                f"expected a compression that Pillow reads, got {compression_of(page)} in {path}"
            ) from error
        raise
    if values.dtype == np.int32:
        values = values.view(np.uint32) if samples.form == 1 else values.astype(f"i{samples.bits // 8}")
    if samples.form == SIGNED and values.dtype == np.uint8:
        values = values.view(np.int8)
    if samples.white_is_zero and deep:  # Pillow inverts 8 bits only
        values = np.uint16((1 << samples.bits) - 1) - values
    return values


def _values(picture: Image.Image, path: Path) -> np.ndarray:
    """Return the values of an opened picture, with its palette and without alpha."""
    picture.load()
    if picture.mode.startswith("I;16") and isinstance(picture.info.get("transparency"), int):
        _check_no_pixel_is(picture.info.pop("transparency"), picture, path)  # Pillow would reduce it to 8 bits
    if picture.mode in ("P", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert(picture.mode.upper())
    if picture.mode in ("LA", "RGBA"):
        picture = _drop_alpha(picture, path)
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode not in _MODES and not picture.mode.startswith("I;16"):
        raise InputError(f"expected 8- or 16-bit grey or 8-bit RGB, got mode {picture.mode} in {path}")
    values = np.asarray(picture)
    return values.astype(values.dtype.newbyteorder("="))


def _check_no_pixel_is(transparent: int, picture: Image.Image, path: Path) -> None:
    """Refuse a 16-bit grey picture with pixels of the value that is transparent (chunk tRNS). Raises InputError."""
    if found := int((np.asarray(picture) == transparent).sum()):
        raise InputError(f"expected an opaque image, got {found} transparent pixels, of value {transparent}, in {path}")


def _drop_alpha(picture: Image.Image, path: Path) -> Image.Image:
    lowest = picture.getchannel("A").getextrema()[0]
    if lowest != 255:
        raise InputError(f"expected an opaque image, got transparent pixels in {path}")
    return picture.convert("L" if picture.mode == "LA" else "RGB")


@contextmanager
def _strict_on_size() -> Iterator[None]:
    """Refuse pictures of more pixels than Pillow's limit, of which it only warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
