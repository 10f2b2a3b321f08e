"""Crop and mask told apart by size and pixels, and the crop made square."""

from pathlib import Path

import numpy as np
import pytest
from cbis_trees import Lesion, grey, outline, write_dicom

from oncorobust.base.errors import InputError
from oncorobust.formats.cbis_ddsm.roles import ImageFile, pad_to_square, read_crop, split_by_size

SMALL = ImageFile(Path("a.dcm"), rows=8, columns=12, bits=16)
LARGE = ImageFile(Path("b.dcm"), rows=40, columns=30, bits=8)
LESION = Lesion("P_00001")


def write(folder: Path, crop: np.ndarray, mask: np.ndarray, **changes: object) -> tuple[Path, Path]:
    write_dicom(folder / "crop.dcm", crop, LESION, "crop", **changes)
    write_dicom(folder / "mask.dcm", mask, LESION, "mask", **changes)
    return folder / "crop.dcm", folder / "mask.dcm"


def test_the_smaller_image_is_the_crop_in_either_order() -> None:
    assert split_by_size(SMALL, LARGE, mammogram=None) == (SMALL, LARGE)
    assert split_by_size(LARGE, SMALL, mammogram=None) == (SMALL, LARGE)
    narrow = ImageFile(Path("c.dcm"), rows=90, columns=1, bits=16)  # 90 pixels are fewer than 96, though in more rows
    assert split_by_size(SMALL, narrow, mammogram=None) == (narrow, SMALL)


def test_a_mask_smaller_than_its_mammogram_is_well() -> None:
    mammogram = ImageFile(Path("full.dcm"), rows=50, columns=40, bits=16)
    assert split_by_size(SMALL, LARGE, mammogram=mammogram) == (SMALL, LARGE)


def test_sizes_that_tell_nothing() -> None:
    same = ImageFile(Path("c.dcm"), rows=12, columns=8, bits=8)
    with pytest.raises(
        InputError, match=r"crop smaller than its mask, got 8 x 12 pixels in a\.dcm and 12 x 8 pixels in c\.dcm"
    ):
        split_by_size(SMALL, same, mammogram=None)
    with pytest.raises(
        InputError, match=r"crop smaller than its mammogram, got 8 x 12 pixels in a\.dcm and 12 x 8 pixels in c\.dcm"
    ):
        split_by_size(SMALL, LARGE, mammogram=same)


def test_a_crop_of_8_bits() -> None:
    crop = ImageFile(Path("c.dcm"), rows=8, columns=12, bits=8)
    with pytest.raises(InputError, match=r"expected a crop of 16 bits, got 8 in c\.dcm"):
        split_by_size(LARGE, crop, mammogram=None)


@pytest.mark.parametrize("value", [1, 255])
def test_values_of_a_crop_are_as_stored(tmp_path: Path, value: int) -> None:
    crop, mask = write(tmp_path, grey(), outline(value))
    values = read_crop(crop, mask=mask).values
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, grey())


def test_monochrome1_is_inverted_within_its_bits(tmp_path: Path) -> None:
    crop, mask = write(tmp_path, grey(), outline(), PhotometricInterpretation="MONOCHROME1")
    values = read_crop(crop, mask=mask).values
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, 65535 - grey())


def test_a_mask_of_16_bits_and_a_mask_without_background(tmp_path: Path) -> None:
    crop, mask = write(tmp_path, grey(), outline().astype(np.uint16))
    np.testing.assert_array_equal(read_crop(crop, mask=mask).values, grey())
    crop, mask = write(tmp_path, grey(), np.full((40, 30), 255, dtype=np.uint8))
    np.testing.assert_array_equal(read_crop(crop, mask=mask).values, grey())


TWO_VALUED = np.where(grey() > 5000, np.uint16(65535), np.uint16(0))
GREY_MASK = np.tile(np.arange(30, dtype=np.uint8), (40, 1))


@pytest.mark.parametrize(
    ("crop", "mask", "message"),
    [
        (TWO_VALUED, outline(), r"got only 0 and 65535 in .*crop\.dcm and only 0 and 255 in .*mask\.dcm"),
        (
            grey(),
            GREY_MASK,
            r"got many values from 1000 to 10500 in .*crop\.dcm and many values from 0 to 29 in .*mask\.dcm",
        ),
        (TWO_VALUED, GREY_MASK, r"got only 0 and 65535 in .*crop\.dcm and many values from 0 to 29 in .*mask\.dcm"),
        (grey(), outline() // 255 + 3, r"got many values .* in .*crop\.dcm and only 3 and 4 in .*mask\.dcm"),
        (TWO_VALUED, 0 * outline(), r"got only 0 and 65535 in .*crop\.dcm and only 0 in .*mask\.dcm"),
    ],
)
def test_pixels_that_tell_no_crop_from_a_mask(tmp_path: Path, crop: np.ndarray, mask: np.ndarray, message: str) -> None:
    files = write(tmp_path, crop, mask)
    expected = "expected a crop with more than two values and a mask with 0 and one other value, "
    with pytest.raises(InputError, match=expected + message):
        read_crop(files[0], mask=files[1])


@pytest.mark.parametrize(
    ("crop", "mask", "changes", "message"),
    [
        (0 * grey() + 7, outline(), {}, r"expected a crop of more than one value, got only 7 in .*crop\.dcm"),
        (grey(), 0 * outline(), {}, r"expected a mask that covers the lesion, got only 0 in .*mask\.dcm"),
        (
            grey() // 8,
            outline(),
            {"BitsStored": 12, "HighBit": 11},
            r"crop of 16 unsigned bits, got values within \(0\.0, 4095\.0\) in .*crop\.dcm",
        ),
        (grey(), outline(), {"NumberOfFrames": 2}, r"expected a single frame, got 2 in .*crop\.dcm"),
        (grey(), outline(), {"PixelData": b"12"}, r"expected a readable image, got .* in .*crop\.dcm"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, crop: np.ndarray, mask: np.ndarray, changes: dict[str, object], message: str
) -> None:
    write_dicom(tmp_path / "crop.dcm", crop, LESION, "crop", **changes)
    write_dicom(tmp_path / "mask.dcm", mask, LESION, "mask")
    with pytest.raises(InputError, match=message):
        read_crop(tmp_path / "crop.dcm", mask=tmp_path / "mask.dcm")


def test_a_truncated_mask(tmp_path: Path) -> None:
    crop, mask = write(tmp_path, grey(), outline())
    mask.write_bytes(mask.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"expected a readable image, got .* in .*mask\.dcm"):
        read_crop(crop, mask=mask)


@pytest.mark.parametrize(
    ("values", "square"),
    [
        ([[1, 2, 3]], [[0, 0, 0], [1, 2, 3], [0, 0, 0]]),
        ([[1], [2]], [[1, 0], [2, 0]]),
        ([[1, 2]], [[1, 2], [0, 0]]),
        ([[1], [2], [3], [4]], [[0, 1, 0, 0], [0, 2, 0, 0], [0, 3, 0, 0], [0, 4, 0, 0]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ],
)
def test_padding_to_a_square(values: list[list[int]], square: list[list[int]]) -> None:
    padded = pad_to_square(np.array(values, dtype=np.uint16))
    assert padded.dtype == np.uint16
    assert padded.tolist() == square
