"""Compressed pixel data of pydicom's own files against their uncompressed twins, with plugins and without."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import read_image

PLUGINS = "pylibjpeg" in get_decoder(JPEGLSLossless).available_plugins
needs_plugins = pytest.mark.skipif(not PLUGINS, reason="the extra `compressed` is not installed")


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"{name} comes with the package pydicom-data")
    return Path(str(found))


def without_plugins(monkeypatch: pytest.MonkeyPatch, syntax: UID, *, keep: tuple[str, ...] = ()) -> Decoder:
    decoder = get_decoder(syntax)
    left = {name: function for name, function in decoder._available.items() if name in keep}
    monkeypatch.setattr(decoder, "_available", left)
    return decoder


def test_rle_needs_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    # The compressed file's preamble is a TIFF header, as DICOM allows.
    without_plugins(monkeypatch, RLELossless, keep=("pydicom",))
    np.testing.assert_array_equal(
        read_image(sample("MR_small_RLE.dcm")).values, read_image(sample("MR_small.dcm")).values
    )


@needs_plugins
@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm"])
def test_lossless_is_the_same(name: str) -> None:
    image = read_image(sample(name))
    np.testing.assert_array_equal(image.values, read_image(sample("MR_small.dcm")).values)
    assert image.limits == (-32768.0, 32767.0)


@needs_plugins
def test_lossy_ct_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy, plain = (read_image(sample(name)).values for name in ("693_J2KI.dcm", "693_UNCI.dcm"))
    assert np.abs(lossy - plain).mean() < 30  # 3,590 bytes for 512 x 512 pixels: HU, about
    assert plain.min() == lossy.min()


@needs_plugins
def test_jpeg_lossless_real_ct() -> None:
    image = read_image(sample("bad_sequence.dcm"))
    assert image.values.shape == (512, 512)
    assert -1100 < image.values.min() < -900


def test_monochrome1_of_a_real_chest_film() -> None:
    path = sample("RG1_UNCR.dcm")
    file = pydicom.dcmread(path)
    assert (file.PhotometricInterpretation, file.BitsStored) == ("MONOCHROME1", 15)
    image = read_image(path)
    np.testing.assert_array_equal(image.values, 32767 - file.pixel_array.astype(np.float32))
    assert image.limits == (0.0, 32767.0)
    # Bone and mediastinum in the middle are now brighter than the air in the upper corners.
    assert image.values[900:1000, 900:1000].mean() > image.values[:50, :50].mean()


@pytest.mark.parametrize(
    ("name", "syntax", "said"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", JPEGLSLossless, "JPEG-LS Lossless Image Compression"),
        ("SC_rgb_jpeg_gdcm.dcm", JPEGLosslessSV1, "JPEG Lossless, Non-Hierarchical, First-Order Prediction"),
    ],
)
def test_no_decoder(monkeypatch: pytest.MonkeyPatch, name: str, syntax: UID, said: str) -> None:
    without_plugins(monkeypatch, syntax)
    with pytest.raises(InputError) as caught:
        read_image(sample(name))
    message = str(caught.value)
    assert message.startswith(f"expected a decoder for {said}")
    assert f"({syntax}), got none for " in message
    assert message.endswith(f"{name}; to install more decoders: pip install 'oncorobust[compressed]'")


def test_decoder_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow says that it decodes JPEG Extended, but not with 12 bits.
    without_plugins(monkeypatch, JPEGExtended12Bit, keep=("pillow",))
    says = r"expected a decoder for JPEG Extended .*51\), got .*12-bit.*JPGExtended\.dcm; to install .*\[compressed\]'$"
    with pytest.raises(InputError, match=says):
        read_image(sample("JPGExtended.dcm"))


@needs_plugins
@pytest.mark.filterwarnings("ignore:End of file reached")
def test_damaged_pixels_do_not_ask_for_a_decoder(tmp_path: Path) -> None:
    content = bytearray(sample("MR_small_jpeg_ls_lossless.dcm").read_bytes())
    content[-3000:] = bytes(3000)
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.dcm") as caught:
        read_image(tmp_path / "a.dcm")
    assert "pip install" not in str(caught.value)


CT_SMALL = Path(str(get_testdata_file("CT_small.dcm")))  # comes with pydicom itself
CONVERT = r"convert it to Explicit VR Little Endian with software that decodes it; `oncorobust\[compressed\]` does not"


@pytest.mark.parametrize(
    ("syntax", "found", "advice"),
    [
        ("1.2.840.10008.1.2.4.110", r"JPEG XL Lossless \(1.*110\)", CONVERT),
        ("1.2.840.10008.1.2.4.111", r"JPEG XL JPEG Recompression \(1.*111\)", CONVERT),
        ("1.2.840.10008.1.2.4.112", r"JPEG XL \(1.*112\)", CONVERT),
        ("1.2.840.10008.1.2.8.1", r"Deflated Image Frame Compression \(1.*8\.1\)", CONVERT),
        ("1.2.840.10008.1.2.4.92", r"JPEG 2000 Part 2 Multi-component .* \(1.*92\)", CONVERT),
        ("1.2.840.10008.1.2.4.100", r"MPEG2 .* \(1.*100\)", "it holds a video: save the frames"),
        ("1.2.840.10008.1.2.4.103", r"MPEG-4 .* \(1.*103\)", "it holds a video: save the frames"),
        ("1.2.840.10008.1.2.4.107", r"HEVC/H\.265 .* \(1.*107\)", "it holds a video: save the frames"),
        ("1.2.840.10008.1.2.4.94", r"JPIP Referenced \(1.*94\)", "its pixels are on a server"),
        ("1.2.840.10008.1.2.4.205", r"JPIP HTJ2K .* \(1.*205\)", "its pixels are on a server"),
        ("1.2.840.113619.5.2", r"the private transfer syntax 1\.2\.840\.113619\.5\.2", CONVERT),
        ("1.2.840.10008.1.2.4.999", r"1\.2\.840\.10008\.1\.2\.4\.999", CONVERT),
    ],
)
def test_transfer_syntaxes_that_no_decoder_reads(tmp_path: Path, syntax: str, found: str, advice: str) -> None:
    path = tmp_path / "image.dcm"
    file = pydicom.dcmread(CT_SMALL)
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    old = str(file.file_meta.TransferSyntaxUID).encode()
    old += b"\0" * (len(old) % 2)
    file.save_as(path)
    data = path.read_bytes()
    head = data.index(b"\x02\x00\x10\x00UI")
    grown = len(uid) - len(old)
    length = int.from_bytes(data[140:144], "little") + grown
    path.write_bytes(
        data[:140]
        + length.to_bytes(4, "little")
        + data[144 : head + 6]
        + len(uid).to_bytes(2, "little")
        + uid
        + data[head + 8 + len(old) :]
    )
    with pytest.raises(InputError, match=rf"pixels that can be decoded, got {found} in .*image\.dcm; {advice}"):
        read_image(path)


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_native_syntaxes_give_the_same_values(tmp_path: Path, syntax: UID) -> None:
    file = pydicom.dcmread(CT_SMALL)
    if syntax == ExplicitVRBigEndian:
        file.PixelData = np.frombuffer(file.PixelData, "<u2").astype(">u2").tobytes()
    file.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "image.dcm"
    pydicom.dcmwrite(path, file, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    np.testing.assert_array_equal(read_image(path).values, read_image(CT_SMALL).values)
