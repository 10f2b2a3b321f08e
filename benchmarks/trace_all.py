"""Processor time of tracing all cells of all tables and points of all figures at once, against one after the other.

    python benchmarks/trace_all.py FOLDER [--sample 20]

FOLDER: a repository with finished results that dvc.lock records, such as a copy of the demo. One after the other is
measured on evenly chosen cells, each with its own reading of the files, as `oncorobust trace "Table 1" --row ...
--field ...` does, and scaled to the number of all cells.
"""

import argparse
import time
from pathlib import Path

from oncorobust.trace.follow import trace_all, trace_cell
from oncorobust.trace.repository import State


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=20, help="cells that are traced one after the other")
    arguments = parser.parse_args()

    started = time.process_time()
    whole = trace_all(State(arguments.folder, None))
    at_once = time.process_time() - started

    cells = [one.cell for _, checks in whole.checks for one in checks]
    chosen = cells[:: max(1, len(cells) // arguments.sample)]
    started = time.process_time()
    for one in chosen:
        trace_cell(State(arguments.folder, None), table=one.table, row=one.row, column=one.column, field=one.field)
    each = (time.process_time() - started) / len(chosen)

    print(f"{len(cells)} cells and points, {sum(one.agrees for _, checks in whole.checks for one in checks)} agree")
    print(f"at once: {at_once:.1f} s of processor time")
    print(f"one after the other: {each:.2f} s each (mean of {len(chosen)}), {each * len(cells):.0f} s for all")
    print(f"ratio: {at_once / (each * len(cells)):.4f}")


if __name__ == "__main__":
    main()
