"""The data sets as columns of the tables, and the note on the paper's numbers in a caption."""

from collections.abc import Iterable

from oncorobust.report.tables.cell import Cell, TableColumn
from oncorobust.report.tables.sources import Metrics
from oncorobust.settings.pipeline import Column, Report


def shown_as(dataset: str, report: Report) -> Column:
    """Return the title and the paper's column of a data set: its key and none where params.yaml names neither."""
    return report.columns.get(dataset, Column(title=dataset, paper=None))


def table_columns(metrics: Metrics, report: Report) -> tuple[TableColumn, ...]:
    """Return the data sets as a table's columns, with the number of images behind the clean model's metrics."""
    return tuple(
        TableColumn(
            key=dataset,
            title=shown_as(dataset, report).title,
            paper=shown_as(dataset, report).paper,
            n_images=models["clean"]["n_images"],
            synthetic=models["clean"]["synthetic"],
        )
        for dataset, models in metrics.items()
    )


def note_on_paper(cells: Iterable[Cell], name: str) -> str:
    """Return the end of a caption that names the paper's table; empty where no cell holds a number of the paper."""
    return f" Paper: the paper's {name}." if any(cell.paper for cell in cells) else ""
