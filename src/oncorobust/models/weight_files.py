"""Weights of a PyTorch module from a .safetensors file, checked tensor by tensor.

A .safetensors file holds names, shapes and numbers alone. Files that hold a pickle (.pt, .pth, .ckpt, .bin) are refused
by their ending and by their first bytes, without being opened: unpickling one can run code. Names, shapes and types are
compared with the module before any number is read.
"""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.models.network_arguments import first_line, import_package
from oncorobust.models.weight_differences import Tensor, compare, few

_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".ts", ".tar", ".joblib")
_WRAPPERS = ("module.", "model.", "network.", "net.", "_orig_mod.")
"""Beginnings that DataParallel, Lightning, other wrappers and torch.compile give to all names."""

_PICKLE, _ZIP = "a pickle", "a zip archive, as torch.save writes one around a pickle"
_LARGEST_HEADER = 100_000_000  # bytes, as the library safetensors accepts
_FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
_INTEGERS = ("I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL")


def load_weights(module: Any, path: str | Path, *, prefix: str = "") -> None:
    """Copy the tensors of a .safetensors file into a torch.nn.Module.

    prefix: a beginning of the names in the file that the module's names lack; tensors without it are left out, with a
    warning. If it is empty, a common beginning that wrappers give, such as `module.`, is found and removed, with a
    warning. Integers, such as BatchNorm's `num_batches_tracked`, may be missing and then keep their values. Other
    precisions become float32, with a warning. Raises InputError naming the file where safetensors is not installed, for
    a file of another kind, with a pickle, or cut off, for missing, unexpected or misshapen tensors, and for weights
    that are not finite. The module is then unchanged.
    """
    path = Path(path)
    if refused := _refusal(path):
        raise InputError(refused)
    safe_open = import_package("safetensors").safe_open
    try:
        file = safe_open(str(path), framework="pt", device="cpu")
    except Exception as error:
        raise InputError(
            f"expected a whole .safetensors file, got one that is cut off or has a wrong header in {path}: "
            f"{first_line(error)}"
        ) from error
    with file as tensors:
        _load(module, tensors, path, prefix)


def _load(module: Any, file: Any, path: Path, prefix: str) -> None:
    expected = {name: _expected(tensor) for name, tensor in module.state_dict().items()}
    names = _file_names([*file.keys()], expected, prefix, path)
    found = {name: _found(file.get_slice(source)) for name, source in names.items()}
    if differences := compare(found, expected):
        raise InputError(f"expected the weights of {type(module).__name__}, got {differences} in {path}")
    tensors = {name: file.get_tensor(source) for name, source in names.items()}
    others = {_FLOATS[one.kind] for one in found.values() if one.kind in _FLOATS} - {"float32"}
    if others:
        warnings.warn(f"weights are converted from {', '.join(sorted(others))} to float32: {path}", stacklevel=3)
    tensors = {name: one.float() if one.is_floating_point() else one for name, one in tensors.items()}
    for name, one in tensors.items():
        if not one.isfinite().all():
            raise InputError(f"expected finite weights, got NaN or infinity in tensor {names[name]!r} in {path}")
    module.load_state_dict(tensors, strict=False)  # integers may be missing


def _expected(tensor: Any) -> Tensor:
    return Tensor(tuple(tensor.shape), "F32" if tensor.is_floating_point() else "I64", tensor.is_floating_point())


def _found(part: Any) -> Tensor:
    kind = part.get_dtype()
    floating = True if kind in _FLOATS else False if kind in _INTEGERS else None
    return Tensor(tuple(part.get_shape()), kind, floating)


def _file_names(names: Collection[str], expected: Mapping[str, Any], prefix: str, path: Path) -> dict[str, str]:
    """Return the names of the file's tensors by what they are called in the module."""
    if not prefix:
        prefix = _common_beginning(names, expected)
        if prefix:
            warnings.warn(f"the beginning {prefix!r} of all names is removed: {path}", stacklevel=4)
    elif not prefix.endswith("."):
        prefix += "."
    if other := [name for name in names if not name.startswith(prefix)]:
        if len(other) == len(names):
            raise InputError(f"expected tensors whose names begin with {prefix!r}, got {few(names)} in {path}")
        warnings.warn(f"tensors without the prefix {prefix!r} are left out: {few(other)}: {path}", stacklevel=4)
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}


def _common_beginning(names: Collection[str], expected: Collection[str]) -> str:
    """Return the beginning that wrappers gave to all names, of which the module knows none; "" if there is none."""
    prefix = ""
    while names and not any(name[len(prefix) :] in expected for name in names):
        parts = {name[len(prefix) :].partition(".")[0] + "." for name in names}
        if len(parts) != 1 or not parts <= set(_WRAPPERS):
            return ""
        prefix += parts.pop()
    return prefix


def _refusal(path: Path) -> str:
    """Return why a file is not opened; "" if it may be a .safetensors file."""
    if not path.is_file():
        return f"expected a .safetensors file, got no such file: {path}"
    kind = _kind(path)
    if path.suffix.lower() in _PICKLES or kind in (_PICKLE, _ZIP):
        return (
            f"expected a .safetensors file, got {kind or 'another ending'} in {path}: files that may hold a pickle are "
            f"never opened, because that can run code. Convert it where you trust it:\n{_conversion(path)}"
        )
    if kind:
        return f"expected a .safetensors file, got {kind} in {path}"
    if path.suffix.lower() != ".safetensors":
        return f"expected a file whose name ends in .safetensors, got {path}"
    return ""


def _kind(path: Path) -> str:
    """Describe a file by its first bytes; "" if they are those of a .safetensors file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(64)
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header <= size - 8:
        return ""
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _ZIP
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _PICKLE
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS without the content (git lfs pull fetches it)"
    if head[8:9] == b"{" and header < _LARGEST_HEADER:
        return f"a file that is cut off (a header of {header} bytes in {size} bytes)"
    return "a file of another kind" if size else "an empty file"


def _conversion(path: Path) -> str:
    return (
        "import torch\nfrom safetensors.torch import save_file\n"
        f'state = torch.load({str(path)!r}, map_location="cpu", weights_only=True)\n'
        'save_file({name: one.clone() for name, one in state.get("state_dict", state).items()}, '
        f"{str(path.with_suffix('.safetensors'))!r})"
    )
