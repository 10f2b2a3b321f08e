"""Labels, splits and patients from the folders in which images lie.

Every level of folders is looked at: one whose names are splits (train, val, test and their like) gives the split; the
label is the first level with 2 to 20 names, or one whose names are words for classes; a level below or above it whose
names have numbers, and of which there are more than classes, gives the patient. Numbered folders that each hold the
same few names are above the classes.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.repeated_levels import levels_above_classes
from oncorobust.formats.proposals.request import Notes

_SPLIT_TAILS = ("", *(f"{mark}{tail}" for mark in ("_", "-", " ", "") for tail in ("set", "images", "imgs", "data")))
SPLIT_WORDS = {
    f"{word}{tail}": split
    for split, words in (
        ("train", ("train", "training", "tr")),
        ("validation", ("val", "valid", "validation", "dev")),
        ("test", ("test", "testing", "ts")),
    )
    for word in words
    for tail in _SPLIT_TAILS
}
"""Words for a split, alone and before words such as set and images."""
_CLASS_WORDS = frozenset(
    [
        "0",
        "1",
        "benign",
        "malignant",
        "normal",
        "abnormal",
        "healthy",
        "tumor",
        "tumour",
        "cancer",
        "yes",
        "no",
        "pos",
        "neg",
        "positive",
        "negative",
        "lesion",
        "none",
        "control",
        "patient_control",
        "case",
        "disease",
    ]
)
_MOST_NAMES = 2000
_MOST_CLASSES = 100
_FEW_CLASSES = 20


@dataclass(frozen=True)
class Levels:
    """Which level of folders, from 0 at the top, gives what; None where no level does."""

    label: int
    split: int | None
    patient: int | None

    @property
    def depth(self) -> int:
        """The number of folders above a file that a labelled file needs."""
        return 1 + max(level for level in (self.label, self.split, self.patient) if level is not None)


def propose_folders(catalogue: Catalogue, notes: Notes) -> None:
    """Propose a row for every image below a folder that names its class. Raises InputError without such folders."""
    names = _names(catalogue)
    known = {level: _known(one) for level, one in enumerate(names) if _share_of_splits(one) <= 0.9}
    numbered = [_numbered(one) for one in names]
    above = levels_above_classes(catalogue, names, known=known, numbered=numbered)
    levels = _choose(names, notes, above)
    shallow: list[str] = []
    count = 0

    def rows() -> Iterator[ProposedRow]:
        nonlocal count
        for path in catalogue.query(f"select path from files where {USABLE} order by path"):
            folders = path.split("/")[:-1]
            if len(folders) < levels.depth or _is_split(folders, levels):
                count += 1
                shallow.append(path) if len(shallow) < 10 else None
                continue
            yield ProposedRow(
                path,
                folders[levels.label].strip(),
                patient_id="" if levels.patient is None else folders[levels.patient].strip(),
                split="" if levels.split is None else SPLIT_WORDS[folders[levels.split].lower().strip()],
            )

    catalogue.propose(rows())
    notes.leave_out("images have no label, because they lie outside the class folders", count, shallow)


def _is_split(folders: list[str], levels: Levels) -> bool:
    return levels.split is not None and folders[levels.split].lower().strip() not in SPLIT_WORDS


def _names(catalogue: Catalogue) -> list[Counter[str]]:
    """Return the names of folders at each level, with the number of images below each; at most _MOST_NAMES a level."""
    levels: list[Counter[str]] = []
    for path in catalogue.query(f"select path from files where {USABLE} order by path"):
        for level, name in enumerate(path.split("/")[:-1]):
            if level == len(levels):
                levels.append(Counter())
            if name in levels[level] or len(levels[level]) < _MOST_NAMES:
                levels[level][name] += 1
    return levels


def _choose(levels: list[Counter[str]], notes: Notes, above: frozenset[int]) -> Levels:
    split = next((level for level, names in enumerate(levels) if _share_of_splits(names) > 0.9), None)
    total = max((sum(names.values()) for names in levels), default=0)
    whole = [level for level, names in enumerate(levels) if level != split and sum(names.values()) > 0.5 * total]
    fitting = [level for level in whole if 2 <= len(levels[level]) <= _MOST_CLASSES and level not in above]
    known = [level for level in fitting if _known(levels[level])]
    few = [level for level in fitting if len(levels[level]) <= _FEW_CLASSES]
    chosen = known or few or fitting
    if not chosen:
        raise InputError(
            "expected a folder per class, got no level of folders with 2 to 100 names; state the label with --table "
            "(a CSV of files and labels), or with --pattern, for example --pattern '{patient_id}_{label}_{*}.png'"
        )
    label = chosen[0]
    patients = [
        level
        for level in whole
        if level != label and len(levels[level]) > len(levels[label]) and _numbered(levels[level])
    ]
    patient = max(patients, key=lambda level: len(levels[level]), default=None)
    notes.unsure.append(f"the classes are the folders {_some(levels[label])} (level {label + 1} of the folders)")
    if patient is not None:
        notes.unsure.append(f"the patients are the folders {_some(levels[patient])} (level {patient + 1})")
    if split is not None:
        notes.unsure.append(f"the splits are the folders {_some(levels[split])}")
    return Levels(label, split, patient)


def _share_of_splits(names: Counter[str]) -> float:
    splits = sum(count for name, count in names.items() if name.lower().strip() in SPLIT_WORDS)
    return splits / max(sum(names.values()), 1)


def _known(names: Counter[str]) -> bool:
    return sum(name.lower().strip() in _CLASS_WORDS for name in names) >= 2


def _numbered(names: Counter[str]) -> bool:
    return sum(bool(re.search(r"\d", name)) for name in names) >= 0.9 * len(names)


def _some(names: Counter[str]) -> str:
    shown = ", ".join(sorted(names)[:6])
    return f"{shown}, ... ({len(names):,})" if len(names) > 6 else shown
