"""MNIST's idx files: what is read, and what is refused."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.formats import mnist
from oncorobust.formats.idx import IMAGES_MAGIC, read_idx, write_idx
from oncorobust.formats.mnist import open_mnist
from oncorobust.formats.open_raw import open_raw
from oncorobust.settings.data import Mnist

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 28, 28)).astype(np.uint8)
LABELS = np.array([7, 2, 1, 0], dtype=np.uint8)


def write_part(folder: Path, part: str = "train", images: np.ndarray = IMAGES, labels: np.ndarray = LABELS) -> Path:
    write_idx(folder / f"{part}-images-idx3-ubyte", images)
    write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


def test_idx_bytes_are_the_published_layout(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", np.array([[[1, 2, 3]], [[4, 5, 6]]], dtype=np.uint8))
    write_idx(tmp_path / "labels", np.array([9, 0], dtype=np.uint8))
    assert (tmp_path / "images").read_bytes() == bytes(
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]
    )
    assert (tmp_path / "labels").read_bytes() == bytes([0, 0, 8, 1, 0, 0, 0, 2, 9, 0])


def test_one_part(tmp_path: Path) -> None:
    raw = open_mnist(write_part(tmp_path))
    assert raw.index["image_id"].tolist() == ["train-00000", "train-00001", "train-00002", "train-00003"]
    assert raw.index["patient_id"].tolist() == raw.index["image_id"].tolist()
    assert raw.index["label"].tolist() == [7, 2, 1, 0]
    assert set(raw.index["given_split"]) == {"train"}
    assert set(raw.index["source"]) == {"train-images-idx3-ubyte"}
    np.testing.assert_array_equal(raw.read(2).values, IMAGES[2])
    assert raw.read(2).limits == (0, 255)
    assert (raw.synthetic, raw.verified, raw.class_names[3]) == (False, "unverified", "3")


def test_both_parts_keep_their_split(tmp_path: Path) -> None:
    write_part(tmp_path)
    write_part(tmp_path, "t10k", IMAGES[::-1])
    raw = open_mnist(tmp_path)
    assert raw.index["given_split"].tolist() == ["train"] * 4 + ["test"] * 4
    np.testing.assert_array_equal(raw.read(4).values, IMAGES[3])


@pytest.mark.parametrize(
    "name", ["train-images.idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte.gz"]
)
def test_other_names(tmp_path: Path, name: str) -> None:
    write_part(tmp_path)
    plain = tmp_path / "train-images-idx3-ubyte"
    content = plain.read_bytes()
    plain.unlink()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    np.testing.assert_array_equal(open_mnist(tmp_path).read(0).values, IMAGES[0])


def test_published_checksum_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_part(tmp_path)
    monkeypatch.setitem(mnist.SHA256, "train images", {file_sha256(tmp_path / "train-images-idx3-ubyte")})
    assert open_mnist(tmp_path).verified == "train images: SHA-256 as published; train labels: unverified"


def test_marked_as_synthetic(tmp_path: Path) -> None:
    folder = write_part(tmp_path)
    (folder / "SYNTHETIC.txt").touch()
    assert open_mnist(folder).synthetic


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected a folder with a raw tree of format mnist, got no folder at .*nowhere"
    ):
        open_raw(tmp_path / "nowhere", Mnist(), seed=0, on_progress=lambda *_: None)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected train-images-idx3-ubyte or t10k-images-idx3-ubyte .*, got none in"):
        open_mnist(tmp_path)


@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_missing_half(tmp_path: Path, kind: str) -> None:
    (write_part(tmp_path) / f"train-{kind}-ubyte").unlink()
    with pytest.raises(InputError, match=f"expected train-{kind}-ubyte .*got no such file"):
        open_mnist(tmp_path)


def test_twice_the_same_file(tmp_path: Path) -> None:
    write_part(tmp_path)
    (tmp_path / "train-images.idx3-ubyte").write_bytes(b"")
    with pytest.raises(InputError, match="expected one file for train images, got train-images-idx3-ubyte and"):
        open_mnist(tmp_path)


def test_empty(tmp_path: Path) -> None:
    (write_part(tmp_path) / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(InputError, match=r"expected an idx header of 16 bytes, got 0 bytes in .*train-images"):
        open_mnist(tmp_path)


@pytest.mark.parametrize(("change", "found"), [(-1, "3151"), (1, "at least 3153"), (9, "at least 3153")])
def test_truncated_or_too_long(tmp_path: Path, change: int, found: str) -> None:
    path = write_part(tmp_path) / "train-images-idx3-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    with pytest.raises(InputError, match=f"expected 3152 bytes for shape 4 x 28 x 28, got {found} in"):
        open_mnist(tmp_path)


def test_wrong_magic_is_printed(tmp_path: Path) -> None:
    path = write_part(tmp_path) / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">I", 2052) + path.read_bytes()[4:])
    with pytest.raises(InputError, match="expected magic number 2051, got 2052 in"):
        open_mnist(tmp_path)


def test_memory_is_that_of_the_file_not_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">4I", IMAGES_MAGIC, 200, 200, 200))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"expected 8000016 bytes for shape 200 x 200 x 200, got 16"):
        read_idx(path, magic=IMAGES_MAGIC)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(b"x" * 99, mtime=0)[:-12], b""])
def test_corrupt_gzip(tmp_path: Path, content: bytes) -> None:
    (write_part(tmp_path) / "train-images-idx3-ubyte").unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz"):
        open_mnist(tmp_path)


def test_other_size(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected images of 28 x 28, got 32 x 28 in"):
        open_mnist(write_part(tmp_path, images=np.zeros((4, 32, 28), dtype=np.uint8)))


def test_other_number_of_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 4 labels as in train-images-idx3-ubyte, got 3 in"):
        open_mnist(write_part(tmp_path, labels=LABELS[:3]))


def test_label_above_nine(tmp_path: Path) -> None:
    labels = np.array([0, 1, 10, 3], dtype=np.uint8)
    with pytest.raises(InputError, match="expected labels from 0 to 9, got 10 at position 2 in"):
        open_mnist(write_part(tmp_path, labels=labels))


def test_single_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected images of at least two classes, got 3"):
        open_mnist(write_part(tmp_path, labels=np.full(4, 3, dtype=np.uint8)))


def test_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected images of at least two classes, got none"):
        open_mnist(write_part(tmp_path, images=IMAGES[:0], labels=LABELS[:0]))
