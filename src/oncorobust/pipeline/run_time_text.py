"""What a person is told of the expected time of a run, and of what shortens it."""

from msgspec.structs import replace

from oncorobust.pipeline.progress_lines import duration
from oncorobust.pipeline.run_time import Counts, Job, Pace, by_stage, stage_seconds, total_seconds
from oncorobust.settings.attacks import Attacks
from oncorobust.settings.pipeline import Dataset

_LONG_SECONDS = 5400.0
_SMALLER = 64
_FEWER = 80
"""Test images of presets/real.yaml."""
_TOLD_SECONDS = 1.0


def time_lines(dataset: Dataset, attacks: Attacks, counts: Counts, pace: Pace, *, at_once: int) -> list[str]:
    """Return the expected time of the run, of each stage, and, where it is long, of shorter runs.

    at_once: jobs that run at a time.
    """
    jobs = stage_seconds(dataset, attacks, counts, pace)
    total = total_seconds(jobs, at_once=at_once)
    lines = [
        f"Time: about {duration(total)} on this machine, {at_once} job{'s' * (at_once > 1)} at a time ({_told(jobs)})"
    ]
    if total > _LONG_SECONDS:
        lines += _shorter(dataset, attacks, counts, pace, at_once=at_once)
    return lines


def _shorter(dataset: Dataset, attacks: Attacks, counts: Counts, pace: Pace, *, at_once: int) -> list[str]:
    def seconds(changed: Dataset, changed_pace: Pace) -> str:
        return duration(total_seconds(stage_seconds(changed, attacks, counts, changed_pace), at_once=at_once))

    size, lines = dataset.preprocess.size, []
    fewer = replace(dataset, attack=replace(dataset.attack, max_images=_FEWER))
    if counts.test > _FEWER:
        lines.append(f"  shorter: --replace --max-images {_FEWER} takes about {seconds(fewer, pace)}")
    if size > _SMALLER:
        faster = _at(pace, (_SMALLER / size) ** 2)
        lines.append(f"  shorter: --replace --size {_SMALLER} takes about {seconds(dataset, faster)}")
        both = f"--replace --size {_SMALLER} --max-images {_FEWER}"
        lines.append(f"  shorter: {both} takes about {seconds(fewer, faster)}")
    return lines


def _at(pace: Pace, ratio: float) -> Pace:
    """Return the pace with images of `ratio` times the pixels."""
    return Pace(
        start=pace.start,
        compile=pace.compile,
        forward=pace.forward * ratio,
        gradient=pace.gradient * ratio,
        train=pace.train * ratio,
        peak_mb=pace.peak_mb,
    )


def _told(jobs: dict[Job, float]) -> str:
    stages = by_stage(jobs)
    return ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in stages.items() if seconds > _TOLD_SECONDS)
