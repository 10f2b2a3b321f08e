"""The numbers of all tables as metrics of DVC: each with the ends of its interval, the images and patients behind it.

`dvc metrics diff` compares them between commits and experiments. Dots separate the parts of a metric's name there, so
that no key may hold one: the epsilon of a row is written as `epsilon_key` does.
"""

from collections.abc import Iterable
from typing import Any

from oncorobust.base.epsilons import epsilon_key
from oncorobust.report.tables.cell import Cell, Table


def tables_to_metrics(tables: Iterable[Table]) -> dict[str, Any]:
    """Return the content of metrics.json: table, data set, row and field, each our numbers with their intervals."""
    content: dict[str, Any] = {}
    for table in tables:
        for cell in (one for one in table.cells if one.paper is None):
            of_table = content.setdefault(_table_key(table.name), {})
            of_row = of_table.setdefault(cell.column, {}).setdefault(_row_key(table, cell), {})
            of_row[cell.field] = _numbers(cell)
    return content


def _table_key(name: str) -> str:
    return name.lower().replace(" ", "_")


def _row_key(table: Table, cell: Cell) -> str:
    """Return a row's key without dots; `all` for the one row of a data set."""
    if table.data_sets == "rows":
        return "all"
    *title, last = cell.row.split(":")
    key = "_".join([*title, epsilon_key(float(last)) if _is_number(last) else last])
    return key.replace(".", "_")


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _numbers(cell: Cell) -> dict[str, float | int | None]:
    low, high = (None, None) if cell.interval is None else (cell.interval.low, cell.interval.high)
    return {"value": cell.value, "low": low, "high": high, "n_images": cell.n_images, "n_patients": cell.n_patients}
