"""The log of a stage: what reaches the terminal, what the log holds, and what a bug or a crash leaves.

Each process here is a real one; what it prints to descriptor 2 by itself stands for a native library.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import toy_pipeline as toy
from fault_tools import read_only

from oncorobust.pipeline.stage_log import log_path

SCRIPT = """
import os, sys
from oncorobust.pipeline.stage_log import open_log, tell
open_log()
os.write(2, b"E0000 native noise\\n")
{imports}
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage import parse, run

def main():
    parse("dataset")
    print("library noise")
    subprocess_noise = os.system("echo child noise >&2")
    progress = Progress("train mnist")
    progress.say("epoch 1 of 3: loss 0.7")
    progress.warn("COLLAPSED in epoch 1")
    {body}

if __name__ == "__main__":
    run(main)
"""


def script(folder: Path, *, imports: str = "", body: str = "pass") -> None:
    text = SCRIPT.replace("{imports}", imports).replace("{body}", body)
    (folder / "train.py").write_text(text)
    if not (folder / "params.yaml").exists():
        toy.write_params(folder, toy.small_params())


def execute(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "train.py", *(arguments or ("--dataset", "mnist"))]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def log_of(folder: Path) -> str:
    return (folder / "logs" / "train" / "mnist.log").read_text()


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("w/tabulate.py", "logs/tabulate.log"),
        ("w/train.py --dataset lidc", "logs/train/lidc.log"),
        ("w/train.py --dataset=lidc", "logs/train/lidc.log"),
        ("attack.py --model clean --dataset lidc reports/a.npz reports/b.npz", "logs/attack/lidc-clean.log"),
        ("attack.py --dataset lidc --model clean --shard 2-of-8 --output x", "logs/attack/lidc-clean.2-of-8.log"),
        ("w/repeat.py --dataset lidc --seed 12", "logs/repeat/lidc-12.log"),
        ("train.py --dataset ../../other", "logs/train.log"),
        ("train.py --dataset", "logs/train.log"),
    ],
)
def test_the_log_has_the_name_of_the_command_line(words: str, path: str) -> None:
    assert log_path(words.split()) == Path(path)


def test_the_terminal_has_warnings_alone_and_the_log_has_everything(tmp_path: Path) -> None:
    script(tmp_path)
    done = execute(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "train mnist: WARNING: COLLAPSED in epoch 1\n"
    for words in ("E0000 native", "library noise", "child noise", "epoch 1 of 3: loss", "WARNING: COLLAPSED"):
        assert words in log_of(tmp_path)
    execute(tmp_path)
    assert log_of(tmp_path).count("== 20") == log_of(tmp_path).count("library noise") == 2, "a log is appended to"


def test_a_backend_that_is_not_installed_is_named_with_the_way_out(tmp_path: Path) -> None:
    script(tmp_path, imports="raise ModuleNotFoundError('no', name='jax')")
    done = execute(tmp_path)
    assert done.stderr.endswith("or set KERAS_BACKEND to tensorflow or torch (log: logs/train/mnist.log)\n")
    assert "error: the package jax (KERAS_BACKEND=jax) is not installed: pip install 'jax'" in done.stderr


@pytest.mark.parametrize("place", ["imports", "body"])
def test_a_bug_gives_its_last_line_and_keeps_its_traceback_in_the_log(tmp_path: Path, place: str) -> None:
    script(tmp_path, **{place: "raise ValueError('a\\nbug')"})
    done = execute(tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("error: ValueError: a\nbug (log: logs/train/mnist.log)\n")
    assert "Traceback" not in done.stderr
    assert "Traceback (most recent call last):" in log_of(tmp_path)


def test_a_native_crash_leaves_its_stack_in_the_log(tmp_path: Path) -> None:
    script(tmp_path, body="os.abort()")
    done = execute(tmp_path)
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in log_of(tmp_path)
    assert "Fatal" not in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("--datset", "mnist")])
def test_help_and_wrong_options_are_shown(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    script(tmp_path)
    done = execute(tmp_path, *arguments)
    assert done.stderr.startswith("usage: train.py [-h] --dataset DATASET")
    assert done.returncode == (0 if arguments == ("--help",) else 2)


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    script(tmp_path)
    (tmp_path / "logs").mkdir()
    with read_only(tmp_path / "logs"):
        done = execute(tmp_path)
    message = "expected a log that can be written, got Read-only file system: logs/train/mnist.log"
    assert (done.returncode, done.stderr) == (1, f"error: {message}\n")


OFTEN = ("preprocess", "attack", "plot", "report")
"""Stages of every kind of import, which `make test` tries; `make test-long` tries all."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", [pytest.param(one, marks=[] if one in OFTEN else pytest.mark.long) for one in toy.STAGES]
)
def test_a_real_script_prints_nothing_while_it_imports(tmp_path: Path, stage: str) -> None:
    command = [sys.executable, str(toy.REPOSITORY / "workflow" / "scripts" / f"{stage}.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    first, *_ = done.stderr.splitlines()
    assert first.startswith(f"usage: {stage}.py")
    assert (tmp_path / "logs" / f"{stage}.log").exists()
