"""CSV files from users and archives as text cells, with each row's line number in the file.

Files are UTF-8 with or without a byte order mark, or UTF-16 with one, and have a header. Cells are separated by commas,
or by semicolons or tabs where the header has those instead, as spreadsheets of many languages write them. Spaces and
line breaks around cells are removed and blank rows skipped. Messages recognise what is often saved in place of a CSV: a
git-lfs pointer or a server's HTML login page. Each reader interprets the cells itself and names the line of an error.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from oncorobust.base.errors import InputError


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark. Raises InputError naming file and encoding."""
    try:
        content = path.read_bytes()
        marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected a text file in UTF-8, got {_encoding(error)} in {path}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"expected a text file in UTF-8, got {error} in {path}") from error
    if "\0" in text:
        raise InputError(f"expected a text file in UTF-8, got null characters (UTF-16?) in {path}; save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(path: Path, *, rename: Callable[[str], str] = str.strip) -> pd.DataFrame:
    """Read a CSV as stripped text cells; the frame's index is the line at which each row begins.

    rename: turns a header cell into a column name. Raises InputError naming the file and the line.
    """
    text = read_text(path)
    if text.startswith("version https://git-lfs"):
        raise InputError(f"expected a CSV, got a git-lfs pointer (run `git lfs pull`) in {path}")
    if text.lstrip().startswith("<"):
        raise InputError(f"expected a CSV, got an HTML page in {path}")
    header, *rows = _rows(text, path) or [(0, [])]
    columns = [rename(cell) for cell in header[1]]
    for line, cells in rows:
        if len(cells) != len(columns):
            raise InputError(f"expected {len(columns)} cells, got {len(cells)} in {path}, line {line}")
    lines = pd.Index([line for line, _ in rows], dtype="int64")
    return pd.DataFrame([cells for _, cells in rows], columns=pd.Index(columns), index=lines, dtype=object)


def check_columns(table: pd.DataFrame, required: Iterable[str], path: Path) -> None:
    """Check that each required column occurs once and that the table has a row. Raises InputError."""
    columns = [str(column) for column in table.columns]
    for name in required:
        if columns.count(name) != 1:
            times = "several" if name in columns else "none"
            found = f"{times} among {', '.join(columns)[:300]}" if columns else "an empty file"
            raise InputError(f"expected one column `{name}`, got {found} in {path}")
    if table.empty:
        raise InputError(f"expected at least one row, got only a header in {path}")


def check_filled(table: pd.DataFrame, names: Iterable[str], path: Path) -> None:
    """Check that no cell of these columns is empty. Raises InputError naming the line."""
    for name in names:
        for line in table.index[table[name] == ""]:
            raise InputError(f"expected a value of {name}, got an empty cell in {path}, line {line}")


def _encoding(error: UnicodeDecodeError) -> str:
    """Name what a file probably is that does not decode, with the line of the first byte that does not fit."""
    if error.encoding != "utf-8":
        return f"damaged {error.encoding}"
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"byte 0x{error.object[error.start]:02x} in line {line} (probably Windows-1252 or Latin-1)"


def _separator(text: str) -> str:
    """Return the first of comma, semicolon and tab that the header has outside quotes."""
    header = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return next((mark for mark in ",;\t" if mark in header), ",")


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each row that is not blank, with the line at which the row begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"expected a CSV, got {error} in {path}, line {line}") from error
    return rows
