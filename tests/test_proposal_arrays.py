"""NumPy archives: the names of their arrays, labels as bytes and NaN, patients, and the order of the axes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from proposal_trees import columns, propose
from test_proposal_messages import refusal

Captured = pytest.CaptureFixture[str]


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *(shape or (6, 7))), dtype=np.uint8)


def archive(tmp_path: Path, **arrays: Any) -> Path:
    (tmp_path / "x").mkdir()
    np.savez(tmp_path / "x" / "d.npz", **arrays)
    return tmp_path / "x"


@pytest.mark.parametrize(
    "name", ["{}_images {}_labels", "X_{} y_{}", "x_{} y_{}", "{}_imgs {}_labels", "data_{} labels_{}"]
)
@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_names_of_arrays(tmp_path: Path, name: str, validation: str) -> None:
    pictures, labels = name.split()
    arrays = {}
    for split in ("train", validation, "test"):
        arrays[pictures.format(split, split)] = images(4)
        arrays[labels.format(split, split)] = np.arange(4) % 2
    rows = propose(archive(tmp_path, **arrays))
    assert [row["split"] for row in rows].count("validation") == 4
    assert len(rows) == 12


def test_labels_of_bytes_are_text_and_arrays_without_use_are_named(tmp_path: Path, capsys: Captured) -> None:
    labels = np.array([b"benign", b"malignant"] * 2)
    rows = propose(archive(tmp_path, images=images(4), labels=labels, notes=np.zeros(3)))
    assert columns(rows, "label") == [("benign",), ("malignant",)] * 2
    printed = capsys.readouterr().out
    assert "the labels are numbers" not in printed
    assert "left out: 1 arrays of d.npz are not used\n    notes" in printed


def test_labels_that_are_missing(tmp_path: Path, capsys: Captured) -> None:
    folder = archive(tmp_path, images=images(6), labels=np.array([0, 1, 0, 1, np.nan, np.nan]))
    said = refusal(folder, capsys)
    assert "labels: expected a label for each image, got none (NaN or empty) for 2 of 6, the first at 4" in said


@pytest.mark.parametrize("name", ["patient_id", "Patients"])
def test_patients_of_an_array(tmp_path: Path, capsys: Captured, name: str) -> None:
    arrays = {"images": images(6), "labels": np.arange(6) % 2, name: np.array([1, 1, 2, 2, 3, 3])}
    rows = propose(archive(tmp_path, **arrays))
    assert columns(rows, "patient_id") == [("1",), ("1",), ("2",), ("2",), ("3",), ("3",)]
    assert f"the patients are in {name}" in capsys.readouterr().out


def test_patients_of_another_length_are_not_used_and_named(tmp_path: Path, capsys: Captured) -> None:
    rows = propose(archive(tmp_path, images=images(4), labels=np.arange(4) % 2, patient_id=np.arange(3)))
    assert rows[0]["patient_id"] == "d-images-0"
    assert "1 arrays of d.npz are not used\n    patient_id" in capsys.readouterr().out


def test_channels_that_come_first(tmp_path: Path, capsys: Captured) -> None:
    folder = archive(tmp_path, images=images(4, 3, 8, 8), labels=np.arange(4) % 2)
    assert "got 4 x 3 x 8 x 8 (channels come first: move them to the end)" in refusal(folder, capsys)
