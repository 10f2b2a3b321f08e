"""NRRD and MetaImage files: headers, values beside the header, and what is refused, with and without SimpleITK."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from volume_trees import marked, write_itk, write_manifest

from oncorobust.base.errors import InputError
from oncorobust.formats.image_files import describe_image, read_image
from oncorobust.formats.itk_volumes import describe_itk
from oncorobust.formats.manifest import open_manifest

NRRD = (
    "NRRD0004\ntype: float\ndimension: 3\nsizes: 8 6 4\nencoding: {encoding}\nendian: little\n"
    "space: {space}\nspace directions: (2,0,0) (0,2,0) (0,0,3)\nspace origin: (-7,-5,10)\n{more}\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -7 -5 10\nElementSpacing = 2 2 3\nDimSize = 8 6 4\n"
    "ElementType = MET_FLOAT\nElementDataFile = {data}\n"
)
"""Both by hand: x to the left, y to the back, z to the head, from (-7, -5, 10) mm."""


def read_slice(folder: Path, file: str, number: int = 1) -> np.ndarray:
    raw = open_manifest(write_manifest(folder, "path,slice", f"{file},{number}", f"{file},0"))
    return raw.read(0).values


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize(("space", "turned"), [("left-posterior-superior", False), ("RAS", True)])
def test_a_nrrd_by_hand(tmp_path: Path, encoding: str, space: str, turned: bool) -> None:
    pytest.importorskip("SimpleITK")
    values = marked().tobytes()
    header = NRRD.format(encoding=encoding, space=space, more="")
    (tmp_path / "v.nrrd").write_bytes(header.encode() + (gzip.compress(values) if encoding == "gzip" else values))
    expected = marked()[1, ::-1, ::-1] if turned else marked()[1]
    np.testing.assert_array_equal(read_slice(tmp_path, "v.nrrd"), expected)
    assert describe_image(tmp_path / "v.nrrd").unit == "stored value"


def test_a_meta_image_by_hand_with_its_values_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("SimpleITK")
    (tmp_path / "v.mhd").write_text(META.format(data="v.raw"))
    (tmp_path / "v.raw").write_bytes(marked().tobytes())
    np.testing.assert_array_equal(read_slice(tmp_path, "v.mhd"), marked()[1])
    (grid,) = describe_itk(tmp_path / "v.mhd").forms.values()
    np.testing.assert_allclose(grid.to_mm(6.0, 4.0, 1.0), (5.0, 3.0, 13.0))


def test_two_dimensional_files_are_images(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    for name in ("a.mha", "a.nrrd"):
        sitk.WriteImage(sitk.GetImageFromArray(marked()[0]), str(tmp_path / name))
        np.testing.assert_array_equal(read_image(tmp_path / name).values, marked()[0])
    message = r"line 2: expected a 3-D volume of single values, got 8 x 6 voxels in .*a\.mha"
    with pytest.raises(InputError, match=message):
        read_slice(tmp_path, "a.mha")


def test_a_volume_without_a_slice(tmp_path: Path) -> None:
    write_itk(tmp_path / "v.mha", marked())
    message = r"line 2: expected one slice, got 8 x 6 x 4 voxels in .*v\.mha; name one in a column `slice`"
    with pytest.raises(InputError, match=message):
        open_manifest(write_manifest(tmp_path, "path", "v.mha", "v.mha"))
    with pytest.raises(InputError, match=r"expected one slice, got 8 x 6 x 4 voxels in .*v\.mha"):
        read_image(tmp_path / "v.mha")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.mhd", META.format(data="v.raw"), r"expected 768 bytes of values in .*v\.raw, as its header says, got 700"),
        ("v.mha", META.format(data="LOCAL") + "x" * 50, r"expected 768 bytes of values in .*v\.mha, .*, got 50; copy"),
        ("v.mhd", META.format(data="w.raw"), r"expected the values of .*v\.mhd in .*w\.raw, .*, got no file there"),
        (
            "v.mhd",
            META.format(data="../v.raw"),
            r"expected the values in one file beside the header, got '\.\./v\.raw'",
        ),
        ("v.mhd", META.format(data="/v.raw"), r"expected the values in one file beside the header, got '/v\.raw' in"),
        ("v.mhd", META.format(data="LIST"), r"expected the values in one file beside the header, got 'LIST' in"),
        (
            "v.mhd",
            META.format(data="v%02d.raw 1 4 1"),
            r"expected the values in one file beside the header, got 'v%02d",
        ),
        (
            "v.mhd",
            META.partition("ElementDataFile")[0],
            r"expected a MetaImage header of at most 65536 bytes, got no end",
        ),
        (
            "v.nhdr",
            NRRD.format(encoding="raw", space="RAS", more="data file: w.raw\n"),
            r"expected the values of .*v\.nhdr in .*w\.raw, which its header names, got no file there",
        ),
        (
            "v.nhdr",
            NRRD.format(encoding="raw", space="RAS", more="datafile: ../v.raw\n"),
            r"expected the values in one file beside the header, got '\.\./v\.raw' in .*v\.nhdr",
        ),
        (
            "v.nrrd",
            NRRD.format(encoding="raw", space="RAS", more="").replace("space: RAS", "space dimension: 3") + "x" * 768,
            r"expected a NRRD header with a `space` of the patient, .*, got none in .*v\.nrrd",
        ),
        *(
            (
                "v.nrrd",
                NRRD.format(encoding="raw", space=space, more="") + "x" * 768,
                f"expected a NRRD header with a .*, got {space} in",
            )
            for space in ("scanner-xyz", "3D-right-handed", "3D-left-handed")
        ),
        (
            "v.nrrd",
            NRRD.format(encoding="raw", space="RAS", more="") + "x" * 9,
            "expected 768 bytes of values in .*got 9",
        ),
        (
            "v.nrrd",
            NRRD.format(encoding="jpeg", space="RAS", more=""),
            r"expected a readable NRRD file, got .* in .*v\.nrrd",
        ),
    ],
)
def test_headers_and_values_that_do_not_fit(tmp_path: Path, name: str, content: str, message: str) -> None:
    pytest.importorskip("SimpleITK")
    (tmp_path / name).write_text(content)
    (tmp_path / "v.raw").write_bytes(marked().tobytes()[:700])
    with pytest.raises(InputError, match=f"line 2: {message}"):
        read_slice(tmp_path, name)


def test_values_behind_a_link_that_leaves_the_folder(tmp_path: Path) -> None:
    pytest.importorskip("SimpleITK")
    (tmp_path / "tree").mkdir()
    (tmp_path / "secret.raw").write_bytes(marked().tobytes())
    (tmp_path / "tree" / "v.mhd").write_text(META.format(data="v.raw"))
    (tmp_path / "tree" / "v.raw").symlink_to("../secret.raw")
    with pytest.raises(InputError, match=r"expected the values of .*v\.mhd in its folder, got a link to .*secret\.raw"):
        read_slice(tmp_path / "tree", "v.mhd")


def test_more_voxels_than_the_limit(tmp_path: Path) -> None:
    pytest.importorskip("SimpleITK")
    (tmp_path / "v.mhd").write_text(META.format(data="v.raw").replace("8 6 4", "80000 6000 4000"))
    (tmp_path / "v.raw").write_bytes(b"")
    with pytest.raises(InputError, match="expected 1 to 268435456 voxels, got 80000 x 6000 x 4000 in"):
        read_slice(tmp_path, "v.mhd")


@pytest.mark.parametrize("name", ["v.mha", "v.nrrd"])
def test_without_simpleitk_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = META.format(data="LOCAL") if name == "v.mha" else NRRD.format(encoding="raw", space="RAS", more="")
    (tmp_path / name).write_bytes(text.encode() + marked().tobytes())
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    message = rf"line 2: expected SimpleITK, .* for .*{name}; to install it: pip install 'oncorobust\[volumes\]'"
    with pytest.raises(InputError, match=message):
        read_slice(tmp_path, name)
