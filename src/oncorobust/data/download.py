"""MNIST and CIFAR-10 from where they are published, checked against the published SHA-256.

MNIST comes from the mirror that PyTorch keeps, because the publisher's own page refuses programs; CIFAR-10 from its
page in Toronto. A file is written under a `.part` name until its checksum is right.
"""

import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from oncorobust.errors import InputError
from oncorobust.files import file_sha256

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


def download_mnist(folder: Path, *, base_url: str = MNIST_URL) -> None:
    """Fetch MNIST's four gzipped files. Raises InputError without network or with another checksum."""
    for name, sha256 in MNIST_SHA256.items():
        fetch(base_url + name, folder / name, sha256=sha256)
    _note_source(folder, base_url)


def download_cifar10(folder: Path, *, base_url: str = CIFAR10_URL) -> None:
    """Fetch and unpack CIFAR-10's binary version. Raises InputError without network or with another checksum."""
    for name, sha256 in CIFAR10_SHA256.items():
        archive = folder / name
        fetch(base_url + name, archive, sha256=sha256)
        unpack(archive, folder)
        archive.unlink()
    _note_source(folder, base_url)


def fetch(url: str, path: Path, *, sha256: str) -> None:
    """Download one file, whole and with this checksum, or nothing. Raises InputError with the URL and the reason."""
    draft = path.with_name(path.name + ".part")
    try:
        with urllib.request.urlopen(url, timeout=_SILENCE_SECONDS) as answer, draft.open("wb") as stream:
            shutil.copyfileobj(answer, stream)
        found = file_sha256(draft)
        if found != sha256:
            raise InputError(f"expected SHA-256 {sha256}, got {found} from {url}")
        draft.replace(path)
    except InputError:
        raise
    except urllib.error.HTTPError as error:
        raise InputError(f"expected to download {url}, got {error}") from error
    except urllib.error.URLError as error:
        raise InputError(f"expected to download {url}, got {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"expected to download {url}, got {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; members that would climb out of the folder, links and devices are refused."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"expected a tar archive that stays in its folder, got {error} in {archive}") from error


def _note_source(folder: Path, base_url: str) -> None:
    (folder / "SOURCE.txt").write_text(f"Downloaded by oncorobust from {base_url}\n", encoding="utf-8")
