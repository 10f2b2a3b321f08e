"""Memory and time of the stages: what jobs used, and what the next jobs ask a cluster for.

Snakemake measures each job (`benchmark:`, logs/benchmarks/**.tsv: seconds and peak resident memory). What our own runs
used stands in workflow/resources.yaml, by the side of the images in pixels, and a job asks for

    memory = (margin x (measured memory + size of its input files) + runner) x 2^(attempt - 1)
    time   = margin x measured time x 2^(attempt - 1)

where the measurement is that of the next larger side or, beyond the largest that was measured, that one times the
ratio of pixels: activations decide the memory of a stage, and each costs the same work. Input files are the images, of
which a stage may touch all, and the model, whose size is that of its parameters. The runner is what Snakemake itself
needs on the node. A job that was killed for either asks for twice as much at its next attempt.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from oncorobust.base.errors import InputError

_SHARD = re.compile(r".*\.\d+-of-\d+")


@dataclass(frozen=True)
class Measured:
    """A stage's largest measured memory (MB) and time (s), each by the side of the images in pixels."""

    mem_mb: Mapping[int, float]
    seconds: Mapping[int, float]


@dataclass(frozen=True)
class Budget:
    """What was measured of every stage, by how much jobs ask for more, and what Snakemake needs beside them."""

    measured: Mapping[str, Measured]
    memory_margin: float
    time_margin: float
    runner_mb: float

    def mem_mb(self, rule: str, *, size: int, input_mb: float, attempt: int) -> int:
        """Memory to ask for, in MB. size: side of the images in pixels. attempt: 1 at first."""
        measured = _at_size(self.measured[rule].mem_mb, size)
        return self.with_margin_mb(measured + input_mb) * 2 ** (attempt - 1)

    def minutes(self, rule: str, *, size: int, attempt: int) -> int:
        """Wall time to ask for, in minutes. size: side of the images in pixels. attempt: 1 at first."""
        return self.with_margin_minutes(_at_size(self.measured[rule].seconds, size)) * 2 ** (attempt - 1)

    def with_margin_mb(self, used_mb: float) -> int:
        """Memory to ask for where a job was seen to use `used_mb`, in whole hundreds of MB."""
        return math.ceil((self.memory_margin * used_mb + self.runner_mb) / 100) * 100

    def with_margin_minutes(self, seconds: float) -> int:
        """Wall time to ask for where a job was seen to take so long; at least half an hour."""
        return max(30, math.ceil(self.time_margin * seconds / 60))


@dataclass(frozen=True)
class Used:
    """What the jobs of one rule used: how many, seconds of all and of the longest, and the largest memory in MB."""

    jobs: int
    seconds: float
    longest: float
    mem_mb: float


def read_budget(path: Path) -> Budget:
    """Read workflow/resources.yaml. Raises InputError naming the file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        measured = {
            rule: Measured(_by_size(values["mem_mb"]), _by_size(values["seconds"]))
            for rule, values in content["measured"].items()
        }
        margin = content["margin"]
        return Budget(measured, float(margin["memory"]), float(margin["time"]), float(content["runner_mb"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"expected margin, runner_mb and measured, got {error!r} in {path}") from error


def used(folder: Path) -> dict[str, Used]:
    """What the jobs of the last run used, by rule, from Snakemake's benchmarks in `folder`; the shards by themselves.

    Raises InputError naming the file that is none.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for file in sorted(folder.rglob("*.tsv")):
        rule = file.relative_to(folder).parts[0].removesuffix(".tsv")
        found.setdefault(f"{rule}_shard" if _SHARD.fullmatch(file.stem) else rule, []).append(_benchmark(file))
    return {rule: _sum_up(jobs) for rule, jobs in found.items()}


def profile_lines(found: Mapping[str, Used], budget: Budget) -> str:
    """A block `set-resources` for a profile: what each rule used, with the margins, and more at each attempt."""
    lines = [
        f"  {rule}: {{mem_mb: attempt * {budget.with_margin_mb(one.mem_mb)},"
        f" runtime: attempt * {budget.with_margin_minutes(one.longest)}}}"
        for rule, one in found.items()
    ]
    return "\n".join(["set-resources:", *lines])


def _by_size(values: Mapping[int, int | float]) -> dict[int, float]:
    return {int(size): float(value) for size, value in values.items()}


def _at_size(measured: Mapping[int, float], size: int) -> float:
    """The measurement at the next larger side, never less than one at a smaller; beyond, in proportion to pixels."""
    largest = max(measured.values())
    if size > max(measured):
        return largest * (size / max(measured)) ** 2
    next_larger = min(side for side in measured if side >= size)
    return max(value for side, value in measured.items() if side <= next_larger)


def _benchmark(file: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of one job; the last line, where a job was repeated."""
    try:
        row = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"))[-1]
        # A job that ended before the first sample has no memory.
        return float(row["s"]), float(row["max_rss"]) if row["max_rss"] not in ("-", "NA") else 0.0
    except (OSError, UnicodeDecodeError, IndexError, KeyError, ValueError) as error:
        raise InputError(f"expected a benchmark of Snakemake, got {error!r} in {file}") from error


def _sum_up(jobs: Iterable[tuple[float, float]]) -> Used:
    seconds, memory = zip(*jobs, strict=True)
    return Used(len(seconds), sum(seconds), max(seconds), max(memory))
