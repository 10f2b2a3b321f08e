"""Rows of a long evaluation, computed block by block, with progress reports and saved so that a run can resume.

The rows of a block depend only on the block, so a resumed run yields the rows of an uninterrupted one. Finished rows
are saved at most once a minute, and when the process is asked to stop.
"""

import copy
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from oncorobust.base.progress import Notify, Stopped
from oncorobust.base.run_state import RunState
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.shards import Tables, read_tables, write_tables

SAVE_SECONDS = 60.0


@dataclass
class ResumableRows:
    """Hold the rows of all finished blocks.

    notify: called after each block. checkpoint: the file in which rows are saved; None saves nothing. begin: called
    before the first block with the number of units whose rows an earlier process has saved. part: what the rows are of,
    where several evaluations of one stage have blocks of the same name (`of_part`).
    """

    notify: Notify
    checkpoint: RunState | None = None
    clock: Callable[[], float] = time.monotonic
    begin: Callable[[int], None] = lambda _: None
    part: str = ""
    _tables: Tables = field(init=False, default_factory=dict)
    _saved_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Load the rows that an earlier process of the same run has saved."""
        self._saved_at = self.clock()
        saved = self.checkpoint.load() if self.checkpoint else None
        if saved is not None:
            self._tables = read_tables([io.BytesIO(saved.arrays["tables"][0].tobytes())])

    def rows(self, what: str, blocks: Sequence[Block], compute: Callable[[Block], pd.DataFrame]) -> pd.DataFrame:
        """Return the rows of these blocks, in order; `compute` is called only for blocks that are not finished.

        what: the unit in progress reports, such as `images attacked`, and the key under which the rows are saved.
        """
        done, total = 0, sum(map(len, blocks))
        parts = []
        self.begin(sum(len(block) for block in blocks if self._key(what, block) in self._tables))
        for block in blocks:
            key = self._key(what, block)
            if key not in self._tables:
                self._tables[key] = compute(block)
                self._save_in_time(f"{done + len(block)} {what}")
            parts.append(self._tables[key])
            done += len(block)
            try:
                self.notify(done, total, what)
            except Stopped:
                self._save(f"{done} {what}")
                raise
        return pd.concat(parts, ignore_index=True)

    def of_part(self, part: str) -> "ResumableRows":
        """Return the same saved rows for another part of the evaluation, such as the validation images."""
        other = copy.copy(self)
        other.part = part
        return other

    def _key(self, what: str, block: Block) -> str:
        return f"{self.part} {what} {block[0]}".lstrip()

    def _save_in_time(self, done: str) -> None:
        if self.clock() - self._saved_at >= SAVE_SECONDS:
            self._save(done)

    def _save(self, done: str) -> None:
        if self.checkpoint is not None:
            file = io.BytesIO()
            write_tables(file, self._tables)
            self.checkpoint.save(done, {}, {"tables": [np.frombuffer(file.getvalue(), dtype=np.uint8)]})
            self._saved_at = self.clock()
