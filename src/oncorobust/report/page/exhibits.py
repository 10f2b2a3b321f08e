"""What the gallery and the table of images show of each data set, read from the work tree and made into views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.report.page.gallery import (
    Gallery,
    GallerySource,
    GalleryTab,
    anchor_of,
    gallery_view,
    read_gallery,
)
from oncorobust.report.page.images import ImageRows, ImagesSource, ImagesView, images_view, read_image_rows
from oncorobust.report.page.parts import MODELS, DatasetPart
from oncorobust.report.page.text import readable_unit_of


@dataclass(frozen=True)
class Exhibits:
    """Galleries by model, rows of all attacked images, and the pixels (n, h, w, c) of the processed data set."""

    galleries: Mapping[str, Gallery]
    rows: ImageRows
    pixels: np.ndarray


@dataclass(frozen=True)
class ExhibitViews:
    """The gallery by data set, and the table of images."""

    gallery: list[GalleryTab]
    images: ImagesView


def read_exhibits(dataset: str, models: Sequence[str], rows: Mapping[str, pd.DataFrame]) -> Exhibits:
    """Read a data set's exhibits; pixels stay on disk. rows: per-image rows by the name of their file.

    Raises InputError for a file that is missing or unreadable.
    """
    path = Path(layout.images_file(dataset))
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error} (expected an npy file of images)") from error
    return Exhibits(
        galleries={model: read_gallery(dataset, model) for model in models},
        rows=read_image_rows(dataset, {model: MODELS[model] for model in models}, rows),
        pixels=pixels,
    )


def exhibit_views(
    datasets: Sequence[DatasetPart], exhibits: Mapping[str, Exhibits], titles: Mapping[str, str]
) -> ExhibitViews:
    """Return the views of all data sets. exhibits: by data set. titles: names on the page by data set."""
    sources = [
        GallerySource(
            dataset=part.key,
            title=titles[part.key],
            model=model,
            model_title=MODELS[model],
            class_names=part.summary["class_names"],
            unit=readable_unit_of(part.summary),
            gallery=gallery,
        )
        for part in datasets
        for model, gallery in exhibits[part.key].galleries.items()
    ]
    gallery = gallery_view(sources)
    shown = {image.anchor for tab in gallery for block in tab.blocks for image in block.images}
    return ExhibitViews(
        gallery, images_view([_images_source(part, exhibits[part.key], titles[part.key], shown) for part in datasets])
    )


def _images_source(part: DatasetPart, exhibits: Exhibits, title: str, shown: set[str]) -> ImagesSource:
    anchors = {
        (MODELS[model], str(name)): anchor
        for model, gallery in exhibits.galleries.items()
        for place, name in enumerate(gallery.image_ids)
        if (anchor := anchor_of(part.key, model, place)) in shown
    }
    files = [file for model in exhibits.galleries for file in layout.row_files(part.key, model)]
    return ImagesSource(
        key=part.key,
        title=title,
        class_names=part.summary["class_names"],
        unit=readable_unit_of(part.summary),
        epsilons=next(iter(exhibits.galleries.values())).epsilons.tolist(),
        rows=exhibits.rows,
        pixels=exhibits.pixels,
        anchors=anchors,
        files=files,
    )
