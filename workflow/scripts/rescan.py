"""Change the raw values of test images as scanners, protocols and archives do, and evaluate a model on them."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.base.errors import InputError
from oncorobust.pipeline.model_evaluation import open_evaluation
from oncorobust.pipeline.model_rescan import rescan
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the raw tree, the test images and a model, change and convert the images, and write rows and summary."""
    arguments, params = parse("dataset", "model"), load_params()
    settings = params.datasets[arguments.dataset]
    if settings.acquisition is None:
        where = f"datasets.{arguments.dataset}.acquisition"
        raise InputError(f"expected settings of {where} in params.yaml, got null, which changes nothing")
    decided_by = [settings.preprocess, settings.attack, settings.acquisition]
    rescan(open_evaluation("rescan", arguments, params, decided_by=decided_by), settings.acquisition, params)


if __name__ == "__main__":
    run(main)
