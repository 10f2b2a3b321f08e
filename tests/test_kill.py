"""Kill -9 at any moment and start again: the real scripts end with the bytes of a run that nobody disturbed.

The demo's VGG16 on 72 small images, few epochs. One folder is left in peace. In the other, train and harden are killed
eleven times: soon after they start, while an epoch computes, while the state is written, while the outputs are. In
between the disk is full once, and the state is damaged once, and put right again.
"""

import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from recipes import in_float32
from toy_pipeline import REPOSITORY, write_params

pytestmark = [pytest.mark.slow, pytest.mark.long]
MODEL_OF = {"train": "clean", "harden": "adversarial"}
OUTPUTS = {
    f"{folder}/{name}"
    for model in MODEL_OF.values()
    for folder, name in [
        ("models/slices", f"{model}.keras"),
        ("models/slices", f"{model}.answers.json"),
        *((f"reports/slices/{model}", name) for name in ("training.json", "history.csv", "curves.png")),
    ]
}


EVENTS = {
    "train": ["started", "saved", "full", "saving", "damaged", "saving", "started", "writing"],
    "harden": ["started", "saved", "saving", "started", "writing"],
}
"""In an order in which each finds what it waits for, on whichever side of a rename the kill before it fell."""
STATUS = {"full": 1, "damaged": 1, "nothing": 0}
FULL_BYTES = 10**8


@dataclass(frozen=True)
class Launch:
    """One process of the disturbed run: the epoch it found saved, what befell it, how it ended and what it logged."""

    stage: str
    event: str
    found_epoch: int | None
    status: int
    said: str


@dataclass(frozen=True)
class Runs:
    quiet: Path
    killed: Path
    launches: list[Launch] = field(default_factory=list)


def small_params() -> dict:
    content = in_float32(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))
    block = content["datasets"]["brain_mets"]
    block["preprocess"]["format"] = {"name": "manifest"}
    block["model"]["hidden_units"] = [64, 32]
    block["train"] |= {"epochs": 4, "batch_size": 16, "average": 0.9}
    block["harden"] |= {"epochs": 3, "batch_size": 16, "max_iter": 2, "validation_max_iter": 2, "max_drop": None}
    content["datasets"] = {"slices": block}
    content["report"]["columns"] = {"slices": {"title": "Slices", "paper": "MRI"}}
    return content | {"acquire": {}, "run": {"datasets": ["slices"], "threads": 1}}


def write_processed(folder: Path) -> None:
    """Two images of each of 36 patients; the second class is brighter in the middle."""
    rng = np.random.default_rng(0)
    number = np.arange(72)
    patient = number // 2
    images = rng.random((72, 32, 32, 1), dtype=np.float32) * np.float32(0.6)
    images[patient % 2 == 1, 10:22, 10:22] += np.float32(0.3)
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images)
    index = pd.DataFrame({"image_id": number, "patient_id": patient, "label": patient % 2})
    index["image_id"], index["patient_id"] = "i" + index["image_id"].astype(str), "p" + index["patient_id"].astype(str)
    index["class_name"] = np.array(["benign", "malignant"])[index["label"]]
    index["split"] = np.select([patient < 24, patient < 30], ["train", "validation"], "test")
    index["source"] = "drawn"
    index.to_csv(folder / "index.csv", index=False)
    summary = {"schema_version": 1, "dataset": "slices", "class_names": ["benign", "malignant"], "synthetic": True}
    (folder / "summary.json").write_text(json.dumps(summary))


def make_repository(folder: Path) -> Path:
    for name in ("workflow/scripts", "workflow/code", "src/oncorobust"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_params(folder, small_params())
    write_processed(folder / "data" / "processed" / "slices")
    return folder


def launch(folder: Path, stage: str) -> subprocess.Popen:
    log_of(folder, stage).unlink(missing_ok=True)
    command = [sys.executable, f"workflow/scripts/{stage}.py", "--dataset", "slices"]
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def log_of(folder: Path, stage: str) -> Path:
    return folder / "logs" / stage / "slices.log"


def logged(folder: Path, stage: str) -> str:
    """What the process wrote; nothing where it was killed before it opened its log."""
    log = log_of(folder, stage)
    return log.read_text() if log.exists() else ""


def state_of(folder: Path, stage: str) -> Path:
    return folder / "models" / "slices" / f".{MODEL_OF[stage]}.state"


def saved_epoch(state: Path) -> int | None:
    if not state.exists():
        return None
    with state.open("rb") as file:
        return int(json.loads(file.read(2**16).split(b"\n")[1])["done"].removeprefix("epoch "))


def written(path: Path) -> tuple[int, int] | None:
    """Tells one writing of a file from the next."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_ctime_ns


def wait_for(*paths: Path, process: subprocess.Popen, seconds: float = math.inf) -> bool:
    """Whether the process, before it ends, writes one of the files within so many seconds."""
    before, end = [written(path) for path in paths], time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        if any(written(path) not in (None, one) for path, one in zip(paths, before, strict=True)):
            return True
        time.sleep(0.001)
    return False


def run_quietly(folder: Path, stage: str) -> float:
    """Run a stage to its end; returns the seconds from one saved state to the next."""
    process, times = launch(folder, stage), []
    while wait_for(state_of(folder, stage), process=process):
        times.append(time.monotonic())
    assert process.wait() == 0, logged(folder, stage)
    return float(np.median(np.diff(times)))


def run_disturbed(folder: Path, stage: str, event: str, *, epoch_seconds: float, share: float) -> Launch:
    """Run a stage until what `event` names befalls it, or to its end; share: of the time in which a kill may fall."""
    state = state_of(folder, stage)
    found_epoch = saved_epoch(state)
    if event == "damaged":
        flip_a_bit(state)
    process = launch(folder, stage)
    match event:
        case "started":
            time.sleep(2 * share)
            process.kill()
        case "saved":
            # At the latest when the next epoch is saved.
            assert wait_for(state, process=process)
            wait_for(state, process=process, seconds=share * epoch_seconds)
            process.kill()
        case "saving" | "writing":
            file = state if event == "saving" else folder / "models" / "slices" / f"{MODEL_OF[stage]}.keras"
            # Or the file itself, should a busy machine have looked away while the draft was there.
            assert wait_for(draft_of(file), file, process=process)
            time.sleep(0.1 * share)
            process.kill()
        case "full":
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))
    status = process.wait()
    if event == "damaged":
        flip_a_bit(state)
    return Launch(stage, event, found_epoch, status, logged(folder, stage))


def draft_of(path: Path) -> Path:
    return path.with_name(f".{path.stem}.part{path.suffix}")


def flip_a_bit(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[Runs]:
    base = tmp_path_factory.mktemp("kill")
    runs = Runs(make_repository(base / "quiet"), make_repository(base / "killed"))
    rng = np.random.default_rng(0)
    for stage, events in EVENTS.items():
        epoch_seconds = run_quietly(runs.quiet, stage)
        for event in [*events, "nothing"]:
            share = rng.uniform()
            runs.launches.append(run_disturbed(runs.killed, stage, event, epoch_seconds=epoch_seconds, share=share))
    yield runs
    shutil.rmtree(base)  # hundreds of megabytes


def test_each_process_ended_as_it_was_made_to(runs):
    for one in runs.launches:
        assert one.status == STATUS.get(one.event, -9), one
    assert sum(one.status == -9 for one in runs.launches) == 11


def test_the_outputs_are_byte_identical(runs):
    quiet, killed = (
        {name: sha256((folder / name).read_bytes()).hexdigest() for name in OUTPUTS}
        for folder in (runs.quiet, runs.killed)
    )
    assert killed == quiet


def test_no_state_and_no_draft_is_left(runs):
    for folder in (runs.quiet, runs.killed):
        files = [path for name in ("models", "reports") for path in (folder / name).rglob("*") if path.is_file()]
        assert {path.relative_to(folder).as_posix() for path in files} == OUTPUTS


def test_each_restart_went_on_from_the_state_it_found(runs):
    for one in runs.launches:
        resumed = [int(epoch) for epoch in re.findall(r"resumed after epoch (\d+)", one.said)]
        if one.event != "started":  # which may be killed before or after it says so
            assert resumed == ([] if one.found_epoch is None or one.event == "damaged" else [one.found_epoch]), one
    assert sum("resumed" in one.said for one in runs.launches) >= 8


def test_a_full_disk_and_a_damaged_state_end_in_one_line(runs):
    said = {one.event: (one.found_epoch, one.said.splitlines()[-1]) for one in runs.launches if one.status == 1}
    epoch, full = said["full"]
    expected = rf"error: models/slices: File too large, cannot save the state after epoch {epoch + 1} "
    assert re.match(expected + rf"\(\d+\.\d MB needed\); the state after epoch {epoch} is kept; rerun the same", full)
    assert said["damaged"][1] == (
        "error: models/slices/.clean.state: damaged (expected the state of an earlier run; "
        "remove the file to start from the beginning) (log: logs/train/slices.log)"
    )


def test_each_epoch_changed_the_model(runs):
    for model, epochs in (("clean", 4), ("adversarial", 3)):
        history = pd.read_csv(runs.killed / "reports" / "slices" / model / "history.csv").tail(epochs)
        assert history["epoch"].tolist() == list(range(1, epochs + 1))
        assert history["validation_loss"].nunique() == epochs
