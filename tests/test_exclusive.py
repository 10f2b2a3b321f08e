"""One process at a time, and no lock outlives its holder."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from oncorobust.base.errors import InputError
from oncorobust.pipeline.process_lock import exclusive, release_left_locks

HOLDER = """
import sys, time
from pathlib import Path
from oncorobust.pipeline.process_lock import exclusive, release_left_locks
file = Path(sys.argv[2])
if sys.argv[1] == "exclusive":
    with exclusive(file, what="trains", seconds=0.0):
        print("held", flush=True)
        time.sleep(60)
alive = release_left_locks(file)
print("held", flush=True)
time.sleep(60)
"""


def holder(kind: str, path: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, kind, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_the_first_is(tmp_path):
    other = holder("exclusive", tmp_path / "logs" / ".train.lock")
    message = rf"expected to be alone, got process {other.pid} on .*, which trains; wait until it is done"
    with (
        pytest.raises(InputError, match=message),
        exclusive(tmp_path / "logs" / ".train.lock", what="trains", seconds=0.0),
    ):
        pass
    other.kill()
    other.wait()
    with exclusive(tmp_path / "logs" / ".train.lock", what="trains", seconds=0.0):
        pass


def test_a_holder_that_is_about_to_end_is_waited_for(tmp_path):
    other = holder("exclusive", tmp_path / ".lock")
    before = time.monotonic()
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(0.5); os.kill({other.pid}, 9)"])
    with exclusive(tmp_path / ".lock", what="trains", seconds=20.0):
        waited = time.monotonic() - before
    killer.wait()
    assert other.wait() == -9
    assert waited > 0.4


def test_locks_of_a_killed_snakemake_are_removed_and_of_a_living_one_kept(tmp_path):
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    other = holder("alive", tmp_path)
    assert not locks.exists()
    locks.mkdir()
    (locks / "0.output.lock").write_text("models/clean.keras\n")
    release_left_locks(tmp_path).close()
    assert (locks / "0.output.lock").exists()
    other.kill()
    other.wait()
    kept = release_left_locks(tmp_path)
    assert not locks.exists()
    locks.mkdir()
    again = holder("alive", tmp_path)  # while this process lives, no other removes anything
    assert locks.exists()
    again.kill()
    again.wait()
    kept.close()
