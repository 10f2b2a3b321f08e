"""Downloads of MNIST and CIFAR-10, and of single files and archives, verified by their SHA-256.

MNIST comes from PyTorch's mirror, because the publisher's own page rejects programs; CIFAR-10 comes from its page in
Toronto. A file keeps a `.part` name until its checksum is verified, and a file that already exists with that checksum
is not downloaded again. Requests are repeated a few times if the server answers 5xx or the connection breaks. Proxies
are taken from the environment (HTTPS_PROXY), as Python's urllib does.
"""

import http.client
import stat
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_sha256
from oncorobust.base.progress import Notify

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR10_SHA256 = {
    "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}

_SILENCE_SECONDS = 60
_PAUSES_SECONDS = (1.0, 4.0)
"""Pauses before the second and the third attempt."""
_CHUNK_BYTES = 1 << 20


def download_mnist(folder: Path, *, base_url: str = MNIST_URL, on_progress: Notify) -> None:
    """Download MNIST's four gzipped files. Raises InputError if the network fails or a checksum differs."""
    source = _describe(base_url)
    if is_whole(folder, source):
        return
    for name, sha256 in MNIST_SHA256.items():
        fetch(base_url + name, folder / name, sha256=sha256, on_progress=on_progress)
    note_source(folder, source)


def download_cifar10(folder: Path, *, base_url: str = CIFAR10_URL, on_progress: Notify) -> None:
    """Download and unpack CIFAR-10's binary version. Raises InputError if the network fails or a checksum differs."""
    source = _describe(base_url)
    if is_whole(folder, source):
        return
    for name, sha256 in CIFAR10_SHA256.items():
        archive = folder / name
        fetch(base_url + name, archive, sha256=sha256, on_progress=on_progress)
        unpack(archive, folder)
        archive.unlink()
    note_source(folder, source)


def fetch(url: str, path: Path, *, sha256: str, on_progress: Notify) -> None:
    """Download one file and verify its checksum; leave no incomplete file. Raises InputError with URL and reason."""
    if path.is_file() and file_sha256(path) == sha256:
        return
    draft = path.with_name(path.name + ".part")
    try:
        _transfer_patiently(url, draft, on_progress=on_progress)
        found = file_sha256(draft)
        if found != sha256:
            raise InputError(f"expected SHA-256 {sha256}, got {found} from {url}")
        draft.replace(path)
    except InputError:
        raise
    except urllib.error.HTTPError as error:
        raise InputError(f"download of {url} failed: {error}") from error
    except urllib.error.URLError as error:
        raise InputError(f"download of {url} failed: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"download of {url} failed: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def _transfer_patiently(url: str, draft: Path, *, on_progress: Notify) -> None:
    for pause in _PAUSES_SECONDS:
        try:
            return _transfer(url, draft, on_progress=on_progress)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise
        except (http.client.HTTPException, ConnectionResetError, TimeoutError):
            pass  # the connection broke: try again
        time.sleep(pause)
    return _transfer(url, draft, on_progress=on_progress)


def _transfer(url: str, draft: Path, *, on_progress: Notify) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "oncorobust"})
    with urllib.request.urlopen(request, timeout=_SILENCE_SECONDS) as answer, draft.open("wb") as stream:
        total = answer.length or 0  # some servers do not state it
        _copy(answer, stream, total=total, text=f"MB of {PurePosixPath(url).name}", on_progress=on_progress)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)


def _copy(answer: http.client.HTTPResponse, stream: BinaryIO, *, total: int, text: str, on_progress: Notify) -> None:
    while chunk := answer.read(_CHUNK_BYTES):
        stream.write(chunk)
        done = stream.tell()
        on_progress(done >> 20, max(done, total) >> 20, text)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive. Raises InputError for a damaged one, and for members outside of its folder."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for member in packed.infolist():
                    _check_member(member, archive)
                packed.extractall(folder)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")  # refuses paths and links to outside, and devices
    except InputError:
        raise
    except Exception as error:  # a damaged archive can raise almost any exception
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected an archive that stays in its folder, got {text} in {archive}") from error


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    linked = stat.S_ISLNK(member.external_attr >> 16)
    if linked or path.is_absolute() or ".." in path.parts or PureWindowsPath(member.filename).drive:
        raise InputError(f"expected an archive that stays in its folder, got {member.filename!r} in {archive}")


def is_whole(folder: Path, source: str) -> bool:
    """Return whether an earlier download from the same source was completed: SOURCE.txt is written last."""
    path = folder / "SOURCE.txt"
    return path.is_file() and path.read_text(encoding="utf-8") == source


def note_source(folder: Path, source: str) -> None:
    """Write SOURCE.txt, which states the source of a raw tree and marks it as complete."""
    (folder / "SOURCE.txt").write_text(source, encoding="utf-8")


def _describe(base_url: str) -> str:
    return f"Downloaded by oncorobust from {base_url}\n"
