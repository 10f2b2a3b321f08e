"""Memory and time of the stages: measured use of jobs, and requests to a cluster.

Snakemake measures each job (`benchmark:`, logs/benchmarks/**.tsv: seconds and peak resident memory). The file
workflow/resources.yaml records the use of our own runs by image side in pixels. From it a job requests

    memory = (margin x (measured memory + size of its input files) + runner) x 2^(attempt - 1)
    time   = margin x measured time x 2^(attempt - 1)

using the measurement at the next larger image side. Beyond the largest measured side, the largest measurement is
multiplied by the ratio of pixels, because activations dominate the memory of a stage and each takes the same work.
Input files are the images, all of which a stage may read, and the model, whose size is that of its parameters. The
runner is the memory that Snakemake itself needs on the node. A job that was killed for exceeding its memory or time
requests twice as much at its next attempt.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from oncorobust.base.errors import InputError
from oncorobust.base.layout import TRAINED
from oncorobust.base.yaml_loader import parse_yaml

_SHARD = re.compile(r".*\.\d+-of-\d+")


@dataclass(frozen=True)
class Measured:
    """The largest measured memory (MB) and time (s) of a stage, each by image side in pixels."""

    mem_mb: Mapping[int, float]
    seconds: Mapping[int, float]


@dataclass(frozen=True)
class Budget:
    """Measured use of every stage, margins for requests, and the memory that Snakemake itself needs (MB)."""

    measured: Mapping[str, Measured]
    memory_margin: float
    time_margin: float
    runner_mb: float

    def mem_mb(self, rule: str, *, size: int, input_mb: float, attempt: int) -> int:
        """Return the memory to request, in MB. size: image side in pixels. attempt: 1 for the first."""
        measured = _at_size(self.measured[rule].mem_mb, size)
        return self.with_margin_mb(measured + input_mb) * 2 ** (attempt - 1)

    def minutes(self, rule: str, *, size: int, attempt: int) -> int:
        """Return the wall time to request, in minutes. size: image side in pixels. attempt: 1 for the first."""
        return self.with_margin_minutes(_at_size(self.measured[rule].seconds, size)) * 2 ** (attempt - 1)

    def with_margin_mb(self, used_mb: float) -> int:
        """Return the memory to request, in MB, a multiple of 100, for a job that used `used_mb`."""
        return math.ceil((self.memory_margin * used_mb + self.runner_mb) / 100) * 100

    def with_margin_minutes(self, seconds: float) -> int:
        """Return the wall time to request, in minutes, at least 30, for a job that took `seconds`."""
        return max(30, math.ceil(self.time_margin * seconds / 60))


@dataclass(frozen=True)
class Used:
    """Use of the jobs of one rule: number of jobs, total and longest time (s), and largest memory (MB)."""

    jobs: int
    seconds: float
    longest: float
    mem_mb: float


def read_budget(path: Path) -> Budget:
    """Read workflow/resources.yaml. Raises InputError naming the file."""
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
        measured = {
            rule: Measured(_by_size(values["mem_mb"]), _by_size(values["seconds"]))
            for rule, values in content["measured"].items()
        }
        margin = content["margin"]
        return Budget(measured, float(margin["memory"]), float(margin["time"]), float(content["runner_mb"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"expected margin, runner_mb and measured, got {error!r} in {path}") from error


def used(folder: Path) -> dict[str, Used]:
    """Return the use of the last run's jobs by rule, from Snakemake's benchmarks in `folder`; shards count separately.

    Raises InputError naming a file that is not a benchmark.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for file in sorted(folder.rglob("*.tsv")):
        rule = file.relative_to(folder).parts[0].removesuffix(".tsv")
        found.setdefault(f"{rule}_shard" if _SHARD.fullmatch(file.stem) else rule, []).append(_benchmark(file))
    return {rule: _sum_up(jobs) for rule, jobs in found.items()}


def seconds_of(folder: Path, stage: str, dataset: str) -> float | None:
    """Return the seconds of a data set's jobs of a stage, or of a stage for all; None where none has run.

    folder: of Snakemake's benchmarks. Raises InputError naming a file that is not a benchmark.
    """
    models = [f"{dataset}-{model}" for model in TRAINED]
    names = [dataset, *models]
    files = [folder / stage / f"{name}.tsv" for name in names] + [folder / f"{stage}.tsv"]
    for name in models:
        files += (folder / stage).glob(f"{name}.*-of-*.tsv")
    found = [_benchmark(file)[0] for file in files if file.is_file()]
    return sum(found) if found else None


def profile_lines(found: Mapping[str, Used], budget: Budget) -> str:
    """Return a `set-resources` block for a profile: the use of each rule with margins, growing with each attempt."""
    lines = [
        f"  {rule}: {{mem_mb: attempt * {budget.with_margin_mb(one.mem_mb)},"
        f" runtime: attempt * {budget.with_margin_minutes(one.longest)}}}"
        for rule, one in found.items()
    ]
    return "\n".join(["set-resources:", *lines])


def _by_size(values: Mapping[int, int | float]) -> dict[int, float]:
    return {int(size): float(value) for size, value in values.items()}


def _at_size(measured: Mapping[int, float], size: int) -> float:
    """Return the measurement at the next larger side, at least those at smaller sides; beyond, scale by pixels."""
    largest = max(measured.values())
    if size > max(measured):
        return largest * (size / max(measured)) ** 2
    next_larger = min(side for side in measured if side >= size)
    return max(value for side, value in measured.items() if side <= next_larger)


def _benchmark(file: Path) -> tuple[float, float]:
    """Return the time (s) and peak memory (MB) of one job, from the last line if the job was repeated."""
    try:
        row = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"))[-1]
        # A job that ended before the first sample has no memory value.
        return float(row["s"]), float(row["max_rss"]) if row["max_rss"] not in ("-", "NA") else 0.0
    except (OSError, UnicodeDecodeError, IndexError, KeyError, ValueError) as error:
        raise InputError(f"expected a benchmark of Snakemake, got {error!r} in {file}") from error


def _sum_up(jobs: Iterable[tuple[float, float]]) -> Used:
    seconds, memory = zip(*jobs, strict=True)
    return Used(len(seconds), sum(seconds), max(seconds), max(memory))
