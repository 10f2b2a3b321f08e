"""Lesion boxes from the readers' trees to pixels of the processed image, by hand and over the lesions of phantoms."""

from pathlib import Path

import lidc_trees as trees
import numpy as np
import pandas as pd
import pytest
from brain_trees import LESIONS, make_scene, silent, write_case, write_lesions, write_series
from brain_trees import SETTINGS as BRAIN
from test_brain_dicom import rows_of
from test_lidc_labels import SETTINGS as LIDC
from test_preprocess import make_settings

from oncorobust.acquire.phantoms.brain_mets_tree import write_brain_mets_nifti_phantom, write_brain_mets_phantom
from oncorobust.acquire.phantoms.cbis_ddsm_tree import write_cbis_ddsm_phantom
from oncorobust.acquire.phantoms.lidc_tree import write_lidc_phantom
from oncorobust.attacks.regions import background_reach, has_lesion_box, lesion_reach
from oncorobust.base.files import write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.data.dataset import LabelledImages, read_dataset, write_images
from oncorobust.data.preprocess import process
from oncorobust.formats.brain_mets.reader import open_brain_mets
from oncorobust.formats.cbis_ddsm.reader import open_cbis_ddsm
from oncorobust.formats.lesion_boxes import LESION_BOX, Box, box_around, box_columns, box_of_pixels, resize_boxes
from oncorobust.formats.lidc.consensus import find_place
from oncorobust.formats.lidc.geometry import PlacedContour
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import BrainMets, CbisDdsm, Lidc, Phantom

PHANTOM = Phantom(n_images=20, difficulty=1.0, seed=5)
HU_WINDOW = (-1000.0, 400.0)
WHOLE_LIDC = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(), crop_mm=50.0)
WHOLE_BRAIN = BrainMets(crop_mm=40.0, min_distance_mm=10.0, max_per_patient=None)


def edges(index: pd.DataFrame) -> list[list[float]]:
    return index[list(LESION_BOX)].to_numpy().tolist()


def through_files(raw: RawImages, folder: Path, **settings: object) -> LabelledImages:
    """A processed data set, written and read back as every stage reads it."""
    processed = process(raw, make_settings(**settings), dataset="phantom", seed=0)
    paths = [folder / name for name in ("images.npy", "index.csv", "summary.json")]
    write_images(paths[0], processed.images, shape=processed.shape, on_progress=silent)
    write_csv(paths[1], processed.index)
    write_results(paths[2], processed.summary)
    return read_dataset(*paths)


def test_boxes_by_hand() -> None:
    assert box_of_pixels(np.array([4, 3, 5]), np.array([7, 7, 7])) == Box(3.0, 7.0, 6.0, 8.0)
    assert box_around(10.0, 20.5, diameter=5.0) == Box(8.0, 18.5, 13.0, 23.5)
    columns = box_columns(Box(8.0, 18.5, 13.0, 40.0), top=10, left=10, side=12)
    assert columns == {
        "lesion_top": 0.0,
        "lesion_left": 8.5,
        "lesion_bottom": 3.0,
        "lesion_right": 12.0,
        "stored_side": 12,
    }
    assert np.isnan([box_columns(None, top=0, left=0, side=12)[name] for name in LESION_BOX]).all()


def test_boxes_follow_crop_and_resize() -> None:
    box, none = Box(17.0, 5.0, 24.0, 38.0), None
    index = pd.DataFrame([box_columns(box, top=0, left=0, side=40), box_columns(none, top=0, left=0, side=7)])
    assert edges(resize_boxes(index, crop_fraction=1.0, size=32))[0] == pytest.approx([13.6, 4, 19.2, 30.4])
    half = resize_boxes(index, crop_fraction=0.5, size=32)  # pixels 10 to 29, each 1.6 wide; the other begins with 2
    assert edges(half)[0] == pytest.approx([11.2, 0, 22.4, 32])
    assert np.isnan(edges(half)[1]).all()
    assert half["stored_side"].tolist() == [40, 7]
    other = index[["stored_side"]].rename(columns={"stored_side": "side"})
    assert resize_boxes(other, crop_fraction=0.5, size=32) is other


def test_a_lesion_that_the_crop_leaves_out_has_no_box() -> None:
    boxes = {
        "lesion_top": [1.0, 9.0],
        "lesion_left": [1.0, 9.0],
        "lesion_bottom": [4.0, 31.0],
        "lesion_right": [4.0, 31.0],
    }
    index = resize_boxes(pd.DataFrame({**boxes, "stored_side": [40, 40]}), crop_fraction=0.5, size=32)
    assert has_lesion_box(index).tolist() == [False, True]
    assert edges(index)[1] == [0, 0, 32, 32]


def test_the_box_of_a_nodule_is_the_consensus_s() -> None:
    def outline(row: int, col: int, half: int) -> PlacedContour:
        points = np.array([(y, x) for x, y in trees.square(row, col, half)])
        return PlacedContour(slice=0, included=True, points=points)

    readers = [[outline(10, 10, 3)], [outline(10, 12, 3)], [outline(10, 30, 3)]]
    assert find_place(readers, where="a").box == Box(8.0, 10.0, 13.0, 13.0), (
        "columns 10 to 12 of two readers out of three"
    )


def test_a_nodule_from_tree_to_processed_image(tmp_path: Path) -> None:
    """Pixels 17 to 23 of 40 in the square of 20 mm; outlines reach one pixel further and do not count."""
    trees.write_tree(tmp_path, [trees.annotate(4, session=session) for session in (1, 2, 3)])
    raw = open_lidc(tmp_path, LIDC, on_progress=silent)
    assert edges(raw.index) == [[17, 17, 24, 24]] * 2
    index = resize_boxes(raw.index, crop_fraction=1.0, size=40)
    reach = lesion_reach(index, (40, 40))[0, :, :, 0]
    slice_rows, slice_columns = np.nonzero(reach)
    assert (slice_rows.min() + 10, slice_rows.max() + 10) == (27, 33)
    assert (slice_columns.min() + 20, slice_columns.max() + 20) == (37, 43)


def test_a_nodule_at_the_edge_of_the_slice(tmp_path: Path) -> None:
    trees.write_tree(tmp_path, [trees.annotate(4, row=4, col=59)])
    raw = open_lidc(tmp_path, LIDC, on_progress=silent)
    assert edges(raw.index)[0] == [17, 17, 24, 24], "the square begins 16 rows above the slice"


def test_metastases_of_both_layouts(tmp_path: Path) -> None:
    """Spheres of 5 and 4 mm, pixels of 2 mm: two pixels on each side of the centre, which is the square's seventh."""
    scene = make_scene()
    write_case(tmp_path / "nifti", "BraTS-MET-00002-000", scene)
    nifti = open_brain_mets(tmp_path / "nifti", BRAIN, seed=0, on_progress=silent).index
    assert edges(nifti)[:2] == [[4, 4, 9, 9]] * len(LESIONS)
    write_series(tmp_path / "dicom" / "t1", scene.values, scene.affine)
    write_lesions(tmp_path / "dicom", rows_of(scene.affine))
    dicom = open_brain_mets(tmp_path / "dicom", BRAIN, seed=0, on_progress=silent).index
    np.testing.assert_allclose(edges(dicom)[:2], [[4, 4, 9, 9], [4.5, 4.5, 8.5, 8.5]], atol=1e-9)
    for index in (nifti, dicom):
        assert index["stored_side"].tolist() == [12] * 4
        assert has_lesion_box(index).tolist() == [True, True, False, False]


def contrast(data: LabelledImages) -> np.ndarray:
    """Mean inside of the box minus mean of the rest, for each image that has a box."""
    data = data.take(np.flatnonzero(has_lesion_box(data.rows)))
    x = data.images()[..., :1]
    lesion, rest = (reach(data.rows, x.shape[1:3]) for reach in (lesion_reach, background_reach))
    found: np.ndarray = (x * lesion).sum(axis=(1, 2, 3)) / lesion.sum(axis=(1, 2, 3))
    found -= (x * rest).sum(axis=(1, 2, 3)) / rest.sum(axis=(1, 2, 3))
    return found


def test_boxes_hold_the_bright_nodules_of_phantoms(tmp_path: Path) -> None:
    write_lidc_phantom(tmp_path, PHANTOM)
    raw = open_lidc(tmp_path, WHOLE_LIDC, on_progress=silent)
    data = through_files(raw, tmp_path, intensity_range=HU_WINDOW, crop_fraction=0.9)
    assert has_lesion_box(data.rows).all()
    difference = contrast(data)
    assert (difference > 0.1).all(), difference


@pytest.mark.parametrize("write", [write_brain_mets_phantom, write_brain_mets_nifti_phantom])
def test_boxes_hold_the_bright_metastases_of_phantoms(tmp_path: Path, write: object) -> None:
    assert callable(write)
    write(tmp_path, PHANTOM)
    raw = open_brain_mets(tmp_path, WHOLE_BRAIN, seed=0, on_progress=silent)
    data = through_files(raw, tmp_path, intensity_range=(0.0, 1.0))
    np.testing.assert_array_equal(has_lesion_box(data.rows), data.labels == 1)
    difference = contrast(data)
    assert (difference > 0).mean() > 0.8, difference
    assert np.median(difference) > 0.05, difference


def test_cropped_mammograms_have_no_box(tmp_path: Path) -> None:
    write_cbis_ddsm_phantom(tmp_path, PHANTOM)
    settings = CbisDdsm(abnormalities=("mass",))
    raw = open_cbis_ddsm(tmp_path, settings, on_progress=silent)
    assert not has_lesion_box(through_files(raw, tmp_path, format=settings).rows).any()
