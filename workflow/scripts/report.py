"""Write one HTML page, readable offline, with the data, tables, figures and training curves."""

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.report import report
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the tables, the figures, the verdicts and the results of each data set, and write the page."""
    parse()
    report(load_params())


if __name__ == "__main__":
    run(main)
