"""The rooms of the library import in one direction, and import-linter notices an import that does not."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from toy_pipeline import REPOSITORY

pytest.importorskip("importlinter", reason="import-linter is not installed: make setup")

CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
CONTRACTS = {one["id"]: one for one in CONTRACTS["contracts"]}
ROOMS = {place.name for place in (REPOSITORY / "src" / "oncorobust").iterdir() if (place / "__init__.py").is_file()}
ALLOWED = {
    "frameworks": {"backend"},
    "art": {"attacks"},
    "runners": {"pipeline", "trace", "cli"},
    "matplotlib": {"report"},
}
WRONG = {
    "rooms": ("base/units.py", "import oncorobust.settings.load"),
    "frameworks": ("models/own.py", "import tensorflow"),
    "art": ("evaluation/blocks.py", "import art.utils"),
    "runners": ("report/page.py", "import dvc.api"),
    "keras": ("formats/idx.py", "import keras"),
    "matplotlib": ("data/split.py", "import matplotlib"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the library of a folder, as its pyproject.toml says."""
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    paths = [str(folder / "src"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    done.stdout = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)  # colours
    return done


def test_no_room_imports_one_above_it() -> None:
    done = lint(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


def test_a_wrong_import_breaks_its_contract(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for place, line in WRONG.values():
        with (tmp_path / "src" / "oncorobust" / place).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert WRONG.keys() == CONTRACTS.keys()
    for name, contract in CONTRACTS.items():
        assert f"{contract['name']} BROKEN" in done.stdout, name


def test_the_contracts_name_every_room() -> None:
    layers = {room for layer in CONTRACTS["rooms"]["layers"] for room in layer.split(" | ")}
    assert layers == ROOMS
    for name, allowed in ALLOWED.items():
        named = {one.removeprefix("oncorobust.") for one in CONTRACTS[name]["source_modules"]}
        assert named == ROOMS - allowed, name
