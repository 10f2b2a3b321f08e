"""Stored values and modality values of DICOM files: bits above BitsStored, rescale, lookup tables, groups, units."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    UID,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from test_compressed import needs_plugins, sample
from test_image_files import write_dicom

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom.values import modality_transform, stored_values
from oncorobust.formats.image_files import describe_image, read_image
from oncorobust.formats.manifest import open_manifest

STORED = np.array([[0, 1], [1000, 4000]], dtype=np.uint16)


def with_overlay(path: Path, pixels: np.ndarray, syntax: UID | None, **tags: Any) -> Path:
    """Write 12-bit pixels with an overlay in bit 12, compressed as a writer does that keeps all 16 bits."""
    overlaid = pixels.copy()
    overlaid[:, 0] ^= 1 << 12
    tags = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024"} | tags
    file = pydicom.dcmread(write_dicom(path, overlaid, **tags))
    if syntax is not None:
        file.compress(syntax, overlaid, generate_instance_uid=False)
    file.BitsStored, file.HighBit = 12, 11
    file.add_new(0x60000102, "US", 12)
    file.save_as(path)
    return path


@needs_plugins
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, JPEG2000])
def test_overlays_in_the_bits_above_bits_stored_are_no_part_of_the_pixels(
    tmp_path: Path, syntax: UID | None, signed: bool
) -> None:
    pixels = np.tile(np.arange(64, dtype=np.int16) * 30, (64, 1)) - (900 if signed else 0)
    pixels = pixels.astype(np.int16 if signed else np.uint16)
    if syntax == JPEG2000:  # reversible, under the syntax that allows both
        path = with_overlay(tmp_path / "a.dcm", pixels, JPEG2000Lossless)
        file = pydicom.dcmread(path)
        file.file_meta.TransferSyntaxUID = JPEG2000
        file.save_as(path)
    else:
        path = with_overlay(tmp_path / "a.dcm", pixels, syntax)
    np.testing.assert_array_equal(read_image(path).values, pixels.astype(np.float32) - 1024)


def header(*, lossy: bool = False, **elements: Any) -> Any:
    file = Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = JPEG2000 if lossy else JPEGLSLossless
    for name, value in elements.items():
        setattr(file, name, value)
    return file


@pytest.mark.parametrize(
    ("decoded", "representation", "expected"),
    [
        (np.array([0x0FFF, 0x1FFF, 0xF000], np.uint16), 0, [0xFFF, 0xFFF, 0]),
        (np.array([0x17FF, 0x0800, 0xFFFF], np.uint16), 1, [2047, -2048, -1]),  # decoders may return signed as unsigned
        (np.array([0x17FF, 0x0800, -1], np.int16), 1, [2047, -2048, -1]),
        (np.array([-1, 0x1001], np.int16), 0, [4095, 1]),
        (np.array([0x1FFF, 5], np.int32), 0, [4095, 5]),
    ],
)
def test_bits_above_bits_stored(decoded: np.ndarray, representation: int, expected: list[int]) -> None:
    file = header(BitsStored=12, HighBit=11, PixelRepresentation=representation)
    assert stored_values(file, decoded, Path("a.dcm")).tolist() == expected


def test_values_that_lossy_compression_moved_out_of_range_do_not_wrap_around() -> None:
    file = header(lossy=True, BitsStored=12, HighBit=11, PixelRepresentation=1)
    found = stored_values(file, np.array([2050, -2051, 7], np.int16), Path("a.dcm"))
    assert found.tolist() == [2047, -2048, 7]


def test_pixels_in_the_upper_bits_are_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", STORED, BitsStored=12, HighBit=15)
    with pytest.raises(InputError, match=r"expected HighBit 11 for BitsStored 12, got 15 in .*a\.dcm"):
        read_image(path)


@pytest.mark.parametrize(
    ("modality", "tags", "unit"),
    [
        ("MR", {}, "rescaled value"),
        ("MR", {"RescaleType": "US"}, "rescaled value"),
        ("DX", {"RescaleType": "US"}, "rescaled value"),
        ("NM", {}, "rescaled value"),
        ("PT", {"Units": "BQML"}, "Bq/ml"),
        ("PT", {"Units": "BQML", "RescaleType": "US"}, "Bq/ml"),
        ("PT", {"Units": "NONE"}, "rescaled value"),
        ("CT", {}, "HU"),
        ("CT", {"RescaleType": "HU"}, "HU"),
        ("CT", {"RescaleType": "MGML"}, "mg/ml"),
        ("CT", {"RescaleType": "Z_EFF"}, "Z_EFF"),
        ("CT", {"RescaleType": "US"}, "rescaled value"),
        ("OT", {"RescaleType": "HU"}, "HU"),
        ("OT", {"RescaleType": "Jane Doe"}, "rescaled value"),
    ],
)
def test_rescale_and_unit_of_every_modality(tmp_path: Path, modality: str, tags: dict[str, Any], unit: str) -> None:
    tags = {"Modality": modality, "RescaleSlope": "0.5", "RescaleIntercept": "-10"} | tags
    path = write_dicom(tmp_path / "a.dcm", STORED, **tags)
    assert read_image(path).values.tolist() == [[-10, -9.5], [490, 1990]]
    assert describe_image(path).unit == unit
    assert (read_image(path).limits is None) == (unit != "rescaled value")


def test_limits_of_rescaled_values(tmp_path: Path) -> None:
    tags = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": "100"}
    path = write_dicom(tmp_path / "a.dcm", STORED, RescaleSlope="2", **tags)
    assert read_image(path).limits == (100, 8290)
    path = write_dicom(tmp_path / "b.dcm", STORED, RescaleSlope="-1", PhotometricInterpretation="MONOCHROME1", **tags)
    assert read_image(path).limits == (-3995, 100)
    assert read_image(path).values.tolist() == (STORED.astype(float) - 3995).tolist()  # turned over twice


def test_a_slope_of_one_without_intercept_changes_nothing(tmp_path: Path) -> None:
    plain = read_image(write_dicom(tmp_path / "a.dcm", STORED, Modality="MG"))
    path = write_dicom(tmp_path / "b.dcm", STORED, Modality="MG", RescaleSlope="1", RescaleIntercept="0")
    image = read_image(path)
    np.testing.assert_array_equal(image.values, plain.values)
    assert (image.values.dtype, image.limits) == (plain.values.dtype, plain.limits)
    assert describe_image(path).unit == "stored value"


def lut(count: int, first: int, bits: int, data: object, vr: str) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count, first, bits])
    item.add_new("LUTData", vr, data)
    item.ModalityLUTType = "US"
    return item


@pytest.mark.parametrize(
    "item",
    [
        lut(3, 1, 10, [5, 700, 900], "US"),
        lut(3, 1, 10, np.array([5, 700, 900], "<u2").tobytes(), "OW"),
    ],
)
def test_lookup_table(tmp_path: Path, item: Dataset) -> None:
    stored = np.array([[0, 1], [2, 60000]], dtype=np.uint16)
    image = read_image(write_dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=[item]))
    assert (image.values.tolist(), image.limits) == ([[5, 5], [700, 900]], (0, 1023))


def test_lookup_table_of_signed_pixels(tmp_path: Path) -> None:
    stored = np.array([[-3, -2], [-1, 5]], dtype=np.int16)
    item = lut(3, 65534, 8, bytes([1, 2, 3, 0]), "OW")
    assert read_image(write_dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=[item])).values.tolist() == [
        [1, 1],
        [2, 3],
    ]


def test_lookup_table_of_a_real_file() -> None:
    found = sample("mlut_18.dcm")
    file = pydicom.dcmread(found)
    expected = pydicom.pixels.apply_modality_lut(file.pixel_array, file)
    np.testing.assert_array_equal(read_image(found).values, expected)


def enhanced(path: Path, *, shared: list[float] | None, frame: list[float] | None, modality: str = "CT") -> Path:
    """Write a one-frame Enhanced image whose rescale lies in the shared groups, in those of the frame, or in both."""
    file = pydicom.dcmread(write_dicom(path, STORED, Modality=modality, NumberOfFrames=1))
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    groups = []
    for pair in (shared, frame):
        group = Dataset()
        if pair is not None:
            item = Dataset()
            item.RescaleSlope, item.RescaleIntercept = pair
            item.RescaleType = "HU" if modality == "CT" else "US"
            group.PixelValueTransformationSequence = [item]
        groups.append([group])
    file.SharedFunctionalGroupsSequence, file.PerFrameFunctionalGroupsSequence = groups
    file.save_as(path)
    return path


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_rescale_in_functional_groups(tmp_path: Path, modality: str) -> None:
    for shared, frame in (([2, -1024], None), (None, [2, -1024]), ([1, 0], [2, -1024])):
        path = enhanced(tmp_path / "a.dcm", shared=shared, frame=frame, modality=modality)
        np.testing.assert_array_equal(read_image(path).values, STORED * 2.0 - 1024)
        assert describe_image(path).unit == ("HU" if modality == "CT" else "rescaled value")


def test_enhanced_ct_without_rescale_is_refused(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", shared=None, frame=None)
    with pytest.raises(InputError, match="expected RescaleSlope and RescaleIntercept in a CT image"):
        read_image(path)


def test_dose(tmp_path: Path) -> None:
    tags = {"Modality": "RTDOSE", "DoseGridScaling": "0.01", "DoseUnits": "GY"}
    path = write_dicom(tmp_path / "a.dcm", STORED, **tags)
    np.testing.assert_allclose(read_image(path).values, STORED * 0.01, rtol=1e-6)
    assert describe_image(path).unit == "Gy"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": "2"}, "expected RescaleSlope and RescaleIntercept in an image, got at most one in a.dcm"),
        ({"Modality": "PT"}, "expected RescaleSlope and RescaleIntercept in a PET image, got at most one in a.dcm"),
        ({"RescaleSlope": "0", "RescaleIntercept": "0"}, "expected a RescaleSlope other than 0, got 0 in a.dcm"),
        (
            {"RescaleSlope": "1", "RescaleIntercept": "0", "ModalityLUTSequence": [lut(1, 0, 8, [1], "US")]},
            "expected either ModalityLUTSequence or RescaleSlope, got both in a.dcm",
        ),
        (
            {"ModalityLUTSequence": [lut(3, 0, 8, [1, 2], "US")]},
            "expected 3 entries of 1 to 16 bits in ModalityLUTSequence, got 2 of 8 in a.dcm",
        ),
    ],
)
def test_transforms_that_contradict_themselves(tags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        modality_transform(header(**{"Modality": "MR", **tags}), Path("a.dcm"))


def test_a_manifest_of_files_with_and_without_a_transform(tmp_path: Path) -> None:
    """The same activity, stored with three slopes, gives the same image."""
    rows = ["image_id,path,label,patient_id"]
    for number, slope in enumerate((1, 2, 4, 8)):
        rescale = {} if slope == 1 else {"RescaleSlope": str(slope), "RescaleIntercept": "0"}
        write_dicom(tmp_path / f"{number}.dcm", (STORED // 8 * 8 // slope).astype(np.uint16), **rescale)
        rows.append(f"i{number},{number}.dcm,{number % 2},p{number}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    raw = open_manifest(tmp_path)
    assert raw.intensity_unit == "rescaled value"
    for number in range(4):
        np.testing.assert_array_equal(raw.read(number).values, STORED // 8 * 8)


def test_explicit_little_endian_is_lossless(tmp_path: Path) -> None:
    file = pydicom.dcmread(write_dicom(tmp_path / "a.dcm", STORED))
    assert file.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").values, STORED)
