"""A new user's way from an installed package to the page, on four folders that people have, in five commands.

No file is edited by hand. Every command is run in an environment that holds the package and does not see the
repository.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import installed_package as installed
import new_user_trees as trees
import pandas as pd
import pytest

from oncorobust.base import layout

NAME = "mine"
TREES: dict[str, tuple[Callable[[Path], None], str, set[str]]] = {
    "photographs": (trees.make_photographs, "", {"benign", "malignant"}),
    "dicom": (trees.make_dicom, "--table labels.csv", {"benign", "malignant"}),
    "nnunet": (trees.make_nnunet_tree, "--value tumour", {"no tumour", "tumour"}),
    "arrays": (trees.make_arrays, "", {"0", "1"}),
}
"""What makes each folder, the options of `oncorobust manifest`, and the classes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that holds the package."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = installed.build(installed.copy_sources(folder / "sources"), folder / "wheel")
    installed.install(wheel, installed.make_environment(folder / "environment"))
    return folder


@pytest.mark.long
@pytest.mark.parametrize("kind", TREES)
def test_a_new_user_gets_from_a_folder_to_the_page_in_five_commands(kind: str, place: Path, tmp_path: Path) -> None:
    make, options, classes = TREES[kind]
    make(tmp_path / "scans")
    before = {path: path.read_bytes() for path in (tmp_path / "scans").rglob("*") if path.is_file()}

    def run(command: str, folder: Path = tmp_path) -> str:
        return installed.run(place / "environment", folder, command)

    run("oncorobust init project")
    project = tmp_path / "project"
    if options.startswith("--table"):
        shutil.move(tmp_path / "labels.csv", project)
    told = run(f"oncorobust manifest ../scans --name {NAME} {options}", project)
    assert "oncorobust add mine" in told
    told = run(f"oncorobust add {NAME} --kind medical", project)
    assert "snakemake --cores all" in told
    run("snakemake --cores 2", project)
    assert "nothing to be done" in run("snakemake --cores 2", project).lower()

    index = pd.read_csv(project / layout.processed(NAME) / "index.csv")
    summary = json.loads((project / layout.processed(NAME) / "summary.json").read_text())
    assert len(index) == trees.N_PATIENTS
    assert set(summary["class_names"]) == classes
    assert index.groupby("patient_id")["split"].nunique().max() == 1
    attack = json.loads((project / layout.results_file(NAME, layout.CLEAN, "attack.json")).read_text())
    assert attack["n_images"] == (index["split"] == "test").sum()
    page = (project / layout.PAGE).read_text()
    assert all(one in page for one in ("mine", *classes))
    after = {path: path.read_bytes() for path in (tmp_path / "scans").rglob("*") if path.is_file()}
    assert after == before
