"""Labels, splits and patients from the folders in which images lie.

Every level of folders is looked at: one whose names are splits (train, val, test and their like) gives the split; the
label is the first level with 2 to 20 names, or one whose names are words for classes. The patient is the outermost
level that can be one, because a coarser grouping never puts images of one patient into two splits: a level below the
classes, or one above them whose names have numbers, with more names than classes, which are no visits, dates, views,
sequences, magnifications, sites or the like. Numbered folders that each hold the same few names are above the classes.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

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
_SHARED = re.compile(
    r"\d+ ?x|(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d"
    r"|(?:visit|session|ses|time ?point|tp|baseline|follow[-_ ]?up|fu|pre|post|day|week|month|year)[-_ ]*\d*"
    r"|(?:site|cent(?:er|re)|hospital|clinic|scanner|vendor|fold|batch|part)[-_ ]*[a-z]?\d*"
    r"|ax|axial|cor|coronal|sag|sagittal|transvers(?:e|al)|left|right|frontal|lateral|ap|pa|(?:[lr][-_ ]?)?(?:cc|mlo)"
    r"|t1|t1w|t1c|t1ce|t1gd|t2|t2w|flair|dwi|adc|swi|dce|pd|ct|mri?|pet|us|cr|dx|mg"
    r"|images?|imgs?|masks?|raw|dicom|png|jpe?g|tiff?|original|processed|augment(?:ed|ations?)|crop(?:s|ped)?"
    r"|patch(?:es)?|tiles?",
    re.IGNORECASE,
)
"""Names of folders that different patients share, so that they tell none apart."""

_MOST_NAMES = 2000
_MOST_CLASSES = 100
_FEW_CLASSES = 20


@dataclass
class _Level:
    """One level of folders, from 0 at the top: its first names with the images below each, and all images below it."""

    number: int
    names: Counter[str] = field(default_factory=Counter)
    images: int = 0

    def __str__(self) -> str:
        shown = ", ".join(sorted(self.names)[:6])
        more = f", ... ({len(self.names):,})" if len(self.names) > 6 else ""
        return f"the folders {shown}{more} (level {self.number + 1})"


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
    found = _names(catalogue)
    names = [level.names for level in found]
    known = {level: _known(one) for level, one in enumerate(names) if _share_of_splits(one) <= 0.9}
    numbered = [_numbered(one) for one in names]
    above = levels_above_classes(catalogue, names, known=known, numbered=numbered)
    levels = _choose(found, notes, above)
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


def _names(catalogue: Catalogue) -> list[_Level]:
    """Return the levels of folders, with at most _MOST_NAMES names each."""
    levels: list[_Level] = []
    for path in catalogue.query(f"select path from files where {USABLE} order by path"):
        for number, name in enumerate(path.split("/")[:-1]):
            if number == len(levels):
                levels.append(_Level(number))
            level = levels[number]
            level.images += 1
            if name in level.names or len(level.names) < _MOST_NAMES:
                level.names[name] += 1
    return levels


def _choose(levels: list[_Level], notes: Notes, above: frozenset[int]) -> Levels:
    split = next((level for level in levels if _share_of_splits(level.names) > 0.9), None)
    total = max((level.images for level in levels), default=0)
    whole = [level for level in levels if level is not split and level.images > 0.5 * total]
    label = _label([level for level in whole if level.number not in above])
    notes.unsure.append(f"the classes are {label}")
    others = [level for level in levels if level not in (label, split)]
    possible = [level for level in whole if level is not label and _can_be_patient(level, label)]
    patient = next(iter(possible), None)
    _tell_patient(patient, possible or others, len(levels), notes)
    if split is not None:
        notes.unsure.append(f"the splits are {split}")
    return Levels(label.number, *(None if level is None else level.number for level in (split, patient)))


def _label(whole: list[_Level]) -> _Level:
    fitting = [level for level in whole if 2 <= len(level.names) <= _MOST_CLASSES]
    known = [level for level in fitting if _known(level.names)]
    few = [level for level in fitting if len(level.names) <= _FEW_CLASSES]
    chosen = known or few or fitting
    if not chosen:
        raise InputError(
            "expected a folder per class, got no level of folders with 2 to 100 names; state the label with --table "
            "(a CSV of files and labels), or with --pattern, for example --pattern '{patient_id}_{label}_{*}.png'"
        )
    return chosen[0]


def _tell_patient(patient: _Level | None, others: list[_Level], depth: int, notes: Notes) -> None:
    """Say which level gives the patients, and by which patterns others would."""
    rest = [level for level in others if level is not patient and len(level.names) > 1]
    patterns = [f"'{'*/' * level.number}{{patient_id}}/{'*/' * (depth - level.number - 1)}*'" for level in rest]
    told = "; ".join(f"{level} with --pattern {pattern}" for level, pattern in zip(rest, patterns, strict=True))
    if patient is not None:
        notes.patients = f"the patients are {patient}{f'; if they are others, state {told}' if told else ''}"
        notes.patients_by = "folders"
    elif told:
        notes.unsure.append(f"no folders are taken for the patients; if some are, state {told}")


def _can_be_patient(level: _Level, label: _Level) -> bool:
    shared = sum(bool(_SHARED.fullmatch(name.strip())) for name in level.names) > 0.5 * len(level.names)
    more = len(level.names) > len(label.names)
    return more and not shared and (level.number > label.number or _numbered(level.names))


def _share_of_splits(names: Counter[str]) -> float:
    splits = sum(count for name, count in names.items() if name.lower().strip() in SPLIT_WORDS)
    return splits / max(sum(names.values()), 1)


def _known(names: Counter[str]) -> bool:
    return sum(name.lower().strip() in _CLASS_WORDS for name in names) >= 2


def _numbered(names: Counter[str]) -> bool:
    return sum(bool(re.search(r"\d", name)) for name in names) >= 0.9 * len(names)
