"""Estimates of run times, against sums by hand, and their comparison with the record of a run."""

from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from oncorobust.base import layout
from oncorobust.pipeline.run_time import Counts, Pace, by_stage, stage_seconds, total_seconds
from oncorobust.pipeline.run_time_probe import Clock
from oncorobust.pipeline.run_time_record import compared_lines
from oncorobust.pipeline.run_time_text import time_lines
from oncorobust.settings.load import parse_params

REPOSITORY = Path(__file__).resolve().parent.parent
PARAMS = parse_params(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))
DEMO = PARAMS.datasets["lidc"]
SCANNED = replace(DEMO, acquisition=replace(DEMO.acquisition, max_images=8, max_iter=30))
PACE = Pace(start=5.0, compile=1.0, forward=0.25, gradient=0.5, train=0.75, peak_mb=1000.0)
COUNTS = Counts(classes=2, raw=100, train=80, validation=10, test=10, read=0.1)


def test_seconds_of_each_stage_by_hand() -> None:
    jobs = stage_seconds(SCANNED, PARAMS.attacks, COUNTS, PACE)
    assert jobs["preprocess", ""] == pytest.approx(3 + 2 * 100 * 0.1)  # `duplicates: group` reads twice
    assert jobs["train", ""] == pytest.approx(5 + 2 * 1 + 12 * (0.5 + 80 * 0.75 + 10 * 0.25))
    # 4 steps on half of each batch; validation takes 1 + 5 gradients
    assert jobs["harden", ""] == pytest.approx(5 + 4 + 4 * (0.5 + 80 * (0.75 + 0.5 * 4 * 0.5) + 6 * 10 * 0.5))
    # 5 epsilons: 0.002, 0.006, 0.02, and 0.001 and 0.004 of the tables; FGSM 1, BIM 5, PGD 5
    paper = 5 * (1 + 5 + 5) * 1.2
    strict = 12 + 1 + 5 + 5 + 10 + 10 + 15
    threats = 0.3 * 5 * 1 * 5 * 3
    forwards = 1 + 5 * 6 + 25
    expected = 5 + 8 + 10 * ((paper + strict + threats) * 0.5 + forwards * 0.25)
    assert jobs["attack", "clean"] == pytest.approx(expected)
    assert jobs["rank", "clean"] == pytest.approx(5 + 3 + (10 + 10) * (5 * 6 / 2 * 0.5 + 2 * 8 * 0.25))
    # 8 images, 10 changes of 5 severities, 30 steps
    rescan = 5 + 4 + 8 * (5 * 0.1 + 50 * (0.05 + 3 * 0.25) + 30 * 0.5)
    assert jobs["rescan", "adversarial"] == pytest.approx(rescan)
    without = stage_seconds(replace(DEMO, acquisition=None), PARAMS.attacks, COUNTS, PACE)
    assert without == {job: seconds for job, seconds in jobs.items() if job[0] != "rescan"}
    assert by_stage(jobs)["attack"] == pytest.approx(2 * expected)


def test_at_most_max_images_are_attacked_and_more_classes_have_targets() -> None:
    fewer = replace(DEMO, attack=replace(DEMO.attack, max_images=4))
    ten = stage_seconds(fewer, PARAMS.attacks, Counts(10, 100, 80, 10, 10, 0.1), PACE)["attack", "clean"]
    two = stage_seconds(fewer, PARAMS.attacks, COUNTS, PACE)["attack", "clean"]
    assert ten - two == pytest.approx(4 * 10 * 0.5)  # n_targets 1, 10 steps
    whole = stage_seconds(DEMO, PARAMS.attacks, COUNTS, PACE)["attack", "clean"]
    assert (two - 13) / (whole - 13) == pytest.approx(0.4)  # without start and compilation


def test_jobs_wait_for_those_they_need() -> None:
    jobs = {
        ("preprocess", ""): 1.0,
        ("train", ""): 2.0,
        ("harden", ""): 4.0,
        ("attack", layout.CLEAN): 3.0,
        ("rank", layout.CLEAN): 1.0,
        ("validate", layout.CLEAN): 0.0,
        ("tabulate", ""): 1.0,
        ("plot", ""): 1.0,
        ("exchange", ""): 1.0,
        ("report", ""): 1.0,
    }
    assert total_seconds(jobs, at_once=1) == 15
    # harden (3 to 7) runs beside attack and rank (3 to 7); plot beside tabulate, exchange or report after 7
    assert total_seconds(jobs, at_once=2) == 10


def test_long_runs_say_how_to_shorten_them() -> None:
    slow = Pace(start=5.0, compile=1.0, forward=25.0, gradient=50.0, train=75.0, peak_mb=1000.0)
    many = Counts(classes=2, raw=100, train=80, validation=10, test=500, read=0.1)
    large = replace(DEMO, preprocess=replace(DEMO.preprocess, size=128), attack=replace(DEMO.attack, max_images=None))
    lines = time_lines(large, PARAMS.attacks, many, slow, at_once=2)
    assert lines[0].startswith("Time: about ")
    assert [line.split(" takes about")[0] for line in lines[1:]] == [
        "  shorter: --replace --max-images 80",
        "  shorter: --replace --size 64",
        "  shorter: --replace --size 64 --max-images 80",
    ]
    assert len(time_lines(DEMO, PARAMS.attacks, COUNTS, PACE, at_once=2)) == 1


def test_time_of_other_programs_does_not_count() -> None:
    def alone(wall: float, used: float, waited: float, threads: int) -> float:
        return Clock(1.0, 1.0, 1.0).alone(Clock(1 + wall, 1 + used, 1 + waited), threads=threads)

    assert alone(10.0, 4.0, 6.0, 1) == 4.0  # one busy thread that waited most of the time
    assert alone(10.0, 4.0, 9.0, 1) == 4.0  # idle threads waited, too
    assert alone(10.0, 0.5, 0.0, 1) == 10.0  # a GPU computed
    assert alone(10.0, 16.0, 4.0, 2) == 8.0
    assert alone(2.0, 16.0, 0.0, 2) == 2.0


def test_usage_compares_estimates_with_the_jobs_of_a_run(tmp_path: Path) -> None:
    estimates, benchmarks = tmp_path / "estimates", tmp_path / "benchmarks"
    estimates.mkdir()
    (estimates / "brain.json").write_text('{"train": 60.0, "attack": 30.0, "rank": 10.0, "plot": 5.0}')
    header = "s\th:m:s\tmax_rss\n"
    for name, seconds in {
        "train/brain": 70,
        "attack/brain-clean": 20,
        "attack/brain-adversarial.1-of-2": 7,
        "plot": 6,
    }.items():
        file = benchmarks / f"{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{header}{seconds}\t0:01:00\t100\n")
    (benchmarks / "attack" / "other-clean.tsv").write_text(f"{header}1000\t0:01:00\t100\n")
    assert compared_lines(estimates, benchmarks) == [
        "brain: estimated all jobs 2 min, took 2 min; train 60 s, took 70 s; attack 30 s, took 27 s; plot 5 s, took 6 s"
    ]
