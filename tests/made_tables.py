"""Tables with cells that tests make by hand."""

from oncorobust.report.tables.cell import Cell, Field, Interval, PairedTest, RowsSource, Table, TableColumn

LUNG = TableColumn("lidc", "Lung CT", "CT", 12, synthetic=False)
PHANTOM = TableColumn("phantom", "Brain phantom", None, 12, synthetic=True)


def made_cell(table, row, field, value=0.5, *, column="lidc", source=None, method="Wilson", test=None):
    """A cell with the interval 0.25 to 0.75; source: its RowsSource."""
    return Cell(
        table=table,
        row=row,
        column=column,
        field=field,
        value=value,
        interval=Interval(0.25, 0.75, 0.95, method, 7, 10000),
        no_interval="",
        n_images=12,
        n_patients=6,
        metrics=(),
        rows=() if source is None else (source,),
        paper=None,
        test=None if test is None else PairedTest(0.01, 0.03, test),
    )


def made_table(name, cells=(), *, columns=(LUNG,), fields=(), data_sets="across"):
    """A table with these cells."""
    return Table(
        name=name,
        file="reports/tables/made.csv",
        caption="",
        row_heads=("Attack", "Epsilon"),
        rows=tuple(dict.fromkeys(one.row for one in cells)),
        data_sets=data_sets,
        columns=tuple(columns),
        fields=tuple(fields),
        cells=tuple(cells),
    )


def made_source(file, where, statistic, *, n_classes=2, epsilon=None):
    """A source of a cell of Table E, whose last class is positive."""
    return RowsSource(file, where, statistic, 1, epsilon, {"n_classes": n_classes, "positive": n_classes - 1})


SENSITIVITY = Field("sensitivity", "answers", "sensitivity", "percent")
MISSED = Field("missed", "flipped by the attack", "positive to negative", "percent")
AUC = Field("auc", "scores", "AUC", "score")
