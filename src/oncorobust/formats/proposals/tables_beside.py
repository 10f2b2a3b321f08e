"""Tables that lie among images: which one labels them, and whether one describes the folders that would be classes."""

from itertools import islice

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.columns import has_labels
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.text_tables import read_lines

_MOST_TABLES = 20
"""Tables that are looked into; a text file beside each image is no table of all."""

_MOST_ROWS = 5000
_NEARLY_ALL = 0.9


def labelling_table(catalogue: Catalogue, tables: list[str], request: Request) -> str | None:
    """Return the only table that names files and has a column of labels, None without one.

    tables: paths relative to the folder. Raises InputError for several.
    """
    found = [name for name in tables[:_MOST_TABLES] if has_labels(catalogue, request.folder / name, request)]
    if len(found) > 1:
        raise InputError(
            f"{request.folder}: expected labels in one table, got {', '.join(found)}, which each name files and have a "
            "column of labels; state one with --table (join them if each has a part of the images), or --as classes"
        )
    return found[0] if found else None


def check_folders_are_classes(catalogue: Catalogue, tables: list[str], request: Request, notes: Notes) -> None:
    """Refuse classes that a table lists as its cases, and name the tables that are not used. Raises InputError."""
    classes = set(catalogue.query("select distinct label from rows"))
    for name in tables[:_MOST_TABLES]:
        column = _column_of_cases(name, classes, request)
        if column is not None:
            raise InputError(
                f"{request.folder}: expected folders of classes, got {len(classes):,} that column {column!r} of {name} "
                f"lists one by one, as patients; state the label with --table {request.folder / name} --label-column, "
                "or --as classes"
            )
    if tables:
        more = f", ... ({len(tables):,})" if len(tables) > 5 else ""
        notes.unsure.append(f"the tables beside the images are not used: {', '.join(tables[:5])}{more} (--table)")


def _column_of_cases(name: str, classes: set[str], request: Request) -> str | None:
    """Return the column that lists nearly all folders, each once, beside a column that groups them."""
    try:
        lines = read_lines(request.folder / name, sheet=request.sheet)
        header = next(lines)[1]
        rows = [cells for _, cells in islice(lines, _MOST_ROWS)]
    except InputError:
        return None
    columns = list(zip(*rows, strict=True))
    groups = [column for column in columns if 2 <= len(set(column)) <= len(classes) / 2]
    for title, column in zip(header, columns, strict=False):
        listed = [cell for cell in column if cell in classes]
        if groups and len(listed) == len(set(listed)) >= max(_NEARLY_ALL * len(classes), 3):
            return title
    return None
