"""What may be wrong with a file: mutations of valid bytes, by chance, some blind and some that know the format.

Every mutation takes a file's bytes and a generator and gives other bytes. Blind ones flip, cut, repeat and swap; the
others replace numbers in text by numbers that programs stumble over, exchange fields, spoil DICOM, NIfTI, npy and PNG
headers without spoiling their structure, and add entities and nesting. Every input is small: sizes and depths are just
above our limits.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

NUMBERS = [b"-1", b"0", b"1e999", b"-1e308", b"NaN", b"inf", b"-inf", b"9" * 30, b"0x10", b"1_0", b"", b" ", b"2.5"]
NUMBERS += [b"65536", b"-32769", b"4294967296", b"1e-320", "१".encode(), b"TRUE", b"\0", b"\xff", b"1,5", b'"', b"\n"]
SHORTS = [b"\0\0", b"\1\0", b"\xff\xff", b"\xff\x7f", b"\0\x80", b"\0\1", b"\x20\0", b"\x40\0"]
SYNTAXES = [b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.0", b"1.2.840.10008.1.2\0\0"]


def pick(options: list[bytes], rng: np.random.Generator) -> bytes:
    return options[int(rng.integers(len(options)))]


def span(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """A piece of the content: short as a rule, sometimes long."""
    start = int(rng.integers(len(content) + 1))
    longest = len(content) if rng.random() < 0.1 else 16
    return start, min(len(content), start + 1 + int(rng.integers(longest + 1)))


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    reach = len(changed) if rng.random() < 0.5 else min(len(changed), 400)  # headers are at the start
    for _ in range(int(rng.integers(1, 9))):
        if reach:
            changed[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def set_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    value = pick([b"\0", b"\xff", b"\x80", b"\x7f", *SHORTS, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8], rng)
    reach = len(content) if rng.random() < 0.5 else min(len(content), 400)
    start = int(rng.integers(reach + 1))
    return content[:start] + value + content[start + len(value) :]


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def extend(content: bytes, rng: np.random.Generator) -> bytes:
    return content + pick([rng.bytes(1 + int(rng.integers(64))), b"\0" * 4096, content, b"\n"], rng)


def delete(content: bytes, rng: np.random.Generator) -> bytes:
    start, stop = span(content, rng)
    return content[:start] + content[stop:]


def repeat(content: bytes, rng: np.random.Generator) -> bytes:
    start, stop = span(content, rng)
    return content[:stop] + content[start:]


def swap(content: bytes, rng: np.random.Generator) -> bytes:
    (a, b), (c, d) = sorted((span(content, rng), span(content, rng)))
    return content if c < b else content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def replace_match(pattern: bytes, options: list[bytes], *, keep_length: bool = False) -> Mutation:
    """Replace one match of a pattern's first group; `keep_length` pads or cuts, so that the rest stays in its place."""
    compiled = re.compile(pattern, re.DOTALL)

    def mutate(content: bytes, rng: np.random.Generator) -> bytes:
        places = [match.span(1) for match in compiled.finditer(content)]
        if not places:
            return content
        start, stop = places[int(rng.integers(len(places)))]
        value = pick(options, rng)
        value = value.ljust(stop - start)[: stop - start] if keep_length else value
        return content[:start] + value + content[stop:]

    return mutate


def swap_matches(pattern: bytes) -> Mutation:
    """Exchange two matches of a pattern's first group: fields, lines, elements."""
    compiled = re.compile(pattern, re.DOTALL)

    def mutate(content: bytes, rng: np.random.Generator) -> bytes:
        places = [match.span(1) for match in compiled.finditer(content)]
        if len(places) < 2:
            return content
        (a, b), (c, d) = (places[k] for k in sorted(rng.choice(len(places), 2, replace=False).tolist()))
        return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]

    return mutate


def insert(options: list[bytes]) -> Mutation:
    """Put something in somewhere."""

    def mutate(content: bytes, rng: np.random.Generator) -> bytes:
        start = int(rng.integers(len(content) + 1))
        return content[:start] + pick(options, rng) + content[start:]

    return mutate


def become(*contents: bytes) -> Mutation:
    """Another file altogether."""
    return lambda content, rng: pick(list(contents), rng)  # noqa: ARG005


def inside_gzip(content: bytes, rng: np.random.Generator, mutations: list[Mutation]) -> bytes:
    try:
        inner = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return content
    return gzip.compress(mutations[int(rng.integers(len(mutations)))](inner, rng), 1)


BLIND: list[Mutation] = [flip_bits, set_bytes, truncate, extend, delete, repeat, swap]
OTHER_FILES = become(
    b"",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    b"<!DOCTYPE html><html><body>404</body></html>",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xfe<\0a\0/\0>\0",
    b"\0" * 1000,
)

TEXT: list[Mutation] = [
    replace_match(rb"(-?\d+\.?\d*)", NUMBERS),
    replace_match(rb"([^,\r\n<>]+)", NUMBERS),
    swap_matches(rb"([^,\r\n<>]+)"),
    swap_matches(rb"([^\n]*\n)"),
    replace_match(rb"([^\n]*\n)", [b"", b"\n", b",\n", b",,,,,,,,,,,,,,,,\n", b'"\n', b"a" * 200_000 + b"\n"]),
    insert(
        [b'"', b",", b"\n", b"\r", b"\0", b"\xff", "\N{BYTE ORDER MARK}".encode(), b"../../x", b"/outside/x", b"=1"]
    ),
    replace_match(
        rb"([\w./-]{1,60}\.\w{1,5})", [b"../../canary/precious", b"/outside/x", b"C:\\x", b"a\0b", b".", b"x" * 5000]
    ),
]

ENTITIES: list[bytes] = [b'<!DOCTYPE a [<!ENTITY one "1">]>', b'<!DOCTYPE a [<!ENTITY one SYSTEM "absent.txt">]>']


def entities(content: bytes, rng: np.random.Generator) -> bytes:
    """A document type with entities before the root element, and a use of one in some element's text."""
    root = re.search(rb"<\w", content)
    if root is None:
        return content
    body = replace_match(rb">([^<>]*)<", [b"&one;"])(content[root.start() :], rng)
    return content[: root.start()] + pick(ENTITIES, rng) + body


XML: list[Mutation] = [
    entities,
    insert([b"<a>" * 12, b"<a>" * 12 + b"</a>" * 12, b"<a>", b"</a>", b"&#0;", b"&lt;", b"<!--", b"<![CDATA["]),
    replace_match(rb"<(\w+)", [b"a", b"roi", b"edgeMap", b"xCoord", b"characteristics", b"x:y", b"readingSession"]),
    replace_match(rb"(<\w+>[^<]*</\w+>)", [b"", b"<malignancy>6</malignancy>", b"<xCoord>-1</xCoord>"]),
    swap_matches(rb"(<\w+>[^<]*</\w+>)"),
    replace_match(rb'encoding="([^"]*)"', [b"utf-16", b"utf-7", b"x", b"ascii", b""]),
]

NESTED = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
"""Start of a sequence with an item, both of undefined length."""

DICOM: list[Mutation] = [
    replace_match(rb"(\x08\x00\x16\x00UI)", [NESTED + b"\x08\0\x16\0UI", NESTED * 5 + b"\x08\0\x16\0UI"]),
    replace_match(rb"(?:US|SS)\x02\x00(..)", SHORTS),
    replace_match(rb"(?:DS|IS)..([-\d. \\]+)", NUMBERS, keep_length=True),
    replace_match(rb"(?:DS|IS)..([-\d. \\]+)", [b"\\" * 40, b"1\\" * 20, b"-" * 40], keep_length=True),
    replace_match(
        rb"(?:CS|UI|LO|PN)..([\w .]{2,})", [b"MONOCHROME1", b"RGB", b"CT", b"\xff\xff", b"\\\\"], keep_length=True
    ),
    replace_match(rb"(1\.2\.840\.10008\.1\.2\.\d)", SYNTAXES, keep_length=True),
    replace_match(rb"(?:US|DS|IS|CS|UI|OW|OB)(\x00\x00|..)", SHORTS),
    replace_match(rb"(US|DS|IS|CS|UI|LO|OW)", [b"SQ", b"UN", b"OB", b"US", b"DS", b"FD", b"AT", b"??"]),
]

NPY: list[Mutation] = [
    replace_match(rb"(\d+)", NUMBERS),
    replace_match(
        rb"'descr': ('[^']*')", [b"'|O'", b"'<c16'", b"'<M8[ns]'", b"[('a','<f4')]", b"'|V1000'", b"'<U9'", b"9"]
    ),
    replace_match(rb"\(([^)]*)\)", [b"99, 99", b"-1, 5", b"", b"2,", b"True, 2", b"1e3, 2", b"(), ()", b"2**4, 1"]),
]


def chunk(content: bytes, rng: np.random.Generator) -> bytes:
    """A PNG whose header is another, with the right checksum."""
    sides = [0, 1, 2, 11, 12, 13, 200]
    fields = struct.pack(">II", *(sides[int(k)] for k in rng.integers(len(sides), size=2)))
    fields += bytes(int(k) for k in rng.choice([0, 1, 2, 3, 4, 6, 8, 16, 255], size=5))
    header = b"IHDR" + fields
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


NIFTI: list[Mutation] = [
    lambda content, rng: _set(content, 40 + 2 * int(rng.integers(8)), pick(SHORTS, rng)),  # dim
    lambda content, rng: _set(content, 70 + 2 * int(rng.integers(2)), pick(SHORTS, rng)),  # datatype, bitpix
    lambda content, rng: _set(content, 76 + 4 * int(rng.integers(12)), np.float32(pick_float(rng)).tobytes()),
    lambda content, rng: _set(content, 252 + 4 * int(rng.integers(18)), np.float32(pick_float(rng)).tobytes()),
]


def pick_float(rng: np.random.Generator) -> float:
    return [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 3e38, 1e9][int(rng.integers(8))]


def _set(content: bytes, start: int, value: bytes) -> bytes:
    return content[:start] + value + content[start + len(value) :]
