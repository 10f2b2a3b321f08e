"""Judge whether a model's numbers under attack can be believed, and write the checks of the validity gate."""

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.validate import validate
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the stored rows and metrics of a model, and write its checks."""
    arguments = parse("dataset", "model")
    validate(arguments.dataset, arguments.model, load_params())


if __name__ == "__main__":
    run(main)
