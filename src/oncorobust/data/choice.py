"""Choice of the images of a data set: by class, drawn, split, balanced, with notes on those left out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.data.dataset import POSITION
from oncorobust.data.duplicates import check_identical, digest, group_identical, notes_on_patients, without_common
from oncorobust.data.left_out_labels import place_unlabelled, withhold_labels
from oncorobust.data.split import balance, check_classes, draw_classes, draw_patients, split_images
from oncorobust.formats.class_order import order_of
from oncorobust.formats.records import NO_LABEL, RawImages
from oncorobust.settings.data import Preprocess


def of_classes(raw: RawImages, names: Sequence[str] | None) -> RawImages:
    """Return a raw tree with only the images of the named classes, labelled from 0 in the tree's order; None keeps all.

    Raises InputError for a name that is no class of the tree, and if fewer than two of the classes have images.
    """
    if names is None:
        return raw
    if unknown := [name for name in names if name not in raw.class_names]:
        known = ", ".join(raw.class_names)
        raise InputError(f"preprocess.classes: unknown class {unknown[0]!r} (classes of the raw tree: {known})")
    kept = [label for label, name in enumerate(raw.class_names) if name in names]
    positions = np.flatnonzero(raw.index["label"].isin(kept))
    index = raw.index.iloc[positions].reset_index(drop=True)
    class_names = tuple(raw.class_names[label] for label in kept)
    left = [name for name in raw.class_names if name not in names]
    kinds = [f"class {', '.join(left)}"] if left else []
    kinds += ["images without a label"] if (raw.index["label"] == NO_LABEL).any() else []
    note = f"{len(raw.index) - len(index)} of {len(raw.index)} images were left out: {' and '.join(kinds)}"
    return replace(
        raw,
        index=index.assign(label=index["label"].map({label: new for new, label in enumerate(kept)})),
        class_names=class_names,
        class_order=order_of(class_names) if raw.class_order == "numbered" else raw.class_order,
        read=lambda position: raw.read(int(positions[position])),
        read_scan=lambda position: raw.scan(int(positions[position])),
        notes=(*raw.notes, *([note] if kinds else [])),
    )


def choose(raw: RawImages, rows: pd.DataFrame, settings: Preprocess, seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of a raw tree to keep, with their split, and notes on the images left out.

    rows: index of the tree, with column `position`. The returned labels are those that training may know: images
    without one, which are the last rows, have NO_LABEL. Raises InputError where the rows cannot be drawn or split, with
    what there was to split.
    """
    rows, notes = _draw(raw, rows, settings, seed)
    grouped = _grouped(raw, rows, settings) if settings.duplicates == "group" else rows
    drawn_by = _as_drawn(grouped[_labelled(rows)], settings)
    try:
        split = split_images(drawn_by, settings.split, names=raw.class_names, seed=seed)
    except InputError as error:
        joined = _joined(rows, grouped, settings.split.unit)
        raise InputError(f"{error} ({_before_the_split(rows, [*raw.notes, *notes, *joined])})") from error
    placed, more = place_unlabelled(rows, split, groups=grouped[f"{settings.split.unit}_id"])
    known, withheld = withhold_labels(placed, share=settings.labelled_share, names=raw.class_names, seed=seed)
    labelled = known[_labelled(known)]
    check_classes(labelled, labelled["split"], raw.class_names)
    balanced = labelled[balance(labelled, labelled["split"], which=settings.balance, seed=seed)]
    notes += [*more, *withheld]
    if len(balanced) < len(labelled):
        notes.append(
            f"{len(labelled) - len(balanced)} images were left out for equal class counts ({settings.balance})"
        )
    kept = pd.concat([balanced, known[~_labelled(known)]])
    if missing := [name for label, name in enumerate(raw.class_names) if not (kept["label"] == label).any()]:
        notes.append(f"no image is of class {', '.join(missing)} (of {len(raw.class_names)} classes)")
    several = kept.groupby("patient_id")["split"].nunique()
    if (several > 1).any():
        notes.append(f"{(several > 1).sum()} of {len(several)} patients have images in more than one split")
    return kept, [*notes, *notes_on_patients(kept)]


def _labelled(rows: pd.DataFrame) -> pd.Series:
    """Return which rows have a label."""
    return rows["label"] != NO_LABEL


def _as_drawn(rows: pd.DataFrame, settings: Preprocess) -> pd.DataFrame:
    """Return rows with the labels by which draws keep the classes' shares: one for all where any are withheld later.

    Which patients lose their labels is known only after the split, so until then no draw may look at a label.
    """
    if settings.labelled_share == 1:
        return rows
    return rows.assign(label=rows["label"].where(~_labelled(rows), 0))


def _draw(raw: RawImages, rows: pd.DataFrame, settings: Preprocess, seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that per_class and max_images leave, and notes on the others."""
    notes = []
    if settings.per_class is not None:
        kept = rows[draw_classes(rows, per_class=settings.per_class, names=raw.class_names, seed=seed)]
        notes.append(f"{len(kept)} of {len(rows)} images were drawn, {settings.per_class} of each class")
        rows = kept
    if settings.max_images is not None and settings.max_images < len(rows):
        kept = rows[draw_patients(_as_drawn(rows, settings), max_images=settings.max_images, seed=seed)]
        notes.append(f"{len(kept)} of {len(rows)} images were drawn, by patient (max_images {settings.max_images})")
        rows = kept
    if rows["label"][_labelled(rows)].nunique() < 2:
        raise InputError(f"max_images {settings.max_images} leaves fewer than two classes (increase it)")
    return rows, notes


def _joined(rows: pd.DataFrame, grouped: pd.DataFrame, unit: str) -> list[str]:
    """Return a note on the patients (or images) that the split counts as one because they share an identical image."""
    before, after = (frame[f"{unit}_id"].nunique() for frame in (rows, grouped))
    return [f"identical images join these {before} {unit}s to {after}"] if after < before else []


def _before_the_split(rows: pd.DataFrame, notes: Sequence[str]) -> str:
    """Return how many images there were to split, and the notes that say why not more."""
    text = f"there were {len(rows)} images of {rows['patient_id'].nunique()} patients to split"
    return "; ".join([text, *notes])


def _grouped(raw: RawImages, rows: pd.DataFrame, settings: Preprocess) -> pd.DataFrame:
    """Return rows in which patients (or images) that share an identical image have one id."""
    digests = [digest(raw.read(int(position)).values) for position in rows[POSITION]]
    digests = without_common(digests, rows["patient_id"])
    if settings.split.use_given and "given_split" in rows:
        check_identical(rows.assign(split=rows["given_split"]), digests, advice=advice(settings))
    unit = "patient_id" if settings.split.unit == "patient" else "image_id"
    return rows.assign(**{unit: group_identical(rows[unit], digests)})


def advice(settings: Preprocess) -> str:
    """Return what to change where identical images are in two splits."""
    if settings.split.use_given:
        return "correct the given split, or set preprocess.duplicates to allow"
    return "set preprocess.duplicates to group, which keeps them in one split, or to allow"
