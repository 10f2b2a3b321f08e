"""A disk that is full or read-only, in every stage: one line, nothing half-written, and the same command goes on.

The real scripts on 116 small images. An undisturbed run of each stage says which bytes are right. Then train, harden,
attack and rank are asked to end in the middle; each stage meets a disk with no room for all it writes; and is run again
when there is room.
"""

import os
import re
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fault_tools import PAGE, digests, filled, read_only, run_stage, small_disk, start, tiny_repository
from PIL import Image
from results_fixture import write_results
from toy_pipeline import REPOSITORY

from oncorobust.base.files import whole_outputs
from oncorobust.pipeline.stage_log import log_path

pytestmark = pytest.mark.slow
ATTACKED = ["attack.json", "predictions.csv", "intervals.csv", "threats.csv", "examples.npz"]
OF_CLEAN = ["--dataset", "slices", "--model", "clean"]
ONE_LINE = re.compile(r"error: .*No space left on device.*")


@dataclass(frozen=True)
class Case:
    """A stage, the folder that is a small disk, its outputs there, and how many pages are free when it starts.

    state: the file that it keeps when it is asked to end; empty where it keeps none.
    """

    stage: str
    disk: str
    outputs: list[str]
    pages: int
    arguments: list[str] = field(default_factory=list)
    state: str = ""


COMPUTING = [
    Case("acquire", "data/raw", ["brain_mets"], 40, ["--dataset", "brain_mets"]),
    Case("preprocess", "data/processed", ["slices"], 30, ["--dataset", "slices"]),
    Case(
        "train",
        "reports",
        [f"slices/clean/{name}" for name in ("training.json", "history.csv", "curves.png")],
        5,
        ["--dataset", "slices"],
        "models/slices/.clean.state",
    ),
    Case(
        "harden",
        "models",
        ["slices/adversarial.keras", "slices/adversarial.answers.json"],
        1,
        ["--dataset", "slices"],
        "models/slices/.adversarial.state",
    ),
    Case(
        "attack",
        "reports",
        [f"slices/clean/{name}" for name in ATTACKED],
        8,
        OF_CLEAN,
        "reports/slices/clean/.attack.state",
    ),
    Case(
        "rank",
        "reports",
        ["slices/clean/rank.json", "slices/clean/sensitivity.csv", "slices/clean/scores.csv"],
        1,
        OF_CLEAN,
        "reports/slices/clean/.rank.state",
    ),
    Case(
        "certify",
        "reports",
        ["slices/clean/certify.json", "slices/clean/certificates.csv"],
        1,
        OF_CLEAN,
        "reports/slices/clean/.certify.state",
    ),
]
PUTTING_TOGETHER = [
    Case("tabulate", "reports", ["tables", "metrics.json"], 2),
    Case("plot", "reports", ["figures"], 3),
    Case("report", "reports", ["index.html"], 1),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which nothing disturbed the stages up to `train`."""
    folder = tiny_repository(tmp_path_factory.mktemp("disk") / "computed")
    for case in COMPUTING[:3]:
        run_stage(folder, case.stage, *case.arguments)
    return folder


@pytest.fixture(scope="module")
def computed(trained: Path) -> Path:
    """The repository after all stages that compute."""
    for case in COMPUTING[3:]:
        run_stage(trained, case.stage, *case.arguments)
    return trained


@pytest.fixture(scope="module")
def put_together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with made-up metrics, and tables, figures and a page of them."""
    folder = tmp_path_factory.mktemp("disk") / "together"
    write_results(folder)
    for name in ("workflow/scripts", "workflow/code", "src/oncorobust"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for case in PUTTING_TOGETHER:
        run_stage(folder, case.stage)
    return folder


@pytest.mark.parametrize("case", COMPUTING[:3], ids=lambda case: case.stage)
def test_a_stage_up_to_training(trained: Path, case: Case) -> None:
    _check_full_disk(trained, case)


@pytest.mark.long
@pytest.mark.parametrize("case", COMPUTING[3:], ids=lambda case: case.stage)
def test_a_stage_after_training(computed: Path, case: Case) -> None:
    _check_full_disk(computed, case)


def _check_full_disk(computed: Path, case: Case) -> None:
    with small_disk(computed / case.disk, "16m") as disk:
        right = digests(disk)
        _remove(disk, case.outputs)
        if case.state:
            _ask_to_end(computed, case)
        _meet_a_full_disk(computed, disk, case)
        script = start(computed, case.stage, *case.arguments)
        status, shown = script.ended()
        assert status == 0, shown
        said = script.said()
        assert digests(disk) == right
    if case.stage in ("train", "harden"):
        assert re.search(r"resumed after (batch \d+ of )?epoch \d", said)
    if case.state and case.disk != "models":
        assert not (computed / case.state).exists()


@pytest.mark.parametrize(
    "case",
    [PUTTING_TOGETHER[0], *(pytest.param(one, marks=pytest.mark.long) for one in PUTTING_TOGETHER[1:])],
    ids=lambda case: case.stage,
)
def test_a_stage_that_puts_together(put_together: Path, case: Case) -> None:
    with small_disk(put_together / case.disk, "16m") as disk:
        right = digests(disk)
        _remove(disk, case.outputs)
        _meet_a_full_disk(put_together, disk, case)
        run_stage(put_together, case.stage, *case.arguments)
        assert digests(disk) == right


@pytest.mark.parametrize("case", [COMPUTING[2], PUTTING_TOGETHER[0]], ids=lambda case: case.stage)
def test_a_read_only_folder_is_told_before_anything_is_computed(trained: Path, put_together: Path, case: Case) -> None:
    folder = trained if case in COMPUTING else put_together
    before = digests(folder / "reports")
    with read_only(folder / "reports"):
        said = run_stage(folder, case.stage, *case.arguments, status=1)
    assert said.splitlines()[-1].startswith(
        "error: expected files that can be read and written, got Read-only file system: reports/"
    )
    assert "epoch" not in (folder / log_path([f"{case.stage}.py", *case.arguments])).read_text()
    assert digests(folder / "reports") == before


def test_a_writer_that_hides_the_reason_is_asked_for_it(tmp_path: Path) -> None:
    """Pillow says only that its encoder failed."""
    (tmp_path / "disk").mkdir()
    noise = Image.frombytes("RGB", (2000, 2000), os.urandom(12_000_000))
    with small_disk(tmp_path / "disk", "3m") as disk:
        with pytest.raises(OSError, match="No space left") as raised, whole_outputs(disk / "image.png") as (draft,):
            noise.save(draft)
        assert raised.value.filename == str(disk)
        assert list(disk.iterdir()) == []


def test_a_failure_of_another_kind_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"), whole_outputs(tmp_path / "a.json"):
        raise ValueError("a bug")


def _ask_to_end(folder: Path, case: Case) -> None:
    script = start(folder, case.stage, *case.arguments)
    script.wait_until_said(" of ")
    assert script.process.pid is not None
    os.kill(script.process.pid, signal.SIGTERM)
    status, said = script.ended()
    assert status == 143, said
    assert said.splitlines()[-1].endswith("interrupted. Rerun the same command to resume from the last save.")
    assert (folder / case.state).is_file()


def _meet_a_full_disk(folder: Path, disk: Path, case: Case) -> None:
    before = digests(disk)
    with filled(disk, leave=case.pages * PAGE):
        said = run_stage(folder, case.stage, *case.arguments, status=1)
    assert ONE_LINE.fullmatch(said.splitlines()[-1]), said
    assert said.count("\n") == 1
    assert digests(disk) == before, "what is there now that was not, or is another"


def _remove(disk: Path, outputs: list[str]) -> None:
    for output in outputs:
        if (disk / output).is_dir():
            shutil.rmtree(disk / output)
        else:
            (disk / output).unlink()
