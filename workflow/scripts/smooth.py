"""Train a data set's clean model further under noise, for certificates."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CLEAN, NOISE, answers_file, model_file
from oncorobust.pipeline.hardened_model import hardened_model
from oncorobust.pipeline.model_training import open_training
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the processed images and the clean model, train it under noise, and write the model `noise`."""
    dataset, params = parse("dataset").dataset, load_params()
    clean, settings = model_file(dataset, CLEAN), params.datasets[dataset].smooth
    if settings is None:
        raise InputError(
            f"expected settings of datasets.{dataset}.smooth in params.yaml, got null, which trains nothing"
        )
    opened = open_training("smooth", dataset, params, model=NOISE, reads=[clean, answers_file(dataset, CLEAN)])
    opened.write(hardened_model(opened, settings, clean=clean))


if __name__ == "__main__":
    run(main)
