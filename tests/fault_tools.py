"""What the tests of faults share: small places that fill up, and the real scripts at a size of a second.

Importing TensorFlow takes longer than such a script does. So each runs in a fork of one server process that has
imported the libraries, nothing of oncorobust, and computes nothing itself.
"""

import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import yaml
from recipes import in_float32
from test_kill import write_processed
from test_pipeline import write_raw_tree
from toy_pipeline import OUTPUTS, REPOSITORY, environment, make_toy, run, small_params, write_params

PAGE = 4096
"""A tmpfs gives its room away in pages."""

_LIBRARIES = ["tensorflow", "keras", "art.estimators.classification", "matplotlib.pyplot", "pandas", "PIL.Image"]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([*_LIBRARIES, "fault_tools"])


@dataclass(frozen=True)
class Script:
    """A script that runs, or ran; the file that is its terminal, and its stage's log."""

    process: BaseProcess
    terminal: Path
    log: Path

    def ended(self) -> tuple[int | None, str]:
        """Wait for its end; returns exit status and all that it said on the terminal."""
        self.process.join()
        return self.process.exitcode, _text(self.terminal)

    def said(self) -> str:
        """Everything that it wrote so far."""
        return _text(self.log)

    def wait_until_said(self, words: str) -> None:
        while words not in self.said():
            assert self.process.is_alive(), self.said()
            time.sleep(0.01)


def start(folder: Path, stage: str, *arguments: str, probe_bytes: int = PAGE) -> Script:
    """Start workflow/scripts/<stage>.py in a repository; it tells every step, and probes room for few bytes only."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from oncorobust.pipeline.stage_log import log_path

    words = [f"workflow/scripts/{stage}.py", *arguments]
    terminal, log = folder / "terminal.txt", folder / log_path(words)
    for file in (terminal, log):
        file.unlink(missing_ok=True)
    process = _context.Process(target=_run, args=(folder, words, terminal, probe_bytes))
    process.start()
    return Script(process, terminal, log)


def run_stage(folder: Path, stage: str, *arguments: str, status: int = 0, probe_bytes: int = PAGE) -> str:
    """Run a script to its end, which must be of this status; returns what it said on the terminal."""
    found, said = start(folder, stage, *arguments, probe_bytes=probe_bytes).ended()
    assert found == status, said
    return said


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""


def _run(folder: Path, words: list[str], terminal: Path, probe_bytes: int) -> None:
    os.chdir(folder)
    with terminal.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.argv[:] = words
    sys.path.insert(0, str(folder / "src"))
    from oncorobust.base import files
    from oncorobust.pipeline.progress_lines import Progress

    files.PROBE_BYTES = probe_bytes
    Progress.__init__.__kwdefaults__["seconds"] = 0.0
    runpy.run_path(words[0], run_name="__main__")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of this size (`8m`) at `folder`, with what the folder held; afterwards take it away."""
    held = folder.with_name(f"{folder.name}.held")
    folder.rename(held)
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.decode().strip()}")
    try:
        shutil.copytree(held, folder, dirs_exist_ok=True, symlinks=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()
        held.rename(folder)


@contextmanager
def filled(disk: Path, *, leave: int) -> Iterator[None]:
    """Inside, only `leave` bytes are free on this file system."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        found = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside, a folder, its own mount point now, cannot be written, not even by root."""
    done = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"a folder cannot be mounted read-only here: {done.stderr.decode().strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, hidden ones too."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def tiny_repository(folder: Path) -> Path:
    """The real scripts and library, a model of 500 weights and 40 small images: raw, processed, and to be acquired."""
    for name in ("workflow/scripts", "workflow/code", "src/oncorobust"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    content = in_float32(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))
    block = content["datasets"]["brain_mets"]
    block["model"] = {"source": "path", "path": "own/model.keras", "input_range": [0, 1], "fine_tune": True}
    block["train"] |= {"epochs": 3, "batch_size": 4}
    block["harden"] |= {"epochs": 2, "batch_size": 4, "max_iter": 2, "validation_max_iter": 2, "max_drop": None}
    block["attack"] |= {"epsilons": [0.1], "threat_epsilons": [0.1], "max_images": None}
    block["rank"] |= {"epsilons": [0.05, 0.1]}
    content["attacks"] |= {"table_epsilons": [0.002], "batch_size": 2}
    content["attacks"]["strict"] |= {"threats": ["tied"], "square": {"max_queries": 2}, "relative_width": 0.9}
    content["attacks"]["bim"]["max_iter"] = content["attacks"]["pgd"]["max_iter"] = 2
    content["acquire"]["brain_mets"]["n_images"] = 20
    slices = block | {"preprocess": block["preprocess"] | {"format": {"name": "manifest"}}}
    content["datasets"] = {"slices": slices, "brain_mets": block}
    content["acquire"] = {"brain_mets": content["acquire"]["brain_mets"]}
    content["run"] = {"datasets": ["slices", "brain_mets"], "threads": 1}
    content["report"]["columns"] = {name: {"title": name, "paper": "MRI"} for name in content["datasets"]}
    write_params(folder, content)
    write_processed(folder / "data" / "processed" / "slices")
    write_raw_tree(folder / "data" / "raw" / "slices")
    builder = _context.Process(target=_write_model, args=(folder / "own" / "model.keras",))
    builder.start()
    builder.join()
    return folder


def _write_model(path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    path.parent.mkdir()
    parts = [keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 5, 4, activation="relu"), keras.layers.Flatten()]
    keras.Sequential([*parts, keras.layers.Dense(2)]).save(path)


SLOW_TRAIN = """
import os
import time
from pathlib import Path

from oncorobust.base.files import whole_outputs
from oncorobust.base.progress import Stopped
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage import run

STATE, STEPS = Path("models/mnist/.clean.state"), 25
CONTENTS = {".json": '{"accuracy": 1}', ".csv": "epoch,validation_accuracy\\n1,1\\n"}


def tell(*words: object) -> None:
    with open("stage.log", "a") as log:
        print(os.getpid(), *words, file=log)


def main() -> None:
    Path("params.yaml").read_text()
    done = int(STATE.read_text()) if STATE.exists() else 0
    tell("begins", done)
    STATE.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress("train mnist", seconds=0.0)
    try:
        while done < STEPS:
            time.sleep(0.1)
            done += 1
            tell("step", done)
            progress.update(done, STEPS, "steps")
    except Stopped:
        STATE.write_text(str(done))
        tell("saved", done)
        raise
    with whole_outputs(OUTPUTS) as drafts:
        for draft in drafts:
            draft.write_text(CONTENTS.get(draft.suffix, "x" * 10**6))
    STATE.unlink(missing_ok=True)


run(main)
"""


def slow_repository(folder: Path) -> Path:
    """The toy repository with a `train` that is a real stage, takes seconds, keeps a state, and tells what it does."""
    make_toy(folder, small_params())
    script = folder / "workflow" / "scripts" / "train.py"
    head = script.read_text(encoding="utf-8").partition("import argparse\n")[0]  # what the two graphs look at
    outputs = ", ".join(repr(one.format(dataset="mnist")) for one in OUTPUTS["train"])
    script.write_text(head + SLOW_TRAIN.replace("OUTPUTS", outputs), encoding="utf-8")
    run(folder, "oncorobust graph")
    return folder


def start_runner(folder: Path, command: str) -> subprocess.Popen[bytes]:
    """Start a command, not in a shell, in a process group of its own, with what it says in runner.log."""
    with (folder / "runner.log").open("ab") as log:
        return subprocess.Popen(
            command.split(), cwd=folder, env=environment(folder), stdout=log, stderr=log, process_group=0
        )


def wait_for_step(folder: Path, step: int, runner: subprocess.Popen[bytes]) -> None:
    """Wait until the slow stage that this runner starts has done so many steps."""
    earlier = {words[0] for words in stage_log(folder)}
    while sum(words[1] == "step" and words[0] not in earlier for words in stage_log(folder)) < step:
        assert runner.poll() is None, (folder / "runner.log").read_text()
        time.sleep(0.02)


def stage_log(folder: Path) -> list[list[str]]:
    """What the slow stage's processes did: process number, `begins`, `step` or `saved`, and the step."""
    log = folder / "stage.log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []
