"""Lookup of tables, cells and points of figures by the words of a person; what is unknown lists what exists.

Upper and lower case, spaces, commas, hyphens and underscores do not matter. Names that resemble the wanted one most
stand first in the list.
"""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from oncorobust.base.errors import InputError
from oncorobust.report.tables.cell import Cell, Table, TableColumn

_MOST_LISTED = 20
"""Names that an error lists."""


def find_table(tables: Sequence[Table], name: str) -> Table:
    """Return the table or figure of this name, such as `Table 1`, `table s5`, `S5` or `Figure 2`.

    Raises InputError listing them.
    """
    wanted = _plain(name).removeprefix("table")
    for table in tables:
        if _plain(table.name).removeprefix("table") == wanted:
            return table
    raise InputError(f"expected a table or figure ({listed(name, (table.name for table in tables))}), got {name!r}")


def find_cells(table: Table, *, row: str | None, column: str | None, field: str | None) -> list[Cell]:
    """Return the cells of a row and a data set: all fields, or the one named.

    row: such as `PGD:0.002`. column: a data set by key, title or the paper's column, or an unambiguous beginning of one
    of these. In a table whose rows are data sets and whose columns are fields, row or column is enough. Raises
    InputError listing the possible values, or saying why the table is empty.
    """
    if not table.rows:
        raise InputError(f"{table.name} has no rows. {table.caption}")
    fields = [one.name for one in table.fields]
    if table.data_sets == "rows":
        if field is None and column is not None and row is not None and _plain(column) in map(_plain, fields):
            column, field = None, column
        row, column = row or column, column or row
        dataset = _find_dataset(table.columns, column)
        row_key = _find_dataset(table.columns, row)
    else:
        dataset, row_key = _find_dataset(table.columns, column), _find(table.rows, row, "row", table.name)
    wanted = fields if field is None else [_find(fields, field, "field", table.name)]
    found = [one for one in table.cells if (one.row, one.column) == (row_key, dataset) and one.field in wanted]
    if not found:
        raise InputError(f"no value at {row_key}, {dataset}, {field} ({_held(table, row_key, dataset)})")
    return found


def _held(table: Table, row: str, dataset: str) -> str:
    """Return where a table has values beside an empty place."""
    fields = sorted({one.field for one in table.cells if (one.row, one.column) == (row, dataset)})
    if fields:
        return f"fields with a value: {', '.join(fields)}"
    rows = dict.fromkeys(one.row for one in table.cells if one.column == dataset)
    return f"rows with a value for {dataset}: {listed(row, rows)}"


def listed(wanted: str | None, names: Iterable[str]) -> str:
    """Return names as one text: the most similar to the wanted one first, the rest counted where they are many."""
    names = list(names)
    if wanted is not None:
        plain = _plain(wanted)
        names = sorted(names, key=lambda one: -SequenceMatcher(None, _plain(one), plain).ratio())
    left = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {left} more" if left > 0 else "") or "none"


def _find(names: Sequence[str], wanted: str | None, what: str, where: str) -> str:
    for name in names:
        if wanted is not None and _plain(name) == _plain(wanted):
            return name
    raise InputError(f"expected --{what} of {where} to be one of {listed(wanted, names)}, got {wanted}")


def _find_dataset(columns: Sequence[TableColumn], wanted: str | None) -> str:
    """Return the key of the data set of this name; an exact name comes before the beginning of one."""
    if wanted is None and len(columns) == 1:
        return columns[0].key
    if wanted is not None:
        plain = _plain(wanted)
        names = {one.key: {_plain(name) for name in (one.key, one.title, one.paper or one.key)} for one in columns}
        by_key = [key for key in names if _plain(key) == plain]
        exact = [key for key in names if plain in names[key]]
        begins = [key for key in names if any(name.startswith(plain) for name in names[key])]
        for candidates in (by_key, exact, begins):
            if len(candidates) == 1:
                return candidates[0]
    shown = listed(wanted, (f"{one.key} ({one.title})" for one in columns))
    raise InputError(f"expected --column to name one of {shown}, got {wanted}")


def _plain(name: str) -> str:
    return name.casefold().translate(_IGNORED)


_IGNORED = str.maketrans("", "", " _-,")
