"""Train the models of a data set with another training seed, attack them, and write rows per image."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.pipeline.declaration import declare_policies
from oncorobust.pipeline.repeated_training import repeated_rows, write_repeat
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the processed images, train and attack each model, and write predictions and intervals."""
    arguments, params = parse("dataset", "seed"), load_params()
    declare_policies(params)
    write_repeat(arguments.dataset, arguments.seed, repeated_rows(arguments.dataset, arguments.seed, params))


if __name__ == "__main__":
    run(main)
