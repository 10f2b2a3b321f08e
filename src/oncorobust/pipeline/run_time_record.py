"""Measuring of a model's pace in a process of its own, and the estimates of run times that `usage` compares."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json, write_json
from oncorobust.pipeline.progress_lines import duration
from oncorobust.pipeline.resource_use import seconds_of
from oncorobust.pipeline.run_time import Pace

_ERROR = "error: "


def measured_pace(params: Path, name: str, *, n_classes: int) -> Pace:
    """Build the model of a data set in a process of its own and time it. params: a file of parameters.

    Raises InputError where the model's file does not fit the data, and where the process fails.
    """
    return Pace(**json.loads(_ask("run_time_probe", str(params), name, str(n_classes))))


def model_side(model: Path, *, n_classes: int) -> int | None:
    """Return the longer side of the images that a model's file takes, in pixels; None where it does not tell.

    Raises InputError as `measured_pace` does.
    """
    side: int | None = json.loads(_ask("model_input_probe", str(model), str(n_classes)))
    return side


def write_estimate(dataset: str, stages: Mapping[str, float]) -> None:
    """Keep the expected seconds of each stage of a data set."""
    path = Path(layout.estimate_file(dataset))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {stage: round(seconds, 1) for stage, seconds in stages.items()})


def compared_lines(folder: Path, benchmarks: Path) -> list[str]:
    """Return a line per data set: expected and taken seconds of its stages that have run. folder: of the estimates.

    benchmarks: of Snakemake. Raises InputError naming a file that cannot be read.
    """
    lines = []
    for file in sorted(folder.glob("*.json")):
        parts, expected, took = [], 0.0, 0.0
        for stage, seconds in read_json(file).items():
            if (found := seconds_of(benchmarks, stage, file.stem)) is None:
                continue
            parts.append(f"{stage} {duration(seconds)}, took {duration(found)}")
            expected, took = expected + seconds, took + found
        if parts:
            total = f"all jobs {duration(expected)}, took {duration(took)}"
            lines.append(f"{file.stem}: estimated {'; '.join([total, *parts])}")
    return lines


def _ask(module: str, *words: str) -> str:
    """Return what a process prints that may import a framework. Raises InputError with its last line on failure."""
    command = [sys.executable, "-m", f"oncorobust.pipeline.{module}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if line.startswith(_ERROR)), None)
    if told is not None:
        raise InputError(told.removeprefix(_ERROR))
    last = lines[-1] if lines else "no message"
    raise InputError(
        f"expected a measured model, got status {done.returncode}: {last} (--no-measure skips the measurement of a "
        "model that is trained)"
    )
