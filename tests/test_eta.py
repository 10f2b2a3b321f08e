"""The time left, worked out by hand; and what `snakemake --logger oncorobust` says of a run."""

import re

import pytest
import toy_pipeline as toy

from oncorobust.pipeline.eta import Run


def test_there_is_no_estimate_before_each_rule_has_an_ended_job():
    run = Run({"train": 1, "attack": 2, "report": 1})
    assert run.left(0.0) is None
    run.begin(1, "train", 0.0)
    run.end(1, 100.0)
    assert run.left(100.0) is None
    run.begin(2, "attack", 100.0)
    assert run.left(110.0) is None
    assert run.end(2, 130.0) == 30.0
    assert run.left(130.0) == 30.0  # one more attack; the report takes seconds


def test_an_ended_job_stands_for_the_others_of_its_rule_and_jobs_share_the_machine():
    run = Run({"train": 5})
    run.begin(1, "train", 0.0)
    run.begin(2, "train", 0.0)
    run.end(1, 40.0)
    run.end(2, 60.0)
    assert run.done == 2
    run.begin(3, "train", 60.0)
    # 50 s expected: 36 s left of the third, two not begun, two at a time.
    assert run.left(74.0) == pytest.approx((36 + 2 * 50) / 2)


def test_a_job_that_takes_longer_than_expected_counts_as_about_to_end():
    run = Run({"train": 2})
    run.begin(1, "train", 0.0)
    run.end(1, 50.0)
    run.begin(2, "train", 50.0)
    assert run.left(150.0) == 0.0
    run.end(2, 150.0)
    assert run.left(150.0) == 0.0


@pytest.mark.slow
def test_a_run_prints_one_line_when_a_job_ends(tmp_path):
    folder = toy.make_toy(tmp_path, toy.small_params())
    lines = toy.run(folder, "snakemake --cores 2 --logger oncorobust").splitlines()
    stamped = [line for line in lines if re.match(r"\[\d+:\d\d\] ", line)]
    assert re.match(r"\[\d+:\d\d\] 19 jobs\. ", stamped[0])
    assert all(re.search(r": done in \d+ s; \d+ of 19 jobs(, about \d+ s left)?$", line) for line in stamped[1:])
    assert len(stamped) == 1 + 19, lines
    assert "left" not in stamped[1]
    assert "left" not in stamped[-1]
    # The toy's scripts print a line each; nothing else is on the terminal but Snakemake's two lines on its profile.
    toys = [line for line in lines if line.startswith("toy ")]
    assert "toy train mnist" in toys
    assert len(lines) <= len(stamped) + len(toys) + 2, lines
    again = toy.run(folder, "snakemake --cores 2 --logger oncorobust")
    assert "Nothing to be done" in again
    (folder / "data" / "processed" / "mnist" / "images.npy").unlink()
    with (folder / "workflow" / "scripts" / "preprocess.py").open("a") as script:
        script.write("raise SystemExit('no such luck')\n")
    toy.run(folder, "oncorobust graph")
    said = toy.run(folder, "snakemake --cores 2 --logger oncorobust", status=1)
    assert "no such luck" in said
    assert "Error in rule preprocess" in said
    assert "logs/preprocess/mnist.log" in said
