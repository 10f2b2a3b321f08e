"""Images to show under changes of the acquisition: one per class. Imports no framework."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Image
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.changed_images import ChangeLevel, Rescan, rescanned


@dataclass(frozen=True)
class ChangedExample:
    """One image under every change, with the names of the classes that the model predicts.

    class_name: the true class. image: (h, w, c) in [0, 1], as processed. predicted: of this image. changed: by change
    and level, the changed image and its prediction. not_possible: the reason by change.
    """

    image_id: str
    class_name: str
    image: Image
    predicted: str
    changed: Mapping[ChangeLevel, tuple[Image, str]]
    not_possible: Mapping[str, str]


def changed_examples(data: LabelledImages, rows: pd.DataFrame, rescan: Rescan) -> list[ChangedExample]:
    """Return an example of each class: its first image that is predicted right unchanged, or else its first image.

    rows: of `acquisition_rows` for images of `data`. A class without rows has no example.
    """
    first = rows.assign(wrong=rows["predicted"] != rows["label"]).drop_duplicates("image_id")
    chosen = first.sort_values(["label", "wrong"], kind="stable").drop_duplicates("label")["image_id"]
    place = {image_id: position for position, image_id in enumerate(data.image_ids)}
    return [_example(data, rows[rows["image_id"] == one], rescan, place[one]) for one in chosen]


def _example(data: LabelledImages, rows: pd.DataFrame, rescan: Rescan, position: int) -> ChangedExample:
    found, own = rescanned(rescan, data, position), data.take(np.array([position]))
    answers = rows.set_index(["change", "level"])["changed_predicted"]
    return ChangedExample(
        image_id=str(own.image_ids[0]),
        class_name=data.class_names[int(own.labels[0])],
        image=own.images()[0, :, :, : data.pixels.shape[-1]],
        predicted=data.class_names[int(rows["predicted"].iloc[0])],
        changed={
            level: (image, data.class_names[int(answers[level.change, level.level])])
            for level, image in found.images.items()
        },
        not_possible=found.not_possible,
    )
