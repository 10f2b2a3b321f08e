"""Code books of segmentations: presets, own names and values, what does not fit, and labels stored through a scale."""

from pathlib import Path
from typing import Any

import msgspec
import nibabel
import numpy as np
import pandas as pd
import pytest
from brain_trees import SETTINGS, Scene, make_scene, silent, write_case
from test_brain_nifti import CASE, labelled, open_tree, put, with_labels

from oncorobust.base.errors import InputError
from oncorobust.formats.brain_mets.labels import PRESETS
from oncorobust.formats.brain_mets.reader import open_brain_mets


def relabel(folder: Path, values: dict[int, int], *, cases: int = 2) -> None:
    """Write cases whose labels have other values; 0 removes a label."""
    for number in range(cases):
        scene = make_scene(seed=number)
        segmentation = scene.segmentation.copy()
        for old, new in values.items():
            segmentation[scene.segmentation == old] = new
        write_case(folder, f"BraTS-MET-{number:05d}-000", Scene(scene.values, segmentation))


@pytest.mark.parametrize(
    ("preset", "values"),
    [
        ("brats_mets", {}),
        ("brats_2017_to_2021", {3: 4}),
        ("msd_brain", {1: 2, 2: 1}),
        ("binary", {2: 0, 3: 1}),
    ],
)
def test_a_code_book_gives_the_same_metastases(tmp_path: Path, preset: Any, values: dict[int, int]) -> None:
    relabel(tmp_path, values)
    settings = msgspec.structs.replace(SETTINGS, labels=preset)
    raw = open_brain_mets(tmp_path, settings, seed=0, on_progress=silent)
    lesions = raw.index[raw.index["label"] == 1]
    np.testing.assert_allclose(lesions["diameter_mm"], [10.055396, 8.056976] * 2, rtol=0.05)
    stated = {**PRESETS[preset].metastasis, **PRESETS[preset].other}
    assert all(f"{value} {name} in 2 (" in raw.notes[0] for name, value in stated.items())


def test_code_books_that_do_not_fit(tmp_path: Path) -> None:
    relabel(tmp_path / "old", {3: 4})
    fits = (
        r"got 1, 2, 4 in .*00000-000-seg.*`labels` to brats_2017_to_2021, if that is this data set, or this tree's own"
    )
    with pytest.raises(InputError, match=fits):
        open_tree(tmp_path / "old")
    newest = msgspec.structs.replace(SETTINGS, labels="brats_mets_2025")
    with pytest.raises(InputError, match=r"got 1, 2, 4 but never 3 \(enhancing\) in .*old; .* to brats_2017_to_2021"):
        open_brain_mets(tmp_path / "old", newest, seed=0, on_progress=silent)
    relabel(tmp_path / "mask", {1: 1, 2: 0, 3: 1})
    with pytest.raises(InputError, match=r"got 1 but never 2 \(oedema\) or 3 \(enhancing\) in .*mask; .* to binary,"):
        open_tree(tmp_path / "mask")
    relabel(tmp_path / "own", {1: 255, 2: 0, 3: 255})
    raw = open_brain_mets(tmp_path / "own", labelled(metastasis={"lesion": 255}), seed=0, on_progress=silent)
    assert raw.notes[0].startswith("labels of 2 segmentations: 255 lesion in 2 (140 voxels); metastases are")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_labels_stored_through_a_scale(tmp_path: Path, dtype: type) -> None:
    """nibabel writes scl_slope if values of get_fdata() are saved with a header of whole numbers."""
    place = write_case(tmp_path, CASE, make_scene())
    expected = open_tree(tmp_path)
    path = place / f"{CASE}-seg.nii.gz"
    original: Any = nibabel.load(path)
    header = original.header.copy()
    header.set_data_dtype(dtype)
    nibabel.save(nibabel.Nifti1Image(original.get_fdata(), original.affine, header), path)
    written: Any = nibabel.load(path)
    assert (written.get_fdata() % 1).any() or dtype is np.uint8, "not whole as nibabel reads them"
    scaled = open_tree(tmp_path)
    pd.testing.assert_frame_equal(scaled.index, expected.index)
    assert scaled.notes == expected.notes


@pytest.mark.parametrize(("value", "accepted"), [(2.991, True), (3.009, True), (2.98, False), (0.02, False)])
def test_the_tolerance_of_labels(tmp_path: Path, value: float, accepted: bool) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    with_labels(lambda labels: put(labels, value))(place)
    if accepted:
        assert "3 enhancing in 1 (61 voxels)" in open_tree(tmp_path).notes[0]
    else:
        with pytest.raises(InputError, match=rf"whole labels \(within 0\.01\), got {value} in"):
            open_tree(tmp_path)
