"""Augmented copies: golden turns and flips, and that a copy depends on its image, number and seed alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oncorobust.data.augment import augment, rotate
from oncorobust.settings.data import Augment

PAPER = Augment(copies=10, horizontal_flip=True, vertical_flip=True, max_rotation_degrees=20)
FLIPS = Augment(copies=10, horizontal_flip=True, vertical_flip=True, max_rotation_degrees=0)
IMAGE = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 12


@settings(max_examples=80, deadline=None)
@given(
    image=hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 3])),
        elements=st.floats(0, 1, width=32),
    ),
    image_id=st.text(max_size=5),
    copy=st.integers(0, 20),
    seed=st.integers(0, 2**31),
)
def test_copies_stay_in_range_and_are_the_same_each_time(
    image: np.ndarray, image_id: str, copy: int, seed: int
) -> None:
    before = image.copy()
    first, again = (augment(image, settings=PAPER, image_id=image_id, copy=copy, seed=seed) for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == image.shape
    assert first.min() >= image.min() >= 0
    assert first.max() <= image.max() <= 1
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(image, before)


def test_copy_zero_is_the_image() -> None:
    np.testing.assert_array_equal(augment(IMAGE, settings=PAPER, image_id="a", copy=0, seed=0), IMAGE)


def test_nothing_allowed_changes_nothing() -> None:
    none = Augment(copies=3, horizontal_flip=False, vertical_flip=False, max_rotation_degrees=0)
    for copy in range(4):
        np.testing.assert_array_equal(augment(IMAGE, settings=none, image_id="a", copy=copy, seed=0), IMAGE)


def test_flips_happen_half_of_the_time() -> None:
    wanted = [IMAGE, IMAGE[:, ::-1], IMAGE[::-1], IMAGE[::-1, ::-1]]
    counts = np.zeros(4, dtype=int)
    for copy in range(1, 801):
        copied = augment(IMAGE, settings=FLIPS, image_id="a", copy=copy, seed=0)
        counts += [bool((copied == candidate).all()) for candidate in wanted]
    assert counts.sum() == 800
    assert np.abs(counts - 200).max() < 50  # four standard deviations of a binomial


@pytest.mark.parametrize(
    ("horizontal", "vertical", "wanted"), [(True, False, IMAGE[:, ::-1]), (False, True, IMAGE[::-1])]
)
def test_one_flip_allowed(horizontal: bool, vertical: bool, wanted: np.ndarray) -> None:
    one = Augment(copies=1, horizontal_flip=horizontal, vertical_flip=vertical, max_rotation_degrees=0)
    found = [augment(IMAGE, settings=one, image_id="a", copy=copy, seed=0) for copy in range(1, 40)]
    assert any((copied == wanted).all() for copied in found)
    assert all((copied == wanted).all() or (copied == IMAGE).all() for copied in found)


def test_image_copy_and_seed_all_count() -> None:
    image = np.random.default_rng(0).random((8, 8, 1), dtype=np.float32)
    cases = [("a", 1, 0), ("b", 1, 0), ("a", 2, 0), ("a", 1, 1)]
    copies = [augment(image, settings=PAPER, image_id=name, copy=copy, seed=seed) for name, copy, seed in cases]
    for position, copied in enumerate(copies[1:], start=1):
        assert not (copied == copies[0]).all(), cases[position]


def test_golden_copy() -> None:
    """A copy stays the same from one process, version and machine to the next (1e-6: interpolation)."""
    image = np.arange(9, dtype=np.float32).reshape(3, 3, 1) / 8
    copied = augment(image, settings=PAPER, image_id="LIDC-IDRI-0001", copy=1, seed=0)
    golden = [[0.9755833, 0.8465385, 0.6767498], [0.6901606, 0.5, 0.3098394], [0.3232502, 0.1534615, 0.0244167]]
    np.testing.assert_allclose(copied[:, :, 0], golden, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_counter_clockwise(quarters: int, channels: int) -> None:
    image = np.random.default_rng(0).random((5, 5, channels), dtype=np.float32)
    np.testing.assert_allclose(rotate(image, degrees=90.0 * quarters), np.rot90(image, quarters), atol=1e-6)


def test_edge_is_continued() -> None:
    image = np.full((7, 5, 1), 0.25, dtype=np.float32)
    np.testing.assert_array_equal(rotate(image, degrees=17.0), image)


def test_grey_with_three_channels_is_the_grey_image_three_times() -> None:
    image = np.random.default_rng(0).random((6, 6, 1), dtype=np.float32)
    np.testing.assert_array_equal(
        rotate(np.repeat(image, 3, axis=2), degrees=13.0), np.repeat(rotate(image, degrees=13.0), 3, axis=2)
    )


def test_linear_interpolation_and_continued_edge() -> None:
    image = np.zeros((3, 3, 1), dtype=np.float32)
    image[1, 2] = 1
    turned = rotate(image, degrees=45.0)[:, :, 0]
    root = np.sqrt(0.5)
    # Output (0, 2) shows what is 2 root right of the centre: beyond the edge, which continues the point. Output (1, 2)
    # shows what is root below and root right of the centre, between four pixels.
    assert turned[0, 2] == pytest.approx(1)
    assert turned[1, 2] == pytest.approx(root * (1 - root))
    assert turned[1, 1] == 0
