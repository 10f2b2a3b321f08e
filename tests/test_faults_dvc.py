"""What a killed DVC leaves half-written, and objects of its cache that are damaged."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_pipeline as toy

from oncorobust.pipeline.dvc_cache import damaged_objects, repair
from oncorobust.pipeline.dvc_repair import repair_file_locks, repair_lock

DEAD = 2**22 + 1  # above the largest process number of Linux


def holder(number: int) -> dict[str, object]:
    return {"pid": number, "cmd": "dvc repro"}


def held(folder: Path) -> tuple[list[str], list[str]]:
    content = json.loads((folder / "rwlock").read_text())
    return sorted(place for place, holders in content["read"].items() if holders), sorted(content["write"])


@pytest.mark.parametrize("text", ["", '{"write": {"/a": {"pid"'])
def test_a_list_of_file_locks_that_was_cut_off_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / "rwlock").write_text(text)
    repair_file_locks(tmp_path)
    assert not (tmp_path / "rwlock").exists()
    repair_file_locks(tmp_path)


def test_only_what_living_processes_hold_stays_held(tmp_path: Path) -> None:
    own = os.getpid()
    content = {
        "read": {"/a": [holder(DEAD), holder(own)], "/b": [holder(DEAD)]},
        "write": {"/c": holder(own), "/d": holder(DEAD)},
    }
    (tmp_path / "rwlock").write_text(json.dumps(content))
    repair_file_locks(tmp_path)
    assert held(tmp_path) == (["/a"], ["/c"])


def test_a_process_that_came_by_the_number_later_holds_nothing(tmp_path: Path) -> None:
    """After a restart of the machine another process has the number of the DVC that was killed."""
    (tmp_path / "rwlock").write_text(json.dumps({"write": {"/c": holder(os.getpid())}}))
    os.utime(tmp_path / "rwlock", (1, 1))
    repair_file_locks(tmp_path)
    assert held(tmp_path) == ([], [])


def test_a_living_dvc_keeps_its_locks_though_the_clock_was_set(tmp_path: Path) -> None:
    (tmp_path / "dvc").write_text("import time\nprint(flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, tmp_path / "dvc"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (tmp_path / "rwlock").write_text(json.dumps({"write": {"/c": holder(other.pid)}}))
        os.utime(tmp_path / "rwlock", (1, 1))
        repair_file_locks(tmp_path)
        other.kill()
    assert held(tmp_path) == ([], ["/c"])


RECORD = "schema: '2.0'\nstages:\n" + "".join(
    f"  {name}:\n    cmd: python {name}.py\n    outs:\n    - path: {name}.csv\n      md5: abc\n"
    for name in ("one", "two")
)
SECOND = RECORD.index("  two")
IN_SECOND = RECORD.index("- path: two") + len("- path:")


def test_a_whole_record_stays(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(RECORD)
    assert not repair_lock(tmp_path)
    assert (tmp_path / "dvc.lock").read_text() == RECORD


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (5, 0), (22, 0), (SECOND + 7, SECOND), (IN_SECOND, SECOND)])
def test_of_a_record_that_was_cut_off_the_whole_stages_stay(tmp_path: Path, length: int, kept: int) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text(RECORD[:length])
    assert repair_lock(tmp_path)
    assert (lock.read_text() if lock.exists() else "") == RECORD[:kept]
    assert not repair_lock(tmp_path)


def test_stages_that_a_record_has_lost_are_those_of_the_last_commit(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text(RECORD.replace("one.py", "old_one.py"))
    toy.run(tmp_path, "git init -q && git add dvc.lock && git commit -q -m record")
    lock.write_text(RECORD[:IN_SECOND])
    assert repair_lock(tmp_path)
    assert lock.read_text() == RECORD
    lock.write_text("")
    assert repair_lock(tmp_path)
    assert lock.read_text() == RECORD.replace("one.py", "old_one.py")


@pytest.mark.slow
def test_a_damaged_object_is_found_and_fetched_again(tmp_path: Path) -> None:
    """DVC itself says that all is well."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    toy.run(folder, "dvc init -q --no-scm && dvc remote add -q -d storage ../storage && dvc config cache.type hardlink")
    files = {name: folder / "models" / name for name in ("clean.keras", "adversarial.keras")}
    files["clean.keras"].parent.mkdir()
    for name, path in files.items():
        path.write_text(name)
    toy.run(folder, "dvc add -q models && dvc push -q")
    cache = folder / ".dvc" / "cache" / "files" / "md5"
    assert damaged_objects(cache) == []
    _change_a_byte(files["clean.keras"])
    assert "up to date" in toy.run(folder, "dvc status")
    damaged = damaged_objects(cache)
    assert [one.samefile(files["clean.keras"]) for one in damaged] == [True]
    command = repair(damaged, work_tree=[folder / "models"])
    assert command == f"rm -f {damaged[0]} {files['clean.keras']} && dvc pull"
    toy.run(folder, command)
    assert {name: path.read_text() for name, path in files.items()} == {name: name for name in files}
    assert damaged_objects(cache) == []


def _change_a_byte(path: Path) -> None:
    """As a failing disk does: neither size nor time tell."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"?")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode)
    assert time.time() > path.stat().st_mtime
