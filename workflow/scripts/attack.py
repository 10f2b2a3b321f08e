"""Attack a model at its data set's epsilons with the paper's and the strict protocol, and write rows per image."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.pipeline.declaration import declare_policies
from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.attack import attack
from oncorobust.settings.load import load_params


def main() -> None:
    """Declare the policies; then attack the model and write predictions, intervals, metrics and examples."""
    arguments, params = parse("dataset", "model", "shards"), load_params()
    declare_policies(params)
    attack(arguments, params)


if __name__ == "__main__":
    run(main)
