"""Make a data set's clean model: train it on the training images, or only measure a finished one."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.base import layout
from oncorobust.pipeline.clean_model import clean_model
from oncorobust.pipeline.model_training import open_training
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the processed images, train or measure the model, and write it."""
    dataset, params = parse("dataset").dataset, load_params()
    opened = open_training("train", dataset, params, model=layout.CLEAN)
    opened.write(clean_model(opened, params.datasets[dataset]))


if __name__ == "__main__":
    run(main)
