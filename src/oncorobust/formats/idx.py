"""Reader and writer of MNIST's idx format: a big-endian header (magic number, length of each axis) and unsigned bytes.

The third byte of the magic number is the type (8: unsigned byte) and the fourth the number of axes, so images (n, h, w)
have 2051 and labels (n,) 2049. Files may be gzipped, as published. Source: LeCun, Cortes and Burges, "The MNIST
database".
"""

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049

_CHUNK_BYTES = 1 << 20


def read_idx(path: Path, *, magic: int) -> np.ndarray:
    """Read unsigned bytes in the shape that the header gives.

    magic: the expected number, 2051 for images (n, h, w) or 2049 for labels (n,).
    Raises InputError for a file that is unreadable or corrupt, or has another magic number or length.
    """
    n_axes = magic % 256
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            shape = _read_shape(stream, n_axes, magic, path)
            values = _read_up_to(stream, math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"expected a readable idx file, got {error} in {path}") from error
    if len(values) != math.prod(shape):
        header, limit = 4 * (1 + n_axes), "at least " if len(values) > math.prod(shape) else ""
        raise InputError(
            f"expected {header + math.prod(shape)} bytes for shape {' x '.join(map(str, shape))}, "
            f"got {limit}{header + len(values)} in {path}"
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_shape(stream: BufferedIOBase, n_axes: int, magic: int, path: Path) -> tuple[int, ...]:
    header = stream.read(4 * (1 + n_axes))
    if len(header) < 4 * (1 + n_axes):
        raise InputError(f"expected an idx header of {4 * (1 + n_axes)} bytes, got {len(header)} bytes in {path}")
    found, *shape = struct.unpack(f">{1 + n_axes}I", header)
    if found != magic:
        raise InputError(f"expected magic number {magic}, got {found} in {path}")
    return tuple(shape)


def _read_up_to(stream: BufferedIOBase, limit: int) -> bytes:
    """Read the rest of the stream, but not more than `limit` bytes."""
    content = bytearray()
    while chunk := stream.read(min(_CHUNK_BYTES, limit - len(content))):
        content += chunk
    return bytes(content)


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write unsigned bytes (n, h, w) or (n,) as an uncompressed idx file."""
    magic = 8 * 256 + values.ndim
    header = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
    path.write_bytes(header + np.ascontiguousarray(values, dtype=np.uint8).tobytes())
