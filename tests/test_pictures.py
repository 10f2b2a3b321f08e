"""Pictures as cameras, microscopes, scanners and exporters write them: orientation, TIFF layouts, and refusals."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tiff_writing import packed, write_tiff

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import describe_image, read_image
from oncorobust.formats.pictures import turn_upright

WIDE = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_pillow(orientation: int) -> None:
    picture = Image.fromarray(WIDE)
    picture.getexif()[274] = orientation
    np.testing.assert_array_equal(turn_upright(WIDE, orientation), np.asarray(ImageOps.exif_transpose(picture)))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.lzw.tif", "a.jpg"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7, 0, 9])
def test_pictures_are_turned_upright(tmp_path: Path, name: str, orientation: int) -> None:
    values = np.zeros((32, 64, 3), np.uint8)
    values[:16, :16] = 255
    picture = Image.fromarray(values)
    exif = Image.Exif()
    exif[274] = orientation
    options = {"a.webp": {"lossless": True}, "a.jpg": {"quality": 100}}
    if name == "a.lzw.tif":
        picture.save(tmp_path / name, tiffinfo={274: max(1, orientation % 9)}, compression="tiff_lzw")
        orientation = max(1, orientation % 9)
    else:
        picture.save(tmp_path / name, exif=exif, **options.get(name, {}))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.values, turn_upright(values, orientation))
    assert image.oriented is (orientation in (3, 6, 7))
    assert describe_image(tmp_path / name).unit == "grey level"


@pytest.mark.parametrize("values", [WIDE, WIDE.astype(np.uint16) * 200, WIDE.astype(np.float32)])
def test_orientation_of_grey_pictures(tmp_path: Path, values: np.ndarray) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for name in ("a.png", "a.tif")[values.dtype == np.float32 :]:
        Image.fromarray(values).save(tmp_path / name, exif=exif)
        np.testing.assert_array_equal(read_image(tmp_path / name).values, np.rot90(values, -1))


def test_orientation_of_packed_samples(tmp_path: Path) -> None:
    values = np.arange(35).reshape(5, 7)
    path = write_tiff(tmp_path / "b.tif", (5, 7), [packed(values, 14)], bits=14, t274=(3, [6]))
    image = read_image(path)
    np.testing.assert_array_equal(image.values, np.rot90(values, -1))
    assert image.oriented


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("compression", [1, 8])
def test_samples_of_any_bits(tmp_path: Path, bits: int, order: str, big: bool, white: int, compression: int) -> None:
    values = np.random.default_rng(bits).integers(0, 2**bits, (5, 7))
    values[0, 0], values[0, 1] = 0, 2**bits - 1
    parts = [packed(values[:3], bits), packed(values[3:], bits)]
    parts = [zlib.compress(part) for part in parts] if compression == 8 else parts
    tags = {"t262": (3, [white]), "t259": (3, [compression]), "t278": (4, [3])}
    image = read_image(write_tiff(tmp_path / "a.tif", (5, 7), parts, bits=bits, order=order, big=big, **tags))
    np.testing.assert_array_equal(image.values, values if white else 2**bits - 1 - values)
    assert (image.values.dtype, image.limits) == (np.uint16, (0, 2**bits - 1))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("order", "<>")
def test_few_bits_fill_the_range_of_8(tmp_path: Path, bits: int, white: int, order: str) -> None:
    values = np.arange(16).reshape(4, 4) % 2**bits
    path = write_tiff(tmp_path / "a.tif", (4, 4), [packed(values, bits)], bits=bits, order=order, t262=(3, [white]))
    image = read_image(path)
    expected = values * 255 // (2**bits - 1)
    np.testing.assert_array_equal(image.values, expected if white else 255 - expected)
    assert image.limits == (0, 255)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_whole_bytes_of_every_kind(tmp_path: Path, kind: str, order: str, white: int) -> None:
    values = np.array([[0, 1, 2], [3, 100, 120]], dtype=kind)
    if kind[0] != "u":
        values[0] *= -1
    if kind == "u4":
        values[0, 0] = 4_000_000_000
    form, bits = " uif".index(kind[0]), 8 * values.itemsize
    content = values.astype(f"{order}{kind}").tobytes()
    tags = {"t339": (3, [form]), "t262": (3, [white])}
    path = write_tiff(tmp_path / "a.tif", (2, 3), [content], bits=bits, order=order, **tags)
    if kind[0] == "f" and not white:
        with pytest.raises(InputError, match="expected floating-point values with BlackIsZero, got WhiteIsZero"):
            read_image(path)
        return
    image = read_image(path)
    limits = None if kind[0] == "f" else (float(np.iinfo(kind).min), float(np.iinfo(kind).max))
    assert image.limits == limits
    expected = values.astype(np.float64)
    np.testing.assert_array_equal(image.values, expected if white else limits[0] + limits[1] - expected)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_tiles(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(0).integers(0, 2**bits, (32, 32))
    tiles = [values[top : top + 16, left : left + 16] for top in (0, 16) for left in (0, 16)]
    parts = [packed(tile, 12) if bits == 12 else tile.astype(f">u{bits // 8}").tobytes() for tile in tiles]
    tags = {"t322": (4, [16]), "t323": (4, [16])}
    path = write_tiff(tmp_path / "a.tif", (29, 27), parts, bits=bits, order=">", **tags)
    np.testing.assert_array_equal(read_image(path).values, values[:29, :27])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "jpeg"])
def test_compressions_of_common_layouts(tmp_path: Path, compression: str) -> None:
    for name, values in {"grey": WIDE, "deep": WIDE.astype(np.uint16) * 256, "colour": np.dstack([WIDE] * 3)}.items():
        if compression == "jpeg" and name == "deep":
            continue
        smooth = np.full_like(values, 77) if compression == "jpeg" else values
        Image.fromarray(smooth).save(tmp_path / f"{name}.tif", compression=compression)
        np.testing.assert_array_equal(read_image(tmp_path / f"{name}.tif").values, smooth)


def test_planes_and_palette_and_alpha(tmp_path: Path) -> None:
    colour = np.dstack([WIDE, WIDE // 2, 255 - WIDE])
    planes = [colour[:, :, channel].tobytes() for channel in range(3)]
    tags = {"t262": (3, [2]), "t284": (3, [2]), "t278": (4, [4])}
    path = write_tiff(tmp_path / "planes.tif", (4, 6), planes, bits=(8, 8, 8), **tags)
    np.testing.assert_array_equal(read_image(path).values, colour)
    levels = [257 * level for level in range(256)]
    table = [*levels, *[0] * 256, *reversed(levels)]
    tags = {"t262": (3, [3]), "t320": (3, table)}
    found = read_image(write_tiff(tmp_path / "palette.tif", (4, 6), [WIDE.tobytes()], bits=8, **tags)).values
    np.testing.assert_array_equal(found, np.dstack([WIDE, 0 * WIDE, 255 - WIDE]))
    for extra in (1, 2):
        content = np.dstack([WIDE, np.full_like(WIDE, 255)]).tobytes()
        path = write_tiff(tmp_path / "alpha.tif", (4, 6), [content], bits=(8, 8), t338=(3, [extra]))
        np.testing.assert_array_equal(read_image(path).values, WIDE)


def test_pages_are_named_and_thumbnails_are_no_pages(tmp_path: Path) -> None:
    pages = [Image.fromarray(WIDE), Image.fromarray(WIDE[:2, :3])]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"got 2 pages \(1: 4 x 6, 2: 2 x 3 pixels\) in .*a\.tif \(save the page to"):
        read_image(tmp_path / "a.tif")
    small, large = tmp_path / "small.tif", tmp_path / "large.tif"
    write_tiff(small, (2, 3), [WIDE[:2, :3].tobytes()], bits=8, t254=(4, [1]))
    write_tiff(large, (4, 6), [WIDE.tobytes()], bits=8, t254=(4, [0]))
    np.testing.assert_array_equal(read_image(small).values, WIDE[:2, :3])  # a page of its own is no thumbnail
    for first, second in ((small, large), (large, small)):
        np.testing.assert_array_equal(read_image(chained(first, second, tmp_path / "b.tif")).values, WIDE)


def chained(first: Path, second: Path, path: Path) -> Path:
    """Write a file of two pages: the second, with its offsets moved, behind the first."""
    one, other = first.read_bytes(), bytearray(second.read_bytes())
    count = struct.unpack_from("<H", other, 8)[0]
    for place in range(10, 10 + 12 * count, 12):
        tag = struct.unpack_from("<H", other, place)[0]
        if tag == 273:
            struct.pack_into("<I", other, place + 8, struct.unpack_from("<I", other, place + 8)[0] + len(one))
    end = 10 + 12 * struct.unpack_from("<H", one, 8)[0]
    path.write_bytes(one[:end] + struct.pack("<I", len(one) + 8) + one[end + 4 :] + bytes(other))
    return path


def test_imagej_stack_behind_one_page(tmp_path: Path) -> None:
    for count in (1, 5):
        text = f"ImageJ=1.54f\nimages={count}\nslices={count}\n\0".encode()
        write_tiff(tmp_path / "a.tif", (4, 6), [WIDE.tobytes()], bits=8, t270=(2, list(text)))
        if count == 1:
            np.testing.assert_array_equal(read_image(tmp_path / "a.tif").values, WIDE)
        else:
            with pytest.raises(InputError, match="expected one image, got an ImageJ stack of 5 images"):
                read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("bits", "tags", "message"),
    [
        (8, {"t259": (3, [33005])}, r"got JPEG 2000 in .*a\.tif \(save the file without compression\)"),
        (10, {"t259": (3, [5])}, "expected samples of 10 bits without compression or with Deflate, got LZW"),
        (24, {}, "expected 1 to 16 or 32 bits per sample.*got samples of 24 bits"),
        ((16, 16, 16), {"t262": (3, [2])}, "expected 8-bit colour, got 16-bit colour"),
        (10, {"t317": (3, [3])}, "with a predictor"),
        (10, {"t279": (4, [3])}, "expected 8 bytes in a strip or tile, got 3"),
        (12, {"t256": (4, [100_000]), "t257": (4, [100_000]), "t262": (3, [0])}, "expected at most .* pixels"),
    ],
)
def test_layouts_that_are_not_read(tmp_path: Path, bits: int, tags: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_image(write_tiff(tmp_path / "a.tif", (1, 6), [bytes(8)], bits=bits, **tags))


def test_deflate_with_a_predictor(tmp_path: Path) -> None:
    values = np.array([[5, 3, 1000], [0, 4095, 2]], dtype=np.int64)
    steps = np.diff(values, axis=1, prepend=0) % 2**12
    tags = {"t259": (3, [8]), "t317": (3, [2])}
    path = write_tiff(tmp_path / "a.tif", (2, 3), [zlib.compress(packed(steps, 12))], bits=12, order=">", **tags)
    np.testing.assert_array_equal(read_image(path).values, values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_samples_of_both_byte_orders_are_those_of_tifffile_or_refused(
    tmp_path: Path, kind: str, compression: str | None, order: str
) -> None:
    """Pillow 13 exchanges bytes of compressed big-endian samples, if signed or floating-point, once too often."""
    tifffile = pytest.importorskip("tifffile")
    values = (np.arange(48).reshape(6, 8) * 10 - (0 if kind.startswith("u") else 200)).astype(kind)
    path = tmp_path / "a.tif"
    try:
        tifffile.imwrite(path, values, byteorder=order, compression=compression, photometric="minisblack")
    except (KeyError, ValueError):
        pytest.skip("tifffile needs imagecodecs to write this compression")
    try:
        found = read_image(path).values
    except InputError as error:
        assert "without compression or with Deflate" in str(error)
        assert compression in ("lzw", "packbits")
        return
    np.testing.assert_array_equal(found, tifffile.imread(path))


def grey_png(path: Path, values: np.ndarray, *, transparent: int | None) -> Path:
    """Write 16-bit grey by hand, with the chunk that names a transparent value."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    mark = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + mark + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("transparent", [None, 7, 255, 65535])
def test_a_transparent_value_that_no_pixel_has_changes_nothing(tmp_path: Path, transparent: int | None) -> None:
    """GDAL writes a raster's value of no data so; Pillow alone would give three channels of 8 bits."""
    values = np.arange(48 * 64).reshape(48, 64) * 20
    image = read_image(grey_png(tmp_path / "a.png", values, transparent=transparent))
    np.testing.assert_array_equal(image.values, values)
    assert image.limits == (0.0, 65535.0)


def test_pixels_of_the_transparent_value_are_counted(tmp_path: Path) -> None:
    values = np.repeat(np.arange(8) * 1000, 8).reshape(8, 8)
    with pytest.raises(InputError, match="got 8 transparent pixels, of value 3000, in"):
        read_image(grey_png(tmp_path / "a.png", values, transparent=3000))
