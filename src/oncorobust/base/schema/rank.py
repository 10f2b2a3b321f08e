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


def _score(name: str, meaning: str, when: str = "", *, unit: str = NO_UNIT) -> Column:
    return Column(name, "number", unit, f"{meaning} Higher means more certain.", when)


_SCORES = (
    *("min_epsilon", "min_epsilon_strict", "confidence", "margin", "entropy"),
    *("mc_dropout", "augmentation", "noise_flips", "random"),
)


def _wrong(score: str, attack: str) -> Column:
    meaning = f"Largest {score} of a wrong answer that the attack {attack} found; -inf where none, empty in validation."
    return Column(f"{score}_wrong_{attack}", "number or empty", NO_UNIT, meaning, "rank.reject_epsilon")


SCORES = Table(
    layout.results_file("<data set>", "<model>", "scores.csv"),
    "one test image or one of the validation images on which thresholds are chosen",
    (
        Column("split", "string", NO_UNIT, "validation or test."),
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        PREDICTED,
        _score("min_epsilon", "Minimal epsilon on the grid of PGD; inf where none.", _PAPER, unit=EPSILON),
        Column(
            "min_epsilon_strict",
            "number or empty",
            EPSILON,
            "first_flipped of the strict search; inf where none, empty where not searched. Higher means more certain.",
            _STRICT,
        ),
        _score("confidence", "Largest probability.", unit=FRACTION),
        _score("margin", "Largest logit minus the second largest."),
        _score("entropy", "Entropy of the probabilities, negated.", unit="nats"),
        _score("mc_dropout", "Mean probability of the answer over passes with dropout.", "dropout", unit=FRACTION),
        _score("augmentation", "Probability of the answer over flipped and shifted copies.", unit=FRACTION),
        _score("noise_flips", "Share of noisy copies that keep the answer.", unit=FRACTION),
        _score("random", "A random number, the baseline."),
        *(_wrong(score, attack) for attack in ("pgd", "adaptive") for score in _SCORES),
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


_SELECTION = (
    Key("exclude_share", "number", FRACTION, "Share of the images to leave out."),
    Key("largest_risk", "number", FRACTION, "Largest share of errors among accepted images."),
    Key("guarantee_confidence", "number", FRACTION, "Confidence with which it is guaranteed."),
    Key("reject_epsilon", "number or null", EPSILON, "Epsilon of the attacks on the rules; null for none."),
    Key("scores", "list of strings", NO_UNIT, "Scores of certainty in scores.csv."),
)

RANK = Document(
    layout.results_file("<data set>", "<model>", "rank.json"),
    "clean accuracy with and without the most sensitive images",
    (VERSION, DATASET, MODEL, SYNTHETIC, *_exclusion("", _PAPER), *_exclusion("strict/", _STRICT), *_SELECTION),
)
