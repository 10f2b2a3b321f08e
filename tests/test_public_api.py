"""The package's public names: where they come from, what importing it loads, and its one version."""

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from toy_pipeline import REPOSITORY

import oncorobust
from oncorobust.pipeline.imports import library_files

STUB = ast.parse((REPOSITORY / "src" / "oncorobust" / "__init__.pyi").read_text(encoding="utf-8"))
IMPORTS = {alias.name: node.module for node in STUB.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def modules_after(program: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a program, without those it starts with."""
    program = f"import sys; before = set(sys.modules)\n{program}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_the_standard_library_alone() -> None:
    assert modules_after("import oncorobust") - sys.stdlib_module_names == {"oncorobust"}


def test_a_public_name_loads_only_what_it_needs() -> None:
    assert modules_after("import oncorobust; oncorobust.InputError") - sys.stdlib_module_names == {"oncorobust"}
    loaded = modules_after("from oncorobust import prepare, load")
    assert "pandas" in loaded
    assert not loaded & {"keras", "tensorflow", "torch", "jax", "art", "matplotlib"}


def test_every_public_name_is_that_of_its_module() -> None:
    (names,) = (node.value for node in STUB.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(names) == oncorobust.__all__ == sorted(IMPORTS)
    for name, module in IMPORTS.items():
        assert getattr(oncorobust, name) is getattr(import_module(str(module)), name), name
    assert set(oncorobust.__all__) <= set(dir(oncorobust))
    needed = {"KerasClassifier", "LinfPGD", "Target", "search", "Stage", "walk", "leave", "prepare", "load"}
    assert needed | {"load_classifier", "LabelledImages", "InputError"} <= set(oncorobust.__all__)


@pytest.mark.parametrize("name", ["no_such_name", "__wrapped__", "_private"])
def test_another_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'oncorobust' has no attribute '{name}'"):
        getattr(oncorobust, name)


def test_the_public_names_make_no_stage_depend_on_more(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import oncorobust\n")
    assert library_files(REPOSITORY, script) == ["src/oncorobust/__init__.py"]


def test_the_version_stands_in_one_place() -> None:
    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert oncorobust.__version__ == stated, "the installed package is another version: make setup"
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))["version"] == stated
    others = [
        path.relative_to(REPOSITORY)
        for folder in ("src", "workflow")
        for path in (REPOSITORY / folder).rglob("*.py")
        if f'"{stated}"' in path.read_text(encoding="utf-8")
    ]
    assert others == []
