"""A project on the package as a person installs it: both runners, conda, a cluster's profile, and an upgrade.

The wheel is built from this tree, and installed into an environment that does not see the repository.
"""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import installed_package as installed
import pytest
import test_external_test_set as external
import toy_pipeline as toy
import yaml
from conda_stand_in import conda_on_path

from oncorobust.base import layout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sources and an environment with the wheel of them."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = installed.build(installed.copy_sources(folder / "sources"), folder / "wheel")
    installed.install(wheel, installed.make_environment(folder / "environment"))
    return folder


@pytest.fixture(scope="module")
def made(place: Path) -> Path:
    """A project of the demo."""
    told = installed.run(place / "environment", place, "oncorobust init project")
    assert "git and DVC are set up, and the files are committed" in told
    return place / "project"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project", symlinks=True))


def run(place: Path, folder: Path, command: str, *, status: int = 0, **variables: str) -> str:
    return installed.run(place / "environment", folder, command, status=status, **variables)


def test_the_installed_package_is_the_one_that_runs(place: Path, made: Path) -> None:
    program = "import oncorobust, oncorobust.pipeline.shipped as s; print(oncorobust.__file__, s.shipped_root())"
    file, root = run(place, made, f'python -c "{program}"').split()
    assert Path(file).is_relative_to(place / "environment")
    assert Path(root) == Path(file).parent / layout.SHIPPED


def test_the_code_has_the_digests_of_the_repository(made: Path) -> None:
    for stage in toy.STAGES:
        path = f"{layout.CODE}/{stage}.txt"
        assert (made / path).read_bytes() == (toy.REPOSITORY / path).read_bytes(), stage


def test_both_runners_have_the_stages_of_the_repository(place: Path, made: Path) -> None:
    listed = run(place, made, "snakemake -n --quiet rules --forceall")
    lines = [line.split() for line in listed.splitlines()]
    jobs = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}
    program = "from dvc.repo import Repo; print(*[one.addressing for one in Repo().index.stages])"
    stages = run(place, made, f'python -c "{program}"').split()
    names = [one.partition("@")[0] for one in stages]
    assert {name: names.count(name) for name in names} == {
        name: count for name, count in jobs.items() if name in toy.STAGES
    }
    assert jobs.keys() - set(toy.STAGES) == {"everything", "total"}
    assert len(stages) == len(toy.dvc_steps(toy.REPOSITORY))
    assert "up to date" not in run(place, made, "dvc status")


def test_lint_is_clean_and_every_command_runs(place: Path, made: Path) -> None:
    assert "in a good condition" in run(place, made, "snakemake --lint")
    assert run(place, made, "oncorobust graph --check") == "the graph is in step\n"
    assert "are valid" in run(place, made, "oncorobust check")
    assert run(place, made, "oncorobust preset").split() == ["demo", "medical_natural", "paper", "real"]
    assert "reports/index.html  (not made yet)" in run(place, made, "oncorobust where")
    assert "has no measurements of jobs" in run(place, made, "oncorobust usage", status=1)
    assert run(place, made, "git status --porcelain") == ""


def test_conda_makes_the_environment_of_the_package(
    place: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conda_on_path(monkeypatch, tmp_path)
    told = run(place, made, "snakemake -n --use-conda", ONCOROBUST_GPU="0")
    lines = [line for line in told.splitlines() if line.startswith("Conda environment")]
    assert len(lines) == 1 and "oncorobust/repository/environment.yml" in lines[0]
    links = made / layout.PACKAGE_LINKS
    assert {one.name for one in links.iterdir()} == {"oncorobust", "oncorobust-0.1.0.dist-info"}
    assert (links / "oncorobust" / "__init__.py").is_file()
    told = run(place, made, "python -c 'import oncorobust; print(oncorobust.__version__)'", PYTHONPATH=str(links))
    assert told == "0.1.0\n"


def test_the_profiles_are_found(place: Path, made: Path) -> None:
    assert "profile profiles/default" in run(place, made, "snakemake -n")
    told = run(place, made, "snakemake -n --workflow-profile profiles/slurm --default-resources slurm_partition=x")
    assert "profile profiles/slurm" in told


def test_a_source_archive_gives_the_same_wheel(place: Path, tmp_path: Path) -> None:
    archive = installed.build(place / "sources", tmp_path / "archive", kind="--sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    names = []
    for file in (installed.build(unpacked, tmp_path / "wheel"), next((place / "wheel").glob("*.whl"))):
        with zipfile.ZipFile(file) as wheel:
            names.append(sorted(wheel.namelist()))
    assert names[0] == names[1]
    assert sum(f"/{layout.SHIPPED}/{layout.SCRIPTS}/" in name for name in names[0]) == len(toy.STAGES)
    assert not [name for name in names[0] if "__pycache__" in name or name.endswith(".pyc")]


def newer_sources(folder: Path) -> Path:
    """A version 0.2.0 in which `run` has a new required key, and one stage other code."""
    installed.copy_sources(folder)
    for name, old, new in (
        ("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
        ("src/oncorobust/settings/pipeline.py", "\n    threads: ", "\n    patience: int\n    threads: "),
        ("workflow/scripts/plot.py", "    parse()\n", "    parse(*())\n"),
        ("src/oncorobust/pipeline/project/Snakefile", "# The pipeline of", "# All rules of"),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, name
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    for preset in (folder / "presets").glob("*.yaml"):
        text = preset.read_text(encoding="utf-8")
        preset.write_text(text.replace("\nrun:\n", "\nrun:\n  patience: 7\n", 1), encoding="utf-8")
    return folder


@pytest.mark.long
def test_an_upgrade_to_a_newer_wheel(place: Path, project: Path, tmp_path: Path) -> None:
    environment = installed.make_environment(tmp_path / "environment")
    installed.install(installed.build(newer_sources(tmp_path / "sources"), tmp_path / "wheel"), environment)
    params = (project / "params.yaml").read_text(encoding="utf-8").replace("seed: ", "seed:  ", 1) + "# mine\n"
    (project / "params.yaml").write_text(params, encoding="utf-8")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts}
    says = "this project is of oncorobust 0.1.0, and 0.2.0 is installed: run `oncorobust upgrade --dry-run`"
    for command in ("oncorobust check", "snakemake -n", "python -m oncorobust.cli.stage plot"):
        assert says in installed.run(environment, project, command, status=1)
    told = installed.run(environment, project, "oncorobust upgrade --dry-run")
    assert {path: path.read_bytes() for path in before} == before
    assert told.splitlines()[:2] == ["oncorobust 0.1.0 -> 0.2.0", "Snakefile: written again"]
    assert "params.yaml: run.patience: 7 is new" in told
    assert "plot: its code has changed, so a finished run of it is repeated" in told
    assert told in installed.run(environment, project, "oncorobust upgrade")
    after = (project / "params.yaml").read_text(encoding="utf-8").splitlines()
    assert [line for line in after if "# new in oncorobust 0.2.0" not in line] == params.splitlines()
    assert "  patience: 7 # new in oncorobust 0.2.0" in after
    assert json.loads((project / layout.PROJECT).read_text())["version"] == "0.2.0"
    installed.run(environment, project, "oncorobust check && snakemake -n && oncorobust graph --check")
    told = run(place, project, "oncorobust upgrade", status=1)
    assert "this project is of oncorobust 0.2.0, and 0.1.0 is installed: install its version" in told


@pytest.mark.long
def test_a_tiny_data_set_runs_through_both_runners(place: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    run(place, tmp_path, "oncorobust init start")
    toy.write_params(start, external.params())
    external.write_inputs(start)
    run(place, start, "oncorobust graph && oncorobust check && git add -A && git commit -q -m data")
    by_snakemake, by_dvc = (Path(shutil.copytree(start, tmp_path / name, symlinks=True)) for name in ("one", "two"))
    run(place, by_snakemake, "snakemake --cores 2 && oncorobust record && git add -A && git commit -q -m results")
    run(place, by_dvc, "dvc repro")
    found = []
    for folder in (by_snakemake, by_dvc):
        paths = [path for top in ("reports", "models", "data/processed") for path in (folder / top).rglob("*.*")]
        found.append({str(path.relative_to(folder)): path.read_bytes() for path in (*paths, folder / "dvc.lock")})
    assert found[0].keys() == found[1].keys() and len(found[0]) > 50
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []

    project = by_snakemake
    assert "up to date" in run(place, project, "dvc status")
    assert "Nothing to be done" in run(place, project, "snakemake -n")
    assert run(place, project, "git status --porcelain") == ""
    page = (project / "reports/index.html").read_text(encoding="utf-8")
    assert "python -m oncorobust.cli.stage train --dataset elsewhere" in page
    assert "python workflow/scripts" not in page
    traced = run(place, project, 'oncorobust trace "Table 1" --row PGD:0.002 --column elsewhere')
    assert traced.endswith("AGREES\n") and "CHANGED SINCE" not in traced and "not in this tree" not in traced
    assert ", code of the installed oncorobust 0.1.0\n" in traced
    assert "  script     workflow/scripts/tabulate.py  digest" in traced
    assert "  python -m oncorobust.cli.stage tabulate    # or the stage alone" in traced
    assert run(place, project, "oncorobust trace --all --rev HEAD").endswith("AGREES\n")
    run(place, project, "oncorobust crate ../crate")
    crate = tmp_path / "crate"
    entities = {one["@id"]: one for one in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]}
    assert entities["Snakefile"]["softwareRequirements"] == {"@id": "#oncorobust"}
    assert entities["#oncorobust"]["version"] == "0.1.0"
    instruments = {one["instrument"]["@id"] for name, one in entities.items() if name.startswith("#stage/")}
    assert all((crate / one).is_file() for one in instruments) and "workflow/scripts/train.py" in instruments
    assert (crate / layout.PROJECT).is_file() and yaml.safe_load((crate / "environment.yml").read_text())
    for command in ("oncorobust usage", "oncorobust sync", "oncorobust upgrade"):
        run(place, project, command)
