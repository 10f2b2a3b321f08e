"""The paper's own numbers: its Tables 1, 2 and S5 as printed.

Source: Joel et al., "Using Adversarial Images to Assess the Stability of Deep Learning Models Trained on Diagnostic
Images in Oncology", doi 10.1101/2021.01.17.21249704, CC-BY 4.0. The files in `paper/` hold the
printed numbers: percentages, except `threshold_epsilon`, which the caption of Table 2 gives for pixel values in [0, 1].
Here they become fractions:

    fraction = percent / 100, in decimal arithmetic, so that 26.92 becomes the float64 nearest to 0.2692
"""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files

from oncorobust.base.errors import InputError

PaperTable = Mapping[tuple[str, str], float]
"""Numbers of one table by (row, column): fractions, and epsilons for pixel values in [0, 1]."""

PAPER_FOLDER = "src/oncorobust/report/tables/paper"
"""Folder of the transcribed tables in the repository, as the cells name it."""


def load_paper_table(name: str) -> PaperTable:
    """Read a transcribed table of the package: `table1`, `table2` or `table_s5`."""
    return parse_paper_table(
        (files("oncorobust.report.tables") / "paper" / f"{name}.csv").read_text(encoding="utf-8"), where=name
    )


def parse_paper_table(text: str, *, where: str) -> PaperTable:
    """Parse the text of a transcribed table into fractions by (row, column).

    where: the file's name for errors. Raises InputError for a cell that is not a number.
    """
    table = {}
    for record in csv.DictReader(io.StringIO(text)):
        row = record.pop("row")
        for column, printed in record.items():
            try:
                number = Decimal(printed)
            except (ArithmeticError, TypeError) as error:
                raise InputError(f"{where}, row {row}, column {column}: {printed!r} (expected a number)") from error
            table[row, column] = float(number if column == "threshold_epsilon" else number / 100)
    return table
