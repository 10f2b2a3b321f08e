"""Runs of a user whose home folder cannot be used: caches go into the project.

Root may write anywhere, so the home folder is a path below a regular file, or a folder that is mounted read-only.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_pipeline as toy
from fault_tools import read_only

from oncorobust.pipeline.home import use_project_dvc_cache, use_project_home

FRAMEWORKS = """
import sys
sys.argv = ["train.py", "--dataset", "x"]
from oncorobust.pipeline.stage_log import open_log
open_log()
import art.config, keras, matplotlib
open("folders", "w").write(" ".join([art.config.ART_DATA_PATH, matplotlib.get_cachedir(), matplotlib.get_configdir()]))
"""


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME below a regular file."""
    (tmp_path / "file").write_text("")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "KERAS_HOME", "DVC_SITE_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    return tmp_path


@pytest.mark.parametrize("access", [os.R_OK, os.W_OK])
@pytest.mark.parametrize("home", ["/dev/null", "/nonexistent/home", "~"])
def test_a_home_that_is_no_folder_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, access: int
) -> None:
    monkeypatch.setenv("HOME", home)
    use_project_home(tmp_path, access=access)
    assert os.environ["HOME"] == str(tmp_path / ".cache" / "home")
    assert Path(os.environ["HOME"]).is_dir()


def test_a_home_that_can_be_used_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    use_project_home(tmp_path / "project", access=os.W_OK)
    assert os.environ["HOME"] == str(tmp_path)
    assert not (tmp_path / "project").exists()


def test_a_read_only_home_still_holds_the_users_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with read_only(tmp_path / "home"):
        use_project_home(tmp_path, access=os.R_OK)
        assert os.environ["HOME"] == str(tmp_path / "home")
        use_project_home(tmp_path, access=os.W_OK)
        assert os.environ["HOME"] == str(tmp_path / ".cache" / "home")


@pytest.mark.parametrize("writable", [True, False])
def test_dvcs_records_go_into_the_project_where_the_machine_has_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    monkeypatch.setattr("os.access", lambda *_: writable)
    use_project_dvc_cache(tmp_path)
    assert os.environ.get("DVC_SITE_CACHE_DIR") == (None if writable else str(tmp_path / ".cache" / "dvc"))


def test_a_stage_gives_its_libraries_the_projects_folder(no_home: Path) -> None:
    command = [sys.executable, "-c", FRAMEWORKS]
    place = no_home / "project"
    place.mkdir()
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    home = place / ".cache" / "home"
    assert all(path.startswith(str(home)) for path in (place / "folders").read_text().split())
    assert (home / ".keras" / "keras.json").is_file()
    assert "temporary cache directory" not in (place / "logs" / "train" / "x.log").read_text()


@pytest.mark.long
def test_snakemake_and_oncorobust_run_without_a_home(no_home: Path) -> None:
    folder = toy.make_toy(no_home / "toy", toy.small_params())
    toy.run(folder, "oncorobust check && snakemake --cores 2 && oncorobust record")
    assert "Nothing to be done" in toy.run(folder, "snakemake --cores 2")
    # The way out in docs/how-to/environments.md.
    assert "up to date" in toy.run(folder, "HOME=$PWD/.cache/home dvc repro")


@pytest.mark.long
def test_both_runners_run_with_a_read_only_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy.make_toy(tmp_path / "toy", toy.small_params())
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with read_only(tmp_path / "home"):
        toy.run(folder, "oncorobust check && dvc repro && oncorobust sync")
        assert "Nothing to be done" in toy.run(folder, "snakemake --cores 2")
        toy.run(folder, "snakemake --cores 2 --forceall && oncorobust record && dvc status")


@pytest.mark.parametrize("home", ["/dev/null", "/nonexistent/home"])
def test_make_gives_its_commands_a_home(home: str) -> None:
    command = ["make", "--no-print-directory", "--eval", "show: ; @echo $$HOME $$DVC_SITE_CACHE_DIR", "show"]
    environment = {name: value for name, value in os.environ.items() if name != "DVC_SITE_CACHE_DIR"}
    shown = subprocess.run(
        command, cwd=toy.REPOSITORY, env=environment | {"HOME": home}, capture_output=True, text=True, check=True
    ).stdout.split()
    place = toy.REPOSITORY / ".cache" / "home"
    assert shown == [str(place), str(place / ".cache" / "oncorobust" / "dvc")]
    assert place.is_dir()
