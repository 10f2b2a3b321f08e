"""Every way to install gives the same versions: pyproject.toml, the lock files, and conda's two environments."""

import tomllib
from itertools import chain
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml
from locks import Locked, read_lock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = toy.REPOSITORY
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEMO = ["pipeline", "tensorflow", "demo"]
RUN, TEST, GPU, DOCS, TORCH = (
    read_lock(ROOT / "requirements" / f"{name}.lock") for name in ("run", "test", "gpu", "docs", "torch")
)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        (RUN, DEMO),
        (TEST, sorted(EXTRAS.keys() - {"docs", "gpu", "networks", "torch"})),
        (GPU, [*DEMO, "gpu"]),
        (DOCS, ["docs"]),
        (TORCH, ["networks", "test", "torch"]),
    ],
)
def test_a_lock_has_a_version_for_every_requirement_of_the_package(lock: list[Locked], extras: list[str]) -> None:
    lists = [PROJECT["dependencies"], *(EXTRAS[extra] for extra in extras)]
    wanted = [Requirement(one) for one in chain.from_iterable(lists) if not one.startswith(PROJECT["name"])]
    locked = {entry.name: entry.version for entry in lock}
    missing = {canonicalize_name(one.name) for one in wanted} - locked.keys()
    assert not missing, "run `make lock`"
    for one in wanted:
        version = locked[canonicalize_name(one.name)]
        assert one.specifier.contains(version), f"{one}, got {version}: run `make lock`"


def test_the_tests_have_every_extra_that_make_needs() -> None:
    (named,) = (Requirement(one) for one in EXTRAS["test"] if one.startswith(PROJECT["name"]))
    assert named.extras == EXTRAS.keys() - {"docs", "test", "gpu", "networks", "torch"}


def test_the_locks_agree_with_one_another() -> None:
    test = {(entry.name, entry.version) for entry in TEST}
    assert {(entry.name, entry.version) for entry in RUN} <= test
    cuda = {entry.name for entry in GPU} - {entry.name for entry in RUN}
    assert cuda
    assert all(name.startswith("nvidia-") for name in cuda)
    assert {(entry.name, entry.version) for entry in GPU if entry.name not in cuda} <= test
    shared = {entry.name for entry in TEST}
    assert test <= {(entry.name, entry.version) for entry in TORCH}
    assert {(entry.name, entry.version) for entry in DOCS if entry.name in shared} <= test, "one environment holds both"


def test_nothing_outside_the_locks_is_needed_to_install() -> None:
    for lock in (RUN, TEST, GPU, DOCS, TORCH):
        versions = {entry.name: int(entry.version.partition(".")[0]) for entry in lock}
        assert versions["setuptools"] >= 77, "what builds the package itself, without build isolation"
        assert min(entry.hashes for entry in lock) >= 1
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text(encoding="utf-8"), f"{path.name}: pip knows the address"


@pytest.mark.parametrize(("file", "lock"), [("environment.yml", RUN), ("environment.gpu.yml", GPU)])
def test_an_environment_has_the_versions_of_its_lock(file: str, lock: list[Locked]) -> None:
    environment = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    assert environment["name"] == "oncorobust"
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    python, pip, pinned = environment["dependencies"]
    assert (python, pip) == ("python =3.11", "pip")
    assert pinned == {"pip": [entry.requirement for entry in lock]}, "run `make lock`"


def test_a_damaged_lock_is_noticed(tmp_path: Path) -> None:
    place, digest = tmp_path / "damaged.lock", "0" * 64
    place.write_text(f"absl-py==2.5.1 \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n    # via keras\n")
    assert read_lock(place) == [Locked("absl-py==2.5.1", hashes=2)]
    for text in ("absl-py==2.5.1\n", f"absl-py==2.5.1 \\\n    --hash=md5:{digest}\n", "--index-url https://pypi.org\n"):
        place.write_text(text)
        with pytest.raises(AssertionError, match="neither an entry with hashes nor a comment"):
            read_lock(place)
