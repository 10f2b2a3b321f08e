"""What a stage reads: missing, damaged, or changed while it runs; and what it keeps when that happens.

Each gives one line that names the file, before anything is computed.
"""

import os
import threading
from pathlib import Path

import pytest
from fault_tools import run_stage, tiny_repository

from oncorobust.base.errors import InputError
from oncorobust.base.run_state import RunState
from oncorobust.base.watched_inputs import watching
from oncorobust.pipeline.clock_check import check_times
from oncorobust.pipeline.process_lock import release_left_locks
from oncorobust.pipeline.stage_log import log_path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_repository(tmp_path_factory.mktemp("inputs") / "checkout")


@pytest.mark.slow
def test_what_an_earlier_stage_did_not_make_is_named_with_what_makes_it(repository: Path) -> None:
    of_clean = ["--dataset", "slices", "--model", "clean"]
    for stage, arguments, missing in (
        ("attack", of_clean, "models/slices/clean.keras"),
        ("rank", of_clean, "models/slices/clean.answers.json"),
        ("rank", of_clean, "reports/slices/clean/intervals.csv"),
        ("train", ["--dataset", "brain_mets"], "data/processed/brain_mets/images.npy"),
    ):
        said = run_stage(repository, stage, *arguments, status=1)
        log = log_path([f"{stage}.py", *arguments])
        command = f"`snakemake --cores all {missing}` makes it"
        assert said == f"error: expected {missing}, got no such file; {command} (log: {log})\n"
        (repository / missing).parent.mkdir(parents=True, exist_ok=True)
        (repository / missing).write_bytes((repository / "own" / "model.keras").read_bytes()[:9000])  # for the next one
    said = run_stage(repository, "attack", *of_clean, status=1)
    wrong = "expected a Keras 3 model (.keras), got a file that is not a whole zip archive in models/slices/clean.keras"
    assert said == f"error: {wrong} (log: logs/attack/slices-clean.log)\n"
    said = run_stage(repository, "tabulate", status=1)
    assert said.startswith("error: expected a JSON file, got ")
    assert "reports/slices/clean/attack.json" in said


def test_a_state_is_not_saved_from_inputs_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would say of itself that it was made from what they were, and be taken up where they are put back."""
    monkeypatch.chdir(tmp_path)
    Path("images.npy").write_text("pixels")
    state = RunState(tmp_path / ".state", fingerprint="of pixels")
    with watching(tmp_path):
        Path("images.npy").read_text()
        state.save("epoch 1", {}, {})
        Path("images.npy").write_text("other pixels")
        with pytest.raises(InputError, match=r"images\.npy: changed while the stage ran"):
            state.save("epoch 2", {}, {})
    saved = state.load()
    assert saved is not None
    assert saved.done == "epoch 1"


def test_files_of_the_future_are_found_also_folders_by_their_stamp(tmp_path: Path) -> None:
    for name in ("old", "new", "stamped"):
        (tmp_path / name).mkdir()
    (tmp_path / "stamped" / ".snakemake_timestamp").touch()
    paths = [tmp_path / name for name in ("old", "new", "stamped", "absent")]
    os.utime(tmp_path / "stamped", (4e9, 4e9))  # the folder itself does not count
    os.utime(tmp_path / "old", (0, 0))
    check_times(paths)
    os.utime(tmp_path / "new", (4e9, 4e9))
    os.utime(tmp_path / "stamped" / ".snakemake_timestamp", (5e9, 5e9))
    with pytest.raises(
        InputError, match=r"expected modification times in the past, got 2 in the future, such as .*stamped of 2128-"
    ):
        check_times(paths)


def test_two_snakemakes_that_start_at_once_both_count_as_alive(tmp_path: Path) -> None:
    """One that found the lock taken for a moment went without, and a third would have removed its locks."""
    import fcntl

    (tmp_path / ".snakemake").mkdir()
    other = (tmp_path / ".snakemake" / "alive").open("w")
    fcntl.flock(other, fcntl.LOCK_EX)
    threading.Timer(0.3, other.close).start()
    alive = release_left_locks(tmp_path)
    with (tmp_path / ".snakemake" / "alive").open() as third, pytest.raises(BlockingIOError):
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    alive.close()
