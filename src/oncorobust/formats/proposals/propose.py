"""Propose the rows of a manifest for a folder: list, read headers, recognize, label, complete, check."""

from dataclasses import replace

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Notify
from oncorobust.formats.proposals.arrays import propose_arrays
from oncorobust.formats.proposals.bids import propose_bids
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.finishing import finish
from oncorobust.formats.proposals.folders import propose_folders
from oncorobust.formats.proposals.joining import propose_table
from oncorobust.formats.proposals.listing import list_files
from oncorobust.formats.proposals.masks import find_masks
from oncorobust.formats.proposals.nnunet import propose_nnunet
from oncorobust.formats.proposals.objects import leave_out_objects
from oncorobust.formats.proposals.patterns import propose_pattern
from oncorobust.formats.proposals.reading import read_headers
from oncorobust.formats.proposals.recognition import recognize, tables_in
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.sequences import choose_sequence
from oncorobust.formats.proposals.tables_beside import check_folders_are_classes, labelling_table


def propose(catalogue: Catalogue, request: Request, *, on_progress: Notify) -> Notes:
    """Fill the table `rows` of an empty catalogue with the proposal, and return what there is to say of it.

    Reads no pixels, except of segmentations that choose labels or slices. Raises InputError with what the user can do.
    """
    notes = Notes()
    if not request.folder.is_dir():
        raise InputError(f"expected a folder of images, got {request.folder}, which is {_what(request)}")
    listing = list_files(request.folder, catalogue, limit=request.max_files)
    for reason, count in listing.left_out.items():
        notes.leave_out(f"files {reason}", count, listing.examples[reason])
    read_headers(request.folder, catalogue, total=listing.count, on_progress=on_progress)
    _tell_unreadable(catalogue, request, notes)
    find_masks(catalogue, request, notes)
    leave_out_objects(catalogue, request, notes)
    notes.kind = recognize(catalogue, request, notes)
    if notes.kind in ("classes", "pattern", "table"):
        choose_sequence(catalogue, request, notes)
    _label(catalogue, request, notes, on_progress)
    finish(catalogue, request, notes, on_progress=on_progress)
    return notes


def _what(request: Request) -> str:
    return "a file (give the folder that holds it)" if request.folder.exists() else "missing"


def _label(catalogue: Catalogue, request: Request, notes: Notes, on_progress: Notify) -> None:
    match notes.kind:
        case "npz":
            propose_arrays(catalogue, request.folder, notes)
        case "bids":
            propose_bids(catalogue, request, notes)
        case "nnunet":
            propose_nnunet(catalogue, request, notes, on_progress=on_progress)
        case "pattern":
            if request.pattern is None:
                raise InputError(
                    "--as pattern: expected a pattern, got none; state it with --pattern '{patient_id}_{label}_{*}.png'"
                )
            propose_pattern(catalogue, request.pattern, notes)
        case "classes":
            _classes_or_table(catalogue, request, notes)
        case _:
            propose_table(catalogue, request, notes)


def _classes_or_table(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Label by the table with labels among the images, or the only table if no folders fit, otherwise by folders."""
    tables = tables_in(catalogue) if request.kind is None else []
    table = labelling_table(catalogue, tables, request)
    why = f"{table} has a column of labels and names files"
    if table is None:
        try:
            propose_folders(catalogue, notes)
        except InputError:
            if len(tables) != 1:
                raise
            table, why = tables[0], "no level of folders gives the classes"
    if table is None:
        check_folders_are_classes(catalogue, tables, request, notes)
        return
    notes.kind, notes.found = "table", f"a table joined to files, because {why} (--as states another)"
    notes.unsure.append(f"the labels are in {table} (--table)")
    propose_table(catalogue, replace(request, table=request.folder / table), notes)


def _tell_unreadable(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    denied = "problem like '%no permission%'"
    if count := catalogue.one(f"select count(*) from files where {denied}"):
        example = catalogue.one(f"select path from files where {denied} order by path limit 1")
        raise InputError(
            f"{request.folder}: expected files that can be read, got {count:,} without permission, for example "
            f"{example!r}; "
            f"run chmod -R u+rX {request.folder}, or ask their owner"
        )
    for problem, count in list(
        catalogue.query("select problem, count(*) from files where problem <> '' group by problem order by problem")
    ):
        paths = catalogue.query("select path from files where problem = ? order by path limit 10", problem)
        notes.leave_out(f"files: each {problem}", count, list(paths))
    kinds = (
        "select kind, count(*) from files where kind in ('GIF', 'BMP', 'JPEG 2000', 'git-lfs pointer') group by kind"
    )
    for kind, count in list(catalogue.query(kinds)):
        paths = catalogue.query("select path from files where kind = ? order by path limit 10", kind)
        advice = "run `git lfs pull`" if kind.startswith("git") else "convert them to PNG"
        notes.leave_out(f"files are {kind}, which is not read ({advice})", count, list(paths))
    rest = "from files where kind = '' and problem = ''"
    others = list(catalogue.query(f"select path {rest} order by path limit 10"))
    notes.leave_out("files are no images", catalogue.one(f"select count(*) {rest}"), others)
