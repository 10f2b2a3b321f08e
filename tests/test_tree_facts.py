"""Facts about raw trees from their files, against hand-made images and those of pydicom and nibabel."""

from pathlib import Path
from typing import Any

import nibabel.testing
import numpy as np
import pandas as pd
import pydicom.data
import pytest
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.data.tree_facts import SAMPLED, count_splits, read_facts
from oncorobust.formats.dicom.display import read_display
from oncorobust.formats.open_raw import open_raw
from oncorobust.formats.recognise import FORMATS, default_format, recognise
from oncorobust.settings.base import tag
from oncorobust.settings.data import Lidc, Manifest, Preprocess, Split
from oncorobust.settings.new_dataset_facts import Facts


def silent(*_: object) -> None:
    """Report no progress."""


def write_manifest(tree: Path, files: dict[str, str]) -> None:
    """List files with their labels, each a patient of its own."""
    rows = [[f"i{n}", file, label, f"p{n}"] for n, (file, label) in enumerate(files.items())]
    frame = pd.DataFrame(rows, columns=["image_id", "path", "label", "patient_id"])
    frame.to_csv(tree / "manifest.csv", index=False)


def write_pictures(tree: Path, images: list[np.ndarray]) -> None:
    """Write PNG files of two classes in turn, and their manifest."""
    tree.mkdir(parents=True, exist_ok=True)
    for number, values in enumerate(images):
        Image.fromarray(values).save(tree / f"{number}.png")
    write_manifest(tree, {f"{number}.png": "ab"[number % 2] for number in range(len(images))})


def facts_of(tree: Path) -> Facts:
    return read_facts(open_raw(tree, Manifest(), seed=0, on_progress=silent), tree, on_progress=silent)


def test_sizes_channels_and_values_of_pictures(tmp_path: Path) -> None:
    grey = np.full((40, 50), 200, dtype=np.uint8)
    grey[0, 0] = 7
    colour = np.zeros((30, 30, 3), dtype=np.uint8)
    colour[0, 0, 0] = 255
    faint = np.full((20, 20, 3), 100, dtype=np.uint8)
    faint[0, 0, 0] = 116  # 16 of 255 is above a sixteenth, 15 is not
    faint[0, 0, 1:] = 101
    write_pictures(tmp_path, [grey, np.stack([grey] * 3, axis=2), colour, faint])
    found = facts_of(tmp_path)
    assert found.images == found.patients == {"a": 2, "b": 2}
    assert (found.side, found.long_share) == (35, 0.5)  # smaller sides 40, 40, 30, 20
    assert (found.limits, found.values) == (((0.0, 255.0),), (0.0, 255.0))
    assert found.channels == ("colour", "faint", "grey")
    assert (found.windows, found.modalities, found.splits) == ((), (), {})


def test_large_trees_are_sampled_evenly(tmp_path: Path) -> None:
    write_pictures(tmp_path, [np.full((4, 4), n % 250, dtype=np.uint8) for n in range(SAMPLED + 44)])
    found = facts_of(tmp_path)
    assert (found.n_sampled, sum(found.images.values())) == (SAMPLED, SAMPLED + 44)


def dicom_tree(tree: Path, *changes: dict[str, Any]) -> Path:
    """Write copies of pydicom's CT slice with changed elements."""
    tree.mkdir(parents=True)
    for number, change in enumerate(changes):
        file = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
        file.SOPInstanceUID = f"1.2.3.{number}"
        for name, value in change.items():
            setattr(file, name, value)
        file.save_as(tree / f"{number}.dcm")
    write_manifest(tree, {f"{number}.dcm": "ab"[number % 2] for number in range(len(changes))})
    return tree


def test_dicom_states_modality_and_window(tmp_path: Path) -> None:
    lung = {"WindowCenter": "-600", "WindowWidth": "1500"}
    found = facts_of(dicom_tree(tmp_path / "same", lung, lung))
    assert (found.windows, found.modalities, found.unit) == (((-1350.0, 150.0),), ("CT",), "HU")
    assert found.side == 128  # rows and columns of CT_small.dcm
    several = facts_of(
        dicom_tree(tmp_path / "two", lung, {"WindowCenter": ["40", "50"], "WindowWidth": ["400", "500"]})
    )
    assert several.windows == ((-1350.0, 150.0), (-160.0, 240.0))
    assert facts_of(dicom_tree(tmp_path / "none", lung, {})).windows == ()


def test_files_without_a_window_or_of_other_kinds_state_none(tmp_path: Path) -> None:
    shown = read_display(Path(pydicom.data.get_testdata_file("MR_small.dcm")))
    assert shown is not None
    assert shown.modality == "MR"
    assert read_display(Path(nibabel.testing.data_path) / "anatomical.nii") is None
    zero = dicom_tree(tmp_path / "zero", {"WindowCenter": "1", "WindowWidth": "0"}) / "0.dcm"
    found = read_display(zero)
    assert found is not None
    assert found.window is None


def test_splits_are_counted_as_preprocess_draws_them(tmp_path: Path) -> None:
    write_pictures(tmp_path, [np.full((4, 4), n, dtype=np.uint8) for n in range(36)])
    raw = open_raw(tmp_path, Manifest(), seed=0, on_progress=silent)
    rules = Preprocess(
        format=Manifest(),
        crop_fraction=1.0,
        size=32,
        intensity_range="format",
        balance="none",
        split=Split(unit="patient", use_given=False, test_one_in=3, validation_one_in=6),
        duplicates="group",
        per_class=None,
        max_images=None,
    )
    assert count_splits(raw, rules, seed=0, where="data/raw/x") == {"train": 20, "validation": 4, "test": 12}
    write_pictures(tmp_path, [np.full((4, 4), n, dtype=np.uint8) for n in range(4)])
    few = open_raw(tmp_path, Manifest(), seed=0, on_progress=silent)
    with pytest.raises(
        InputError, match=r"^data/raw/x: split.test_one_in is 3: expected a class of at least 3 patients"
    ):
        count_splits(few, rules, seed=0, where="data/raw/x")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("manifest.csv", "manifest"),
        ("t10k-images-idx3-ubyte.gz", "mnist"),
        ("train-images.idx3-ubyte", "mnist"),
        ("cifar-10-batches-py/data_batch_1", "cifar10"),
        ("test_batch.bin", "cifar10"),
        ("mass_case_description_test_set.csv", "cbis_ddsm"),
        ("tcia-diagnosis-data-2012-04-20.xls", "lidc"),
        ("case1/case1-seg.nii.gz", "brain_mets"),
        ("lesions.csv", "brain_mets"),
        ("candidates_V2.csv", "luna16"),
    ],
)
def test_formats_are_recognised_by_a_name(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    assert recognise(tmp_path) == name


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_default_settings(tmp_path: Path, name: str) -> None:
    assert tag(default_format(name, tmp_path)) == name


def test_other_trees_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").touch()
    with pytest.raises(InputError, match=r"got only files ending in .dcm: `oncorobust manifest FOLDER --name"):
        recognise(tmp_path)
    (tmp_path / "reads.xml").touch()
    assert recognise(tmp_path) == "lidc"


def test_diagnoses_count_where_they_are(tmp_path: Path) -> None:
    without = default_format("lidc", tmp_path)
    (tmp_path / "tcia-diagnosis-data-2012-04-20.xls").touch()
    found = default_format("lidc", tmp_path)
    assert isinstance(without, Lidc)
    assert isinstance(found, Lidc)
    assert (without.pathology_methods, found.pathology_methods) == ((), (2, 3))
