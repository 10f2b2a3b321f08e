"""Schema of a ranking of test images by sensitivity: sensitivity.csv and rank.json."""

from collections.abc import Iterator
from dataclasses import replace

from oncorobust.base import layout
from oncorobust.base.schema.attack import FIRST_FLIPPED, LAST_SAFE
from oncorobust.base.schema.entries import (
    DATASET,
    EPSILON,
    FRACTION,
    IMAGE_ID,
    LABEL,
    MODEL,
    NO_UNIT,
    PATIENT_ID,
    PREDICTED,
    SYNTHETIC,
    VERSION,
    Column,
    Document,
    Key,
    Table,
)

_PAPER = "paper's protocol"
_STRICT = "strict protocol"
_RANK = "Rank by minimal epsilon, 1 = most sensitive; equal values share the lowest rank."
_EXCLUDED = "Whether the image is left out as one of the most sensitive."

SENSITIVITY = Table(
    layout.results_file("<data set>", "<model>", "sensitivity.csv"),
    "one test image, the most sensitive first",
    (
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        PREDICTED,
        Column(
            "min_epsilon",
            "number",
            EPSILON,
            "Smallest epsilon of the grid at which PGD changes the prediction; inf where none does.",
            _PAPER,
        ),
        Column("rank", "integer", NO_UNIT, _RANK, _PAPER),
        Column("excluded", "boolean", NO_UNIT, _EXCLUDED, _PAPER),
        replace(LAST_SAFE, when=_STRICT),
        replace(FIRST_FLIPPED, when=_STRICT),
        Column("rank_strict", "integer", NO_UNIT, _RANK, _STRICT),
        Column("excluded_strict", "boolean", NO_UNIT, _EXCLUDED, _STRICT),
    ),
)


def _exclusion(path: str, protocol: str) -> Iterator[Key]:
    """The keys of one protocol."""
    yield Key(f"{path}n_images", "integer", "images", "Number of images ranked.", protocol)
    yield Key(f"{path}n_flipped", "integer", "images", "Number of images whose prediction changes.", protocol)
    yield Key(f"{path}n_excluded", "integer", "images", "Number of images left out.", protocol)
    yield Key(f"{path}coverage", "number", FRACTION, "Share of the images kept.", protocol)
    yield Key(f"{path}accuracy_all", "number", FRACTION, "Clean accuracy on all images ranked.", protocol)
    yield Key(f"{path}accuracy_kept", "number", FRACTION, "Clean accuracy on the images kept.", protocol)
    yield Key(f"{path}accuracy_change", "number", FRACTION, "accuracy_kept minus accuracy_all.", protocol)
    meaning = "Largest minimal epsilon among the images left out."
    yield Key(f"{path}threshold_epsilon", "number", EPSILON, meaning, f"{protocol}, and any image is left out")


RANK = Document(
    layout.results_file("<data set>", "<model>", "rank.json"),
    "clean accuracy with and without the most sensitive images",
    (VERSION, DATASET, MODEL, SYNTHETIC, *_exclusion("", _PAPER), *_exclusion("strict/", _STRICT)),
)
