"""Raw values changed on the whole slice, then cropped and converted as `preprocess` does; trees that are refused."""

import copy
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import yaml
from PIL import Image
from test_image_files import write_dicom
from test_phantom_trees import silent, written
from volume_trees import write_manifest

from oncorobust.base.errors import InputError
from oncorobust.data.conversion import centre_crop, resize, to_unit_interval
from oncorobust.data.dataset import load
from oncorobust.formats.image_files import read_image
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.records import Scan
from oncorobust.pipeline.changed_scans import ChangedScans, open_changed_scans, stated
from oncorobust.pipeline.raw_tree import check_as_preprocessed
from oncorobust.pipeline.stages.preprocess import preprocess
from oncorobust.settings.acquisition import Acquisition
from oncorobust.settings.load import parse_params
from oncorobust.settings.pipeline import Params

DEMO = yaml.safe_load((Path(__file__).parents[1] / "presets" / "demo.yaml").read_text(encoding="utf-8"))
LOW, HIGH = -3000.0, 3000.0
"""A window that clips nothing, so that a shift in HU keeps its size."""


def params_with(acquisition: dict[str, Any] | None, **changes: Any) -> Params:
    content = copy.deepcopy(DEMO)
    content["run"]["datasets"] = ["lidc"]
    content["acquire"] = {}
    block = content["datasets"]["lidc"]
    block["acquisition"] = acquisition
    block["preprocess"] |= {"intensity_range": [LOW, HIGH], "crop_fraction": 0.8, **changes}
    return parse_params(content)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LIDC phantom of 20 nodules, preprocessed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data/raw").mkdir(parents=True)
    written(folder / "data/raw/lidc", "lidc")
    (folder / "data/processed/lidc").mkdir(parents=True)
    with chdir(folder):
        preprocess("lidc", params_with(None))
    return folder


@pytest.fixture
def inside(project: Path) -> Iterator[Path]:
    with chdir(project):
        yield project


def changed_scans(changes: Any, **settings: Any) -> ChangedScans:
    data = load("data/processed/lidc").select("test")
    return open_changed_scans(data, params_with({"changes": changes, **settings}), on_progress=silent)


def series_of(folder: Path, source: str) -> list[tuple[float, Path]]:
    """The z and the file of each slice in the folder of a file, by z."""
    files = (folder / "data/raw/lidc" / source).parent.glob("*.dcm")
    return sorted((float(pydicom.dcmread(one).ImagePositionPatient[2]), one) for one in files)


def test_a_shift_in_hu_moves_the_processed_image_by_its_share_of_the_window(inside: Path) -> None:
    scans = changed_scans({"hu_shift": [5, 60]})
    for position in range(len(scans.data)):
        before = scans.data.pixels[scans.data.rows["position"].iloc[position]]
        assert before.min() > (-1024 - LOW) / (HIGH - LOW), "the format limits values to air, -1024 HU"
        found = scans(position)
        assert not found.not_possible
        assert [(one.severity, one.unit, one.level) for one in found.images] == [(5, "HU", 1), (60, "HU", 2)]
        for level, image in found.images.items():
            np.testing.assert_allclose(image - before, level.severity / (HIGH - LOW), atol=1e-6)


def test_a_thicker_slice_is_the_mean_of_the_slices_of_its_series(inside: Path) -> None:
    scans = changed_scans({"slice_thickness": [7.5]})
    steps = {}
    for position, source in enumerate(scans.data.rows["source"]):
        (first, _), (second, _), *_ = series_of(inside, source)
        steps[second - first] = position
    position = steps[2.5]  # three slices of 2.5 mm
    row = scans.data.rows.iloc[position]
    slices = series_of(inside, row["source"])
    (own,) = [at for at, (_, file) in enumerate(slices) if file == inside / "data/raw/lidc" / row["source"]]
    beside = [read_image(slices[at][1]).values.astype(np.float64) for at in (own - 1, own, own + 1)]
    mean = np.mean(beside, axis=0).astype(np.float32)
    ((_, image),) = scans(position).images.items()
    raw = scans.raw.index.set_index("image_id").loc[row["image_id"]]
    side = int(raw["stored_side"])
    top, left = (int(np.ceil(raw[name] - side / 2)) for name in ("row", "col"))
    assert min(top, left) >= 0, "the crop lies inside the slice"
    crop = np.maximum(mean[top : top + side, left : left + side], -1024)
    unit = to_unit_interval(centre_crop(crop, fraction=0.8), low=LOW, high=HIGH)
    np.testing.assert_allclose(image, resize(unit[:, :, None], size=32), atol=1e-6)
    assert np.abs(image - scans.data.pixels[row["position"]]).max() > 1e-3


def test_every_change_of_ct_applies_and_draws_depend_on_image_change_and_level_alone(inside: Path) -> None:
    scans = changed_scans("possible")
    found = scans(1)
    names = [one.change for one in found.images]
    assert {"dose_noise", "kernel_sharp", "slice_thickness", "hu_shift", "rotation"} <= set(names)
    assert set(names).isdisjoint(found.not_possible)
    assert found.not_possible["bias_field"] == "needs MR, found CT"
    assert set(names) | set(found.not_possible) == set(scans.titles)
    alone = changed_scans({"dose_noise": "literature"})
    alone(0)
    again = alone(1).images
    assert len(again) == 5
    for level, image in again.items():
        assert image.tobytes() == found.images[level].tobytes()
    noise = [image - scans.data.pixels[scans.data.rows["position"].iloc[1]] for image in again.values()]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2, "each level has a generator of its own"


def test_a_raw_file_that_changed_is_refused_by_name(inside: Path) -> None:
    scans = changed_scans({"hu_shift": [5]})
    row = scans.data.rows.iloc[0]
    path = inside / "data/raw/lidc" / row["source"]
    before = path.read_bytes()
    try:
        file = pydicom.dcmread(path)
        file.PixelData = np.full_like(file.pixel_array, 100).tobytes()
        file.save_as(path)
        with pytest.raises(InputError, match="expected raw values that give the processed image, got another") as error:
            scans(0)
        assert str(error.value).startswith(f"data/raw/lidc/{row['source']}, image {row['image_id']}: ")
        with pytest.raises(
            InputError, match=rf"^data/raw/lidc: {row['source']} has changed since stage preprocess read"
        ):
            check_as_preprocessed(Path(), "lidc", on_progress=silent)
    finally:
        path.write_bytes(before)
    scans(0)
    check_as_preprocessed(Path(), "lidc", on_progress=silent)


def test_a_modality_that_contradicts_the_headers_is_refused(inside: Path) -> None:
    with pytest.raises(InputError, match=r"expected modality MR, as in datasets\.lidc\.acquisition\.modality, got CT$"):
        changed_scans("possible", modality="MR")


def test_where_no_change_applies_the_reason_for_each_is_listed(inside: Path) -> None:
    told = (
        r"^datasets\.lidc\.acquisition: expected a change that applies to the images of lidc, got none: "
        r"bias_field needs MR, found CT; blur needs MG, found CT \(state what made the images"
    )
    with pytest.raises(InputError, match=told):
        changed_scans({"bias_field": [10], "blur": "literature"})


def test_another_conversion_than_that_of_the_processed_images_is_refused(inside: Path) -> None:
    data = load("data/processed/lidc").select("test")
    params = params_with({"changes": {"hu_shift": [5]}}, crop_fraction=0.7)
    with pytest.raises(InputError, match="expected raw values that give the processed image, got another one"):
        open_changed_scans(data, params, on_progress=silent)


def as_stated(scan: Scan, modality: Any) -> Scan:
    return stated(scan, Acquisition(modality=modality), where="a.png, image a", block="datasets.a.acquisition")


def test_pictures_of_ct_stay_grey_levels_and_volumes_of_ct_are_in_hu(tmp_path: Path) -> None:
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(tmp_path / "a.png")
    picture = open_manifest(write_manifest(tmp_path, "path", "a.png", "a.png")).scan(0)
    assert (as_stated(picture, "CT").modality, as_stated(picture, "CT").unit) == ("CT", "grey level")
    assert as_stated(picture, "auto") == picture
    np.save(tmp_path / "a.npy", np.zeros((6, 10), dtype=np.float32))
    array = open_manifest(write_manifest(tmp_path, "path", "a.npy", "a.npy")).scan(0)
    assert as_stated(array, "CT").unit == "stored value", "an array without geometry may be scaled"
    nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 4), dtype=np.int16), np.diag([-1.0, -1, 2, 1])), tmp_path / "v.nii")
    volume = open_manifest(write_manifest(tmp_path, "path,slice", "v.nii,1", "v.nii,2")).scan(0)
    assert (as_stated(volume, "CT").modality, as_stated(volume, "CT").unit) == ("CT", "HU")
    assert as_stated(volume, "MR").unit == "stored value"
    write_dicom(tmp_path / "m.dcm", np.ones((6, 10), dtype=np.uint16), Modality="MG")
    mammogram = open_manifest(write_manifest(tmp_path, "path", "m.dcm", "m.dcm")).scan(0)
    with pytest.raises(InputError, match=r"^a\.png, image a: expected modality CT, as in .*, got MG$"):
        as_stated(mammogram, "CT")
