"""Examples on the page: images that are wrong without attack, and the images that the smallest change flips."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.report.tables.numbers import ReadableUnit, in_units

SHOWN = 6
"""Examples of each kind and model at most."""

_LARGEST_SIDE = 128
"""Pixels of a thumbnail's side at most; larger images are reduced."""

_LONGEST_ID = 48


@dataclass(frozen=True)
class Example:
    """An image with its true class and its answer without attack. told: its margin or its minimal epsilon."""

    png: bytes
    image_id: str
    true: str
    answer: str
    told: str


@dataclass(frozen=True)
class Examples:
    """Some images of a kind, and how many there are of it."""

    shown: tuple[Example, ...]
    n_images: int


def clean_errors(predictions: pd.DataFrame, images: LabelledImages) -> Examples:
    """Return the images that are wrong without attack, those with the largest margin of the wrong class first.

    predictions: rows of predictions.csv of one model. images: the processed data set. Raises InputError for an image
    that the data set lacks.
    """
    rows = predictions[predictions["attack"] == "none"]
    rows = rows[rows["label"] != rows["predicted"]].sort_values(["margin", "image_id"])
    told = (f"margin {one:.3g}".replace("-", "−") for one in rows["margin"])
    return Examples(tuple(_examples(rows, told, images)), len(rows))


def most_sensitive(ranking: pd.DataFrame, images: LabelledImages, *, readable: ReadableUnit) -> Examples:
    """Return the images that are right without attack and flip at the smallest epsilon, the smallest first.

    ranking: rows of sensitivity.csv of one model; the strict search counts where there is one, else PGD's grid.
    readable: epsilon 1 in a unit that readers know. Raises InputError for an image that the data set lacks.
    """
    column = "first_flipped" if "first_flipped" in ranking else "min_epsilon"
    rows = ranking[(ranking["label"] == ranking["predicted"]) & np.isfinite(ranking[column])]
    rows = rows.sort_values([column, "image_id"])
    told = (f"epsilon {epsilon_text(float(f'{one:.3g}'))} ({in_units(one, readable)})" for one in rows[column])
    return Examples(tuple(_examples(rows, told, images)), len(rows))


def _examples(rows: pd.DataFrame, told: Iterator[str], images: LabelledImages) -> Iterator[Example]:
    places = {name: place for place, name in enumerate(images.image_ids)}
    names = images.class_names
    for (_, row), text in zip(rows.head(SHOWN).iterrows(), told, strict=False):
        image_id = row["image_id"]
        if image_id not in places:
            raise InputError(f"{images.name}: expected image {shown_id(image_id)} of the rows in index.csv, got none")
        pixels = images.images(np.array([places[image_id]]))[0]
        yield Example(thumbnail(pixels), shown_id(image_id), names[row["label"]], names[row["predicted"]], text)


def thumbnail(image: np.ndarray) -> bytes:
    """Return an image (h, w, 3) in [0, 1] as a small PNG, grey where its channels are equal."""
    levels = np.round(image * 255).astype(np.uint8)
    grey = (levels == levels[:, :, :1]).all()
    picture = Image.fromarray(levels[:, :, 0] if grey else levels)
    picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def shown_id(image_id: str) -> str:
    """Return an image's id, without its middle where it is long."""
    if len(image_id) <= _LONGEST_ID:
        return image_id
    half = _LONGEST_ID // 2
    return f"{image_id[:half]}…{image_id[-half:]}"
