"""Brain volumes in NIfTI: the same crops whatever the stored axes, patients, and what is refused."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import nibabel
import numpy as np
import pandas as pd
import pytest
from brain_trees import (
    LESIONS,
    SETTINGS,
    SHAPE,
    Scene,
    distance_mm,
    make_scene,
    silent,
    to_nifti,
    write_case,
)

from oncorobust.base.errors import InputError
from oncorobust.formats.brain_mets.reader import UNIT, open_brain_mets
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import BrainMets, SegmentationLabels

CASE = "BraTS-MET-00002-000"


def open_tree(folder: Path, *, seed: int = 0) -> RawImages:
    return open_brain_mets(folder, SETTINGS, seed=seed, on_progress=silent)


def labelled(**labels: dict[str, int]) -> BrainMets:
    return msgspec.structs.replace(SETTINGS, labels=SegmentationLabels(**labels))


def crops(raw: RawImages) -> np.ndarray:
    return np.stack([raw.read(position).values for position in range(len(raw.index))])


def test_rows_and_crops_of_a_case(tmp_path: Path) -> None:
    scene = make_scene()
    write_case(tmp_path, CASE, scene)
    raw = open_tree(tmp_path)
    index = raw.index
    assert index["image_id"].tolist() == [f"{CASE}-{kind}-{n}" for kind in ("lesion", "negative") for n in (1, 2)]
    assert index["label"].tolist() == [1, 1, 0, 0]
    assert set(index["patient_id"]) == {"00002"}
    assert set(index["source"]) == {f"nifti/{CASE}/{CASE}-t1c.nii.gz"}
    assert raw.class_names == ("no metastasis", "metastasis")
    assert (raw.synthetic, raw.verified, raw.intensity_unit) == (False, "unverified", UNIT)
    assert raw.notes == (
        "labels of 1 segmentations: 1 necrosis in 1 (10 voxels), 2 oedema in 1 (134 voxels), 3 enhancing in 1 "
        "(60 voxels); metastases are the components of necrosis and enhancing",
    )
    low, high = np.percentile(scene.values[scene.values != 0], (0.5, 99.5))
    for position, (slice_, row, column) in enumerate(LESIONS):
        place = scene.affine @ (slice_, row, column, 1)
        np.testing.assert_allclose(index.loc[position, ["x_mm", "y_mm", "z_mm"]].astype(float), place[:3])
        expected = scene.values[slice_, row - 6 : row + 6, column - 6 : column + 6]  # 24 mm in pixels of 2 mm
        image = raw.read(position)
        np.testing.assert_allclose(image.values, (expected - low) / (high - low), atol=1e-6)
        assert image.limits == (0, 1)
    assert index["diameter_mm"].isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize("axes", ["RAS", "LPI", "SAR", "PIL", "AIR"])
def test_crops_do_not_depend_on_the_order_of_voxels(tmp_path: Path, axes: str) -> None:
    write_case(tmp_path / "a", CASE, make_scene())
    write_case(tmp_path / "b", CASE, make_scene(), axes=axes)
    first, second = open_tree(tmp_path / "a"), open_tree(tmp_path / "b")
    np.testing.assert_array_equal(crops(first), crops(second))
    pd.testing.assert_frame_equal(first.index, second.index)


def test_a_sphere_in_an_oblique_volume(tmp_path: Path) -> None:
    """A sphere around a known place in the patient; the image grows to the left, which is where columns go."""
    angle = np.radians(15)
    affine = np.zeros((4, 4))
    affine[:3, 0] = np.array((0, np.sin(angle), np.cos(angle))) * 3
    affine[:3, 1] = np.array((0, np.cos(angle), -np.sin(angle))) * 1.5
    affine[:3, 2] = np.array((1, 0, 0)) * 1.5
    affine[:, 3] = (-45, -40, -60, 1)
    voxels = np.stack(np.meshgrid(*map(np.arange, (30, 60, 60)), np.ones(1), indexing="ij"))[..., 0]
    position = np.tensordot(affine, voxels, axes=1)[:3]
    centre = affine[:3] @ (14, 30, 20, 1)
    distance = np.sqrt(((position - centre.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    segmentation = np.where(distance <= 8, 3, 0).astype(np.uint8)
    write_case(tmp_path, CASE, Scene((1000 + position[0]).astype(np.float32), segmentation, affine), axes="RAS")
    raw = open_brain_mets(tmp_path, labelled(metastasis={"enhancing": 3}), seed=0, on_progress=silent)
    lesion = raw.index.iloc[0]
    np.testing.assert_allclose(lesion[["x_mm", "y_mm", "z_mm"]].astype(float), centre, atol=1e-4)
    assert abs(lesion["diameter_mm"] - 16) < 0.5
    span = np.subtract(*np.percentile(1000 + position[0], (99.5, 0.5)))
    image = raw.read(0).values
    np.testing.assert_allclose(np.diff(image, axis=1), 1.5 / span, atol=1e-4)
    np.testing.assert_allclose(np.diff(image, axis=0), 0, atol=1e-4)


def test_time_points_of_a_patient_stay_together(tmp_path: Path) -> None:
    for case in ("BraTS-MET-00002-000", "BraTS-MET-00002-001", "BraTS-MET-00017-000"):
        write_case(tmp_path, case, make_scene())
    index = open_tree(tmp_path).index
    assert index.groupby("patient_id").size().to_dict() == {"00002": 8, "00017": 4}
    (tmp_path / "cases.csv").write_text("case,patient_id\nBraTS-MET-00017-000,00002\n")
    assert set(open_tree(tmp_path).index["patient_id"]) == {"00002"}


def test_cases_of_other_names_need_a_list(tmp_path: Path) -> None:
    write_case(tmp_path, "scan-7", make_scene())
    message = r"scan-7-t1c\.nii.* case 'scan-7' is unknown \(expected .* named BraTS-MET-<patient>-<time point>, or"
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)
    (tmp_path / "cases.csv").write_text("case,patient_id\nscan-7,p7\n")
    assert set(open_tree(tmp_path).index["patient_id"]) == {"p7"}
    for text, message in (
        (
            "case,patient_id\nscan-7,p7\nscan-8,p7\n",
            r"cases\.csv: case 'scan-8' is not in the tree \(expected scan-8-t1c",
        ),
        ("case,patient_id\nscan-7,p7\nscan-7,p8\n", r"each case once, got 'scan-7' again in .*cases\.csv, line 3"),
        ("case,patient_id\nscan-7,\n", r"a value of patient_id, got an empty cell in .*cases\.csv, line 2"),
        ("case\nscan-7\n", r"one column `patient_id`, got none among case in .*cases\.csv"),
        ("case,patient_id\nscan-7\n", r"expected 2 cells, got 1 in .*cases\.csv, line 2"),
        ("case,patient_id\n", r"at least one row, got only a header in .*cases\.csv"),
    ):
        (tmp_path / "cases.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            open_tree(tmp_path)


def test_pairs_of_files(tmp_path: Path) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    (tmp_path / "again").mkdir()
    copy = tmp_path / "again" / f"{CASE}-seg.nii.gz"
    copy.write_bytes((place / copy.name).read_bytes())
    with pytest.raises(InputError, match=rf"each case once, got {CASE} in .*again.* and .*nifti"):
        open_tree(tmp_path)
    (place / f"{CASE}-seg.nii.gz").unlink()
    copy.unlink()
    with pytest.raises(InputError, match=rf"expected {CASE}-seg\.nii\.gz beside .*{CASE}-t1c\.nii\.gz, got none"):
        open_tree(tmp_path)


def test_a_case_without_tumour_is_left_out_and_noted(tmp_path: Path) -> None:
    write_case(tmp_path, CASE, make_scene())
    healthy = make_scene(seed=1)
    write_case(
        tmp_path,
        "BraTS-MET-00003-000",
        Scene(healthy.values, np.where(healthy.segmentation == 2, np.uint8(2), np.uint8(0))),
    )
    raw = open_tree(tmp_path)
    assert set(raw.index["patient_id"]) == {"00002"}
    assert raw.notes[1:] == ("1 cases have no metastasis: BraTS-MET-00003-000",)


def test_what_does_not_fit_is_noted(tmp_path: Path) -> None:
    write_case(tmp_path, CASE, make_scene())
    scene = make_scene(seed=1)
    scene.segmentation[0, ::6, ::6] = 2  # below the brain, and too near to everything in slice 1
    scene.segmentation[1] = 0
    scene.segmentation[1, 28:32, 20:36:2] = 3
    scene.values[1, 28:32, 20:36] = 500
    scene.segmentation[2:] = 0
    write_case(tmp_path, "BraTS-MET-00003-000", scene)
    notes = open_tree(tmp_path).notes
    assert notes[1:] == ("8 metastases have no negative region, because none fits, in 1 cases: BraTS-MET-00003-000",)


def test_one_class_only(tmp_path: Path) -> None:
    scene = make_scene()
    scene.values[scene.segmentation == 0] = 0
    write_case(tmp_path, CASE, scene)
    with pytest.raises(InputError, match="regions of both classes, got none of class no metastasis in"):
        open_tree(tmp_path)
    write_case(tmp_path, CASE, Scene(make_scene().values, np.where(make_scene().segmentation == 2, 2, 0).astype("u1")))
    with pytest.raises(InputError, match=r"got 2 but never 1 \(necrosis\) or 3 \(enhancing\) in"):
        open_tree(tmp_path)


def test_a_lesion_outside_of_the_brain(tmp_path: Path) -> None:
    scene = make_scene()
    scene.values[distance_mm((11, 33, 40)) < 8] = 0
    write_case(tmp_path, CASE, scene)
    place = r"\(25\.0, 5\.5, 12\.8\) mm with 0% of its voxels"
    with pytest.raises(InputError, match=rf"lesions in the brain, got one at {place} .* in .*-seg\.nii\.gz"):
        open_tree(tmp_path)


def with_image(edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda place: nibabel.save(
        to_nifti(edit(make_scene().values), make_scene().affine), place / f"{CASE}-t1c.nii.gz"
    )


def with_labels(edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda place: nibabel.save(
        to_nifti(edit(make_scene().segmentation), make_scene().affine), place / f"{CASE}-seg.nii.gz"
    )


def with_header(part: str, edit: Callable[[Any], None]) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        path = place / f"{CASE}-{part}.nii.gz"
        image = nibabel.load(path)
        image = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        edit(image)
        nibabel.save(image, path)

    return change


def without_codes(data: bytes) -> bytes:
    """The file with 0 as qform_code and sform_code, which nibabel itself would not write."""
    header = bytearray(gzip.decompress(data))
    header[252:256] = bytes(4)
    return gzip.compress(bytes(header))


def shift(distance_mm: float) -> Callable[[Any], None]:
    def move(image: Any) -> None:
        affine = image.affine.copy()
        affine[0, 3] += distance_mm
        image.set_sform(affine, code=1)

    return move


def shear(image: Any) -> None:
    affine = image.affine.copy()
    affine[1, 2] += 0.3
    image.set_sform(affine, code=1)


def stretch(image: Any) -> None:
    image.set_sform(image.affine @ np.diag((1.1, 1.0, 1.0, 1.0)), code=1)


def both(*edits: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        for edit in edits:
            edit(place)

    return change


def with_bytes(part: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        path = place / f"{CASE}-{part}.nii.gz"
        path.write_bytes(edit(path.read_bytes()))

    return change


def put(values: np.ndarray, value: float, dtype: type = np.float32) -> np.ndarray:
    changed = values.astype(dtype)
    changed[9, 30, 30] = value
    return changed


REJECTED = {
    "shape": (
        with_labels(lambda a: a[:, :, :-1]),
        r"expected 56 x 60 x 18 voxels as in .*t1c.*, got 55 x 60 x 18 in .*seg",
    ),
    "affine": (with_header("seg", shift(0.25)), r"the affine of .*t1c.*, got one that differs by 0\.25 mm in .*seg"),
    "fraction": (with_labels(lambda a: put(a, 1.5)), r"whole labels \(within 0\.01\), got 1\.5 in .*seg\.nii\.gz"),
    "nan label": (with_labels(lambda a: put(a, np.nan)), r"whole labels \(within 0\.01\), got nan in .*seg\.nii\.gz"),
    "label 5": (
        with_labels(lambda a: put(a, 5, np.int16)),
        r"0 and 1 \(necrosis\), 2 .*, got 1, 2, 3, 5 in .*seg\.nii\.gz; set",
    ),
    "label -1": (with_labels(lambda a: put(a, -1, np.int16)), r"labels 0 and .*, got -1, 1, 2, 3 in .*seg\.nii\.gz"),
    "nan": (with_image(lambda a: put(a, np.nan)), r"finite values, got 1 that are NaN or infinite in .*t1c\.nii\.gz"),
    "infinite": (
        with_image(lambda a: put(a, np.inf)),
        r"finite values, got 1 that are NaN or infinite in .*t1c\.nii\.gz",
    ),
    "all zero": (
        with_image(lambda a: a * 0),
        r"expected an image, got a volume in which every voxel is 0 in .*t1c\.nii\.gz",
    ),
    "no place": (with_bytes("t1c", without_codes), r"sform or a qform .*, got code 0 for both in .*t1c\.nii\.gz"),
    "shear": (with_header("t1c", shear), r"right angles, got an angle of 84\.\d\d degrees in .*t1c\.nii\.gz"),
    "oblong": (
        both(with_header("t1c", stretch), with_header("seg", stretch)),
        r"square pixels on the slices, got 2 x 2\.2 mm in .*t1c\.nii\.gz",
    ),
    "metres": (
        with_header("t1c", lambda image: image.header.set_xyzt_units("meter")),
        r"expected millimetres, got meter in .*t1c\.nii\.gz",
    ),
    "truncated": (with_bytes("t1c", lambda data: data[:4000]), r"a readable NIfTI volume, got .* in .*t1c\.nii\.gz"),
    "empty": (with_bytes("seg", lambda _: b""), r"a readable NIfTI volume, got .* in .*seg\.nii\.gz"),
    "not gzip": (with_bytes("t1c", lambda _: b"version https"), r"a readable NIfTI volume, got .* in .*t1c\.nii"),
    "not NIfTI": (
        with_bytes("t1c", lambda _: gzip.compress(bytes(1000))),
        r"a readable NIfTI volume, got .* in .*t1c\.nii",
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(tmp_path: Path, name: str) -> None:
    change, message = REJECTED[name]
    place = write_case(tmp_path, CASE, make_scene())
    change(place)
    with pytest.raises(InputError, match=message):
        open_tree(tmp_path)


def test_an_affine_within_the_tolerance(tmp_path: Path) -> None:
    with_header("seg", shift(0.0005))(write_case(tmp_path, CASE, make_scene()))
    assert len(open_tree(tmp_path).index) == 4


@pytest.mark.parametrize("part", ["t1c", "seg"])
@pytest.mark.parametrize("further", [1, 2])
def test_further_dimensions_of_length_one(tmp_path: Path, part: str, further: int) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    expected = open_tree(tmp_path)
    path = place / f"{CASE}-{part}.nii.gz"
    image: Any = nibabel.load(path)
    values = np.asarray(image.dataobj).reshape(*image.shape, *[1] * further)
    written = nibabel.Nifti1Image(values, image.affine, image.header)
    assert written.ndim == 3 + further
    nibabel.save(written, path)
    np.testing.assert_array_equal(crops(open_tree(tmp_path)), crops(expected))


def test_a_background_that_a_scale_moves_beside_0(tmp_path: Path) -> None:
    """nibabel stores an undershoot of interpolation and 0 on one scale, and 0 comes back as another value."""
    scene = make_scene()
    scene.values[8, 30, 28] = -37.3
    place = write_case(tmp_path, CASE, scene)
    expected = open_tree(tmp_path)
    path = place / f"{CASE}-t1c.nii.gz"
    original: Any = nibabel.load(path)
    original.header.set_data_dtype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(original.get_fdata(), original.affine, original.header), path)
    scaled: Any = nibabel.load(path)
    assert scaled.get_fdata()[0, 0, 0] != 0, "the background as nibabel reads it"
    raw = open_tree(tmp_path)
    pd.testing.assert_frame_equal(raw.index, expected.index)
    assert raw.notes == expected.notes
    np.testing.assert_allclose(crops(raw), crops(expected), atol=0.02)


def test_a_background_other_than_0(tmp_path: Path) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    with_image(lambda values: values - 400)(place)
    with pytest.raises(InputError, match=r"a background of 0, got -400 in all corners of .*t1c\.nii\.gz"):
        open_tree(tmp_path)
    noise = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    with_image(lambda values: values + noise + 1)(place)
    assert open_tree(tmp_path).notes[1] == (
        "1 cases have values other than 0 in more than 95% of their voxels, so negative regions may lie outside the "
        f"brain (expected volumes without skull and air): {CASE}"
    )


def test_four_dimensions(tmp_path: Path) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    values = np.stack([make_scene().values] * 2, axis=-1)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), place / f"{CASE}-t1c.nii.gz")
    with pytest.raises(InputError, match=r"a 3-D volume, got 18 x 60 x 56 x 2 voxels in .*t1c\.nii\.gz"):
        open_tree(tmp_path)


def test_more_voxels_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncorobust.formats.volume_header.MOST_VOXELS", 1000)
    write_case(tmp_path, CASE, make_scene())
    with pytest.raises(InputError, match=r"expected 1 to 1000 voxels, got 56 x 60 x 18 in .*nii\.gz"):
        open_tree(tmp_path)


def test_only_input_errors_leave_for_damaged_bytes(tmp_path: Path) -> None:
    place = write_case(tmp_path, CASE, make_scene())
    originals = {path: gzip.decompress(path.read_bytes()) for path in place.iterdir()}
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(60):
        path = list(originals)[number % 2]
        data = bytearray(originals[path])
        for position in rng.integers(0, 352, size=rng.integers(1, 6)):
            data[position] = rng.integers(256)
        path.write_bytes(gzip.compress(bytes(data), compresslevel=1))
        try:
            open_tree(tmp_path)
        except InputError as error:
            refused += 1
            assert str(tmp_path) in str(error)
        path.write_bytes(gzip.compress(originals[path], compresslevel=1))
    assert refused > 10


def test_marked_as_synthetic(tmp_path: Path) -> None:
    write_case(tmp_path, CASE, make_scene())
    (tmp_path / "SYNTHETIC.txt").touch()
    assert open_tree(tmp_path).synthetic
