"""The time left, worked out by hand; and what `snakemake --logger oncorobust` says of a run."""

import re

import pytest
import toy_pipeline as toy

from oncorobust.pipeline.eta import DEMO_SECONDS, Run


def test_before_any_job_ended_the_demos_seconds_count():
    run = Run({"train": 2, "attack": 4})
    assert run.left(0.0) == 2 * DEMO_SECONDS["train"] + 4 * DEMO_SECONDS["attack"]
    run.begin(1, "train", 0.0)
    run.begin(2, "train", 0.0)
    # Two at a time; 14 of 44 seconds of both are over.
    assert run.left(14.0) == pytest.approx((2 * (DEMO_SECONDS["train"] - 14) + 4 * DEMO_SECONDS["attack"]) / 2)


def test_jobs_that_ended_tell_of_their_rule_and_of_how_fast_the_machine_is():
    run = Run({"train": 2, "attack": 1, "odd": 1})
    run.begin(1, "train", 100.0)
    assert run.end(1, 210.0) == ("train", 110.0)  # 2.5 times the demo's
    assert run.done == 1
    other = sum(DEMO_SECONDS.values()) / len(DEMO_SECONDS)
    assert run.left(210.0) == pytest.approx(110 + 2.5 * (DEMO_SECONDS["attack"] + other))
    run.begin(2, "train", 210.0)
    run.end(2, 300.0)
    assert run.left(300.0) == pytest.approx(200 / 88 * (DEMO_SECONDS["attack"] + other))


def test_a_job_that_takes_longer_than_expected_counts_as_about_to_end():
    run = Run({"report": 1})
    run.begin(1, "report", 0.0)
    assert run.left(50.0) == 0.0
    run.end(1, 50.0)
    assert run.left(50.0) == 0.0


@pytest.mark.slow
def test_a_run_says_what_it_does_and_what_is_left(tmp_path):
    folder = toy.make_toy(tmp_path, toy.small_params())
    lines = toy.run(folder, "snakemake --cores 2 --logger oncorobust").splitlines()
    stamped = [line for line in lines if re.match(r"\[\d+:\d\d\] ", line)]
    assert re.fullmatch(r"\[0:0\d\] 12 jobs", stamped[0])
    assert any(line.endswith("train mnist: Fine-tuning VGG16 on the clean images of mnist.") for line in stamped)
    done = [line for line in stamped if re.search(r"done in \d+ s; \d+ of 12 jobs(, about \d+ s left)?$", line)]
    assert len(done) == 12
    assert "left" not in done[-1]
    assert "left" in done[-2]
    assert "toy train mnist" in lines  # the jobs speak for themselves
    again = toy.run(folder, "snakemake --cores 2 --logger oncorobust")
    assert "Nothing to be done" in again
    (folder / "data" / "processed" / "mnist" / "images.npy").unlink()
    with (folder / "workflow" / "scripts" / "preprocess.py").open("a") as script:
        script.write("raise SystemExit('no such luck')\n")
    said = toy.run(folder, "snakemake --cores 2 --logger oncorobust", status=1)
    assert "no such luck" in said
    assert "Error in rule preprocess" in said
