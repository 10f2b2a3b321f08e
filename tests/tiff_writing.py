"""Minimal TIFF files with any tags, to test readers with layouts that no common library writes."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Tags = dict[int, tuple[int, Sequence[int]]]
"""Kind (3: 16 bits, 4: 32 bits, 2: bytes) and values by tag."""


def packed(values: np.ndarray, bits: int) -> bytes:
    """Pack each row of unsigned values (h, w) from the highest bit on."""
    single = (values[:, :, None].astype(np.uint64) >> np.arange(bits - 1, -1, -1, dtype=np.uint64)) & 1
    return np.packbits(single.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def write_tiff(
    path: Path,
    shape: tuple[int, int],
    parts: Sequence[bytes],
    *,
    bits: int | Sequence[int],
    order: str = "<",
    big: bool = False,
    **tags: tuple[int, Sequence[int]],
) -> Path:
    """Write one page with its strips or tiles; tags: `t317=(3, [2])` is a tag of 16 bits; t322 makes `parts` tiles."""
    depths = [bits] if isinstance(bits, int) else list(bits)
    height, width = shape
    places, lengths = (324, 325) if "t322" in tags else (273, 279)
    known: Tags = {256: (4, [width]), 257: (4, [height]), 258: (3, depths), 259: (3, [1]), 262: (3, [1])}
    known |= {277: (3, [len(depths)]), places: (4, [0] * len(parts)), lengths: (4, [len(part) for part in parts])}
    if "t322" not in tags:
        known[278] = (4, [-(-height // len(parts))])
    known |= {int(name[1:]): value for name, value in tags.items()}
    codes, slot = {2: "B", 3: "H", 4: "I"}, 8 if big else 4
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0, 16) if big else (42, 8))
    )
    position = len(head) + (16 if big else 6) + len(known) * (20 if big else 12)
    far = {}
    for tag, (kind, values) in sorted(known.items()):
        if (size := struct.calcsize(codes[kind]) * len(values)) > slot:
            far[tag], position = position, position + size + size % 2
    starts = [position + sum(len(part) for part in parts[:number]) for number in range(len(parts))]
    known[places] = (4, starts)
    table, tail = struct.pack(order + ("Q" if big else "H"), len(known)), b""
    for tag, (kind, values) in sorted(known.items()):
        content = struct.pack(f"{order}{len(values)}{codes[kind]}", *values)
        table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(values))
        table += struct.pack(order + ("Q" if big else "I"), far[tag]) if tag in far else content.ljust(slot, b"\0")
        tail += content + b"\0" * (len(content) % 2) if tag in far else b""
    path.write_bytes(head + table + struct.pack(order + ("Q" if big else "I"), 0) + tail + b"".join(parts))
    return path
