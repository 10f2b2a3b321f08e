"""`oncorobust manifest`: propose the manifest of a data set for a folder of images, and say what is uncertain.

    oncorobust manifest ~/images --name mine
    oncorobust manifest ~/images --name mine --table labels.csv --label-column diagnosis

Writes data/raw/NAME with manifest.csv, a link `files` to the folder and contact_sheet.png. The folder is not changed,
and no manifest is overwritten.
"""

import argparse
import os
import re
import sys
import time
from dataclasses import fields
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.cli.manifest_report import report_lines
from oncorobust.data.file_sheet import COLUMNS, draw_file_sheet
from oncorobust.formats.manifest import NAME
from oncorobust.formats.proposals.catalogue import temporary_catalogue
from oncorobust.formats.proposals.facts import shown
from oncorobust.formats.proposals.propose import propose
from oncorobust.formats.proposals.request import KINDS, MAX_FILES, Request
from oncorobust.formats.proposals.sample import Sample, read_sample
from oncorobust.formats.proposals.writing import (
    LINK,
    Place,
    copy_files,
    find_place,
    link_files,
    whole_place,
    write_manifest,
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SHEET = "contact_sheet.png"
_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust manifest`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of the images; it is not changed")
    parser.add_argument("--name", required=True, help="name of the data set: lower-case letters, digits, underscores")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"manifest to write; default {layout.raw('NAME')}/{NAME}"
    )
    parser.add_argument("--copy", action="store_true", help="copy the images instead of linking the folder")
    parser.add_argument(
        "--max-files", type=int, default=MAX_FILES, help=f"most files to look at; default {MAX_FILES:,}"
    )
    kinds = ", ".join(f"{name} ({purpose})" for name, purpose in KINDS.items())
    parser.add_argument("--as", dest="kind", choices=KINDS, metavar="KIND", help=f"what the folder is: {kinds}")
    labels = parser.add_argument_group("labels")
    labels.add_argument("--pattern", help="file names, such as '{patient_id}_{label}_{*}.png'; re: for an expression")
    labels.add_argument("--table", type=Path, help="CSV or XLSX with a row per image, patient or accession number")
    labels.add_argument("--sheet", help="sheet of an XLSX file")
    for name in ("file", "label", "patient", "split"):
        labels.add_argument(f"--{name}-column", metavar="COLUMN", help=f"column of the table that holds the {name}")
    labels.add_argument("--ignore-zeros", action="store_true", help="join ids that differ in leading zeros")
    labels.add_argument("--value", help="structure of nnU-Net segmentations whose presence is the label")
    choice = parser.add_argument_group("choice of images and patients")
    choice.add_argument("--modality", help="DICOM modality, BIDS suffix, nnU-Net channel or end of names to take")
    choice.add_argument("--middle", action="store_true", help="take the middle image of each DICOM series alone")
    choice.add_argument("--without", action="append", default=[], metavar="CLASS", help="leave a class out; repeatable")
    choice.add_argument(
        "--alike", choices=("same", "different"), help="patient ids that differ only in case, spaces or zeros"
    )
    choice.add_argument("--drop-conflicts", action="store_true", help="leave out identical images of different classes")
    choice.add_argument("--no-split", action="store_true", help="leave out the given split; patients are split anew")


def run(args: argparse.Namespace) -> int:
    """Propose the manifest, write it and print what was found. Returns the exit status. Raises InputError."""
    if not _NAME.fullmatch(args.name):
        raise InputError(f"--name: expected lower-case letters, digits and underscores, got {args.name!r}")
    if args.output is None and not Path("Snakefile").is_file():
        raise InputError(
            f"{Path.cwd()} has no Snakefile: run oncorobust in the root of a project, or give a place with "
            "--output FILE"
        )
    place = find_place(args.output or Path(layout.raw(args.name), NAME), args.folder)
    with temporary_catalogue() as catalogue:
        notes = propose(catalogue, _request(args), on_progress=_Progress().update)
        sample = read_sample(catalogue, place.folder, per_class=COLUMNS)
        with whole_place(place) as draft:
            write_manifest(draft / place.manifest.name, catalogue, prefix=place.prefix)
            if sample.images:
                draw_file_sheet(sample.images, title=_title(args.name, sample)).save(draft / _SHEET)
            if place.linked and args.copy:
                copy_files(draft, place, catalogue)
            elif place.linked:
                link_files(draft, place)
        print("\n".join(shown(line) for line in report_lines(catalogue, notes, sample)))
    _print_end(place, args, drawn=bool(sample.images))
    return 0


def _request(args: argparse.Namespace) -> Request:
    given = {one.name: getattr(args, one.name) for one in fields(Request)}
    return Request(**given | {"without": tuple(args.without)})


def _title(name: str, sample: Sample) -> str:
    mark = "SYNTHETIC, " if sample.synthetic else ""
    return f"{mark}{name}: images as stored, each scaled to its own range unless it has 8 bits"


def _print_end(place: Place, args: argparse.Namespace, *, drawn: bool) -> None:
    files = [place.manifest.name, *([_SHEET] if drawn else []), *([LINK] if place.linked else [])]
    print(
        f"\nWrote {', '.join(files)} in {os.path.relpath(place.tree)}. Look at both, and correct the manifest "
        "by hand or"
    )
    print("by the options above. Identifiers must be pseudonyms: names and record numbers end up in the results.")
    if args.output is None:
        print(f"Next: oncorobust add {args.name}")


class _Progress:
    """One line on standard error every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def update(self, done: int, total: int, text: str) -> None:
        """Show how many of the files are done."""
        if time.monotonic() - self._last >= _SECONDS:
            self._last = time.monotonic()
            print(f"manifest: {done:,} of {total:,} {text}", file=sys.stderr, flush=True)
