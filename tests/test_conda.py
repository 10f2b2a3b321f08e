"""`snakemake --use-conda`, in the toy repository: each rule in an environment that is made from environment.yml.

Where conda is on PATH these tests use it; elsewhere, a stand-in for its command line that makes real environments. The
toy's environment is small, a Python and PyYAML. The whole demo in the whole environment: `make test-conda`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml
from conda_stand_in import conda_on_path

pytestmark = pytest.mark.slow
SAY_WHERE = """
import os
import sys

import oncorobust

os.makedirs("said", exist_ok=True)
with open("said/" + "-".join(["{stage}", *words.values()]), "a") as said:
    print("ran with", oncorobust.__file__, file=said)
    print("ran in", sys.prefix, file=said)
"""
PYYAML = "pyyaml==6.0.3"


def write_environment(folder: Path, *, python: str, pip: str) -> None:
    content = {
        "name": "toy",
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": [python, "pip", {"pip": [pip]}],
    }
    (folder / "environment.yml").write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def conda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCOROBUST_GPU", "0")
        conda_on_path(patch, tmp_path_factory.mktemp("conda"))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy repository in which Snakemake ran every rule in the environment."""
    folder = toy.make_toy(tmp_path_factory.mktemp("toy"), toy.small_params())
    write_environment(folder, python="python ={}.{}".format(*sys.version_info), pip=PYYAML)
    for script in (folder / "workflow" / "scripts").glob("*.py"):
        said = SAY_WHERE.replace("{stage}", script.stem)
        script.write_text(script.read_text(encoding="utf-8") + said, encoding="utf-8")
    toy.run(folder, "oncorobust graph")
    toy.run(folder, "snakemake --cores 2 --use-conda")
    return folder


def test_every_rule_runs_in_the_environment(folder: Path) -> None:
    (environment,) = (folder / ".snakemake" / "conda").glob("*_")
    said = {path.name: path.read_text(encoding="utf-8") for path in (folder / "said").iterdir()}
    assert len(said) == len(toy.dvc_steps(folder))
    told = f"ran with {folder}/src/oncorobust/__init__.py\nran in {environment}\n"
    assert [name for name, one in said.items() if one != told] == []
    listed = toy.run(folder, f"{environment}/bin/python -m pip list --format freeze")
    assert f"{PYYAML}\n" in listed.lower()
    assert "tensorflow" not in listed.lower()


def test_the_flag_alone_runs_nothing_again(folder: Path) -> None:
    assert "Nothing to be done" in toy.run(folder, "snakemake -n")
    (folder / "reports" / "index.html").unlink()
    toy.run(folder, "snakemake --cores 1")
    assert f"ran in {sys.prefix}\n" in (folder / "said" / "report").read_text(encoding="utf-8")
    assert "Nothing to be done" in toy.run(folder, "snakemake -n --use-conda")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy repository in which nothing has run, and nothing will."""
    return toy.make_toy(tmp_path_factory.mktemp("fresh"), toy.small_params())


@pytest.mark.parametrize(
    ("python", "pip", "named"), [("python =1.5", PYYAML, "python"), ("python", "pyyaml==99.0", "pyyaml==99.0")]
)
def test_a_version_that_does_not_exist_is_named(fresh: Path, python: str, pip: str, named: str) -> None:
    write_environment(fresh, python=python, pip=pip)
    printed = toy.run(fresh, "snakemake --cores 1 --use-conda --conda-create-envs-only", status=1)
    assert "Could not create conda environment" in printed
    assert named in printed.partition("Output:")[2]
    assert not list((fresh / ".snakemake" / "conda").glob("*_")), "nothing half-made is left"


def test_without_conda_the_flag_says_what_is_missing(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(one for one in folders if not Path(one, "conda").exists()))
    printed = toy.run(fresh, "snakemake -n --use-conda", status=1)
    assert "expected the command conda, 24.7.1 or newer, for --use-conda, got none on PATH" in printed
    assert "Traceback" not in printed


def test_the_environment_follows_the_gpu(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("ONCOROBUST_GPU")
    plan = "snakemake -n --use-conda --set-scatter test_images=2"  # rules of both files
    assert made(fresh, plan) == {"environment.gpu.yml"}
    assert made(fresh, f"ONCOROBUST_GPU=0 {plan}") == {"environment.yml"}
    printed = toy.run(fresh, f"ONCOROBUST_GPU=yes {plan}", status=1)
    assert "expected ONCOROBUST_GPU to be 0 or 1, got 'yes' in the environment" in printed


def made(folder: Path, command: str) -> set[str]:
    """The files from which Snakemake would make environments."""
    lines = [line.split() for line in toy.run(folder, command).splitlines()]
    return {Path(line[2]).name for line in lines if line[:2] == ["Conda", "environment"]}
