"""The house: environment, Makefile, continuous integration, citation, profiles, the command line and its presets."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import toy_pipeline as toy
import yaml
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.base.layout import FIGURE_NUMBERS
from oncorobust.cli.preset import preset_names, switch_preset

ROOT = toy.REPOSITORY
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_yaml(name: str) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return content


def test_every_file_of_the_report_of_snakemake_has_a_caption() -> None:
    shown = re.findall(r'shown\(\s*f?"([^"]+)"', "".join(_rules().values()))
    of = {"{table}": toy.TABLES, "{figure}": [f"figure{number}" for number in FIGURE_NUMBERS]}
    stems = [Path(one).stem for one in shown]
    names = [name for stem in stems for name in of.get(stem, [stem])]
    assert {*toy.TABLES, "figure1", "contact_sheet", "curves"} <= set(names)
    captions = {one.stem: one.read_text(encoding="utf-8") for one in (ROOT / "workflow/report").glob("*.rst")}
    assert set(captions) == {*names, "workflow"}
    assert all(len(text) > 20 for text in captions.values())


def test_every_rule_names_the_environment_a_log_and_a_message() -> None:
    rules = _rules()
    assert [name for name in rules if not name.endswith("_shard")] == ["all", *toy.STAGES]
    for name, rule in list(rules.items())[1:]:
        assert rule.startswith(f"{name}:\n    message:\n"), name
        assert "    conda:\n        ENVIRONMENT\n" in rule, name
        stage = name.removesuffix("_shard")
        assert f'    log:\n        "logs/{stage}' in rule, name
        assert f'    benchmark:\n        "logs/benchmarks/{stage}' in rule, name
        computes = stage in ("train", "harden", "smooth", "attack", "rank", "certify", "rescan", "repeat")
        assert ("threads: THREADS" in rule) == computes, name


def test_the_snakefile_says_in_which_file_a_rule_is() -> None:
    snakefile = (ROOT / "Snakefile").read_text(encoding="utf-8")
    assert len(snakefile.splitlines()) <= 200
    for file in ("data", "training", "attacks", "results"):
        (listed,) = [line for line in snakefile.splitlines() if line.startswith(f"#   {file}.smk ")]
        rules = (ROOT / "workflow" / "rules" / f"{file}.smk").read_text(encoding="utf-8").split("\nrule ")[1:]
        for name in (rule.partition(":")[0] for rule in rules):
            assert name.endswith("_shard") or name in listed.replace(",", "").split(), name


def _rules() -> dict[str, str]:
    """The text of each rule by its name, in the order in which Snakemake reads them; `all` is first."""
    snakefile = (ROOT / "Snakefile").read_text(encoding="utf-8")
    included = [line.split('"')[1] for line in snakefile.splitlines() if line.startswith("include:")]
    texts = [snakefile, *((ROOT / name).read_text(encoding="utf-8") for name in included)]
    return {rule.partition(":")[0]: rule for text in texts for rule in text.split("\nrule ")[1:]}


@pytest.mark.slow
def test_the_workflow_passes_lint_from_both_snakefiles(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    for snakefile in ("Snakefile", "workflow/Snakefile"):
        assert "in a good condition" in toy.run(folder, f"snakemake --lint --snakefile {snakefile}")
    count = toy.run(folder, "snakemake -n --snakefile workflow/Snakefile").partition("total")[2].split()[0]
    assert int(count) == len(toy.dvc_steps(folder)) + 1  # and the default target of workflow/Snakefile


def test_make_help_lists_every_target() -> None:
    printed = toy.run(ROOT, "make help")
    targets = [line.split()[1] for line in printed.splitlines() if line.startswith("  make ")]
    assert targets[:5] == ["help", "setup", "lock", "demo", "test"]
    assert targets[5:10] == ["test-quick", "test-long", "test-statistics", "test-core", "test-torch"]
    assert targets[10:] == ["test-conda", "test-slurm", "test-faults", "fuzz", "check", "docs", "clean"]


def test_make_demo_runs_records_and_says_where(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "run.lock").touch()
    commands = toy.run(tmp_path, "make -n demo PYTHON=python3.11").splitlines()
    order = ["python3.11 -m venv .venv", "snakemake --cores all", "oncorobust record", "oncorobust where"]
    places = [next(place for place, line in enumerate(commands) if line.startswith(start)) for start in order]
    assert places == sorted(places)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "stamp").touch()
    assert "-m venv" not in toy.run(tmp_path, "make -n demo"), "set-up is not repeated"


def test_continuous_integration_calls_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines == ["#!/usr/bin/env bash", "set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_citation_names_the_software_and_the_paper() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert paper["doi"] == "10.1101/2021.01.17.21249704"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_both_profiles_judge_alike_what_is_up_to_date() -> None:
    default, slurm = (read_yaml(f"profiles/{name}/config.v8+.yaml") for name in ("default", "slurm"))
    for key in ("rerun-triggers", "max-checksum-file-size", "conda-not-block-search-path-envvars"):
        assert default[key] == slurm[key]
    assert slurm["executor"] == "slurm"


def test_dvc_keeps_out_of_snakemakes_records_and_knows_its_remote() -> None:
    ignored = (ROOT / ".dvcignore").read_text(encoding="utf-8").split()
    assert {".snakemake/", ".snakemake_timestamp"} <= set(ignored)
    config = (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    for line in ("autostage = true", "analytics = false", 'type = "hardlink,symlink"', "remote = storage"):
        assert line in config


def test_help_lists_the_commands_and_loads_no_package() -> None:
    printed = toy.run(ROOT, "oncorobust --help")
    for command in ("add", "preset", "graph", "record", "sync", "check", "where", "trace", "front"):
        assert f"    {command}" in printed
    program = "import sys; from oncorobust.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "oncorobust" in loaded
    assert not loaded & {"numpy", "pandas", "dvc", "snakemake", "keras", "yaml", "msgspec"}


@pytest.mark.parametrize("words", ["--help", "trace --help", "where", "preset", "graph --check"])
def test_a_command_whose_reader_has_ended_says_nothing(words: str) -> None:
    read, write = os.pipe()
    os.close(read)  # as `| head` does after its last line
    program = "import sys; from oncorobust.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode in {0, 141}
    assert done.stderr == ""


def test_commands_outside_the_repository_are_refused(tmp_path: Path) -> None:
    printed = toy.run(tmp_path, "oncorobust where", status=1)
    assert "has no Snakefile: run oncorobust in the root of the repository" in printed


@pytest.mark.slow
@pytest.mark.long
def test_check_and_where_speak_of_this_tree(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    tree = folder / "data" / "raw" / "slices"
    manifest = tree / "manifest.csv"
    for number in range(2):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(tree / f"{number}.png")
    manifest.write_text("image_id,path,label,patient_id\na,0.png,benign,p1\nb,1.png,malignant,p2\n")
    assert "the raw trees of mnist, slices are valid" in toy.run(folder, "oncorobust check")
    assert "reports/index.html  (not made yet)" in toy.run(folder, "oncorobust where")
    manifest.write_text("image_id,path,patient_id\na,0.png,p1\nb,1.png,p2\n")
    found = toy.run(folder, "oncorobust check", status=1)
    assert found.startswith("oncorobust: ")
    assert "label" in found
    assert "data/raw/slices/manifest.csv" in found
    manifest.write_text("image_id,path,label,patient_id\na,2.png,benign,p1\nb,1.png,malignant,p2\n")
    found = toy.run(folder, "oncorobust check", status=1)
    assert "data/raw/slices/manifest.csv, line 2: expected a file at data/raw/slices/2.png, got none" in found
    manifest.unlink()
    assert "data/raw/slices/manifest.csv" in toy.run(folder, "oncorobust check", status=1)
    shutil.rmtree(tree)
    assert "data/raw/slices is missing: put or link" in toy.run(folder, "oncorobust check", status=1)


@pytest.mark.slow
def test_a_preset_is_copied_whole_and_dvc_yaml_follows(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    assert preset_names(folder) == ["demo", "medical_natural", "paper", "real"]
    assert toy.run(folder, "oncorobust preset").split() == ["demo", "medical_natural", "paper", "real"]
    edited = (folder / "params.yaml").read_bytes()
    printed = toy.run(folder, "oncorobust preset real", status=1)
    assert "oncorobust: params.yaml has edits that are in no preset" in printed
    assert (folder / "params.yaml").read_bytes() == edited
    toy.run(folder, "oncorobust preset real --force")
    assert (folder / "params.yaml").read_bytes() == (folder / "presets" / "real.yaml").read_bytes()
    assert {"preprocess@lidc", "preprocess@mnist", "preprocess@cifar10"} <= set(toy.dvc_steps(folder))
    toy.run(folder, "oncorobust preset demo")
    assert toy.run(folder, "oncorobust graph --check") == "the graph is in step\n"
    assert not list(folder.glob(".*part*"))


@pytest.mark.slow
def test_a_wrong_preset_is_refused_and_leaves_params_alone(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    before = (folder / "params.yaml").read_bytes()
    with pytest.raises(InputError, match=r"expected a preset \(demo, medical_natural, paper, real\), got 'reel'"):
        switch_preset(folder, "reel", force=True)
    (folder / "presets" / "mine.yaml").write_text("seed: none\n")
    with pytest.raises(InputError, match=r"mine.yaml: "):
        switch_preset(folder, "mine", force=True)
    assert (folder / "params.yaml").read_bytes() == before


def test_the_snakefile_is_a_page_and_a_module_fits_one_reading() -> None:
    assert len((ROOT / "Snakefile").read_text(encoding="utf-8").splitlines()) <= 200
    long = {
        path.name: count
        for path in (ROOT / "src").rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 250
    }
    assert long == {}
