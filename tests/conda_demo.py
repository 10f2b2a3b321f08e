"""The whole demo in the environment of environment.yml: `make test-conda`, a little longer than the demo itself.

A clean clone of the last commit, as a user has it, runs `snakemake --cores all --use-conda` with the real params.yaml.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_pipeline as toy
from conda_stand_in import conda_on_path
from locks import read_lock
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clean clone in which the demo has run; conda stays on PATH."""
    folder = tmp_path_factory.mktemp("demo") / "clone"
    toy.run(toy.REPOSITORY, f"git clone --quiet . {folder}")
    with pytest.MonkeyPatch.context() as patch:
        conda_on_path(patch, tmp_path_factory.mktemp("conda"))
        if subprocess.run(["snakemake", "--cores", "all", "--use-conda"], cwd=folder).returncode:
            pytest.fail("the demo ended with an error")
        yield folder


def test_the_demo_is_finished_and_nothing_is_left_to_do(clone: Path) -> None:
    assert (clone / "reports" / "index.html").is_file()
    for flag in ("--use-conda", ""):
        assert "Nothing to be done" in toy.run(clone, f"snakemake -n {flag}")
    toy.run(clone, "oncorobust record")
    assert "up to date" in toy.run(clone, "dvc status")


def test_the_environment_has_the_versions_of_the_lock(clone: Path) -> None:
    (environment,) = (clone / ".snakemake" / "conda").glob("*_")
    listed = json.loads(toy.run(clone, f"{environment}/bin/python -m pip list --format json"))
    installed = {canonicalize_name(one["name"]): one["version"] for one in listed if one["name"] != "pip"}
    locked = {entry.name: entry.version for entry in read_lock(clone / "requirements" / "run.lock")}
    assert installed.items() <= locked.items()
    assert {"tensorflow", "adversarial-robustness-toolbox", "snakemake", "dvc"} <= installed.keys()
