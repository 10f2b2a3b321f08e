"""A stage that is asked to end saves and leaves in time: by a signal, by a person, by the death of its runner.

The processes here are real ones; each says when it is ready, and at the end what it saved.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STAGE = """
import sys, time
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage import run
from oncorobust.pipeline.stage_log import tell

def main():
    progress = Progress("train mnist", seconds=0, shown_seconds=0)
    tell("ready")
    if "blind" in sys.argv:
        time.sleep(60)
    from oncorobust.base.progress import Stopped
    try:
        for done in range(10**6):
            progress.update(done, 10**6, "batches")
            time.sleep(0.01)
    except Stopped:
        open("saved", "w").close()
        raise

run(main)
"""
RUNNER = "import subprocess, sys; subprocess.run([sys.executable, 'stage.py'])"


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "stage.py").write_text(STAGE)
    return tmp_path


def start(place: Path, *command: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, *command], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr.readline() == "ready\n"
    return process


def log_of(place: Path) -> str:
    return (place / "logs" / "stage.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_stage_save_and_ends_it(place, number):
    process = start(place, "stage.py")
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert (place / "saved").exists()
    expected = "stage: interrupted. Rerun the same command to resume from the last save."
    assert said.splitlines()[-1] == log_of(place).splitlines()[-1] == expected
    assert "Traceback" not in said + log_of(place)


def test_a_computation_that_tells_no_progress_is_ended_after_its_grace(place):
    script = STAGE.replace("import sys, time", "import sys, time\nfrom oncorobust.pipeline import interruption, stage")
    script = script.replace(
        "run(main)", "stage.listening = lambda: interruption.listening(grace_seconds=0.5)\nrun(main)"
    )
    (place / "stage.py").write_text(script)
    process = start(place, "stage.py", "blind")
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert said == "Interrupted in the middle of a computation. Rerun the same command to resume from the last save.\n"
    assert not (place / "saved").exists()


def test_the_grace_leaves_time_within_ten_seconds():
    from oncorobust.pipeline.interruption import GRACE_SECONDS

    assert GRACE_SECONDS <= 9


@pytest.mark.parametrize("name", ["snakemake", "dvc"])
def test_a_stage_whose_runner_is_killed_saves_and_ends(place, name):
    (place / name).write_text(RUNNER)
    runner = start(place, name)
    runner.kill()
    runner.wait()
    _, said = runner.communicate(timeout=30)  # of the stage, which has the same pipes
    assert "Snakemake or DVC has ended; this stage saves its progress and ends too." in said
    assert (place / "saved").exists()


LEFT = """
import subprocess, sys
stage = subprocess.Popen(["sh", "-c", "sleep 1; " + sys.executable + " stage.py; true"])
"""
"""A runner that ends before its stage has looked for it."""


@pytest.mark.parametrize("name", ["ONCOROBUST_RUNNER", "DVC_STAGE"])
def test_a_stage_whose_runner_ended_before_it_looked_does_nothing(place, name):
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.environ[{name!r}] = 'train'; exec({LEFT!r})"],
        cwd=place,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = process.communicate(timeout=60)  # of the stage, which has the same pipe
    assert said.splitlines() == [
        "Snakemake or DVC has ended; this stage saves its progress and ends too.",
        "stage: interrupted. Rerun the same command to resume from the last save.",
    ]
    assert not (place / "saved").exists()


def test_a_stage_that_was_left_without_a_mark_goes_on(place):
    unmarked = {name: value for name, value in os.environ.items() if name not in ("ONCOROBUST_RUNNER", "DVC_STAGE")}
    process = subprocess.Popen([sys.executable, "-c", LEFT], cwd=place, env=unmarked, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "ready\n"
    os.kill(int((place / "logs" / ".stage.lock").read_text().split()[1]), signal.SIGTERM)
    process.communicate(timeout=30)
    assert (place / "saved").exists()


def test_a_program_that_runs_dvc_inside_itself_is_no_runner_that_has_ended(place):
    program = "import os, subprocess, sys; os.environ['DVC_STAGE'] = 'x'; subprocess.run([sys.executable, 'stage.py'])"
    process = start(place, "-c", program)
    os.kill(int((place / "logs" / ".stage.lock").read_text().split()[1]), signal.SIGTERM)
    process.communicate(timeout=30)
    assert (place / "saved").exists()


def test_a_stage_run_by_hand_outlives_its_shell(place):
    (place / "by_hand").write_text(RUNNER)
    shell = start(place, "by_hand")
    shell.kill()
    shell.wait()
    time.sleep(2.5)  # twice as long as a watched runner's end takes to be seen
    assert not (place / "saved").exists()
    stage = int((place / "logs" / ".stage.lock").read_text().split()[1])
    os.kill(stage, signal.SIGTERM)
    _, said = shell.communicate(timeout=30)
    assert "interrupted" in said
    assert (place / "saved").exists()


def test_a_terminal_that_is_gone_does_not_end_the_stage(place):
    process = start(place, "stage.py")
    process.stderr.close()
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert (place / "saved").exists()


def test_two_processes_do_not_do_one_stage(place):
    first = start(place, "stage.py")
    patience = "from oncorobust.pipeline import stage\nstage.PATIENCE_SECONDS = 0\n"
    (place / "stage.py").write_text(patience + STAGE)
    second = subprocess.run([sys.executable, "stage.py"], cwd=place, capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr.startswith(f"error: process {first.pid} on ")
    assert second.stderr.endswith("is running stage; wait until it is done (log: logs/stage.log)\n")
    assert "ready\n" in log_of(place), "the second process keeps the log of the first"
    first.kill()
    first.communicate()
