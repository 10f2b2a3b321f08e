"""What a public repository has besides code: continuous integration, hooks, templates, policies, findings."""

import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from locks import read_lock
from toy_pipeline import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
FINDINGS = sorted((REPOSITORY / "findings").glob("*.sh"))


def read_text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_continuous_integration_checks_and_tests_on_every_python() -> None:
    jobs = yaml.safe_load(read_text(".github/workflows/ci.yml"))["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands["check"][-1] == "make check"
    assert commands["test"][-1] == "make test"
    assert PROJECT["requires-python"] == ">=3.11,<3.13"
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    actions = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert commands["test-torch"][-1] == "make test-torch"
    assert len(actions) == 6
    assert all(re.fullmatch(r"actions/[a-z-]+@v[0-9]+", action) for action in actions), actions


@pytest.mark.parametrize("tool", ["ruff check", "ruff format", "snakefmt", "lint-imports"])
def test_the_quick_checks_of_make_check_find_nothing(tool: str) -> None:
    recipe = read_text("Makefile").partition("\ncheck:")[2].partition("\n\n")[0]
    (command,) = (line.strip() for line in recipe.splitlines() if line.strip().startswith(tool))
    snakefiles = re.search("^SNAKEFILES := (.*)$", read_text("Makefile"), re.MULTILINE)[1]
    words = command.replace("$(SNAKEFILES)", snakefiles).split()
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hooks_use_the_locked_versions() -> None:
    hooks = {
        one["repo"].rpartition("/")[2]: one for one in yaml.safe_load(read_text(".pre-commit-config.yaml"))["repos"]
    }
    locked = {entry.name: entry.version for entry in read_lock(REPOSITORY / "requirements" / "test.lock")}
    assert hooks["ruff-pre-commit"]["rev"] == f"v{locked['ruff']}"
    assert hooks["snakefmt"]["rev"] == f"v{locked['snakefmt']}"
    (snakefmt,) = hooks["snakefmt"]["hooks"]
    assert f"snakefmt --check {' '.join(snakefmt['args'])} " in read_text("Makefile")


def test_the_security_policy_names_the_present_version() -> None:
    minor = PROJECT["version"].rpartition(".")[0]
    assert f"| {minor}.x | yes |" in read_text("SECURITY.md")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_asks_something(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content.keys() == {"name", "description", "labels", "body"}
    asked = [field for field in content["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked)
    assert all(field["attributes"]["label"] for field in asked)
    assert asked[0]["validations"] == {"required": True}


def test_there_is_a_form_for_each_kind_of_issue() -> None:
    assert [form.stem for form in FORMS] == ["bug", "feature", "question"]


def test_the_release_checklist_runs_every_long_test() -> None:
    checklist = read_text("maintenance/RELEASE.md")
    targets = re.findall(r"^((?:test|fuzz|check)[a-z-]*):", read_text("Makefile"), flags=re.MULTILINE)
    missing = [name for name in targets if name != "test-quick" and f"make {name}`" not in checklist]
    assert len(targets) >= 7
    assert missing == []


def test_a_finding_has_the_form_that_its_readme_states() -> None:
    for path in FINDINGS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("#!/usr/bin/env bash\n# "), path.name
        assert "set -euo pipefail" in text, path.name
        assert "mktemp -d" in text, path.name
        assert "trap " in text, path.name
        assert re.search(r"\b[\w.-]+==[0-9]", text), f"{path.name} pins no package"
        assert "oncorobust" not in text, path.name
        assert path.stat().st_mode & stat.S_IXUSR, path.name
