"""Draw the paper's Figures 1, 2 and 3, and Figures 4 to 8, from metrics, rows and adversarial examples."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the import of matplotlib, which writes a cache

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.plot import plot
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the results of all data sets, and write each figure as PNG, SVG and PDF."""
    parse()
    plot(load_params())


if __name__ == "__main__":
    run(main)
