"""CIFAR-10's batches in both versions: the same images, and what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.formats import cifar10
from oncorobust.formats.cifar10 import CLASS_NAMES, open_cifar10

TRAIN = np.random.default_rng(0).integers(0, 256, (3, 3073)).astype(np.uint8)
TRAIN[:, 0] = [3, 0, 9]
TEST = np.random.default_rng(1).integers(0, 256, (2, 3073)).astype(np.uint8)
TEST[:, 0] = [1, 2]


def write_binary(folder: Path) -> Path:
    (folder / "data_batch_1.bin").write_bytes(TRAIN.tobytes())
    (folder / "test_batch.bin").write_bytes(TEST.tobytes())
    return folder


def write_pickle(path: Path, content: object, protocol: int = 2) -> None:
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def write_python(folder: Path) -> Path:
    for name, records in (("data_batch_1", TRAIN), ("test_batch", TEST)):
        write_pickle(folder / name, {b"data": records[:, 1:], b"labels": records[:, 0].tolist()})
    return folder


def test_a_record_is_label_then_red_green_blue_planes(tmp_path: Path) -> None:
    raw = open_cifar10(write_binary(tmp_path))
    image = raw.read(1).values
    assert image.shape == (32, 32, 3)
    assert image[0, 0].tolist() == [TRAIN[1, 1], TRAIN[1, 1 + 1024], TRAIN[1, 1 + 2048]]
    assert image[1, 0, 0] == TRAIN[1, 1 + 32]
    np.testing.assert_array_equal(raw.read(4).values[:, :, 2].ravel(), TEST[1, 1 + 2048 :])
    assert raw.index["label"].tolist() == [3, 0, 9, 1, 2]
    assert raw.index["given_split"].tolist() == ["train"] * 3 + ["test"] * 2
    assert raw.index["image_id"].tolist()[-1] == "test_batch-00001"
    assert raw.class_names == CLASS_NAMES


def test_both_versions_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b" / "cifar-10-batches-py").mkdir(parents=True)
    binary = open_cifar10(write_binary(tmp_path / "a"))
    python = open_cifar10(write_python(tmp_path / "b" / "cifar-10-batches-py").parent)
    assert python.index.drop(columns="source").equals(binary.index.drop(columns="source"))
    assert python.index["source"][0] == "cifar-10-batches-py/data_batch_1"
    for position in range(5):
        np.testing.assert_array_equal(python.read(position).values, binary.read(position).values)


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_with_either_name_of_numpys_module(tmp_path: Path, protocol: int) -> None:
    path = write_python(tmp_path) / "data_batch_1"
    write_pickle(path, {b"data": TRAIN[:, 1:], b"labels": [3, 0, 9]}, protocol=protocol)
    if protocol == 2:  # as NumPy before 2 wrote it, in the published files too
        assert b"numpy._core.multiarray" in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    np.testing.assert_array_equal(open_cifar10(tmp_path).read(0).values.transpose(2, 0, 1).ravel(), TRAIN[0, 1:])


def test_class_names_of_the_tree(tmp_path: Path) -> None:
    names = [f"class{number}" for number in range(10)]
    (write_binary(tmp_path) / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert open_cifar10(tmp_path).class_names == tuple(names)
    (tmp_path / "batches.meta.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match=r"expected ten class names, got 2 in .*batches\.meta\.txt"):
        open_cifar10(tmp_path)


def test_class_names_of_the_python_version(tmp_path: Path) -> None:
    names = [f"class{number}".encode() for number in range(10)]
    write_pickle(write_python(tmp_path) / "batches.meta", {b"label_names": names})
    assert open_cifar10(tmp_path).class_names[9] == "class9"


def test_published_checksum_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_binary(tmp_path)
    monkeypatch.setitem(cifar10.SHA256, "test_batch", file_sha256(tmp_path / "test_batch.bin"))
    assert open_cifar10(tmp_path).verified == "test_batch: SHA-256 as published; data_batch_1: unverified"


@pytest.mark.parametrize("length", [0, 3072, 3074, 2 * 3073 - 1])
def test_short_record(tmp_path: Path, length: int) -> None:
    (write_binary(tmp_path) / "data_batch_1.bin").write_bytes(b"\0" * length)
    with pytest.raises(InputError, match=rf"expected records of 3073 bytes, got {length} bytes in .*data_batch_1\.bin"):
        open_cifar10(tmp_path)


def test_label_above_nine(tmp_path: Path) -> None:
    records = TRAIN.copy()
    records[1, 0] = 10
    (write_binary(tmp_path) / "data_batch_1.bin").write_bytes(records.tobytes())
    with pytest.raises(InputError, match="expected labels from 0 to 9, got 10 in record 1 of"):
        open_cifar10(tmp_path)


def test_no_batch(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected data_batch_1\.bin or data_batch_1, got neither in"):
        open_cifar10(tmp_path)


@pytest.mark.parametrize("missing", ["data_batch_1", "test_batch"])
def test_missing_batch(tmp_path: Path, missing: str) -> None:
    (write_binary(tmp_path) / f"{missing}.bin").unlink()
    with pytest.raises(InputError, match=rf"expected {missing}\.bin, got no such file"):
        open_cifar10(tmp_path)


def test_gap_between_batches(tmp_path: Path) -> None:
    (write_binary(tmp_path) / "data_batch_3.bin").write_bytes(TRAIN.tobytes())
    with pytest.raises(InputError, match=r"expected data_batch_2\.bin, got no such file"):
        open_cifar10(tmp_path)


def test_both_versions_at_once(tmp_path: Path) -> None:
    write_python(write_binary(tmp_path))
    with pytest.raises(InputError, match="expected one version of CIFAR-10"):
        open_cifar10(tmp_path)


def test_cifar100(tmp_path: Path) -> None:
    write_pickle(write_python(tmp_path) / "data_batch_1", {b"data": TRAIN[:, 1:], b"fine_labels": [1, 2, 3]})
    with pytest.raises(InputError, match=r"expected CIFAR-10, got CIFAR-100 \(fine_labels\)"):
        open_cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a pickled dictionary, got list"),
        ({b"data": TRAIN[:, 1:].astype(float), b"labels": [1, 2, 3]}, "expected data of n x 3072 unsigned bytes"),
        ({b"data": TRAIN[:, 2:], b"labels": [1, 2, 3]}, "expected data of n x 3072 unsigned bytes"),
        ({b"data": TRAIN[:, 1:], b"labels": [1, 2]}, "expected 3 labels"),
        (
            {b"data": TRAIN[:, 1:], b"labels": [1, 2, "three"]},
            "expected whole numbers from 0 to 9 as labels, got other values",
        ),
        ({b"data": TRAIN[:, 1:], b"labels": [1, 2, 10]}, "expected labels from 0 to 9, got 10"),
    ],
)
def test_other_content(tmp_path: Path, content: object, message: str) -> None:
    write_pickle(write_python(tmp_path) / "data_batch_1", content)
    with pytest.raises(InputError, match=message):
        open_cifar10(tmp_path)


def test_truncated_pickle(tmp_path: Path) -> None:
    path = write_python(tmp_path) / "data_batch_1"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"expected a pickled batch of arrays and lists, got .* in .*data_batch_1"):
        open_cifar10(tmp_path)


def leave_trace(path: str) -> None:
    Path(path).touch()


class Call:
    """An object whose pickle names `leave_trace` of this module, which no batch of CIFAR-10 names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return leave_trace, (str(self.path),)


def test_a_function_that_a_pickle_names_is_refused_and_not_called(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    write_pickle(write_python(tmp_path) / "data_batch_1", Call(trace))
    with pytest.raises(InputError, match=r"test_cifar10\.leave_trace in .*data_batch_1"):
        open_cifar10(tmp_path)
    assert not trace.exists()


def pickle_of_python_2(records: np.ndarray) -> bytes:
    """The published files' own instructions: byte strings throughout, no name of Python 3's."""

    def text(content: bytes) -> bytes:
        return b"T" + len(content).to_bytes(4, "little") + content

    dtype = (
        b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    shape = b"(K" + bytes([len(records)]) + b"M\x00\x0ct"
    state = b"(K\x01" + shape + dtype + b"\x89" + text(records[:, 1:].tobytes()) + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in records[:, 0]) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + state + text(b"labels") + labels + b"u."


def test_pickles_of_python_2(tmp_path: Path) -> None:
    (write_python(tmp_path) / "data_batch_1").write_bytes(pickle_of_python_2(TRAIN))
    raw = open_cifar10(tmp_path)
    assert raw.index["label"].tolist() == [3, 0, 9, 1, 2]
    np.testing.assert_array_equal(raw.read(2).values.transpose(2, 0, 1).ravel(), TRAIN[2, 1:])
