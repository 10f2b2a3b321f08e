"""Training images without a label: those that came without one, and those whose label is withheld.

Validation and test images keep their labels. A training patient keeps its labels or loses all of them. Which patients
keep theirs is decided by a hash of the patient's identifier and the seed, before any label of them is looked at: the
patients are sorted by it, and the first `labelled_share` of them keep their labels. A larger share therefore keeps the
labels of the same patients and of more.
"""

import hashlib
from collections.abc import Sequence

import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.formats.records import NO_LABEL


def place_unlabelled(rows: pd.DataFrame, split: pd.Series, *, groups: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with their split: that of the labelled ones, and `train` for images without a label.

    rows: of all images. split: of the labelled ones. groups: id of each row; rows of one id stay in one split. Images
    without a label are left out, with a note, where their id is in validation or test, and where nothing is trained.
    """
    placed = rows.assign(split=split.reindex(rows.index).fillna("train"))
    without = ~rows.index.isin(split.index)
    if not without.any():
        return placed, []
    evaluated = set(groups[split.index[split != "train"]])
    left = without & (groups.isin(evaluated).to_numpy() | bool((split != "train").all()))
    notes = [f"{without.sum() - left.sum()} training images came without a label"]
    if left.any():
        notes.append(
            f"{left.sum()} images without a label were left out, because their patients are in validation or test"
        )
    return placed[~left], notes


def withhold_labels(
    rows: pd.DataFrame, *, share: float, names: Sequence[str], seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with the labels of all but a share of the training patients replaced by NO_LABEL, and a note.

    rows: columns patient_id, label, split. names: class names by label. Raises InputError where no labelled training
    image of a class remains.
    """
    in_training = rows["split"] == "train"
    if share == 1 or not in_training.any():
        return rows, []
    patients = rows.loc[in_training, "patient_id"].unique().tolist()
    kept = labelled_patients(patients, share=share, seed=seed)
    lost = in_training & ~rows["patient_id"].isin(kept)
    labelled = rows["label"].where(~lost, NO_LABEL)
    found, evaluated = set(labelled[in_training]), set(labelled[~in_training])
    if missing := [name for label, name in enumerate(names) if label in evaluated - found]:
        raise InputError(
            f"preprocess.labelled_share is {share:g}: expected labelled training images of every class, got none of "
            f"class {missing[0]} among the {len(kept)} of {len(patients)} training patients that keep their labels: "
            "increase it, or change seed"
        )
    note = (
        f"{len(kept)} of {len(patients)} training patients keep their labels (labelled_share {share:g}); the labels of "
        f"{lost.sum()} images are withheld"
    )
    return rows.assign(label=labelled), [note]


def labelled_patients(patients: Sequence[str], *, share: float, seed: int) -> set[str]:
    """Return the share of the patients that keep their labels, rounded, at least one; no label plays a part."""
    order = sorted(patients, key=lambda name: (hashlib.sha256(f"{seed}\0labels\0{name}".encode()).digest(), name))
    return set(order[: max(1, round(share * len(order)))])
