"""A toy repository (`toy_pipeline`) with any number of data sets, to plan what nobody wants to run.

An entry of params.yaml is one data set with one architecture, and has two models, clean and adversarial. So 200 data
sets with five architectures are 1,000 entries, 10 models a data set.
"""

import copy
from pathlib import Path
from typing import Any

import toy_pipeline as toy

ARCHITECTURES = ["vgg16", "resnet50", "densenet121", "efficientnetb0", "own"]
JOBS_AN_ENTRY = 10
"""acquire, preprocess, train, harden, and attack, rank and validate of two models; each shard adds attack and rank of
both."""

JOBS_IN_COMMON = 5
"""tabulate, plot, exchange, report, and the target that asks for all."""


def large_params(n_entries: int) -> dict[str, Any]:
    """The toy's parameters with `n_entries` entries under `datasets`, all acquired and all in the tables."""
    content = toy.small_params()
    entry = content["datasets"]["mnist"] | {"certify": None, "acquisition": None}
    names = [f"hospital{number // 5:03d}_{ARCHITECTURES[number % 5]}" for number in range(n_entries)]
    content["run"]["datasets"] = names
    content["acquire"] = {name: {"source": "packaged"} for name in names}
    content["datasets"] = {name: copy.deepcopy(entry) for name in names}  # or YAML would write aliases
    content["report"]["columns"] = {name: {"title": name, "paper": None} for name in names}
    return content


def make_large(folder: Path, n_entries: int) -> Path:
    """Write the repository into `folder`, as `toy_pipeline.make_toy` does, and return it."""
    return toy.make_toy(folder, large_params(n_entries))


def expected_jobs(n_entries: int, *, n_shards: int = 1) -> int:
    """Jobs that a plan of everything has."""
    shard_jobs = 4 * n_shards if n_shards > 1 else 0
    return (JOBS_AN_ENTRY + shard_jobs) * n_entries + JOBS_IN_COMMON
