"""A short part of the fuzzing, always the same cases, and proof that the fuzzer finds what it looks for."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from fuzz_loaders import fuzz
from fuzz_mutations import BLIND, ENTITIES, TEXT, Mutation, entities
from fuzz_refused import Call
from fuzz_trees import LOADERS, Loader, write_cifar10_python, write_mnist

from oncorobust.base.errors import InputError
from oncorobust.formats.cifar10 import open_cifar10
from oncorobust.formats.mnist import open_mnist

CASES = {"lidc": 30, "cbis-ddsm": 20, "brain-dicom": 20, "brain-nifti": 20}

pytestmark = pytest.mark.filterwarnings("ignore")  # decoders warn of damaged files


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.name)
def test_nothing_but_input_errors(loader: Loader, tmp_path: Path) -> None:
    result = fuzz(loader, cases=CASES.get(loader.name, 60), seed=3, work=tmp_path / "work", keep=tmp_path / "kept")
    assert result.failures == ()
    assert 0 < result.n_refused < result.n_cases


def run(loader: Loader, folder: Path) -> str:
    """What a loader that fails is said to have done, in its first failing case."""
    result = fuzz(loader, cases=40, seed=0, work=folder / "work", keep=folder / "kept")
    assert result.failures[0].file.is_file()
    return result.failures[0].what


def write_one(folder: Path) -> None:
    (folder / "a.txt").write_text("1,2\n" * 20)


def test_another_exception_is_found(tmp_path: Path) -> None:
    def careless(folder: Path) -> None:
        if "1,2" not in (folder / "a.txt").read_text(encoding="latin1")[:3]:
            raise KeyError("1,2")

    assert "KeyError" in run(Loader("careless", write_one, careless), tmp_path)


def test_a_file_elsewhere_is_found(tmp_path: Path) -> None:
    def climbing(folder: Path) -> None:
        if (folder / "a.txt").read_bytes() != b"1,2\n" * 20:
            (folder.parent / "canary" / "precious").write_text("overwritten")

    assert run(Loader("climbing", write_one, climbing), tmp_path).startswith("files changed")


def test_an_endless_loop_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def patient(folder: Path) -> None:
        while (folder / "a.txt").read_bytes() != b"1,2\n" * 20:
            pass

    monkeypatch.setattr("fuzz_loaders.SECONDS_PER_CASE", 0.01)
    assert run(Loader("patient", write_one, patient), tmp_path).startswith("took more than")


@pytest.mark.parametrize("mutation", [*BLIND, *TEXT])
def test_mutations_change_what_they_are_given(mutation: Mutation) -> None:
    content = b"image_id,path,label\n001,a.png,0.5\n002,b.png,1\n"
    rng = np.random.default_rng(0)
    assert sum(mutation(content, rng) != content for _ in range(50)) > 25


def test_entities_are_put_before_the_root_and_used() -> None:
    mutated = entities(b"<?xml version='1.0'?><a><b>1</b></a>", np.random.default_rng(0))
    assert any(entity in mutated for entity in ENTITIES)
    assert mutated.index(b"<!DOCTYPE") < mutated.index(b"<a>") < mutated.index(b"&one;")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({b"data": np.array([1, 2], dtype=object), b"labels": [1, 2]}, "an array of O8"),
        ({b"data": Call(np.ndarray, (1, 3072), "u1"), b"labels": [1]}, ".* positional argument.*"),
        ({b"data": Call(bytearray, 3), b"labels": [1]}, ".*bytearray"),
    ],
    ids=["an array of objects", "an array that is called with a shape", "another type of Python"],
)
def test_other_objects_in_a_pickled_batch_are_refused(content: dict[bytes, object], found: str, tmp_path: Path) -> None:
    write_cifar10_python(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(InputError, match=rf"expected a pickled batch of arrays and lists, got {found} in .*batch_1"):
        open_cifar10(tmp_path)


def test_a_gzip_file_is_unpacked_only_as_far_as_its_header_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(100)))
    wanted: list[int] = []
    read = gzip.GzipFile.read

    def noting(self: gzip.GzipFile, size: int = -1) -> bytes:
        wanted.append(size)
        return read(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read", noting)
    with pytest.raises(InputError, match=r"expected 12 bytes for shape 4, got at least 13 in .*t10k-labels"):
        open_mnist(tmp_path)
    assert wanted[-3:] == [8, 5, 0]


def test_fuzzing_writes_nothing_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fuzz(LOADERS[0], cases=5, seed=0, work=tmp_path / "work", keep=tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
