"""Folders that a raw tree links to, as that of `oncorobust manifest` does: DVC sees what changes behind the links."""

import os
from pathlib import Path

import pytest
import toy_pipeline as toy

from oncorobust.pipeline.dvc_yaml import linked_folders

pytestmark = pytest.mark.slow


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """The user's folder, outside the project."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.png").write_text("first")
    return tmp_path / "scans"


def test_links_at_the_top_of_raw_trees_are_listed(tmp_path: Path, scans: Path) -> None:
    tree = tmp_path / "data/raw/slices"
    (tree / "deeper").mkdir(parents=True)
    for name in ("files", "also"):
        (tree / name).symlink_to(scans)
    (tree / "one.png").symlink_to(scans / "a.png")  # DVC follows links to files
    (tree / "broken").symlink_to(tmp_path / "nothing")
    assert linked_folders(tmp_path, ["mnist", "slices"]) == ["data/raw/slices/also", "data/raw/slices/files"]


def test_dvc_runs_preprocess_again_after_a_change_behind_the_link(tmp_path: Path, scans: Path) -> None:
    folder = toy.make_toy(tmp_path / "project")
    (folder / "data/raw/slices/files").symlink_to(scans)
    told = toy.run(folder, "oncorobust graph --check", status=1)
    assert "preprocess lacks data/raw/slices/files" in told
    toy.run(folder, "oncorobust graph")
    assert "data/raw/slices/files" in toy.dvc_steps(folder)["preprocess@slices"].inputs
    toy.run(folder, "dvc repro -q preprocess@slices")
    assert "up to date" in toy.run(folder, "dvc status preprocess@slices")
    before = (scans / "a.png").stat()
    (scans / "a.png").write_text("other")  # of the same size
    os.utime(scans / "a.png", ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    told = toy.run(folder, "dvc status preprocess@slices")
    assert "modified" in told and "data/raw/slices/files" in told
    assert "toy preprocess slices" in toy.run(folder, "dvc repro preprocess@slices")
