"""Division into training, validation and test: patients disjoint, classes everywhere, the same with the same seed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oncorobust.base.errors import InputError
from oncorobust.data.split import balance, draw_classes, draw_patients, split_images
from oncorobust.formats.records import SPLITS
from oncorobust.settings.data import Split

BY_PATIENT = Split(unit="patient", use_given=False, test_one_in=3, validation_one_in=6)
BY_IMAGE = Split(unit="image", use_given=False, test_one_in=3, validation_one_in=6)
GIVEN = Split(unit="patient", use_given=True, test_one_in=3, validation_one_in=6)


def make_index(patients: list[int], labels: list[int], **columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"image{row}" for row in range(len(patients))],
            "patient_id": [f"patient{patient}" for patient in patients],
            "label": labels,
            **columns,
        }
    )


NAMES = ("benign", "malignant")
SINGLES = make_index(list(range(180)), [0] * 120 + [1] * 60)
FAMILIES = make_index([row // 5 for row in range(600)], [(row // 5) % 2 for row in range(600)])


@pytest.mark.parametrize("index", [SINGLES, FAMILIES], ids=["one image each", "five images each"])
def test_shares_are_exact_where_they_can_be(index: pd.DataFrame) -> None:
    table = pd.crosstab(index["label"], split_images(index, BY_PATIENT, names=NAMES, seed=0))
    for label, total in index["label"].value_counts().items():
        test, validation = total // 3, round(total * 2 / 3 / 6)
        assert table.loc[label, "test"] == test
        assert abs(table.loc[label, "validation"] - validation) <= 5  # a patient more or less
        assert table.loc[label].sum() == total


def test_patients_stay_together_unless_told_otherwise() -> None:
    by_patient = split_images(FAMILIES, BY_PATIENT, names=NAMES, seed=0).groupby(FAMILIES["patient_id"]).nunique()
    by_image = split_images(FAMILIES, BY_IMAGE, names=NAMES, seed=0).groupby(FAMILIES["patient_id"]).nunique()
    assert by_patient.max() == 1
    assert by_image.max() == 3


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_patients_are_disjoint_and_every_class_everywhere(data: st.DataObject, seed: int) -> None:
    patients = data.draw(st.lists(st.integers(0, 25), min_size=40, max_size=120))
    labels = data.draw(st.lists(st.integers(0, 1), min_size=len(patients), max_size=len(patients)))
    index = make_index(patients, labels)
    try:
        split = split_images(index, BY_PATIENT, names=NAMES, seed=seed)
    except InputError:
        assume(False)
    assert set(split) == set(SPLITS)
    assert split.groupby(index["patient_id"]).nunique().max() == 1
    assert (pd.crosstab(index["label"], split) > 0).all(axis=None)


def test_seed_decides() -> None:
    first, again, other = (split_images(FAMILIES, BY_PATIENT, names=NAMES, seed=seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_rows_need_not_be_numbered_from_zero() -> None:
    shuffled = FAMILIES.sample(frac=1, random_state=0)
    split = split_images(shuffled, BY_PATIENT, names=NAMES, seed=0)
    assert split.index.equals(shuffled.index)
    assert split.groupby(shuffled["patient_id"]).nunique().max() == 1


def test_one_image_per_patient_is_split_without_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    # scikit-learn's split with groups is slow for the 70,000 images of MNIST.
    monkeypatch.setattr("oncorobust.data.split.StratifiedGroupKFold", None)
    index = make_index(list(range(7_000)), [row % 10 for row in range(7_000)])
    split = split_images(index, BY_PATIENT, names=NAMES, seed=0)
    assert (split == "test").sum() == pytest.approx(7_000 / 3, abs=10)


def test_given_split_without_validation() -> None:
    given_split = ["test" if row % 4 == 0 else "train" for row in range(120)]
    index = make_index(list(range(120)), [row % 2 if row % 4 else (row // 4) % 2 for row in range(120)])
    index["given_split"] = given_split
    split = split_images(index, GIVEN, names=NAMES, seed=0)
    assert ((split == "test") == (index["given_split"] == "test")).all()
    assert (split == "validation").sum() == 15  # a sixth of 90


def test_given_split_with_validation_is_kept() -> None:
    index = make_index(list(range(6)), [0, 1] * 3)
    index["given_split"] = ["train", "train", "validation", "validation", "test", "test"]
    assert split_images(index, GIVEN, names=NAMES, seed=0).tolist() == index["given_split"].tolist()


def test_given_split_that_is_none() -> None:
    with pytest.raises(InputError, match="use_given is true, but the raw tree states no split"):
        split_images(FAMILIES, GIVEN, names=NAMES, seed=0)


def test_given_split_without_test_images() -> None:
    index = make_index([0, 1, 2, 3], [0, 1, 0, 1], given_split=["train"] * 4)
    with pytest.raises(InputError, match="use_given is true, but the given split has no test images"):
        split_images(index, GIVEN, names=NAMES, seed=0)


def test_a_given_split_without_training_images_stays_as_it_is() -> None:
    index = make_index([0, 1, 2, 3], [0, 1, 0, 1], given_split=["test"] * 4)
    assert split_images(index, GIVEN, names=NAMES, seed=0).tolist() == ["test"] * 4


def test_patient_in_two_given_splits() -> None:
    index = make_index([0, 1, 2, 3, 0, 4], [0, 1, 0, 1, 0, 1])
    index["given_split"] = ["train", "train", "validation", "validation", "test", "test"]
    with pytest.raises(InputError, match="expected each patient in one split, got a patient in 2 splits"):
        split_images(index, GIVEN, names=NAMES, seed=0)


def test_class_with_too_few_patients() -> None:
    index = make_index([*range(30), 30, 30, 30], [0] * 30 + [1] * 3)
    with pytest.raises(
        InputError,
        match=r"every class in each split, got none of class malignant in the .* split: the class has 1 patients",
    ):
        split_images(index, BY_PATIENT, names=NAMES, seed=0)


def test_fewer_patients_than_parts() -> None:
    with pytest.raises(
        InputError, match=r"split\.test_one_in is 3: expected at least 3 patients, got 2 patients to split"
    ):
        split_images(make_index([0, 0, 1, 1], [0, 1, 0, 1]), BY_PATIENT, names=NAMES, seed=0)


def test_fewer_images_of_each_class_than_parts() -> None:
    with pytest.raises(
        InputError,
        match="test_one_in is 3: expected a class of at least 3 patients, got 4 patients to split, fewer in each",
    ):
        split_images(make_index([0, 1, 2, 3], [0, 0, 1, 1]), BY_PATIENT, names=NAMES, seed=0)


@pytest.mark.parametrize(
    ("which", "expected"),
    [("all", {"train": [2, 2], "test": [1, 1]}), ("train", {"train": [2, 2], "test": [1, 3]}), ("none", None)],
)
def test_balance(which: str, expected: dict[str, list[int]] | None) -> None:
    index = make_index(list(range(11)), [0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1])
    split = pd.Series(["train"] * 7 + ["test"] * 4)
    keep = balance(index, split, which=which, seed=0)
    counts = pd.crosstab(split[keep], index["label"][keep])
    if expected is None:
        assert keep.all()
    else:
        assert {name: counts.loc[name].tolist() for name in expected} == expected
        assert keep[[5, 6]].all()  # the smaller class stays whole


def test_balance_is_drawn_with_the_seed() -> None:
    split = split_images(SINGLES, BY_PATIENT, names=NAMES, seed=0)
    first, again, other = (balance(SINGLES, split, which="all", seed=seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), max_images=st.integers(1, 120), seed=st.integers(0, 2**31))
def test_drawn_patients_are_whole_and_never_too_many(data: st.DataObject, max_images: int, seed: int) -> None:
    patients = data.draw(st.lists(st.integers(0, 25), min_size=1, max_size=100))
    labels = data.draw(st.lists(st.integers(0, 2), min_size=len(patients), max_size=len(patients)))
    index = make_index(patients, labels)
    keep = draw_patients(index, max_images=max_images, seed=seed)
    assert keep.sum() <= max_images
    assert keep.groupby(index["patient_id"]).nunique().max() == 1


def test_drawn_patients_keep_the_shares() -> None:
    keep = draw_patients(SINGLES, max_images=60, seed=0)
    assert SINGLES["label"][keep].value_counts().to_dict() == {0: 40, 1: 20}
    assert not keep.equals(draw_patients(SINGLES, max_images=60, seed=1))


def test_drawn_patients_keep_the_given_split() -> None:
    index = SINGLES.assign(given_split=np.where(np.arange(180) % 3 == 0, "test", "train"))
    keep = draw_patients(index, max_images=90, seed=0)
    table = pd.crosstab(index["label"][keep], index["given_split"][keep])
    assert table.to_dict() == {"test": {0: 20, 1: 10}, "train": {0: 40, 1: 20}}


def test_as_many_of_each_class_as_asked() -> None:
    keep = draw_classes(SINGLES, per_class=7, names=("a", "b"), seed=0)
    assert SINGLES["label"][keep].value_counts().to_dict() == {0: 7, 1: 7}
    assert not keep.equals(draw_classes(SINGLES, per_class=7, names=("a", "b"), seed=1))


def test_a_class_with_too_few_is_refused_with_all_counts() -> None:
    index = pd.DataFrame({"image_id": list("abcde"), "patient_id": list("abcde"), "label": [0, 0, 0, 1, 1]})
    message = r"expected at least 3 images of each class \(per_class\), got 3 benign, 2 malignant"
    with pytest.raises(InputError, match=message):
        draw_classes(index, per_class=3, names=("benign", "malignant"), seed=0)


def test_one_in_one_makes_all_images_the_test_set() -> None:
    whole = Split(unit="patient", use_given=False, test_one_in=1, validation_one_in=6)
    assert split_images(SINGLES, whole, names=("a", "b"), seed=0).tolist() == ["test"] * 180
