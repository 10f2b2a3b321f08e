"""What the tables share: the order of attacks, the name of the strict worst case, and the data sets as columns."""

from oncorobust.report.tables.cell import TableColumn
from oncorobust.report.tables.sources import Metrics
from oncorobust.settings.pipeline import Column, Report

ATTACKS = ("fgsm", "pgd", "bim")
"""The attacks in the order of the paper's tables."""

ALL = "all"
"""The row of the strict worst case: every attack of the cascade, up to the last."""


def shown_as(dataset: str, report: Report) -> Column:
    """Title and paper's column of a data set: its key, and no paper's column, where params.yaml names none."""
    return report.columns.get(dataset, Column(title=dataset, paper=None))


def table_columns(metrics: Metrics, report: Report) -> tuple[TableColumn, ...]:
    """The data sets as a table's columns, with the number of images behind the clean-trained model's metrics."""
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
