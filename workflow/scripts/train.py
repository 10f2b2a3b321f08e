"""Make a data set's clean model: train it on the training images, or only measure a finished one."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.train import train
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the processed images, train or measure the model, and write it."""
    train(parse("dataset").dataset, load_params())


if __name__ == "__main__":
    run(main)
