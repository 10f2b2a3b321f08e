"""`oncorobust usage`: what the jobs of the last run used, beside what they ask for, and lines for a cluster's profile.

Whoever has data and a deadline of their own runs a small part first, and puts the printed block into a profile.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.layout import BENCHMARKS, RESOURCES
from oncorobust.pipeline.resource_use import Budget, profile_lines, read_budget, used
from oncorobust.settings.load import load_params


def print_usage() -> None:
    """Print the table and the block. Raises InputError where nothing ran yet."""
    found = used(Path(BENCHMARKS))
    if not found:
        raise InputError(f"expected measurements of jobs in {BENCHMARKS}, got none: run the pipeline first")
    params = load_params("params.yaml")
    budget, size = (
        read_budget(Path(RESOURCES)),
        max(params.datasets[name].preprocess.size for name in params.run.datasets),
    )
    row = "{:14} {:>5} {:>10} {:>10} {:>10} {:>11} {:>12}".format
    print(row("rule", "jobs", "seconds", "longest s", "peak MB", "asked MB", "asked min"))
    for rule, one in found.items():
        print(
            row(
                rule,
                one.jobs,
                f"{one.seconds:.0f}",
                f"{one.longest:.0f}",
                f"{one.mem_mb:.0f}",
                *_asked(budget, rule, size),
            )
        )
    print(f"\nasked: at the first attempt, at {size} pixels, without the size of input files\n")
    print(profile_lines(found, budget))


def _asked(budget: Budget, rule: str, size: int) -> tuple[int, int]:
    stage = rule.removesuffix("_shard")
    return budget.mem_mb(stage, size=size, input_mb=0.0, attempt=1), budget.minutes(stage, size=size, attempt=1)
