"""The two forms of a NIfTI header, sform and qform: which one places the voxels, and what is noted or refused."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brain_trees import make_scene, write_case
from test_brain_nifti import CASE, crops, open_tree, with_bytes, with_header

from oncorobust.base.errors import InputError


def place_by(sform_mm: float | None, qform_mm: float | None) -> Callable[[Any], None]:
    """Set the forms to the scene's affine, moved to the left by so many mm; None removes a form."""

    def change(image: Any) -> None:
        affine = image.affine.copy()
        for form, distance in (("sform", sform_mm), ("qform", qform_mm)):
            moved = affine.copy()
            moved[0, 3] -= distance or 0.0
            getattr(image, f"set_{form}")(moved, code=0 if distance is None else 1)

    return change


@pytest.mark.parametrize(
    ("image", "segmentation", "used", "apart_mm"),
    [
        ((0, 0), (0, 0), "sform", 0),
        ((0, None), (None, 0), "sform", 0),
        ((30, 0), (30, 0), "sform", 30),
        ((30, 0), (0, 0), "qform", 30),
        ((30, 0), (None, 0), "qform", 30),
        ((30, 0), (30, None), "sform", 30),
        ((30, 30), (30, 0), "sform", 30),
    ],
)
def test_sform_and_qform(tmp_path: Path, image: Any, segmentation: Any, used: str, apart_mm: float) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    expected = open_tree(tmp_path)
    with_header("t1c", place_by(*image))(place)
    with_header("seg", place_by(*segmentation))(place)
    raw = open_tree(tmp_path)
    moved_mm = image[0] if used == "sform" else image[1]
    np.testing.assert_allclose(raw.index["x_mm"], expected.index["x_mm"] + moved_mm, atol=1e-3)
    np.testing.assert_array_equal(crops(raw), crops(expected))
    notes = [note for note in raw.notes if note.startswith("headers of")]
    assert bool(notes) == bool(apart_mm)
    if notes:
        assert f"headers of 1 cases place the voxels twice, up to {apart_mm:.1f} mm apart" in notes[0]
        assert notes[0].endswith(f"used the form on which image and segmentation agree: {used} in 1")


def test_forms_of_which_none_agrees(tmp_path: Path) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    with_header("t1c", place_by(30, 0))(place)
    with_header("seg", place_by(60, 12))(place)
    with pytest.raises(InputError, match=r"the affine of .*t1c.*, got one that differs by 12 mm in .*seg\.nii\.gz"):
        open_tree(tmp_path)


def test_a_mirrored_qform_is_noted(tmp_path: Path) -> None:
    """The sform says left where the qform says right; crops follow the form that was used."""
    place = write_case(tmp_path, CASE, make_scene())
    expected = open_tree(tmp_path)

    def mirror(image: Any) -> None:
        affine = image.affine @ np.diag((-1.0, 1.0, 1.0, 1.0))
        image.set_sform(image.affine, code=1)
        image.set_qform(affine, code=1)

    for part in ("t1c", "seg"):
        with_header(part, mirror)(place)
    raw = open_tree(tmp_path)
    assert "up to 220.0 mm apart" in raw.notes[1]
    np.testing.assert_array_equal(crops(raw), crops(expected))


def test_a_voxel_size_in_pixdim_that_contradicts_the_sform_is_noted(tmp_path: Path) -> None:
    place = write_case(tmp_path, CASE, make_scene())

    def edit(data: bytes) -> bytes:
        header = bytearray(gzip.decompress(data))
        header[80:84] = np.float32(1.0).tobytes()  # pixdim[1], 2 mm in the sform
        return gzip.compress(bytes(header))

    with_bytes("t1c", edit)(place)
    assert "place the voxels twice, up to 55.0 mm apart" in open_tree(tmp_path).notes[1]
