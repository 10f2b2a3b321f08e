"""One process at a time, and no lock outlives its holder."""

import errno
import os
import subprocess
import sys
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
    with exclusive(file, what="training", seconds=0.0):
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
    message = rf"process {other.pid} on .* is training; wait until it is done"
    with (
        pytest.raises(InputError, match=message),
        exclusive(tmp_path / "logs" / ".train.lock", what="training", seconds=0.0),
    ):
        pass
    other.kill()
    other.wait()
    with exclusive(tmp_path / "logs" / ".train.lock", what="training", seconds=0.0):
        pass


def test_a_process_that_waits_in_vain_leaves_the_name_of_the_holder(tmp_path):
    other = holder("exclusive", tmp_path / ".lock")
    for _ in range(2):
        with (
            pytest.raises(InputError, match=f"process {other.pid} on "),
            exclusive(tmp_path / ".lock", what="training", seconds=0.2),
        ):
            pass
    other.kill()
    other.wait()


def test_a_holder_that_is_about_to_end_is_waited_for(tmp_path):
    other = holder("exclusive", tmp_path / ".lock")
    end = "import os, sys, time; time.sleep(0.5); open(sys.argv[1], 'w').close(); os.kill(int(sys.argv[2]), 9)"
    killer = subprocess.Popen([sys.executable, "-c", end, str(tmp_path / "killed"), str(other.pid)])
    assert not (tmp_path / "killed").exists()
    with exclusive(tmp_path / ".lock", what="training", seconds=20.0):
        assert (tmp_path / "killed").exists()
    killer.wait()
    assert other.wait() == -9


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_on_a_file_system_without_locks_nothing_is_locked(tmp_path, monkeypatch, number):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    entered = []
    with exclusive(tmp_path / ".lock", what="training", seconds=0.0):
        entered.append((tmp_path / ".lock").read_text().split()[1])
    assert entered == [str(os.getpid())]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_lock(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("os.open", refuse)
    with (
        pytest.raises(OSError, match=r"Read-only file system: .*\.lock") as caught,
        exclusive(tmp_path / ".lock", what="training", seconds=20.0),
    ):
        pass
    assert caught.value.errno == errno.EROFS
    assert caught.value.filename == str(tmp_path / ".lock")


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
