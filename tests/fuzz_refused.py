"""Pickles and archives that our readers have to refuse, and the mutations that are tried on a file of each name.

The pickles name functions of this module or small objects, none of which a batch of CIFAR-10 has.
"""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz_mutations import BLIND, DICOM, NIFTI, NPY, OTHER_FILES, TEXT, XML, Mutation, become, chunk, inside_gzip


class Call:
    """An object whose pickle names a function and its arguments."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


def leave_trace(path: str) -> None:
    """Create a file: the fuzzer sees it, and so sees a reader that calls what a pickle names."""
    Path(path).touch()


def other_pickles(trace: Path) -> Mutation:
    """Pickles with names, types or contents that a batch of CIFAR-10 does not have."""
    objects = [
        Call(leave_trace, str(trace)),
        {b"data": Call(leave_trace, str(trace)), b"labels": [1]},
        {b"data": np.array([1, 2], dtype=object), b"labels": [1, 2]},
        {b"data": Call(np.ndarray, (1, 3072), "u1"), b"labels": [1]},
        {b"data": Call(np.dtype, "O"), b"labels": Call(np.dtype, "u1")},
        {b"data": Call(bytearray, 3), b"labels": [1]},
        {b"label_names": 5, b"data": {}, b"labels": {}},
        {"data": 1},
    ]
    return become(*(pickle.dumps(one, protocol=2) for one in objects), b"cmade_up\nname\n(V1\ntR.", b"(((.")


def outside_zips() -> Mutation:
    """Zip archives with names outside of their folder, with names that no file system takes, and with a link."""
    made = []
    for name in ("../canary/precious", "/outside/x", "..\\x", "a/../../x", "C:\\x", "", "a\0b", "x" * 300):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr(zipfile.ZipInfo(name), "x")
        made.append(buffer.getvalue())
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(link, "../canary")
    return become(*made, buffer.getvalue())


def outside_tars() -> Mutation:
    """Tar archives with names outside of their folder, with links to outside, and with a pipe."""
    made = []
    for name in ("../canary/precious", "a/../../x", "", "x" * 300):
        made.append(_tar((name, tarfile.REGTYPE, "")))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        made += [_tar(("link", kind, target)) for target in ("../canary", "../canary/precious", "/outside")]
    made.append(_tar(("pipe", tarfile.FIFOTYPE, "")))
    return become(*made)


def _tar(*members: tuple[str, bytes, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 5 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"other"))
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
        ".zip": [outside_zips()],
        ".tar": [outside_tars()],
        "": [other_pickles(trace)],
    }
    own = special.get(suffix, [])
    chosen = [*own, *BLIND, OTHER_FILES]
    if suffix == ".gz":
        within = [*BLIND, *(NIFTI if name.endswith(".nii.gz") else [])]
        chosen += [lambda content, rng: inside_gzip(content, rng, within)] * 6
    return chosen
