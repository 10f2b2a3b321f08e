"""Writing of all tables in reports/tables, and reading of the validity gate's checks from there."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from oncorobust.base.files import whole_outputs, write_csv
from oncorobust.base.layout import CELLS, GATES, METRICS, TABLES, table_file
from oncorobust.base.schema.version import read_results, write_results
from oncorobust.report.tables.cell import Table, tables_to_json
from oncorobust.report.tables.metrics import tables_to_metrics
from oncorobust.report.tables.render import to_frame, to_markdown
from oncorobust.report.tables.validity import (
    Gate,
    gates_frame,
    gates_from_json,
    gates_markdown,
    gates_to_json,
)


def write_tables(tables: Sequence[Table], gates: Sequence[Gate], *, files: Mapping[str, str]) -> None:
    """Write each table and the gates as CSV and Markdown, and their JSON files, all of them or none.

    files: MD5 of each file that the cells name, by its path.
    """
    csv = [table_file("validity"), *(table.file for table in tables)]
    markdown = [f"{TABLES}/{Path(path).stem}.md" for path in csv]
    frames = [gates_frame(gates), *map(to_frame, tables)]
    texts = [gates_markdown(gates), *map(to_markdown, tables)]
    listed = [{"path": path, "md5": md5} for path, md5 in files.items()]
    with whole_outputs(*csv, *markdown, CELLS, METRICS, GATES) as drafts:
        for draft, frame in zip(drafts, frames, strict=False):
            write_csv(draft, frame)
        for draft, text in zip(drafts[len(csv) :], texts, strict=False):
            draft.write_text(text, encoding="utf-8")
        write_results(drafts[-3], {**tables_to_json(tables), "files": listed})
        write_results(drafts[-2], tables_to_metrics(tables))
        write_results(drafts[-1], gates_to_json(gates))


def read_gates() -> tuple[Gate, ...]:
    """Read the checks of all models. Raises InputError naming the file where it is missing or has another form."""
    return gates_from_json(read_results(GATES), where=GATES)
