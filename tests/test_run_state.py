"""Training states survive to the bit; anything else that lies in their place is refused, and a full disk harms none."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from oncorobust.base.errors import InputError
from oncorobust.base.run_state import RunState, fingerprint
from oncorobust.settings.training import SGD, Adam

DONE = "epoch 3"
TOLD = {"epoch": 3, "rows": [{"epoch": 1, "loss": 0.1 + 0.2, "accuracy": None}], "best_epoch": 1}
ARRAYS = {
    "model": [np.arange(12, dtype=np.float32).reshape(3, 4), np.float32([np.nan, -0.0, np.inf])],
    "optimizer": [np.array(7, dtype=np.int64), np.array([], dtype=np.float32), np.uint32([1, 2**32 - 1])],
    "average": [],
}
TOO_LARGE = {"model": [np.zeros(200_000, dtype=np.float32)]}
ADAM = Adam(learning_rate=0.001, weight_decay=0.0)
SGD_SETTINGS = SGD(learning_rate=0.001, decay=0.0, momentum=0.0, nesterov=False, weight_decay=0.0)

numbers = numpy_st.array_shapes(min_dims=0, min_side=0, max_side=3).flatmap(
    lambda shape: numpy_st.arrays(st.sampled_from(["<f4", "<f8", "<i4", "<i8", "<u4", "|u1", "|b1", ">f4"]), shape)
)


def checkpoint(folder: Path, name: str = "this run") -> RunState:
    return RunState(folder / ".clean.state", fingerprint=name)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes())


@contextmanager
def file_size_limit(size: int):
    """No file of this process may grow beyond; Python ignores SIGXFSZ, so that writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_state_comes_back_to_the_bit(tmp_path):
    checkpoint(tmp_path / "models").save(DONE, TOLD, ARRAYS)
    saved = checkpoint(tmp_path / "models").load()
    assert saved.told == TOLD
    assert saved.arrays.keys() == ARRAYS.keys()
    for name, arrays in ARRAYS.items():
        assert all(map(same, saved.arrays[name], arrays)), name
        assert len(saved.arrays[name]) == len(arrays)
    assert saved.arrays["model"][0].flags.writeable


@settings(deadline=None, max_examples=40)
@given(loss=st.floats(), arrays=st.lists(numbers, max_size=4), name=st.text())
def test_any_float_name_type_and_shape_comes_back(loss, arrays, name):
    with tempfile.TemporaryDirectory() as folder:
        checkpoint(Path(folder)).save(DONE, {"epoch": 1, "loss": loss}, {name: arrays})
        saved = checkpoint(Path(folder)).load()
    assert np.float64(saved.told["loss"]).tobytes() == np.float64(loss).tobytes() or np.isnan(loss)
    assert all(map(same, saved.arrays[name], arrays))
    assert len(saved.arrays[name]) == len(arrays)


def test_arrays_of_any_memory_order_come_back(tmp_path):
    image = np.arange(24, dtype=np.float32).reshape(4, 6)
    orders = [np.asfortranarray(image), image[:, ::2], image.T, image[::-1]]
    checkpoint(tmp_path).save(DONE, TOLD, {"model": orders})
    for one, other in zip(checkpoint(tmp_path).load().arrays["model"], orders, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_newest_state_counts_and_no_draft_stays(tmp_path):
    run = checkpoint(tmp_path)
    for epoch in (1, 2, 3):
        run.save(DONE, {"epoch": epoch}, ARRAYS)
    assert checkpoint(tmp_path).load().told == {"epoch": 3}
    assert [path.name for path in tmp_path.iterdir()] == [".clean.state"]
    run.remove()
    assert list(tmp_path.iterdir()) == []


def test_without_a_state_there_is_nothing_to_load_or_remove(tmp_path):
    run = checkpoint(tmp_path / "models")
    assert run.load() is None
    assert not run.stale
    run.remove()


def test_the_state_of_another_run_is_stale_until_it_is_replaced(tmp_path):
    checkpoint(tmp_path, "other run").save(DONE, TOLD, ARRAYS)
    run = checkpoint(tmp_path)
    assert run.load() is None
    assert run.stale
    run.save(DONE, {"epoch": 1}, ARRAYS)
    assert run.load().told == {"epoch": 1}
    assert not run.stale


def test_a_draft_is_never_taken_for_whole_and_is_overwritten(tmp_path):
    checkpoint(tmp_path).save(DONE, TOLD, ARRAYS)
    draft = tmp_path / "..clean.part.state"
    (tmp_path / ".clean.state").rename(draft)
    run = checkpoint(tmp_path)
    assert run.load() is None
    draft.write_bytes(b"x" * 10_000)
    run.save(DONE, {"epoch": 1}, ARRAYS)
    assert run.load().told == {"epoch": 1}
    assert not draft.exists()
    draft.write_bytes(b"x")
    run.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_changed_bit_anywhere_is_refused(tmp_path):
    path = tmp_path / ".clean.state"
    checkpoint(tmp_path).save(DONE, TOLD, ARRAYS)
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(
            InputError, match=r"clean.state: damaged \(expected the state of an earlier run; remove the"
        ):
            checkpoint(tmp_path).load()
    assert path.read_bytes() == bytes(damaged)


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / ".clean.state"
    checkpoint(tmp_path).save(DONE, TOLD, ARRAYS)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="remove the file to start from the beginning"):
            checkpoint(tmp_path).load()


@settings(deadline=None, max_examples=200)
@given(
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8), st.integers(0, 8)), min_size=1),
    content=st.none() | st.binary(max_size=64),
)
def test_only_an_input_error_leaves_whatever_the_file_holds(damage, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".clean.state"
        checkpoint(Path(folder)).save(DONE, TOLD, ARRAYS)
        whole = path.read_bytes()
        changed = whole if content is None else content
        for position, inserted, removed in damage:
            at = position % (len(changed) + 1)
            changed = changed[:at] + inserted + changed[at + removed :]
        path.write_bytes(changed)
        if changed == whole:
            assert checkpoint(Path(folder)).load().told == TOLD
        else:
            with pytest.raises(InputError, match="expected the state of an earlier run"):
                checkpoint(Path(folder)).load()


def test_damage_is_seen_in_a_large_array(tmp_path):
    path = tmp_path / ".clean.state"
    rng = np.random.default_rng(0)
    arrays = {"model": [rng.random(700_000, dtype=np.float32)]}
    checkpoint(tmp_path).save(DONE, TOLD, arrays)
    assert same(checkpoint(tmp_path).load().arrays["model"][0], arrays["model"][0])
    for position in rng.integers(0, path.stat().st_size, 20):
        with path.open("r+b") as file:
            file.seek(position)
            before = file.read(1)
            file.seek(position)
            file.write(bytes([before[0] ^ 16]))
            file.flush()
            with pytest.raises(InputError, match=r"clean.state: damaged"):
                checkpoint(tmp_path).load()
            file.seek(position)
            file.write(before)


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / ".clean.state").mkdir()
    with pytest.raises(InputError, match=r"clean.state: Is a directory \(.*; remove the file"):
        checkpoint(tmp_path).load()


def test_the_format_is_what_the_module_says(tmp_path):
    checkpoint(tmp_path).save(DONE, {"epoch": 1}, {"model": [np.float32([1.5])]})
    first, second, rest = (tmp_path / ".clean.state").read_bytes().split(b"\n", 2)
    assert first == b"oncorobust state 2"
    assert json.loads(second) == {
        "fingerprint": "this run",
        "done": "epoch 3",
        "told": {"epoch": 1},
        "arrays": {"model": [["<f4", [1]]]},
    }
    before = first + b"\n" + second + b"\n" + np.float32([1.5]).tobytes()
    assert rest == np.float32([1.5]).tobytes() + zlib.crc32(before).to_bytes(4, "little")


def test_arrays_that_are_not_numbers_are_a_programmers_mistake(tmp_path):
    with pytest.raises(ValueError, match="expected an array of numbers, got object"):
        checkpoint(tmp_path).save(DONE, TOLD, {"model": [np.array([None])]})
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_last_state(tmp_path):
    run = checkpoint(tmp_path)
    run.save("epoch 4", {"epoch": 4}, ARRAYS)
    before = (tmp_path / ".clean.state").read_bytes()
    message = (
        r".*: .*, cannot save the state after epoch 5 \(0.8 MB needed\); "
        "the state after epoch 4 is kept; rerun the same command to resume from it"
    )
    with file_size_limit(100_000), pytest.raises(InputError, match=message):
        run.save("epoch 5", {"epoch": 5}, TOO_LARGE)
    assert [path.name for path in tmp_path.iterdir()] == [".clean.state"]
    assert (tmp_path / ".clean.state").read_bytes() == before
    assert checkpoint(tmp_path).load().told == {"epoch": 4}
    run.save("epoch 5", {"epoch": 5}, TOO_LARGE)
    assert checkpoint(tmp_path).load().told == {"epoch": 5}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_no_space_left_is_what_the_system_says(tmp_path):
    checkpoint(tmp_path).save("epoch 4", {"epoch": 4}, ARRAYS)
    run = checkpoint(tmp_path)
    run.load()
    (tmp_path / "..clean.part.state").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"No space left on device, cannot save .*; the state after epoch 4 is kept"):
        run.save("epoch 5", {"epoch": 5}, TOO_LARGE)
    assert [path.name for path in tmp_path.iterdir()] == [".clean.state"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    # A folder that anyone may enter; root, who may write everywhere, steps down to nobody.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run = checkpoint(Path(folder))
        run.save(DONE, {"epoch": 1}, ARRAYS)
        Path(folder).chmod(0o555)
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            with pytest.raises(InputError, match=r"Permission denied, cannot save .*; the state after epoch 3 is kept"):
                run.save(DONE, {"epoch": 2}, ARRAYS)
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)
        assert run.load().told == {"epoch": 1}


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(InputError, match=r"models: File exists, cannot save .*; no state is saved yet"):
        checkpoint(tmp_path / "models").save(DONE, {"epoch": 1}, ARRAYS)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from oncorobust.base.run_state import RunState

run = RunState(Path(sys.argv[1]) / ".clean.state", fingerprint="this run")
saved = run.load()
for epoch in range(saved.told["epoch"] + 1 if saved else 1, 10**6):
    run.save(str(epoch), {"epoch": epoch}, {"model": [np.full(250_000, epoch, dtype=np.float32)] * 4})
"""


def freeze(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


@pytest.mark.parametrize("writing", [True, False])
def test_a_writer_killed_at_any_moment_leaves_a_whole_state(tmp_path, writing):
    """Frozen at random moments until one falls inside a write, or outside, and killed there."""
    rng = np.random.default_rng(0)
    draft = tmp_path / "..clean.part.state"
    last = 0
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        while True:
            time.sleep(rng.uniform(0, 0.02))
            freeze(process)
            saved = checkpoint(tmp_path).load()
            if saved is not None and saved.told["epoch"] > last and draft.exists() == writing:
                break
            process.send_signal(signal.SIGCONT)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        saved = checkpoint(tmp_path).load()
        assert draft.exists() == writing
        assert all((one == saved.told["epoch"]).all() for one in saved.arrays["model"])
        last = saved.told["epoch"]


def test_a_fingerprint_tells_settings_names_and_bytes_apart(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    base = fingerprint({"optimizer": ADAM, "seed": 0}, [first])
    assert base == fingerprint({"seed": 0, "optimizer": ADAM}, [first])
    assert len(base) == 64
    others = [
        fingerprint({"optimizer": ADAM, "seed": 1}, [first]),
        fingerprint({"optimizer": SGD_SETTINGS, "seed": 0}, [first]),
        fingerprint({"optimizer": ADAM, "seed": 0}, [second]),
        fingerprint({"optimizer": ADAM, "seed": 0}, [first, second]),
        fingerprint({"optimizer": ADAM, "seed": 0}, [second, first]),
        fingerprint({"optimizer": ADAM, "seed": 0}, []),
    ]
    second.write_bytes(b"one")
    others.append(fingerprint({"optimizer": ADAM, "seed": 0}, [second]))  # the same bytes under another name
    first.write_bytes(b"one.")
    others.append(fingerprint({"optimizer": ADAM, "seed": 0}, [first]))
    assert len({base, *others}) == 9


def test_a_fingerprint_is_that_of_the_written_settings():
    expected = sha256(b'[{"learning_rate":0.001,"name":"adam","weight_decay":0.0},[]]')
    assert fingerprint(ADAM, []) == expected.hexdigest()


def test_a_fingerprint_names_a_file_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"images.npy: No such file or directory"):
        fingerprint(ADAM, [tmp_path / "images.npy"])
