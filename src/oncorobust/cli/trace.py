"""`oncorobust trace`: trace a number or a file back to its inputs, and print the trace.

    oncorobust trace "Table 1" --row PGD:0.002 --column LIDC [--field accuracy] [--rev REV] [--json]
    oncorobust trace "Figure 2" --series "PGD, true labels" --row 0.002 --column LIDC
    oncorobust trace reports/lidc/clean/attack.json
    oncorobust trace --all

The command reads the files that a cell or a point of a figure names, from the work tree or a git revision. It checks
the value (`trace.check`), collects the stages that led to it (`pipeline.dvc_lock`), and prints both; for a file, it
prints the stages. The exit status is 0 if all values agree, the results are those that dvc.lock records, and no file of
the way and no raw tree here has changed since; otherwise 1.
"""

import argparse
import json
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.trace.follow import trace_all, trace_cell, trace_path
from oncorobust.trace.json_form import cell_json, path_json, whole_json
from oncorobust.trace.repository import State
from oncorobust.trace.text import path_text, trace_text, whole_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust trace`."""
    parser.add_argument(
        "what",
        nargs="?",
        help='a table ("Table 1", "S5"), a figure ("Figure 2"), or the path of a file that a stage writes or reads',
    )
    parser.add_argument(
        "--all", action="store_true", help="check all cells of all tables and all points of all figures"
    )
    parser.add_argument(
        "--row",
        help="a row, such as PGD:0.002 or Baseline in Table 1, PGD in S5, 0.002 in G, tied:0.002 in T; "
        "a data set in Table 2; the place of a point on the horizontal axis of a figure",
    )
    parser.add_argument("--series", help='of a figure: a curve, such as "PGD, true labels"')
    parser.add_argument("--column", help="a data set, by key, title or the paper's column; in Table 2 also a field")
    parser.add_argument("--field", help="one of the numbers of that row and data set (default: all)")
    parser.add_argument("--rev", help="git revision to trace (default: the work tree)")
    parser.add_argument("--json", action="store_true", help="print the trace as JSON")


def run(args: argparse.Namespace) -> int:
    """Trace what the arguments name in the repository in the current folder, and print it. Returns the exit status."""
    state = State(Path(), args.rev)
    place = (args.row, args.series, args.column, args.field)
    if args.all == (args.what is not None):
        raise InputError("expected a table, a figure or a path, or --all for all tables and figures")
    if (args.all or is_path(args.what)) and any(one is not None for one in place):
        raise InputError("--row, --series, --column and --field belong to a table or a figure")
    if args.all:
        whole = trace_all(state)
        return _told(whole_json(whole) if args.json else whole_text(whole), sound=whole.sound)
    if is_path(args.what):
        traced = trace_path(state, args.what)
        return _told(path_json(traced) if args.json else path_text(traced), sound=traced.sound)
    row = args.row if args.series is None else f"{args.series}:{args.row or ''}".rstrip(":")
    cell = trace_cell(state, table=args.what, row=row, column=args.column, field=args.field)
    return _told(cell_json(cell) if args.json else trace_text(cell), sound=cell.sound)


def is_path(what: str) -> bool:
    """Return whether an argument is a path: it has a slash or names a file here."""
    return "/" in what or Path(what).exists()


def _told(content: str | dict[str, object], *, sound: bool) -> int:
    print(content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False))
    return 0 if sound else 1
