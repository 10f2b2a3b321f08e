"""The paper's own numbers: Tables 1, 2 and S5 as printed, to stand beside ours.

Source: Joel et al., "Using Adversarial Images to Assess the Stability of Deep Learning Models Trained on Diagnostic
Images in Oncology", doi 10.1101/2021.01.17.21249704, CC-BY 4.0. The files in `paper/` hold what is printed, a row and a
column a number: percentages, except `threshold_epsilon`, which the caption of Table 2 gives in [0, 1] pixel units. Here
they become fractions:

    fraction = percent / 100, in decimal arithmetic, so that 26.92 becomes the float64 nearest to 0.2692
"""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files

from oncorobust.base.errors import InputError

PaperTable = Mapping[tuple[str, str], float]
"""Numbers of one table by (row, column): fractions, and epsilons in [0, 1] pixel units."""

PAPER_FOLDER = "src/oncorobust/report/tables/paper"
"""Where the transcribed tables lie in the repository; a cell names its file by this."""


def load_paper_table(name: str) -> PaperTable:
    """Read a transcribed table out of the package: `table1`, `table2` or `table_s5`."""
    return parse_paper_table(
        (files("oncorobust.report.tables") / "paper" / f"{name}.csv").read_text(encoding="utf-8"), where=name
    )


def parse_paper_table(text: str, *, where: str) -> PaperTable:
    """Turn the text of a transcribed table into fractions by (row, column).

    `where` names the file in errors. Raises InputError for a cell that is not a number.
    """
    table = {}
    for record in csv.DictReader(io.StringIO(text)):
        row = record.pop("row")
        for column, printed in record.items():
            try:
                number = Decimal(printed)
            except (ArithmeticError, TypeError) as error:
                raise InputError(f"expected a number, got {printed!r} in {where}, row {row}, {column}") from error
            table[row, column] = float(number if column == "threshold_epsilon" else number / 100)
    return table
