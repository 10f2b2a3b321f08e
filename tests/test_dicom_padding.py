"""Padding of DICOM images without loss and after lossy compression, and its note."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000
from test_compressed import needs_plugins, sample
from test_image_files import write_dicom
from test_picture_sets import converted
from test_preprocess import make_raw

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import read_image
from oncorobust.formats.records import RawImages, StoredImage


def disk(size: int = 64) -> np.ndarray:
    """Return which pixels lie inside the field of view."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return np.hypot(rows, columns) < size * 0.45


def blurred(values: np.ndarray, *, noise: float) -> np.ndarray:
    """Return values as lossy compression leaves them: with noise, and with an edge that is no longer sharp."""
    soft = values.astype(float)
    for axis in (0, 1):
        soft = 0.9 * soft + 0.05 * (np.roll(soft, 1, axis) + np.roll(soft, -1, axis))
    return np.rint(soft + np.random.default_rng(0).normal(0, noise, values.shape)).astype(values.dtype)


CT = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024", "LossyImageCompression": "01"}


@pytest.mark.parametrize("noise", [0.5, 2, 10])
def test_padding_of_a_lossy_ct(tmp_path: Path, noise: float) -> None:
    tissue = np.random.default_rng(1).integers(0, 2000, (64, 64))
    stored = np.where(disk(), tissue, -2000).astype(np.int16)
    path = write_dicom(tmp_path / "a.dcm", blurred(stored, noise=noise), PixelPaddingValue=-2000, **CT)
    image = read_image(path)
    assert image.lossy and (image.padded != ~disk()).mean() < 0.01
    assert image.values.min() > -1024 - 200  # and not -3024
    assert (image.values[~disk()] == image.values.min()).mean() > 0.97


def test_without_loss_padding_is_equal_to_its_value(tmp_path: Path) -> None:
    stored = blurred(np.where(disk(), 500, -2000).astype(np.int16), noise=2)
    path = write_dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=-2000, **CT | {"LossyImageCompression": "00"})
    image = read_image(path)
    np.testing.assert_array_equal(image.padded, stored == -2000)
    assert not image.lossy


def test_padding_range_and_bright_padding_of_lossy_images(tmp_path: Path) -> None:
    tissue = np.random.default_rng(1).integers(800, 1500, (64, 64))
    for low, high, given in ((0, 200, (0, 200)), (3900, 4095, (3900, 4095))):
        padding = np.where(np.indices((64, 64))[0] < 32, low, high)
        stored = blurred(np.where(disk(), tissue, padding).astype(np.int16), noise=2).clip(0)
        tags = {"PixelPaddingValue": given[0], "PixelPaddingRangeLimit": given[1], "LossyImageCompression": "01"}
        image = read_image(write_dicom(tmp_path / "a.dcm", stored, **tags))
        assert (image.padded != ~disk()).mean() < 0.01
        assert image.values.min() > 700 and image.values.max() < 1600


def test_dark_air_beside_a_padding_value_of_zero_is_no_padding(tmp_path: Path) -> None:
    air = np.abs(np.random.default_rng(0).normal(0, 30, (64, 64)))
    stored = np.where(disk(), 1000, air).astype(np.uint16)
    stored[:, :10] = 0
    tags = {"PixelPaddingValue": 0, "LossyImageCompression": "01"}
    image = read_image(write_dicom(tmp_path / "a.dcm", stored, **tags))
    assert image.padded[:, :10].mean() == 1
    assert image.padded[:, 13:].mean() < 0.02


def test_nothing_but_lossy_padding_and_none(tmp_path: Path) -> None:
    tags = {"PixelPaddingValue": 5, "LossyImageCompression": "01"}
    with pytest.raises(InputError, match="expected an image, got only padded pixels"):
        read_image(write_dicom(tmp_path / "a.dcm", np.full((8, 8), 5, np.uint16), **tags))
    stored = np.random.default_rng(0).integers(1000, 2000, (32, 32)).astype(np.uint16)
    image = read_image(write_dicom(tmp_path / "a.dcm", stored, **tags))
    assert not image.padded.any()
    np.testing.assert_array_equal(image.values, stored)


@needs_plugins
@pytest.mark.parametrize("ratio", [10, 40])
def test_a_real_ct_in_lossy_jpeg_2000(tmp_path: Path, ratio: int) -> None:
    source = sample("693_UNCR.dcm")
    plain = read_image(source)
    file = pydicom.dcmread(source)
    file.compress(JPEG2000, generate_instance_uid=False, j2k_cr=[ratio])
    file.save_as(tmp_path / "a.dcm")
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.padded, plain.padded)
    assert abs(np.percentile(image.values, 0.5) - np.percentile(plain.values, 0.5)) < 30  # HU


def test_padding_is_noted_with_its_share() -> None:
    raw = make_raw(lambda row: np.random.default_rng(row).integers(0, 256, (8, 8)).astype(np.uint8))
    quarter = np.zeros((8, 8), dtype=bool)
    quarter[:4, :4] = True

    def read(row: int) -> StoredImage:
        masked = quarter if row < 10 else np.zeros_like(quarter)
        return StoredImage(raw.read(row).values, (0.0, 255.0), padded=masked, lossy=row < 4)

    _, notes = converted(RawImages(**{**vars(raw), "read": read}))
    assert (
        "10 of 36 images have padding (PixelPaddingValue), on average 25 % of their pixels, which hold the lowest value"
        " of the others; 4 of them are compressed with loss, so that padding is found by its neighbourhood"
    ) in notes
