"""Convert a data set's raw tree to images of one size in [0, 1], their index, a summary and a contact sheet."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the import of matplotlib, which writes a cache

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.preprocess import preprocess
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the raw tree and write the processed data set."""
    preprocess(parse("dataset").dataset, load_params())


if __name__ == "__main__":
    run(main)
