"""Shards: the division of a stage's blocks among several jobs, and the files from which one job combines their tables.

compute(blocks)                                    one job
compute(shard 1 of 2), compute(shard 2 of 2)       two jobs; their concatenated tables are the same
"""

import argparse
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from oncorobust.base.errors import InputError
from oncorobust.base.files import whole_outputs
from oncorobust.evaluation.blocks import Block

Tables = dict[str, pd.DataFrame]
"""Tables by name; rows are in the order of the blocks."""


@dataclass(frozen=True)
class Shard:
    """One of `of` jobs that share the blocks, numbered from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse `2-of-8`, Snakemake's name of a scattered item. Raises InputError on other text."""
        match = re.fullmatch(r"([0-9]+)-of-([0-9]+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"expected a shard such as 2-of-8, got {text!r}")
        return cls(int(match[1]), int(match[2]))

    def share(self, blocks: Sequence[Block]) -> list[Block]:
        """Return this job's blocks, which are consecutive; jobs differ by at most one block."""
        return [blocks[at] for at in np.array_split(np.arange(len(blocks)), self.of)[self.number - 1]]


def by_shards(
    arguments: argparse.Namespace,
    compute: Callable[[Sequence[Block]], Tables],
    *,
    blocks: Sequence[Block],
) -> Tables | None:
    """Compute the tables of all blocks, or combine the files of `shards`; after writing one `--shard`, return None.

    arguments: of `stage.parse("shards")`. compute: returns the tables of some blocks, each with a column image_id.
    Raises InputError if the files do not contain the images of all blocks.
    """
    if arguments.shards:
        tables, expected = read_tables(arguments.shards), sum(map(len, blocks))
        for name, table in tables.items():
            if table["image_id"].nunique() != expected:
                files = ", ".join(map(str, arguments.shards))
                raise InputError(f"{files}: expected {name} of {expected} images, got {table['image_id'].nunique()}")
        return tables
    if arguments.shard is None:
        return compute(blocks)
    own = Shard.parse(arguments.shard).share(blocks)
    tables = compute(own) if own else {}
    with whole_outputs(arguments.output) as (draft,), draft.open("wb") as file:
        write_tables(file, tables)
    return None


def write_tables(file: BufferedIOBase, tables: Tables) -> None:
    """Write tables of text and numbers as npz, numbers bit for bit; names of tables must not contain a dot."""
    columns = {
        f"{name}.{column}": values.to_numpy() if is_numeric_dtype(values) else np.array(values.tolist(), dtype=str)
        for name, table in tables.items()
        for column, values in table.items()
    }
    np.savez_compressed(file, allow_pickle=False, **columns)


def read_tables(files: Sequence[Path | BufferedIOBase]) -> Tables:
    """Read files of `write_tables` and concatenate each table's parts. Raises InputError naming an unusable file."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for file in files:
        columns: dict[str, dict[str, np.ndarray]] = {}
        try:
            with np.load(file, allow_pickle=False) as content:
                for key in content.files:
                    name, _, column = key.partition(".")
                    columns.setdefault(name, {})[column] = content[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{file}: expected the tables of a shard, got {error}") from error
        for name, table in columns.items():
            parts.setdefault(name, []).append(pd.DataFrame(table))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
