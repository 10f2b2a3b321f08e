"""Repository paths and the models' names stand in base.layout alone; scripts are short."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_pipeline import OUTPUTS, REPOSITORY

from oncorobust.base import layout

LIBRARY = REPOSITORY / "src" / "oncorobust"
SCRIPTS = sorted((REPOSITORY / "workflow" / "scripts").glob("*.py"))
PATHS = ("data/raw", "data/processed", "models/", "reports/", "logs/", "workflow/")
WHOLE = ("reports",)
"""Names of folders that no string may be, as in `Path("reports", dataset)`."""


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string in a syntax tree, those in f-strings too, but for docstrings."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def spelled_paths(text: str) -> list[tuple[int, str]]:
    found = strings(ast.parse(text))
    return [(line, one) for line, one in found if one in WHOLE or any(path in one for path in PATHS)]


def test_the_search_finds_a_path_but_no_docstring() -> None:
    text = '"""Reads reports/x."""\nfolder = f"models/{name}"\nother = Path("reports", "logs are long")\n'
    assert spelled_paths(text) == [(2, "models/"), (3, "reports")]


@pytest.mark.parametrize("file", [*sorted(LIBRARY.rglob("*.py")), *SCRIPTS], ids=lambda file: file.name)
def test_no_other_file_spells_a_path_of_the_repository(file: Path) -> None:
    if file != LIBRARY / "base" / "layout.py":
        assert spelled_paths(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.stem)
def test_a_script_has_at_most_40_lines(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 40


def test_the_layout_is_that_of_the_two_graphs() -> None:
    """The toy's outputs are compared with the Snakefile and dvc.yaml in test_graph.py."""
    names = {"dataset": "mnist", "model": layout.ADVERSARIAL, "seed": 1, "policy": "site_a"}
    written = {one.format(**names) for outputs in OUTPUTS.values() for one in outputs}
    stated = {
        layout.images_file("mnist"),
        layout.model_file("mnist", layout.CLEAN),
        layout.model_file("mnist", layout.ADVERSARIAL),
        layout.answers_file("mnist", layout.CLEAN),
        layout.answers_file("mnist", layout.ADVERSARIAL),
        layout.results_file("mnist", layout.ADVERSARIAL, "attack.json"),
        layout.table_file("table1"),
        layout.figure_file(3, "svg"),
        layout.CELLS,
        layout.METRICS,
        layout.PAGE,
        layout.repeat_file("mnist", 1, "intervals.csv"),
        layout.acceptance_file("site_a"),
    }
    assert stated <= written
    assert any(one.startswith(f"{layout.raw('mnist')}/") for one in written)
    for place in (layout.SCRIPTS, layout.RESOURCES):
        assert (REPOSITORY / place).exists()
