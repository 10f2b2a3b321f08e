"""Certify the answers of a model by randomized smoothing, and attack the smoothed model for an upper bound."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.base.errors import InputError
from oncorobust.pipeline.model_certificates import model_certificates
from oncorobust.pipeline.model_evaluation import open_evaluation
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the validation and test images and a model, certify them, and write rows and summary."""
    arguments, params = parse("dataset", "model"), load_params()
    settings = params.datasets[arguments.dataset]
    if settings.certify is None:
        where = f"datasets.{arguments.dataset}.certify"
        raise InputError(f"expected settings of {where} in params.yaml, got null, which certifies nothing")
    opened = open_evaluation("certify", arguments, params, decided_by=[settings.attack, settings.certify])
    rows, summary = model_certificates(opened, settings.certify, grid=settings.attack.epsilons)
    opened.write("certify", {"certificates": rows}, summary)


if __name__ == "__main__":
    run(main)
