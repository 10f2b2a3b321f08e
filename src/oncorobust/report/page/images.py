"""The table of all attacked images on the page: one row per image and model.

`read_image_rows` reads the rows of a data set; `images_view` turns them into columns for `images.js`, which sorts,
filters and shows the visible rows alone, and into the plain table of the most sensitive images that stands there
without scripts. Pictures come from the processed images, a limited number of them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base import layout
from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.errors import InputError
from oncorobust.evaluation.image_epsilons import minimal_epsilons
from oncorobust.formats.csv_text import read_table
from oncorobust.report.page.gallery import shortened
from oncorobust.report.page.pictures import picture
from oncorobust.report.tables.numbers import ReadableUnit, display

MOST_ROWS = 25_000
"""Largest number of images of one data set in the table: the most sensitive ones of its first model."""

MOST_PICTURES = 400
"""Largest number of pictures of all data sets together: those of the most sensitive images, evenly by data set."""

SHOWN_WITHOUT_SCRIPTS = 20

_DECIMAL = re.compile(r"[-+]?\d*\.\d*(e[-+]?\d+)?")
_DIGITS = 7
_MOST_GROUPS = 20
_KNOWN = {"image_id", "patient_id", "label", "class_name"}
_NO_GROUPS = {"source", "mask_source", "series_uid", "sop_uid", "lesion_id", "slice", "stored_side"}
"""Columns of index.csv that name a file, a lesion or a place, and divide the images into no subgroups."""


@dataclass(frozen=True)
class ImageRows:
    """The attacked images of a data set.

    images: one row per image with image_id, patient_id, label and the columns of index.csv as text, and `position`,
    the row of index.csv, the most sensitive first. models: by name on the page, a row for each of `images`, in the same
    order, with predicted, margin, last_safe and first_flipped.
    """

    images: pd.DataFrame
    models: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class ImagesSource:
    """What the table shows of one data set. anchors: places in the gallery by name of the model and image id."""

    key: str
    title: str
    class_names: Sequence[str]
    unit: ReadableUnit
    epsilons: Sequence[float]
    rows: ImageRows
    pixels: np.ndarray
    anchors: Mapping[tuple[str, str], str]
    files: Sequence[str]


@dataclass(frozen=True)
class PlainTable:
    """The most sensitive rows of a data set as text. total: all rows; listed: those that the script shows."""

    key: str
    title: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    total: int
    listed: int
    files: Sequence[str]


@dataclass(frozen=True)
class ImagesView:
    """The table of images: data for the script as JSON, and a plain table for each data set."""

    json: str
    tables: tuple[PlainTable, ...]
    most_rows: int = MOST_ROWS
    most_pictures: int = MOST_PICTURES


def read_image_rows(dataset: str, models: Mapping[str, str], rows: Mapping[str, pd.DataFrame]) -> ImageRows:
    """Read index.csv of a data set and join it with the rows of the attacked images.

    models: names on the page by name in paths. rows: per-image rows by the name of their file. Raises InputError for an
    index.csv that cannot be read, or a file that lacks an image of the first model.
    """
    found = {title: _model_rows(dataset, model, rows) for model, title in models.items()}
    order = next(iter(found.values())).sort_values("first_flipped", kind="stable").index
    index = read_table(Path(layout.processed(dataset)) / "index.csv")
    index = index.assign(position=np.arange(len(index))).set_index("image_id", drop=False)
    for name, held in found.items():
        if missing := sorted(set(order) - set(held.index) | set(order) - set(index.index)):
            raise InputError(
                f"{layout.REPORTS_FOLDER}/{dataset}, {name} model: no rows of the images {', '.join(missing[:3])} "
                f"(expected those of the first model, which {layout.processed(dataset)}/index.csv lists): run stage "
                "attack again"
            )
    return ImageRows(index.loc[order].astype({"label": int}), {name: held.loc[order] for name, held in found.items()})


def _model_rows(dataset: str, model: str, rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return predicted, margin, last_safe and first_flipped by image_id, in the order of predictions.csv."""
    predictions, intervals = (rows[path] for path in layout.row_files(dataset, model))
    clean = predictions[predictions["attack"] == "none"].set_index("image_id")[["predicted", "margin"]]
    bounds = minimal_epsilons({"predictions": predictions, "intervals": intervals})
    return clean.join(bounds).astype({"last_safe": float, "first_flipped": float})


def images_view(sources: Sequence[ImagesSource]) -> ImagesView:
    """Return the table of images of all data sets."""
    pictures = MOST_PICTURES // max(1, len(sources))
    content = [_content(one, n_pictures=pictures) for one in sources]
    text = json.dumps({"datasets": content}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return ImagesView(text.replace("<", "\\u003c"), tuple(map(_plain_table, sources)))


def _content(source: ImagesSource, *, n_pictures: int) -> dict[str, Any]:
    """Return a data set's columns: of images, and of rows by model."""
    images = source.rows.images.head(MOST_ROWS)
    patients, patient = _codes(images["patient_id"])
    ids = images["image_id"].tolist()
    return {
        "key": source.key,
        "title": source.title,
        "classes": list(source.class_names),
        "unit": list(source.unit),
        "epsilons": [[one, epsilon_text(one)] for one in source.epsilons],
        "ids": [shortened(one) for one in ids],
        "patients": [shortened(one) for one in patients],
        "patient": patient,
        "label": images["label"].tolist(),
        "groups": [_group(images[name]) for name in subgroup_columns(images)],
        "pictures": [picture(np.asarray(source.pixels[at])) for at in images["position"].head(n_pictures)],
        "models": [
            {
                "name": name,
                "predicted": rows["predicted"].head(MOST_ROWS).tolist(),
                "margin": _numbers(rows["margin"]),
                "safe": _numbers(rows["last_safe"]),
                "flipped": _numbers(rows["first_flipped"]),
                "anchors": [source.anchors.get((name, one)) for one in ids] if source.anchors else [],
            }
            for name, rows in source.rows.models.items()
        ],
    }


def subgroup_columns(images: pd.DataFrame) -> list[str]:
    """Return the columns that divide the images into subgroups: `split`, and others of 2 to 20 different values.

    Columns of numbers with a decimal point, such as sizes and places, are no subgroups.
    """
    others = images.columns.drop("position").difference([*_KNOWN, *_NO_GROUPS, "split"], sort=False)
    return ["split", *(str(name) for name in others if _divides(images[name]))]


def _divides(values: pd.Series) -> bool:
    different = values.astype(str).unique()
    return 2 <= len(different) <= _MOST_GROUPS and not any(map(_DECIMAL.fullmatch, different))


def _group(values: pd.Series) -> dict[str, Any]:
    names, codes = _codes(values.astype(str).replace("", "not stated"))
    return {"name": str(values.name), "values": [shortened(one) for one in names], "codes": codes}


def _codes(values: pd.Series) -> tuple[list[str], list[int]]:
    """Return the different values, sorted, and the place of each value among them."""
    codes, names = pd.factorize(values, sort=True)
    return names.tolist(), codes.tolist()


def _numbers(values: pd.Series) -> list[float | None]:
    """Return numbers with seven digits, which tell float32 apart; None for infinity and for no number."""
    return [float(f"{one:.{_DIGITS}g}") if np.isfinite(one) else None for one in values.head(MOST_ROWS).tolist()]


def _plain_table(source: ImagesSource) -> PlainTable:
    images = source.rows.images
    about = {"label": images["label"].to_numpy(), "patient": images["patient_id"].to_numpy()}
    rows = pd.concat([rows.assign(model=name, **about) for name, rows in source.rows.models.items()])
    nearest = np.argsort(rows["first_flipped"].to_numpy(), kind="stable")[:SHOWN_WITHOUT_SCRIPTS]
    return PlainTable(
        key=source.key,
        title=source.title,
        heads=("Image", "Patient", "Model", "Class", "Predicted", "Margin", "Last safe", "First flipped"),
        lines=tuple(
            (
                shortened(one["image_id"]),
                shortened(one["patient"]),
                one["model"],
                source.class_names[one["label"]],
                source.class_names[one["predicted"]],
                f"{one['margin']:.3g}",
                _epsilon(one["last_safe"]),
                _epsilon(one["first_flipped"]),
            )
            for one in rows.iloc[nearest].rename_axis("image_id").reset_index().to_dict("records")
        ),
        total=len(rows),
        listed=min(MOST_ROWS, len(images)) * len(source.rows.models),
        files=source.files,
    )


def _epsilon(value: float) -> str:
    return display(value, "epsilon") if np.isfinite(value) else "none found"
