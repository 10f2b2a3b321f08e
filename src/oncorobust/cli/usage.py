"""`oncorobust usage`: used and requested memory and time of the last run's jobs, with lines for a cluster profile.

To plan a large run, run a small part of your data first, and copy the printed lines into the profile. The times that
`oncorobust add` expected stand beside those that the jobs took.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.layout import BENCHMARKS, ESTIMATES, RESOURCES
from oncorobust.pipeline.resource_use import Budget, profile_lines, read_budget, used
from oncorobust.pipeline.run_time_record import compared_lines
from oncorobust.pipeline.shipped import find_file
from oncorobust.settings.load import load_params


def print_usage() -> None:
    """Print used and requested resources, and lines for a profile. Raises InputError before the first run."""
    found = used(Path(BENCHMARKS))
    if not found:
        raise InputError(f"{BENCHMARKS} has no measurements of jobs: run the pipeline first")
    params = load_params("params.yaml")
    budget, size = (
        read_budget(find_file(Path(), RESOURCES)),
        max(params.datasets[name].preprocess.size for name in params.run.datasets),
    )
    row = "{:14} {:>5} {:>10} {:>10} {:>10} {:>11} {:>12}".format
    print(row("rule", "jobs", "seconds", "longest s", "peak MB", "request MB", "request min"))
    for rule, one in found.items():
        print(
            row(
                rule,
                one.jobs,
                f"{one.seconds:.0f}",
                f"{one.longest:.0f}",
                f"{one.mem_mb:.0f}",
                *_requested(budget, rule, size),
            )
        )
    print(f"\nrequest: at the first attempt, for images of {size} pixels, without the size of the input files\n")
    print(profile_lines(found, budget))
    if lines := compared_lines(Path(ESTIMATES), Path(BENCHMARKS)):
        print("\nestimates of `oncorobust add`")
        print("\n".join(lines))


def _requested(budget: Budget, rule: str, size: int) -> tuple[int, int]:
    stage = rule.removesuffix("_shard")
    return budget.mem_mb(stage, size=size, input_mb=0.0, attempt=1), budget.minutes(stage, size=size, attempt=1)
