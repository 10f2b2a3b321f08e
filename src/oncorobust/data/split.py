"""Patient-level splits into training, validation and test sets, stratified by class and seeded.

Where labels are withheld from training (`data.choice`), the rows have one label, and the split is by patient alone.

One in `test_one_in` patients goes to the test set, and one in `validation_one_in` of the others to the validation set.
With `test_one_in: 1` all patients are in the test set, for a finished model. Images of one patient resemble each other,
so a split by image measures memory as well as skill; `unit: image` offers it because the paper's released code splits
by image. Classes are reduced to equal counts only after the split, so that the test set does not depend on this draw.

Source of the folds: scikit-learn's StratifiedGroupKFold. With one image per patient it is equivalent to
StratifiedKFold, which is fast for 70,000 patients.
"""

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from oncorobust.base.errors import InputError
from oncorobust.base.seeds import child_rng, child_seed
from oncorobust.formats.records import NO_LABEL, SPLITS
from oncorobust.settings.data import Manifest, Preprocess, Split


def split_images(index: pd.DataFrame, settings: Split, *, names: Sequence[str], seed: int) -> pd.Series:
    """Assign each row of `index` (columns image_id, patient_id, label, optional given_split) to a split.

    names: class names by label. Returns train, validation or test per row. A given split may lack training images, for
    a finished model; no validation images are then drawn. Raises InputError if a class has too few patients to appear
    in every split that there is, or if the given split has no test images.
    """
    groups = index["patient_id"] if settings.unit == "patient" else index["image_id"]
    drawn_from = "test" if settings.test_one_in == 1 else "train"
    split = _given(index) if settings.use_given else pd.Series(drawn_from, index=index.index)
    if not settings.use_given and settings.test_one_in > 1:
        split[_one_fold(index["label"], groups, settings, "test", seed)] = "test"
    rest = split == "train"
    if rest.any() and not (split == "validation").any():
        split[_one_fold(index["label"][rest], groups[rest], settings, "validation", seed)] = "validation"
    check_classes(index, split, names)
    _check_disjoint(groups, split, settings.unit)
    return split


def check_given_split(index: pd.DataFrame, settings: Preprocess, *, where: str) -> list[str]:
    """Return a note on a published split that the settings do not use; none where it is used or has one part.

    where: folder of the raw tree. Raises InputError for a manifest whose column `split` the settings do not use.
    """
    if "given_split" not in index or settings.split.use_given:
        return []
    counts = index["given_split"].value_counts()
    text = ", ".join(f"{counts[name]} {name}" for name in SPLITS if name in counts)
    if isinstance(settings.format, Manifest):
        raise InputError(
            f"{where}/{settings.format.file}: column split divides the images ({text}), but "
            "preprocess.split.use_given is false: set it to true to use this split, or rename the column to draw "
            "another one"
        )
    return [f"the published split ({text}) was not used (split.use_given is false)"] if len(counts) > 1 else []


def balance(index: pd.DataFrame, split: pd.Series, *, which: Literal["all", "train", "none"], seed: int) -> pd.Series:
    """Return, per row, whether it is kept when classes are reduced to equal counts in the splits that `which` names."""
    keep = pd.Series(True, index=index.index)
    for name in {"all": SPLITS, "train": ("train",), "none": ()}[which]:
        labels = index["label"][split == name]
        smallest = labels.value_counts().min()
        for label, members in labels.groupby(labels):
            rng = child_rng(seed, "balance", name, int(str(label)))
            keep[rng.permutation(members.index.to_numpy())[smallest:]] = False
    return keep


def draw_classes(index: pd.DataFrame, *, per_class: int, names: tuple[str, ...], seed: int) -> pd.Series:
    """Return, per row, whether it is kept when `per_class` images of each class are drawn, and all without a label.

    names: class names by label. Raises InputError with the counts of all classes if a class has fewer images.
    """
    counts = [int((index["label"] == label).sum()) for label in range(len(names))]
    if min(counts) < per_class:
        found = ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True))
        raise InputError(f"expected at least {per_class} images of each class (per_class), got {found}")
    keep = index["label"] == NO_LABEL
    for label in range(len(names)):
        members = index.index[index["label"] == label].to_numpy()
        keep[child_rng(seed, "per_class", label).permutation(members)[:per_class]] = True
    return keep


def draw_patients(index: pd.DataFrame, *, max_images: int, seed: int) -> pd.Series:
    """Return, per row, whether it is kept when whole patients with at most `max_images` images in total are drawn.

    Each class (and each part of a given split) keeps its share. A patient counts towards the class of most of its
    images; a patient with more images than are left of the share is skipped.
    """
    patients = _patients(index)
    chosen: list[str] = []
    for key, members in patients.groupby([name for name in ("label", "given_split") if name in patients]):
        room = max_images * int(members["size"].sum()) // len(index)
        names, sizes = members.index.to_numpy(), members["size"].to_numpy()
        for position in child_rng(seed, "max_images", *map(str, key)).permutation(len(members)):
            if sizes[position] <= room:
                room -= int(sizes[position])
                chosen.append(names[position])
    return index["patient_id"].isin(chosen)


def _patients(index: pd.DataFrame) -> pd.DataFrame:
    """Return one row per patient: the class of most images (of equals the lower), number of images, given split."""
    counts = index.groupby(["patient_id", "label"]).size().rename("count").reset_index()
    counts = counts.sort_values(["patient_id", "count", "label"], ascending=[True, False, True])
    patients = counts.drop_duplicates("patient_id").set_index("patient_id")[["label"]]
    patients["size"] = index.groupby("patient_id").size()
    if "given_split" in index:
        patients["given_split"] = index.groupby("patient_id")["given_split"].first()
    return patients


def _given(index: pd.DataFrame) -> pd.Series:
    if "given_split" not in index:
        raise InputError("use_given is true, but the raw tree states no split")
    if not (index["given_split"] == "test").any():
        raise InputError("use_given is true, but the given split has no test images")
    return index["given_split"].copy()


def _one_fold(
    labels: pd.Series, groups: pd.Series, settings: Split, part: Literal["test", "validation"], seed: int
) -> pd.Index:
    """Return the rows of one stratified part for testing or validation, which keeps groups together."""
    folds = settings.test_one_in if part == "test" else settings.validation_one_in
    there = f"{groups.nunique()} {settings.unit}s {'to split' if part == 'test' else 'outside the test split'}"
    if groups.nunique() < folds:
        raise InputError(f"split.{part}_one_in is {folds}: expected at least {folds} {settings.unit}s, got {there}")
    kind = StratifiedKFold if groups.is_unique else StratifiedGroupKFold
    folder = kind(n_splits=folds, shuffle=True, random_state=child_seed(seed, "split", part))
    with warnings.catch_warnings():
        # scikit-learn warns of classes with fewer members than folds; `check_classes` checks the result instead.
        warnings.simplefilter("ignore", UserWarning)
        try:
            _, chosen = next(folder.split(np.zeros(len(labels)), labels, groups))
        except ValueError as error:
            raise InputError(
                f"split.{part}_one_in is {folds}: expected a class of at least {folds} {settings.unit}s, got {there}, "
                "fewer in each class"
            ) from error
    return labels.index[chosen]


def check_classes(index: pd.DataFrame, split: pd.Series, names: Sequence[str]) -> None:
    """Raise InputError naming a class of `index` that has no images in a split that there is."""
    table = pd.crosstab(index["label"], split)
    for name in table.columns:
        for label in table.index[table[name] == 0]:
            patients = index["patient_id"][index["label"] == label].nunique()
            raise InputError(
                f"expected images of every class in each split, got none of class {names[label]} in the {name} split: "
                f"the class has {patients} patients"
            )


def _check_disjoint(groups: pd.Series, split: pd.Series, unit: str) -> None:
    several = split.groupby(groups).nunique()
    for splits in several[several > 1]:
        raise InputError(f"expected each {unit} in one split, got a {unit} in {splits} splits")
