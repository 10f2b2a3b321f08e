"""The check of dependencies notices a version with an advisory, a licence nobody reviewed, an audit of nothing."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from toy_pipeline import REPOSITORY

PROGRAM = REPOSITORY / "maintenance" / "check_dependencies.py"
REVIEWED = tomllib.loads((REPOSITORY / "maintenance" / "reviewed.toml").read_text(encoding="utf-8"))


def plant(folder: Path, name: str, version: str, *fields: str) -> None:
    """An installed package, as far as its metadata tell."""
    place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    head = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    (place / "METADATA").write_text("\n".join([*head, *fields]) + "\n", encoding="utf-8")


def check(folder: Path, *options: str, audit: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the check on the packages in a folder; audit: what a pip-audit prints that stands in for the real one."""
    program = f"print({audit!r})" if audit is not None else "raise SystemExit(1)"
    (folder / "pip_audit.py").write_text(program, encoding="utf-8")
    command = [sys.executable, str(PROGRAM), "--path", str(folder), *options]
    environment = {"PYTHONPATH": str(folder), "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    needs = ["keras==3.15.1", "reader; extra == 'compressed'", "absent; python_version < '3'"]
    plant(
        tmp_path, "oncorobust", "0.1.0", "License-Expression: Apache-2.0", *(f"Requires-Dist: {one}" for one in needs)
    )
    plant(tmp_path, "keras", "3.15.1", "License: Apache License 2.0", "Requires-Dist: Diskcache")
    plant(tmp_path, "diskcache", "5.6.3", "Classifier: License :: OSI Approved :: Apache Software License")
    plant(tmp_path, "reader", "1.0", "License-Expression: MPL-2.0 AND (GPL-3.0-only OR MIT)")
    plant(tmp_path, "unrelated", "1.0", "License-Expression: GPL-3.0-only")
    return tmp_path


def test_what_is_needed_is_listed_with_its_licence(packages: Path) -> None:
    done = check(packages, "--list", "--offline")
    assert done.returncode == 0, done.stderr
    listed = [line.split(maxsplit=2) for line in done.stdout.splitlines()[:-1]]
    assert listed == [
        ["diskcache", "5.6.3", "Apache-2.0"],
        ["keras", "3.15.1", "Apache-2.0"],
        ["oncorobust", "0.1.0", "Apache-2.0"],
        ["reader", "1.0", "MPL-2.0 AND (GPL-3.0-only OR MIT)"],
    ]
    assert f"reviewed on {REVIEWED['reviewed']}; pip-audit was not asked" in done.stdout


@pytest.mark.parametrize("one", [one for one in REVIEWED["advisories"] if "fixed" in one], ids=lambda one: one["id"])
def test_a_version_with_an_advisory_is_an_error(one: dict[str, str], tmp_path: Path) -> None:
    plant(tmp_path, "oncorobust", "0.1.0", "License-Expression: Apache-2.0", f"Requires-Dist: {one['package']}")
    plant(tmp_path, one["package"], "0.0.1", "License-Expression: MIT")
    done = check(tmp_path, "--offline")
    assert done.returncode == 1
    assert f"error: {one['package']} 0.0.1: {one['id']}, fixed in {one['fixed']}\n" in done.stderr


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("License-Expression: GPL-3.0-only", "GPL-3.0-only"),
        ("License-Expression: MIT AND GPL-3.0-only", "MIT AND GPL-3.0-only"),
        ("License: see the file", "see the file"),
        ("Summary: no licence", "unknown"),
    ],
)
def test_a_licence_that_nobody_reviewed_is_an_error(field: str, found: str, packages: Path) -> None:
    plant(packages, "absl", "1.0", field)
    (packages / "keras-3.15.1.dist-info" / "METADATA").open("a").write("Requires-Dist: absl\n")
    done = check(packages, "--offline")
    assert done.returncode == 1
    assert done.stderr == f"error: absl 1.0: licence {found}\n"


def test_pip_audit_is_asked_and_what_it_did_not_look_up_is_said(packages: Path) -> None:
    fault = {"id": "PYSEC-1", "fix_versions": ["4.0"]}
    answers = [
        {"name": "keras", "version": "3.15.1", "vulns": [fault]},
        {"name": "diskcache", "version": "5.6.3", "vulns": [fault]},  # accepted
        {"name": "unrelated", "version": "1.0", "vulns": [fault]},  # not needed
        {"name": "reader", "skip_reason": "not found"},
    ]
    done = check(packages, audit=json.dumps({"dependencies": answers}))
    assert "; pip-audit looked up 3 of 4 packages" in done.stdout
    assert done.stderr == "error: keras 3.15.1: PYSEC-1, fixed in 4.0\n"
    skipped = json.dumps({"dependencies": [{"name": "keras", "skip_reason": "not found"}]})
    done = check(packages, audit=skipped)
    assert (done.returncode, "; pip-audit looked up 0 of 1 packages" in done.stdout) == (0, True)
    done = check(packages)
    assert (done.returncode, "; pip-audit gave no answer" in done.stdout) == (0, True)
