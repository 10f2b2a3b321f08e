"""What is done of a long evaluation, block by block: told to who watches, and kept, so that an end is no loss.

A block's rows depend on nothing but the block, so those of a run that was killed and those that the next run computes
are together the rows of one run. They are saved when a minute has passed since the last time, and when the process is
asked to end.
"""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from oncorobust.base.progress import Notify, Stopped
from oncorobust.base.run_state import Checkpoint
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.shards import Tables, read_tables, write_tables

SAVE_SECONDS = 60.0


@dataclass
class Ledger:
    """The rows of all blocks that are done.

    notify: told after each block. checkpoint: where the rows are kept, and found again; None keeps nothing.
    """

    notify: Notify
    checkpoint: Checkpoint | None = None
    clock: Callable[[], float] = time.monotonic
    _tables: Tables = field(init=False, default_factory=dict)
    _saved_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Take up what an earlier process of the same run has done."""
        self._saved_at = self.clock()
        saved = self.checkpoint.load() if self.checkpoint else None
        if saved is not None:
            self._tables = read_tables([io.BytesIO(saved.arrays["tables"][0].tobytes())])

    def rows(self, what: str, blocks: Sequence[Block], compute: Callable[[Block], pd.DataFrame]) -> pd.DataFrame:
        """The rows of these blocks, in order: those that are kept, and the others by `compute`.

        what: which rows, in words for who watches, such as `images attacked`; the key under which they are kept.
        """
        done, total = 0, sum(map(len, blocks))
        parts = []
        for block in blocks:
            key = f"{what} {block[0]}"
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

    def _save_in_time(self, done: str) -> None:
        if self.clock() - self._saved_at >= SAVE_SECONDS:
            self._save(done)

    def _save(self, done: str) -> None:
        if self.checkpoint is not None:
            file = io.BytesIO()
            write_tables(file, self._tables)
            self.checkpoint.save(done, {}, {"tables": [np.frombuffer(file.getvalue(), dtype=np.uint8)]})
            self._saved_at = self.clock()
