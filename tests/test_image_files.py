"""Single image files of every kind: golden values, and InputError for everything that is not one finite image."""

import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import describe_image, read_image

GREY = np.array([[0, 1, 2], [253, 254, 255]], dtype=np.uint8)
DEEP = np.array([[0, 1, 256], [4095, 40000, 65535]], dtype=np.uint16)
COLOUR = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)


def write_dicom(path: Path, stored: np.ndarray, **tags: Any) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    bits = stored.dtype.itemsize * 8
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.Rows, file.Columns, file.SamplesPerPixel = stored.shape[0], stored.shape[1], 1
    file.BitsAllocated, file.BitsStored, file.HighBit = bits, bits, bits - 1
    file.PixelRepresentation = int(stored.dtype.kind == "i")
    file.PhotometricInterpretation, file.Modality = "MONOCHROME2", "MR"
    file.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    pydicom.dcmwrite(path, file)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("values", [GREY, DEEP, COLOUR])
def test_lossless_raster(tmp_path: Path, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.values, values)
    assert image.values.dtype == values.dtype
    assert image.limits == ((0, 65535) if values is DEEP else (0, 255))
    assert describe_image(tmp_path / name).unit == "grey level"


def test_kind_comes_from_content_not_from_name(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.dcm", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").values, GREY)


def test_of_a_phones_jpeg_with_two_pictures_the_first_is_read(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((8, 8, 3), grey, dtype=np.uint8)) for grey in (40, 200))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second], quality=100)
    assert (read_image(tmp_path / "a.jpg").values == 40).all()


def test_jpeg(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 77, dtype=np.uint8)).save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").values, np.full((16, 16), 77))


def test_float_tiff_has_no_limits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.5, -3.25], [1e6, 0]], dtype=np.float32)).save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert (image.values.tolist(), image.limits) == ([[0.5, -3.25], [1e6, 0]], None)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [1, 0]], dtype=np.uint8), mode=None).convert("P")
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").values.tolist() == [
        [[10, 20, 30], [40, 50, 60]],
        [[40, 50, 60], [10, 20, 30]],
    ]


def test_opaque_alpha_is_dropped(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOUR, np.full((2, 3), 255, np.uint8)])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").values, COLOUR)


def test_bilevel(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False], [False, True]])).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").values.tolist() == [[255, 0], [0, 255]]


def test_white_is_zero_tiff(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "a.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").values, 65535 - DEEP)


def test_transparent(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOUR, np.full((2, 3), 254, np.uint8)])).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"expected an opaque image, got transparent pixels in .*a\.png"):
        read_image(tmp_path / "a.png")


def test_several_frames(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(GREY)])
    with pytest.raises(InputError, match="expected one image, got 2 pages"):
        read_image(tmp_path / "a.tif")


def test_other_colour_space(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="expected 8- or 16-bit grey or 8-bit RGB, got mode CMYK"):
        read_image(tmp_path / "a.jpg")


def test_deep_colour_png_is_not_cut_to_8_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOUR).save(path)
    content = bytearray(path.read_bytes())
    content[24] = 16
    import zlib

    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected 8-bit colour, got 16-bit colour"):
        read_image(path)


def test_more_pixels_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a.png")
    for limit in (1000, 100):  # a warning of Pillow's, and its error
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(InputError, match="decompression bomb"):
            read_image(tmp_path / "a.png")


@pytest.mark.parametrize("values", [GREY, DEEP, GREY.astype(np.int16) - 100, GREY / np.float32(7), COLOUR])
def test_npy(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", values)
    image = read_image(tmp_path / "a.npy")
    np.testing.assert_array_equal(image.values, values)
    assert image.limits == {"uint8": (0, 255), "uint16": (0, 65535)}.get(values.dtype.name)
    assert describe_image(tmp_path / "a.npy").unit == "stored value"


def test_npy_with_one_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY[:, :, None])
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy").values, GREY)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[1, np.nan], [np.nan, 1]]), r"expected finite values, got 2 that are NaN or infinite in .*a\.npy"),
        (np.array([[1, np.inf], [1, 1]]), "expected finite values, got 1 that are NaN or infinite"),
        (np.zeros((3, 4, 5)), "expected a grey or RGB image, got 3 x 4 x 5 values"),
        (np.zeros(4), "expected a grey or RGB image, got 4 values"),
        (np.zeros((0, 4)), "expected at least 2 x 2 pixels, got 0 x 4"),
        (np.zeros((1, 1)), "expected at least 2 x 2 pixels, got 1 x 1"),
        (np.array([["a", "b"], ["c", "d"]]), "expected an array of numbers, got <U1"),
        (np.zeros((2, 2), dtype=complex), "expected an array of numbers, got complex128"),
        (np.array([[{}, {}], [{}, {}]], dtype=object), "allow_pickle=False"),
    ],
)
def test_npy_that_is_no_image(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=message):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (1, 2, 3)])
def test_nifti_slice(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(6, dtype=np.float32).reshape(shape)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    assert (image.values.tolist(), image.limits) == ([[0, 1, 2], [3, 4, 5]], None)


def test_nifti_volume(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 3, 4), np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="expected one slice, got 2 x 3 x 4 voxels"):
        read_image(tmp_path / "a.nii")


def test_nifti_of_complex_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5), np.complex64), np.eye(4)), path)
    with pytest.raises(InputError, match=r"expected real numbers, got complex64 in .*a\.nii\.gz"):
        read_image(path)


def test_nifti_with_nan(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.full((2, 3), np.nan, np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="expected finite values, got 6 that are NaN"):
        read_image(tmp_path / "a.nii")


def test_ct_in_hounsfield_units(tmp_path: Path) -> None:
    stored = np.array([[0, 24], [1024, 2000]], dtype=np.uint16)
    path = write_dicom(tmp_path / "a.dcm", stored, Modality="CT", RescaleSlope="2", RescaleIntercept="-1024")
    image = read_image(path)
    assert (image.values.tolist(), image.limits) == ([[-1024, -976], [1024, 2976]], None)
    assert describe_image(path).unit == "HU"


def test_padding_given_unsigned_for_signed_pixels(tmp_path: Path) -> None:
    stored = np.array([[-2000, -2000], [-900, 40]], dtype=np.int16)
    tags = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-24"}
    path = write_dicom(tmp_path / "a.dcm", stored, **tags)
    file = pydicom.dcmread(path)
    file.add_new(0x00280120, "US", 63536)  # 65536 - 2000
    pydicom.dcmwrite(path, file)
    assert read_image(path).values.tolist() == [[-924, -924], [-924, 16]]


def test_padding_range(tmp_path: Path) -> None:
    stored = np.array([[5, 6], [7, 9]], dtype=np.uint16)
    path = write_dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=5, PixelPaddingRangeLimit=6)
    assert read_image(path).values.tolist() == [[7, 7], [7, 9]]


def test_nothing_but_padding(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((2, 2), 5, np.uint16), PixelPaddingValue=5)
    with pytest.raises(InputError, match="expected an image, got only padded pixels"):
        read_image(path)


def test_monochrome1_is_inverted_within_bits_stored(tmp_path: Path) -> None:
    stored = np.array([[0, 1], [4000, 4095]], dtype=np.uint16)
    tags = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    image = read_image(write_dicom(tmp_path / "a.dcm", stored, **tags))
    assert (image.values.tolist(), image.limits) == ([[4095, 4094], [95, 0]], (0, 4095))


def test_signed_limits(tmp_path: Path) -> None:
    stored = np.array([[-2048, 0], [1, 2047]], dtype=np.int16)
    image = read_image(write_dicom(tmp_path / "a.dcm", stored, BitsStored=12, HighBit=11))
    assert (image.values.tolist(), image.limits) == (stored.tolist(), (-2048, 2047))


def test_colour_dicom(tmp_path: Path) -> None:
    tags = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    image = read_image(write_dicom(tmp_path / "a.dcm", COLOUR, **tags))
    np.testing.assert_array_equal(image.values, COLOUR)


@pytest.mark.parametrize(("flag", "expected"), [("YES", True), ("NO", False), (None, None)])
def test_synthetic_flag(tmp_path: Path, flag: str | None, expected: bool | None) -> None:
    tags = {} if flag is None else {"SyntheticData": flag}
    assert describe_image(write_dicom(tmp_path / "a.dcm", DEEP, **tags)).synthetic is expected


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Modality": "CT"}, "expected RescaleSlope and RescaleIntercept in a CT image, got at most one"),
        (
            {"Modality": "CT", "RescaleSlope": "0", "RescaleIntercept": "1"},
            "expected a RescaleSlope other than 0, got 0",
        ),
        ({"NumberOfFrames": 2, "PixelData": DEEP.tobytes() * 2}, "expected a single frame, got 2"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "expected MONOCHROME1, MONOCHROME2, RGB or YBR, got PALETTE"),
        ({"PixelData": DEEP.tobytes()[:-2]}, "expected a readable image, got .* in .*a.dcm"),
    ],
)
def test_dicom_that_is_no_image(tmp_path: Path, tags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_image(write_dicom(tmp_path / "a.dcm", DEEP, **tags))


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", b"version https://git-lfs.github.com/spec/v1"])
def test_no_image_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_image, describe_image):
        with pytest.raises(
            InputError,
            match=r"expected PNG, JPEG, TIFF, WebP, DICOM, NIfTI, NRRD, MetaImage, npy or npz, got .* in .*a\.png",
        ):
            read(tmp_path / "a.png")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No such file.*a\.png"):
        read_image(tmp_path / "a.png")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("samples")
    values = np.random.default_rng(0).integers(0, 256, (16, 16)).astype(np.uint8)
    for name in ("a.png", "a.jpg", "a.tif"):
        Image.fromarray(values).save(folder / name)
    np.save(folder / "a.npy", values)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), np.eye(4)), folder / "a.nii.gz")
    write_dicom(folder / "a.dcm", values.astype(np.uint16))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_nothing_but_input_error(
    tmp_path: Path, samples: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(samples)))
    content = bytearray(samples[name])
    for place in data.draw(st.lists(st.integers(0, min(len(content), 400) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        image = read_image(path)
    except InputError as error:
        assert name in str(error)
    else:
        assert np.isfinite(image.values).all()


@pytest.mark.parametrize("kind", [RecursionError, MemoryError])
def test_a_decoder_at_its_limits_is_an_input_error(kind: type[Exception], tmp_path: Path, monkeypatch) -> None:
    path = write_dicom(tmp_path / "a.dcm", DEEP)

    def dcmread(*_: object, **__: object) -> None:
        raise kind

    monkeypatch.setattr(pydicom, "dcmread", dcmread)
    with pytest.raises(InputError, match=rf"expected a readable image, got {kind.__name__} in .*a\.dcm"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy", "a.nii.gz", "a.dcm"])
def test_truncated_files(tmp_path: Path, samples: dict[str, bytes], name: str) -> None:
    (tmp_path / name).write_bytes(samples[name][:-30])
    with pytest.raises(InputError, match=rf"expected a readable image, got .* in .*{name}"):
        read_image(tmp_path / name)
