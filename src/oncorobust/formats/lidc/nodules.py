"""Nodules of a CT series from the readers' annotations: ratings, position and diameter of each."""

from dataclasses import dataclass

import numpy as np

from oncorobust.formats.lidc.clusters import cluster_annotations
from oncorobust.formats.lidc.consensus import Place, find_place, mean_diameter
from oncorobust.formats.lidc.files import ChosenReads
from oncorobust.formats.lidc.geometry import Series, place_contours


@dataclass(frozen=True)
class Nodule:
    """One nodule of a series.

    number: from 1, in the order of the XML. members: positions of its annotations in the reads. ratings: malignancy of
    each annotation, 1 to 5. A reader with two annotations counts twice, as in pylidc.
    """

    number: int
    members: tuple[int, ...]
    ratings: tuple[int, ...]
    place: Place
    diameter_mm: float


def find_nodules(chosen: ChosenReads, series: Series) -> list[Nodule]:
    """Group the annotations of one series into nodules. Raises InputError naming the XML file and the nodule."""
    annotations = chosen.reads.annotations
    names = [f"{chosen.path}, session {note.session}, nodule {note.nodule_id!r}" for note in annotations]
    placed = [place_contours(note, series, where=name) for note, name in zip(annotations, names, strict=True)]
    points = [
        np.vstack([np.insert(contour.points, 2, contour.slice, axis=1) for contour in contours]).astype(np.float64)
        for contours in placed
    ]
    nodules = []
    for number, members in enumerate(cluster_annotations(points, tolerance=series.thickness_mm), start=1):
        readers = [placed[member] for member in members]
        nodules.append(
            Nodule(
                number=number,
                members=members,
                ratings=tuple(annotations[member].characteristics["malignancy"] for member in members),
                place=find_place(readers, where=names[members[0]]),
                diameter_mm=mean_diameter(readers, spacing_mm=series.spacing_mm),
            )
        )
    return nodules
