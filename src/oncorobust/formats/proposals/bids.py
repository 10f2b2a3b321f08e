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
    r"(?:.*/)?(sub-[A-Za-z0-9+]+)/(?:(ses-[A-Za-z0-9+]+)/)?[a-z]+/sub-[^/]*_([A-Za-z0-9]+)\.nii(?:\.gz)?"
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
    for path in catalogue.query(f"select path from files where {USABLE} order by path"):
        match = _PATH.fullmatch(path)
        if match is not None and not _DERIVED.search(path):
            found[path] = match[1], match[3]
    suffix = _suffix(Counter(suffix for _, suffix in found.values()), request)
    chosen = {path: patient for path, (patient, one) in found.items() if one == suffix}
    catalogue.propose(
        ProposedRow(path, labels[patient], patient_id=patient) for path, patient in chosen.items() if patient in labels
    )
    without = [path for path, patient in chosen.items() if patient not in labels]
    notes.leave_out(f"images have no label in {table.name}", len(without), without)
    lost = sorted(set(labels) - set(chosen.values()))
    notes.leave_out(f"rows of {table.name} label no file", len(lost), lost)
    others = sum(one != suffix for _, one in found.values())
    notes.leave_out(
        f"images are not {suffix} (--modality)", others, [path for path, (_, one) in found.items() if one != suffix]
    )


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
    found = {}
    for cells in rows:
        participant = cells[patient] if cells[patient].startswith("sub-") else f"sub-{cells[patient]}"
        if cells[label] not in ("", "n/a"):
            found[participant] = cells[label]
    return found


def _suffix(counts: Counter[str], request: Request) -> str:
    if request.modality is not None and request.modality in counts:
        return request.modality
    if len(counts) != 1 or request.modality is not None:
        found = " and ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
        chosen = f" --modality {max(counts, key=lambda name: counts[name])}" if counts else ""
        raise InputError(
            f"{request.folder}: expected images of one suffix below sub-*/[ses-*/]anat, got {found}; choose one with"
            f"{chosen or ' --as another kind of folder'}"
        )
    return next(iter(counts))
