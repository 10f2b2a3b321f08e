"""The idx format of MNIST: a big-endian header (magic, then one count an axis) and unsigned bytes.

The magic number's third byte is the type (8: unsigned byte), its fourth the number of axes, so images (n, h, w) have
2051 and labels (n,) 2049. Files may be gzipped, as published. Source: LeCun, Cortes and Burges, "The MNIST database".
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from oncorobust.errors import InputError

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049


def read_idx(path: Path, *, magic: int) -> np.ndarray:
    """Read unsigned bytes of the shape in the header.

    magic: the expected number, 2051 for images (n, h, w) or 2049 for labels (n,).
    Raises InputError for a file that cannot be read, is corrupt, has another magic number or another length.
    """
    content = _read_bytes(path)
    header = 4 * (1 + magic % 256)
    if len(content) < header:
        raise InputError(f"expected an idx header of {header} bytes, got {len(content)} bytes in {path}")
    found, *shape = struct.unpack(f">{header // 4}I", content[:header])
    if found != magic:
        raise InputError(f"expected magic number {magic}, got {found} in {path}")
    expected = header + int(np.prod(shape, dtype=np.uint64))
    if len(content) != expected:
        raise InputError(
            f"expected {expected} bytes for shape {' x '.join(map(str, shape))}, got {len(content)} in {path}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write unsigned bytes (n, h, w) or (n,) as an uncompressed idx file."""
    magic = 8 * 256 + values.ndim
    header = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
    path.write_bytes(header + np.ascontiguousarray(values, dtype=np.uint8).tobytes())


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"expected a readable idx file, got {error} in {path}") from error
