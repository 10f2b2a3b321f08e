"""Files made to do harm, pickles that call and archives that climb out, and what is tried on a file of which name."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz_mutations import BLIND, DICOM, NIFTI, NPY, OTHER_FILES, TEXT, XML, Mutation, become, chunk, inside_gzip


class Call:
    """A pickle of this calls a function with an argument when it is read without care."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


def calls(trace: Path) -> Mutation:
    """Pickles that would make `trace`, run code, or build an object out of the file's bytes."""
    harm = [
        Call(Path.mkdir, trace),
        Call(eval, f"__import__('os').mkdir({str(trace)!r})"),
        {b"data": Call(Path.mkdir, trace), b"labels": [1]},
        {b"data": Call(np.ndarray, (1, 3072), "O", b"\x41" * 24576), b"labels": [1]},
        {b"data": Call(np.ndarray, (10**12, 3072), "u1"), b"labels": [1]},
        {b"data": Call(np.dtype, "O"), b"labels": Call(np.dtype, "u1")},
        {b"data": Call(bytearray, 10**13), b"labels": [1]},
        {b"label_names": 5, b"data": {}, b"labels": {}},
        {"data": 1},
    ]
    climbing = b"cos\nmkdir\n(V" + str(trace).encode() + b"\ntR."
    memo = b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f]\x94."
    return become(*(pickle.dumps(one, protocol=2) for one in harm), climbing, memo, b"(" * 100_000 + b"." * 2)


def climbing_zips() -> Mutation:
    """Zip archives whose members would be written outside, and one that says it unpacks to more than there is."""
    made = []
    for name in ("../canary/precious", "/tmp/outside-by-fuzz", "..\\x", "a/../../x", "C:\\x", "", "a\0b", "x" * 300):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr(zipfile.ZipInfo(name), "x")
        made.append(buffer.getvalue())
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(link, "../canary")
        packed.writestr("link/precious", "overwritten")
    return become(*made, buffer.getvalue())


def climbing_tars() -> Mutation:
    """Tar archives with climbing names, links out and then through them, and devices."""
    made = []
    for name in ("../canary/precious", "/tmp/outside-by-fuzz", "a/../../x", "", "x" * 300):
        made.append(_tar((name, tarfile.REGTYPE, "")))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in ("../canary", "../canary/precious", "/etc", "/etc/passwd", "."):
            made.append(
                _tar(("link", kind, target), ("link/precious", tarfile.REGTYPE, ""), ("link", tarfile.REGTYPE, ""))
            )
    made += [_tar(("device", kind, "")) for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)]
    return become(*made)


def _tar(*members: tuple[str, bytes, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 5 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"harm!"))
    return buffer.getvalue()


def mutations_for(name: str, *, trace: Path) -> list[Mutation]:
    """What to try on a file of this name: what its format suggests, and the blind ones."""
    suffix = Path(name).suffix
    special: dict[str, list[Mutation]] = {
        ".csv": TEXT,
        ".txt": TEXT,
        ".xml": [*XML, *XML, *TEXT],
        ".dcm": DICOM,
        ".nii": NIFTI,
        ".npy": NPY,
        ".png": [chunk],
        ".zip": [climbing_zips()],
        ".tar": [climbing_tars()],
        "": [calls(trace)],
    }
    own = special.get(suffix, [])
    chosen = [*own, *BLIND, OTHER_FILES]
    if suffix == ".gz":
        within = [*BLIND, *(NIFTI if name.endswith(".nii.gz") else [])]
        chosen += [lambda content, rng: inside_gzip(content, rng, within)] * 6
    return chosen
