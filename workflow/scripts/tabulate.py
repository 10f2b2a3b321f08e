"""Write all tables with intervals, the validity gate, and the source of each cell."""

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.tabulate import tabulate
from oncorobust.settings.load import load_params


def main() -> None:
    """Read all metrics, rows and gates; write the tables, cells.json, metrics.json and validity.json."""
    parse()
    tabulate(load_params())


if __name__ == "__main__":
    run(main)
