"""Rank a model's test images by their minimal epsilon, and compute their scores of certainty."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.rank import rank
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the test images, a model and its intervals, search each minimal epsilon, and write ranking and metrics."""
    rank(parse("dataset", "model", "shards"), load_params())


if __name__ == "__main__":
    run(main)
