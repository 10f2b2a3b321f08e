"""Rows from a BIDS data set: anatomical images of each participant, with a label from participants.tsv.

Source: Brain Imaging Data Structure 1.10: sub-<label>/[ses-<label>/]anat/sub-<label>[_entities]_<suffix>.nii[.gz].
"""

import re
from collections import Counter
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.columns import guess_label, stated_column
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request
from oncorobust.formats.proposals.text_tables import read_lines

_PATH = re.compile(
    r"(?:.*/)?(sub-[A-Za-z0-9+]+)/(?:ses-[A-Za-z0-9+]+/)?([a-z]+)/sub-[^_/]+(?:_ses-[^_/]+)?_([^/]+)\.nii(?:\.gz)?"
)
_DERIVED = re.compile(r"(?:^|/)(derivatives|sourcedata|code)/")


def propose_bids(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Propose a row for every anatomical image of a participant with a label. Raises InputError."""
    table = request.table or request.folder / "participants.tsv"
    if not table.is_file():
        raise InputError(
            f"{request.folder}: expected labels in participants.tsv, got no such file; state another with --table"
        )
    labels = _labels(table, request, notes)
    found: dict[str, tuple[str, str]] = {}
    elsewhere: list[str] = []
    for path in catalogue.query(f"select path from files where {USABLE} order by path"):
        match = None if _DERIVED.search(path) else _PATH.fullmatch(path)
        if match is not None and match[2] == "anat":
            found[path] = match[1], match[3]
        else:
            elsewhere.append(path)
    notes.leave_out("images are no raw images in anat", len(elsewhere), elsewhere)
    names = _choose(Counter(name for _, name in found.values()), request, notes)
    chosen = {path: patient for path, (patient, name) in found.items() if name in names}
    catalogue.propose(
        ProposedRow(path, labels[patient], patient_id=patient) for path, patient in chosen.items() if patient in labels
    )
    without = [path for path, patient in chosen.items() if patient not in labels]
    notes.leave_out(f"images have no label in {table.name}", len(without), without)
    lost = sorted(set(labels) - set(chosen.values()))
    notes.leave_out(f"rows of {table.name} label no file", len(lost), lost)
    others = [path for path, (_, name) in found.items() if name not in names]
    notes.leave_out(f"images are not {' or '.join(sorted(names))} (--modality)", len(others), others)


def _labels(table: Path, request: Request, notes: Notes) -> dict[str, str]:
    lines = read_lines(table, sheet=request.sheet)
    header = next(lines)[1]
    rows = [cells for _, cells in lines]
    name = request.patient_column or "participant_id"
    patient = stated_column(header, name, "--patient-column", table)
    stated = request.label_column
    label = (
        guess_label(header, rows, {patient}, table)
        if stated is None
        else stated_column(header, stated, "--label-column", table)
    )
    if stated is None:
        notes.unsure.append(f"the column of the label is {header[label]!r} of {table.name} (--label-column)")
    found: dict[str, set[str]] = {}
    for cells in rows:
        participant = cells[patient] if cells[patient].startswith("sub-") else f"sub-{cells[patient]}"
        if cells[label] not in ("", "n/a"):
            found.setdefault(participant, set()).add(cells[label])
    several = [participant for participant, stated in found.items() if len(stated) > 1]
    if several:
        raise InputError(
            f"{table}, column {header[label]}: expected one label for each participant, got several for "
            f"{len(several):,}, for example {several[0]} ({' and '.join(sorted(found[several[0]]))}); correct them, or "
            "state another column with --label-column"
        )
    return {participant: next(iter(stated)) for participant, stated in found.items()}


def _choose(counts: Counter[str], request: Request, notes: Notes) -> frozenset[str]:
    """Return the names after subject and session to take, such as T1w and ce-gad_T1w. Raises InputError.

    --modality is one of them, or the suffix of several.
    """
    shown = " and ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
    wanted = request.modality
    if wanted is not None and wanted in counts:
        return frozenset({wanted})
    fitting = frozenset(name for name in counts if wanted in (None, name.rpartition("_")[2]))
    if not fitting or len({name.rpartition("_")[2] for name in fitting}) > 1:
        chosen = f" --modality {max(counts, key=lambda name: counts[name])}" if counts else ""
        raise InputError(
            f"{request.folder}: expected images of one suffix below sub-*/[ses-*/]anat, got {shown}; choose one with"
            f"{chosen or ' --as another kind of folder'}"
        )
    if len(fitting) > 1:
        notes.unsure.append(f"the images are {shown}, each of which counts (--modality {min(fitting)} takes one alone)")
    return fitting
