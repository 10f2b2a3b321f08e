"""Entries of a .pt2 file: a zip archive that torch.export.save writes, checked before PyTorch sees it.

    models/model.json                           the program
    data/weights/, data/constants/              numbers as they lie in memory, and which entry holds which weight
    data/sample_inputs/model.pt, extra/         a pickle and texts: never read, left out

Weights can also be pickles, which run code when they are read; those are refused. So are archives of other kinds, with
the way out. The archive that PyTorch gets is written anew from checked entries.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from math import prod
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.models.torch_program_graph import flag, integer, only, tensor_meta, text
from oncorobust.models.torch_program_guard import HOW_TO_EXPORT, Weight, weight_name
from oncorobust.models.torch_program_operators import shown

_MOST_ENTRIES = 100_000
_LONGEST_TEXT = 64 * 2**20  # bytes; the program of a network with 700 layers takes 3 MiB

_NUMBERS = re.compile(r"data/(weights/weight|constants/tensor)_\d{1,6}", re.ASCII)
_PROGRAM = "/".join(("models", "model.json"))  # inside the archive
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_KNOWN = {_PROGRAM, *_CONFIGS, "archive_format", "archive_version", "byteorder"}
_LEFT_OUT = ("data/sample_inputs/model.pt", ".data/", "extra/", ".format_version", ".storage_alignment")

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 10: 8, 11: 16, 12: 1, 13: 2}
"""Bytes of a number of each type of PyTorch's format: integers, floats, complex numbers and booleans."""


class ProgramArchive:
    """The entries of a .pt2 file."""

    def __init__(self, content: bytes) -> None:
        """Open a file. Raises InputError for one of another kind, or with an entry that is not known."""
        if found := _wrong_kind(content):
            raise InputError(f"expected a program of torch.export (.pt2), got {found}: {HOW_TO_EXPORT}")
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        root = self._archive.namelist()[0].partition("/")[0]
        parts = self._archive.infolist()
        if len(parts) > _MOST_ENTRIES or sum(part.file_size for part in parts) > len(content):
            raise InputError("expected an archive as torch.export.save writes it, got one that unpacks to more")
        self._parts: dict[str, zipfile.ZipInfo] = {}
        for part in parts:
            folder, _, name = part.filename.partition("/")
            if folder != root or name in self._parts or part.compress_type != zipfile.ZIP_STORED:
                raise InputError(f"expected an archive as torch.export.save writes it, got {shown(part.filename)}")
            _check_entry(name)
            self._parts[name] = part
        if "byteorder" in self._parts and self._archive.read(self._parts["byteorder"]) != b"little":
            raise InputError("expected numbers with the lowest byte first, got another order")

    def description(self) -> dict[str, Any]:
        """Return model.json, parsed."""
        return self._json(_PROGRAM)

    def rewritten(self, description: bytes, weights: Mapping[str, Weight]) -> bytes:
        """Return the archive that PyTorch gets: a checked description, and the weights that it needs, as numbers.

        Raises InputError for a weight that is missing, of other sizes, or a pickle.
        """
        stream, needed = io.BytesIO(), set()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for config, are_weights in zip(_CONFIGS, (True, False), strict=True):
                of_config = {name: one for name, one in weights.items() if one.is_weight is are_weights}
                payloads = self._payloads(config, of_config)
                needed |= {f"{config.rpartition('/')[0]}/{one['path_name']}" for one in payloads.values()}
                archive.writestr(f"archive/{config}", json.dumps({"config": payloads}))
            for name in sorted(needed):
                archive.writestr(f"archive/{name}", self._archive.read(self._parts[name]))
            archive.writestr(f"archive/{_PROGRAM}", description)
            texts = {"archive_format": "pt2", "archive_version": "0", ".data/version": "6\n", "byteorder": "little"}
            for name, value in {**texts, _LEFT_OUT[0]: ""}.items():
                archive.writestr(f"archive/{name}", value)
        return stream.getvalue()

    def _payloads(self, config: str, weights: Mapping[str, Weight]) -> dict[str, Any]:
        """Return a configuration of weights or constants, written again; all its entries are checked."""
        found = {weight_name(name): entry for name, entry in self._json(config)["config"].items()}
        checked = {name: self._payload(name, entry, config.rpartition("/")[0]) for name, entry in found.items()}
        for name, weight in weights.items():
            if name not in checked:
                raise InputError(f"expected the weights of the program, got none for {name!r}")
            for part in ("sizes", "dtype"):
                if (meta := checked[name]["tensor_meta"])[part] != weight.meta[part]:
                    raise InputError(
                        f"expected the weights of the program, got those of another one: {name!r} has {part} "
                        f"{_numbers(meta[part])}, not {_numbers(weight.meta[part])}"
                    )
        return {name: checked[name] for name in weights}

    def _payload(self, name: str, entry: Mapping[str, Any], folder: str) -> dict[str, Any]:
        only(entry, "path_name", "is_param", "use_pickle", "tensor_meta")
        path = f"{folder}/{text(entry['path_name'])}"
        if flag(entry["use_pickle"]) or not _NUMBERS.fullmatch(path):
            raise InputError(
                f"expected weights that are numbers, got a pickle or an object for {name!r} ({shown(path)}), which "
                "runs code when it is read: save a model of plain tensors"
            )
        meta = tensor_meta(entry["tensor_meta"])
        self._check_numbers(name, path, meta)
        return {
            "path_name": entry["path_name"],
            "is_param": flag(entry["is_param"]),
            "use_pickle": False,
            "tensor_meta": meta,
        }

    def _check_numbers(self, name: str, path: str, meta: Mapping[str, Any]) -> None:
        """Refuse a weight that its entry does not hold as a whole."""
        sizes, strides = _integers(meta["sizes"]), _integers(meta["strides"])
        first = integer(meta["storage_offset"]["as_int"])
        if min([first, *sizes, *strides]) < 0 or len(sizes) != len(strides) or meta["dtype"] not in _BYTES:
            raise InputError(f"expected weights of a type and sizes as PyTorch has them, got others for {name!r}")
        last = first + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        found = self._parts[path].file_size if path in self._parts else 0
        if prod(sizes) and (last + 1) * _BYTES[meta["dtype"]] > found:
            raise InputError(f"expected the weights of the program, got {found} bytes for {name!r} of sizes {sizes}")

    def _json(self, name: str) -> dict[str, Any]:
        if self._parts[name].file_size > _LONGEST_TEXT:
            raise InputError(f"expected at most {_LONGEST_TEXT >> 20} MiB of {name}, got more")
        parsed = json.loads(self._archive.read(self._parts[name]), parse_constant=_no_constant)
        if not isinstance(parsed, dict):
            raise TypeError(f"expected an object, got {type(parsed).__name__}")
        return parsed


def _check_entry(name: str) -> None:
    """Refuse an entry that is not known. Raises InputError."""
    if name.startswith("data/aotinductor/"):
        raise InputError(f"expected a program, got compiled code ({shown(name)}): {HOW_TO_EXPORT}")
    if name not in _KNOWN and not name.startswith(_LEFT_OUT) and not _NUMBERS.fullmatch(name):
        raise InputError(
            f"expected entries of a program and its weights as numbers, got {shown(name)}: save one program alone, of "
            "plain tensors"
        )


def _wrong_kind(content: bytes) -> str:
    """Return why a file cannot be a program of torch.export; empty if it may be one."""
    if not content:
        return "an empty file"
    if content[:1] == b"\x80":
        return "a pickle (.pt, .pth), which runs code when it is read"
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "a zip archive that is cut off" if content[:2] == b"PK" else "a file that is no zip archive"
    if archive.infolist() and min(part.header_offset for part in archive.infolist()) > 0:
        return "a zip archive that is cut off"  # what was opened is another one inside it: the sample inputs
    names = {one.partition("/")[2] for one in archive.namelist()}
    if "serialized_exported_program.json" in archive.namelist():
        return f"a program of {_older(archive)}, whose weights are a pickle"
    if "archive_format" in names:
        return "" if _PROGRAM in names else f"an archive of PyTorch without {_PROGRAM}"
    if "data.pkl" in names:
        scripted = "constants.pkl" in names or any(one.startswith("code/") for one in names)
        kind = "a TorchScript archive" if scripted else "a pickle of PyTorch (.pt, .pth)"
        return f"{kind}, which runs code when it is read"
    return "a zip archive of another kind"


def _older(archive: zipfile.ZipFile) -> str:
    """Name the version of a program in the layout of PyTorch 2.7 and before."""
    try:
        part = archive.getinfo("version")
        found = archive.read(part).decode("ascii").strip() if part.file_size < 32 else ""
    except (KeyError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError):
        found = ""
    return f"the older layout of PyTorch 2.7 and before (version {shown(found)})"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} in JSON")


def _integers(sizes: list[dict[str, Any]]) -> list[int]:
    return [integer(one["as_int"]) for one in sizes]


def _numbers(part: Any) -> Any:
    return _integers(part) if isinstance(part, list) else part
