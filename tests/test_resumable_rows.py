"""An evaluation that was ended goes on with the block it was at, and its rows are those of one run."""

import numpy as np
import pandas as pd
import pytest

from oncorobust.base.progress import Stopped
from oncorobust.base.run_state import RunState
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows

BLOCKS = blocks_of(10, 4)


def rows_of(block):
    """Text, whole, decimal and truth values, in which a lost bit would show."""
    return pd.DataFrame(
        {
            "image_id": [f"00{at},\n" for at in block],
            "predicted": np.array(block, dtype=np.int64) + 2**53 + 1,
            "first_flipped": np.where(block % 3 == 0, np.inf, block / 3),
            "linf": (block / 7).astype(np.float32),
            "flipped": block % 2 == 0,
        }
    )


class Work:
    """Computes rows, remembers for which blocks, and is asked to end after some of them."""

    def __init__(self, stop_after=None):
        self.computed, self.told, self.stop_after = [], [], stop_after

    def compute(self, block):
        self.computed.append(int(block[0]))
        return rows_of(block)

    def notify(self, *told):
        self.told.append(told)
        if len(self.told) == self.stop_after:
            raise Stopped


def state(folder):
    return RunState(folder / ".attack.state", fingerprint="one run")


def test_rows_come_in_the_blocks_order_and_each_block_is_told():
    work = Work()
    rows = ResumableRows(work.notify).rows("images attacked", BLOCKS, work.compute)
    pd.testing.assert_frame_equal(rows, rows_of(np.arange(10)))
    assert work.told == [(done, 10, "images attacked") for done in (4, 8, 10)]


def test_a_run_that_was_asked_to_end_computes_only_what_is_missing(tmp_path):
    first = Work(stop_after=2)
    with pytest.raises(Stopped):
        ResumableRows(first.notify, state(tmp_path)).rows("images attacked", BLOCKS, first.compute)
    assert state(tmp_path).load().done == "8 images attacked"
    second, begun = Work(), []
    resumable = ResumableRows(second.notify, state(tmp_path), begin=begun.append)
    rows = resumable.rows("images attacked", BLOCKS, second.compute)
    assert begun == [8]
    assert (first.computed, second.computed) == ([0, 4], [8])
    for column, values in rows_of(np.arange(10)).items():
        assert rows[column].tolist() == values.tolist(), column
    assert rows["linf"].dtype == np.float32
    assert rows["flipped"].dtype == bool


def test_rows_of_another_kind_are_other_rows(tmp_path):
    work = Work()
    resumable = ResumableRows(work.notify, state(tmp_path))
    for what in ("images attacked", "images searched", "images attacked"):
        resumable.rows(what, BLOCKS, work.compute)
    assert work.computed == [0, 4, 8, 0, 4, 8]


def test_rows_are_saved_once_a_minute(tmp_path):
    times = iter([0.0, 59.0, 61.0, 61.0, 90.0])
    work, resumable = Work(), ResumableRows(print, state(tmp_path), clock=lambda: next(times))
    saved = []

    def compute(block):
        saved.append(state(tmp_path).load())
        return work.compute(block)

    resumable.rows("images attacked", BLOCKS, compute)
    assert saved == [None, None, *saved[2:]]
    assert saved[2].done == "8 images attacked"
    assert state(tmp_path).load().done == "8 images attacked"


def test_blocks_without_rows_do_no_harm(tmp_path):
    work = Work(stop_after=3)
    empty = pd.DataFrame(columns=["image_id", "epsilon"])
    with pytest.raises(Stopped):
        ResumableRows(work.notify, state(tmp_path)).rows("images", BLOCKS, lambda _: empty)
    assert len(ResumableRows(print, state(tmp_path)).rows("images", BLOCKS, lambda _: empty)) == 0
