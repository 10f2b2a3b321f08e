"""Identical and similar images, the rules for them, and patient ids that look alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_preprocess import make_raw, make_settings

from oncorobust.base.errors import InputError
from oncorobust.data.duplicates import digest, notes_on_patients
from oncorobust.data.preprocess import Processed, process
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import Mnist, Split


def noise(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, size=(40, 40), dtype=np.uint8)


def smooth(row: int) -> np.ndarray:
    """An image of a few large structures, as a photograph has."""
    coarse = np.random.default_rng(row).integers(40, 210, size=(5, 5))
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)


def done(raw: RawImages, **settings: Any) -> Processed:
    processed = process(raw, make_settings(**settings), dataset="toy", seed=0)
    list(processed.images)
    return processed


def with_copies(*pairs: tuple[int, int], image: Callable[[int], np.ndarray] = noise) -> RawImages:
    """Rows of which the second of each pair shows the image of the first."""
    shown = dict((copy, original) for original, copy in pairs)
    return make_raw(lambda row: image(shown.get(row, row)))


def first_of(split: str) -> list[int]:
    """Rows of the first patients of a split, in the split that this seed draws without copies."""
    index = process(make_raw(noise), make_settings(), dataset="toy", seed=0).index
    return index.index[index["split"] == split].tolist()


def test_images_without_copies_have_no_notes() -> None:
    for image in (noise, smooth):
        assert done(make_raw(image)).complete_summary()["notes"] == []


def test_images_of_one_value_are_no_copies() -> None:
    processed = done(make_raw(lambda _: np.full((40, 40), 7, dtype=np.uint8)))
    (note,) = processed.complete_summary()["notes"]
    assert note.startswith("warning: 36 of 36 images are constant after preprocessing")


@pytest.mark.parametrize("rule", ["refuse", "group", "allow"])
def test_an_image_that_a_quarter_of_the_patients_share_is_only_noted(rule: str) -> None:
    """Five of 18 patients are more than a quarter, four are less."""
    raw = make_raw(lambda row: noise(0 if row < 10 else row))
    processed = done(raw, duplicates=rule)
    assert "10 of 36 images have an identical copy in the data set" in processed.complete_summary()["notes"]
    assert processed.index["split"].equals(done(make_raw(noise)).index["split"])
    fewer = done(make_raw(lambda row: noise(0 if row < 8 else row)), duplicates="group")
    assert fewer.index["split"][:8].nunique() == 1


def test_copies_in_two_splits_are_refused_with_their_number() -> None:
    train, test = first_of("train"), first_of("test")
    processed = done(with_copies((train[0], test[0]), (train[2], test[1])))
    message = (
        rf"expected each image in one split, got 2 of {len(test)} test images identical to training or validation "
        rf"images, for example '{train[0]:03d}\.png' and '{test[0]:03d}\.png': set preprocess\.duplicates to group,"
    )
    with pytest.raises(InputError, match=message):
        processed.complete_summary()


def test_copies_in_two_splits_are_noted_where_they_are_allowed() -> None:
    train, validation, test = map(first_of, ("train", "validation", "test"))
    processed = done(with_copies((train[0], test[0]), (train[2], validation[0])), duplicates="allow")
    across, number = processed.complete_summary()["notes"][:2]
    assert across == (
        f"1 of {len(test)} test images identical to training or validation images and "
        f"1 of {len(validation)} validation images identical to training images"
    )
    assert number == "4 of 36 images have an identical copy in the data set"


def test_copies_are_kept_in_one_split_where_they_are_grouped() -> None:
    train, test = first_of("train"), first_of("test")
    pairs = [(train[0], test[0]), (test[1], train[-1]), (train[1], test[-1])]
    processed = done(with_copies(*pairs), duplicates="group")
    split = processed.index["split"]
    for one, other in pairs:
        assert split[one] == split[other]
    assert (processed.index.groupby("patient_id")["split"].nunique() == 1).all()
    assert processed.index["patient_id"].nunique() == 18, "patients keep their ids"
    assert processed.complete_summary()["notes"][0] == "6 of 36 images have an identical copy in the data set"


def test_grouping_changes_no_split_without_copies() -> None:
    one, other = (done(make_raw(noise), duplicates=rule).index for rule in ("refuse", "group"))
    assert one.equals(other)


def test_copies_of_images_are_grouped_where_images_are_split() -> None:
    split = Split(unit="image", use_given=False, test_one_in=3, validation_one_in=3)
    pairs = [(row, row + 18) for row in range(0, 18, 3)]
    index = done(with_copies(*pairs), duplicates="group", split=split).index
    for one, other in pairs:
        assert index["split"][one] == index["split"][other]


def test_a_given_split_with_copies_is_refused_also_where_they_are_grouped() -> None:
    raw = with_copies((0, 35))
    raw.index["given_split"] = ["train"] * 20 + ["test"] * 16
    split = Split(unit="patient", use_given=True, test_one_in=3, validation_one_in=3)
    message = r"1 of 16 test images identical .*'000\.png' and '035\.png': correct the given split, or set .* to allow"
    with pytest.raises(InputError, match=message):
        done(raw, duplicates="group", split=split)


def test_copies_of_another_class_are_noted() -> None:
    train = process(make_raw(noise), make_settings(), dataset="toy", seed=0).index.query("split == 'train'")
    one, other = (train.index[train["label"] == label][0] for label in (0, 1))
    notes = done(with_copies((one, other))).complete_summary()["notes"]
    assert notes[:2] == [
        "2 of 36 images have an identical copy in the data set",
        "2 images are identical to an image of another class",
    ]


def test_images_saved_again_are_similar() -> None:
    train, test = first_of("train"), first_of("test")
    rng = np.random.default_rng(0)

    def image(row: int) -> np.ndarray:
        if row != test[0]:
            return smooth(row)
        return np.clip(smooth(train[0]) + rng.integers(-4, 5, size=(40, 40)), 0, 255).astype(np.uint8)

    assert done(make_raw(image)).complete_summary()["notes"] == [
        f"1 of {len(test)} test images similar to training or validation images (by a perceptual hash; check whether "
        "they are copies)"
    ]


def test_digests_are_of_values_and_shape() -> None:
    values = noise(0)
    assert digest(values) == digest(values.astype(np.int16)) == digest(np.asfortranarray(values))
    assert digest(values) != digest(values.reshape(20, 80))
    changed = values.copy()
    changed[3, 5] ^= 1
    assert digest(changed) != digest(values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("1", "001"), ("p1", "P1"), ("p 1", "p1"), ("P07", "p7")),
        *(("12", "12.0"), ("p-1", "p_1"), ("p\u200b1", "p1")),
    ],
)
def test_patient_ids_that_look_alike_are_noted(one: str, other: str) -> None:
    rows = make_raw(noise).index
    rows.loc[[0, 1], "patient_id"] = one
    rows.loc[[2, 3], "patient_id"] = other
    (note,) = notes_on_patients(rows)
    assert note.startswith(
        "2 patient ids differ from another only in leading zeros, case, blanks, hyphens or a decimal point, "
    )
    assert "those of '000.png' and '002.png'; they count as different patients" in note


def test_patient_ids_that_differ_are_not_noted() -> None:
    rows = make_raw(noise).index.assign(
        patient_id=[f"p{row}" for row in range(30)] + ["10", "1-0", "0", "00a", "0b", "a0"]
    )
    assert notes_on_patients(rows) == []


def test_the_split_of_a_manifest_is_used_or_refused() -> None:
    raw = make_raw(noise)
    raw.index["given_split"] = ["train"] * 20 + ["validation"] * 6 + ["test"] * 10
    message = (
        r"data/raw/toy/manifest\.csv: column split divides the images \(20 train, 6 validation, 10 test\), but "
        r"preprocess\.split\.use_given is false: set it to true to use this split, or rename the column"
    )
    with pytest.raises(InputError, match=message):
        process(raw, make_settings(), dataset="toy", seed=0)
    given = Split(unit="patient", use_given=True, test_one_in=3, validation_one_in=3)
    used = process(raw, make_settings(split=given), dataset="toy", seed=0)
    assert used.index["split"].tolist() == raw.index["given_split"].tolist()


def test_a_published_split_that_is_not_used_is_noted() -> None:
    raw = make_raw(noise)
    raw.index["given_split"] = ["train"] * 20 + ["test"] * 16
    processed = process(raw, make_settings(format=Mnist()), dataset="toy", seed=0)
    assert processed.summary["notes"] == [
        "the published split (20 train, 16 test) was not used (split.use_given is false)"
    ]
