"""Brain metastases of either layout: the cap per patient, reproducible draws, one volume in memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brain_trees import SETTINGS, make_scene, silent, write_case

from oncorobust.formats.brain_mets import nifti as brain_nifti
from oncorobust.formats.brain_mets.reader import keep_at_most, open_brain_mets
from oncorobust.settings.data import BrainMets


def test_each_class_of_each_patient_is_capped_over_all_time_points() -> None:
    index = pd.DataFrame(
        {
            "patient_id": ["a"] * 6 + ["b"] * 3,
            "label": [1, 1, 0, 0, 1, 0, 1, 1, 0],
            "lesion": [1, 2, 1, 2, 3, 3, 1, 2, 1],
        }
    )
    kept = keep_at_most(index, max_per_patient=2, seed=0)
    assert kept.groupby(["patient_id", "label"]).size().to_dict() == {
        ("a", 0): 2,
        ("a", 1): 2,
        ("b", 0): 1,
        ("b", 1): 2,
    }
    of_a = kept[kept["patient_id"] == "a"]
    assert set(of_a.loc[of_a["label"] == 1, "lesion"]) == set(of_a.loc[of_a["label"] == 0, "lesion"]), "matched ones"
    pd.testing.assert_frame_equal(kept, keep_at_most(index, max_per_patient=2, seed=0))
    draws = {tuple(keep_at_most(index, max_per_patient=1, seed=seed)["lesion"]) for seed in range(20)}
    assert len(draws) > 1
    pd.testing.assert_frame_equal(keep_at_most(index, max_per_patient=9, seed=0), index)


def test_the_cap_is_noted(tmp_path: Path) -> None:
    write_case(tmp_path, "BraTS-MET-00002-000", make_scene())
    write_case(tmp_path, "BraTS-MET-00002-001", make_scene(seed=1))
    settings = BrainMets(crop_mm=24.0, min_distance_mm=10.0, max_per_patient=3)
    raw = open_brain_mets(tmp_path, settings, seed=0, on_progress=silent)
    assert raw.index["label"].value_counts().to_dict() == {0: 3, 1: 3}
    assert raw.notes[1:] == ("2 regions were left out (max_per_patient 3)",)
    assert np.isfinite(raw.read(5).values).all()


def test_the_same_seed_gives_the_same_regions(tmp_path: Path) -> None:
    write_case(tmp_path, "BraTS-MET-00002-000", make_scene())
    first, second = (open_brain_mets(tmp_path, SETTINGS, seed=4, on_progress=silent).index for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_a_volume_is_read_once_for_all_its_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in ("BraTS-MET-00002-000", "BraTS-MET-00003-000"):
        write_case(tmp_path, case, make_scene())
    raw = open_brain_mets(tmp_path, SETTINGS, seed=0, on_progress=silent)
    opened: list[str] = []
    original = brain_nifti.read_volume
    monkeypatch.setattr(brain_nifti, "read_volume", lambda path, form: opened.append(path.name) or original(path, form))
    for position in range(len(raw.index)):
        raw.read(position)
    assert opened == ["BraTS-MET-00002-000-t1c.nii.gz", "BraTS-MET-00003-000-t1c.nii.gz"]


def test_memory_does_not_grow_with_the_number_of_cases(tmp_path: Path) -> None:
    peaks = []
    for count in (2, 12):
        folder = tmp_path / str(count)
        for number in range(count):
            write_case(folder, f"BraTS-MET-{number:05d}-000", make_scene())
        tracemalloc.start()
        raw = open_brain_mets(folder, SETTINGS, seed=0, on_progress=silent)
        opening = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        for position in range(len(raw.index)):
            raw.read(position)
        peaks.append((opening, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    (opening, reading), (opening_more, reading_more) = peaks
    assert opening_more < 1.2 * opening
    assert reading_more < 1.2 * reading


def test_progress_counts_the_cases(tmp_path: Path) -> None:
    write_case(tmp_path, "BraTS-MET-00002-000", make_scene())
    told: list[tuple[int, int, str]] = []
    open_brain_mets(tmp_path, SETTINGS, seed=0, on_progress=lambda *words: told.append(words))
    assert told == [(1, 1, "BraTS-MET-00002-000")]
