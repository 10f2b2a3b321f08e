"""What a scanner and a file allow an attack: tied channels, stored bit depths, regions, units, and noise beside it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import SHAPE, WEIGHTS, linear_model, own_predictions, small_convolutional_net
from PIL import Image

from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series, mr_slice, secondary_capture, write_dicom
from oncorobust.attacks.goals import leave
from oncorobust.attacks.input_layers import grey_channel, stored_bit_depth, tied_channels
from oncorobust.attacks.linf import Ball, Found, pgd, walk
from oncorobust.attacks.noise import noise_margins
from oncorobust.attacks.regions import background_reach, has_lesion_box, lesion_reach
from oncorobust.attacks.stored import round_to_bits, survives_rounding, to_stored
from oncorobust.attacks.target import Target
from oncorobust.base.errors import InputError
from oncorobust.base.units import epsilon_in_grey_levels, epsilon_in_stored_units, readable_unit
from oncorobust.data.conversion import to_unit_interval
from oncorobust.formats.image_files import read_image
from oncorobust.formats.lesion_boxes import LESION_BOX

SUMMED = WEIGHTS.sum(axis=-1)
EPSILON = 0.01


def grey_images(n: int, *, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Images far enough from black and white that the box does not cut a small ball."""
    one = np.random.default_rng(seed).uniform(0.2, 0.8, (n, *SHAPE[:2], 1)).astype(np.float32)
    return np.repeat(one, channels, axis=-1)


def margin_lost(target: Target, x: np.ndarray, *, epsilon: float, reach: np.ndarray | None = None) -> np.ndarray:
    """By how much one FGSM step lowers the margins, where it flips no image."""
    goal = own_predictions(target, x)
    ball = Ball(x, np.full(len(x), epsilon), goal, reach)
    found = walk(target, ball, x, rel_eps_step=1.0, max_iter=1)
    lost: np.ndarray = target.margins(x, goal) - target.margins(found.x_adv, goal)
    return lost


def test_tied_channels_give_the_same_logits() -> None:
    model = small_convolutional_net()
    x = grey_images(5, channels=3)
    np.testing.assert_allclose(Target(tied_channels(model)).logits(x[..., :1]), Target(model).logits(x), atol=1e-6)


def test_the_reach_of_tied_channels_is_the_norm_of_the_summed_weights() -> None:
    model = linear_model(WEIGHTS, bias=60.0)
    lost = margin_lost(Target(tied_channels(model)), grey_images(4), epsilon=EPSILON)
    np.testing.assert_allclose(lost, EPSILON * np.abs(SUMMED).sum(), rtol=1e-4)
    free = margin_lost(Target(model), grey_images(4, channels=3), epsilon=EPSILON)
    np.testing.assert_allclose(free, EPSILON * np.abs(WEIGHTS).sum(), rtol=1e-4)


def test_tied_attacks_flip_exactly_where_their_closed_form_says() -> None:
    target = Target(tied_channels(linear_model(WEIGHTS)))
    x = grey_images(40)
    goal = own_predictions(target, x)
    smallest = target.margins(x, goal) / np.abs(SUMMED).sum()
    for factor, flips in ((0.999, False), (1.001, True)):
        ball = Ball(x, factor * smallest, goal)
        found = pgd(target, ball, rel_eps_step=0.5, max_iter=4, num_random_init=1, rng=np.random.default_rng(0))
        assert (found.flipped == flips).all()


def test_coloured_images_are_refused_by_name() -> None:
    x = grey_images(3, channels=3)
    np.testing.assert_array_equal(grey_channel(x, ["a", "b", "c"]), x[..., :1])
    x[1, 2, 3, 1] += np.float32(0.125)
    with pytest.raises(
        InputError, match=r"b: expected a grey image with equal channels, got channels that .* up to 0\.125"
    ):
        grey_channel(x, ["a", "b", "c"])


def test_levels_by_hand() -> None:
    x = np.array([0.0, 0.2, 0.25, 1 / 510, 3 / 510, 1.0], dtype=np.float32).reshape(1, 2, 3, 1)
    assert to_stored(x, bits=8).ravel().tolist() == [0, 51, 64, 0, 2, 255]  # 63.75; halves to the even level
    assert to_stored(x, bits=8).dtype == np.uint8
    assert to_stored(x, bits=12).ravel().tolist()[1:3] == [819, 1024]  # 0.25 x 4095 = 1023.75
    assert to_stored(x, bits=16).dtype == np.uint16
    np.testing.assert_array_equal(round_to_bits(x, bits=8).ravel()[2], np.float32(64) / np.float32(255))


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_every_level_comes_back(bits: int) -> None:
    levels = np.arange(2**bits).reshape(1, 2**bits, 1, 1)
    x = levels.astype(np.float32) / np.float32(2**bits - 1)
    assert (to_stored(x, bits=bits) == levels).all()
    np.testing.assert_array_equal(round_to_bits(x, bits=bits), x)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 0.99), bits=st.sampled_from([8, 12]))
def test_nothing_under_half_a_level_survives(seed: int, share: float, bits: int) -> None:
    rng = np.random.default_rng(seed)
    stored = round_to_bits(rng.uniform(size=(2, 3, 3, 1)).astype(np.float32), bits=bits)
    moved = stored + (share * rng.choice([-1, 1], stored.shape) / (2 * (2**bits - 1))).astype(np.float32)
    np.testing.assert_array_equal(round_to_bits(np.clip(moved, 0, 1), bits=bits), stored)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_the_front_rounds_and_lets_the_gradient_through(bits: int) -> None:
    model = small_convolutional_net()
    target, front = Target(model), Target(stored_bit_depth(model, bits=bits))
    x = np.random.default_rng(2).uniform(size=(6, *SHAPE)).astype(np.float32)
    rounded = round_to_bits(x, bits=bits)
    np.testing.assert_allclose(front.logits(x), target.logits(rounded), atol=1e-6)
    goal = own_predictions(target, rounded)
    gradients = front.margin_gradient(x, goal)[1], target.margin_gradient(rounded, goal)[1]
    np.testing.assert_allclose(*gradients, atol=1e-5)


def test_bits_out_of_range() -> None:
    with pytest.raises(ValueError, match="expected 1 to 16 bits, got 24"):
        round_to_bits(grey_images(1), bits=24)
    with pytest.raises(ValueError, match="expected 1 to 16 bits, got 0"):
        stored_bit_depth(linear_model(WEIGHTS), bits=0)


def threshold_model(level: float) -> Target:
    """Class 1 where the mean of the image is above a level of 8 bits."""
    ones = np.ones(SHAPE)
    return Target(linear_model(ones, bias=-ones.sum() * level / 255))


def flat(*levels: float) -> np.ndarray:
    return np.stack([np.full(SHAPE, level / 255, dtype=np.float32) for level in levels])


def test_which_adversarial_images_survive_storing() -> None:
    target = threshold_model(100.7)
    goal = leave(np.array([1, 1, 1]), n_classes=2)
    x_adv = flat(100.4, 100.6, 100.9)
    found = Found(x_adv, target.margins(x_adv, goal))
    assert found.flipped.tolist() == [True, True, False]
    assert survives_rounding(target, found, goal, bits=8).tolist() == [True, False, False]
    assert survives_rounding(target, found, goal, bits=12).tolist() == [True, True, False]
    assert found.flipped.tolist() == [True, True, False], "what was found stays as it was"


@pytest.mark.parametrize(("levels", "flips"), [(0.4, False), (0.6, True)])
def test_a_search_behind_the_front_finds_storable_images(levels: float, flips: bool) -> None:
    """The level below is on the other side, and half a level is needed to be rounded to it."""
    model = linear_model(np.ones(SHAPE), bias=-108 * 100.7 / 255)
    plain, front = Target(model), Target(stored_bit_depth(model, bits=8))
    x, goal = flat(101), leave(np.array([1]), n_classes=2)
    ball = Ball(x, np.array([levels / 255]), goal)
    assert walk(plain, ball, x, rel_eps_step=0.25, max_iter=10).flipped.all()
    found = walk(front, ball, x, rel_eps_step=0.25, max_iter=10)
    assert found.flipped.tolist() == survives_rounding(plain, found, goal, bits=8).tolist() == [flips]
    assert np.unique(to_stored(found.x_adv, bits=8)).tolist() == [100 if flips else 101]


SERIES = Series("PHANTOM-1", "2.25.1", "2.25.2", "20000101", 1, "ADVERSARIAL", implicit_vr=False)


def write_png(stored: np.ndarray, path: Path) -> None:
    Image.fromarray(stored).save(path, format="PNG")


def write_mr(stored: np.ndarray, path: Path) -> None:
    write_dicom(mr_slice(stored, series=SERIES, number=1, geometry=Geometry((0.0, 0.0, 0.0), 1.0, 1.0)), path)


def write_capture(stored: np.ndarray, path: Path) -> None:
    write_dicom(secondary_capture(stored, series=SERIES, number=1, laterality="L"), path)


@pytest.mark.parametrize(
    ("bits", "write"), [(8, write_png), (16, write_png), (8, write_capture), (12, write_mr), (16, write_capture)]
)
def test_files_give_the_same_pixels_and_the_same_answer(tmp_path: Path, bits: int, write: object) -> None:
    model = linear_model(WEIGHTS)
    plain, front = Target(tied_channels(model)), Target(stored_bit_depth(tied_channels(model), bits=bits))
    x = round_to_bits(grey_images(8), bits=bits)
    goal = own_predictions(plain, x)
    epsilon = 2 * plain.margins(x, goal) / np.abs(SUMMED).sum() + 1 / 255
    found = walk(front, Ball(x, epsilon, goal), x, rel_eps_step=0.25, max_iter=10)
    assert survives_rounding(plain, found, goal, bits=bits).all()
    expected = round_to_bits(found.x_adv, bits=bits)
    for number, stored in enumerate(to_stored(found.x_adv, bits=bits)):
        assert callable(write)
        write(stored[..., 0], tmp_path / f"{number}")
        image = read_image(tmp_path / f"{number}")
        assert image.limits == (0, 2**bits - 1)
        read = to_unit_interval(image.values, low=0.0, high=2.0**bits - 1)[None, ..., None]
        np.testing.assert_array_equal(read, expected[number : number + 1])
        one = goal.at(np.array([number]))
        np.testing.assert_array_equal(plain.margins(read, one), plain.margins(expected[number : number + 1], one))
        assert plain.margins(read, one) < 0


def boxes(*edges: tuple[object, object, object, object]) -> pd.DataFrame:
    frame = pd.DataFrame(edges, columns=list(LESION_BOX))
    return frame.assign(image_id=[f"image-{number}" for number in range(len(edges))])


def test_a_box_reaches_all_pixels_that_it_touches() -> None:
    index = boxes(("1.0", "2.5", "3.0", "4.0"), (0, 0, 6, 6), (2.25, 2.25, 2.75, 2.75), (1 + 1e-9, 2, 3 + 1e-9, 4))
    reach = lesion_reach(index, (6, 6))
    assert reach.shape == (4, 6, 6, 1)
    assert reach.dtype == np.float32
    rows, columns = np.nonzero(reach[0, :, :, 0])
    assert (sorted(set(rows)), sorted(set(columns))) == ([1, 2], [2, 3])
    assert [reach[image].sum() for image in range(4)] == [4, 36, 1, 4]
    np.testing.assert_array_equal(background_reach(index, (6, 6)) + reach, 1)
    assert background_reach(index, (6, 6))[1].sum() == 0


def test_images_without_a_box() -> None:
    index = boxes(("1", "1", "2", "2"), ("", "", "", ""), (np.nan, 1, 2, 2))
    assert has_lesion_box(index).tolist() == [True, False, False]
    assert has_lesion_box(index[["image_id"]]).tolist() == [False, False, False]
    with pytest.raises(InputError, match="image-1: no lesion box"):
        lesion_reach(index, (6, 6))
    for edges in ((1, 1, 7, 2), (-1, 1, 2, 2), (3, 1, 3, 2), (3, 2, 4, 1)):
        with pytest.raises(InputError, match=r"a lesion box inside 6 x 6 pixels, got .* bottom, right .* in image-0"):
            lesion_reach(boxes(edges), (6, 6))


@pytest.mark.parametrize("reach_of", [lesion_reach, background_reach])
def test_the_reach_of_a_region_is_the_norm_of_its_weights(reach_of: object) -> None:
    assert callable(reach_of)
    reach = reach_of(boxes((1, 2, 4, 5), (0, 0, 2, 6)), SHAPE[:2])
    x = grey_images(2, channels=3)
    target = Target(linear_model(WEIGHTS, bias=60.0))
    lost = margin_lost(target, x, epsilon=EPSILON, reach=reach)
    np.testing.assert_allclose(lost, EPSILON * (np.abs(WEIGHTS) * reach).sum(axis=(1, 2, 3)), rtol=1e-4)
    ball = Ball(x, np.full(2, EPSILON), own_predictions(target, x), reach)
    found = pgd(target, ball, rel_eps_step=0.3, max_iter=5, num_random_init=2, rng=np.random.default_rng(0))
    outside = np.broadcast_to(reach == 0, x.shape)
    np.testing.assert_array_equal(found.x_adv[outside], x[outside])
    assert (found.x_adv[~outside] != x[~outside]).all()


def test_epsilon_in_units_by_hand() -> None:
    assert epsilon_in_stored_units(0.004, intensity_range=(-1000.0, 400.0)) == pytest.approx(5.6)
    assert epsilon_in_stored_units(0.004, intensity_range=(0.0, 65535.0)) == pytest.approx(262.14)
    assert epsilon_in_grey_levels(0.004, bits=8) == pytest.approx(1.02)
    assert epsilon_in_grey_levels(0.004, bits=12) == pytest.approx(16.38)
    assert epsilon_in_grey_levels(0.004, bits=16) == pytest.approx(262.14)
    with pytest.raises(InputError, match="an intensity range from low to high, got 400 to 400"):
        epsilon_in_stored_units(0.004, intensity_range=(400.0, 400.0))


@pytest.mark.parametrize(
    ("intensity_range", "unit", "epsilon_one"),
    [
        ((-1000.0, 400.0), "HU", (1400.0, "HU")),
        ((0.0, 65535.0), "grey level", (255.0, "8-bit grey levels")),
        ((0.0, 1.0), "share of the volume's range", (255.0, "8-bit grey levels")),
    ],
)
def test_the_unit_a_reader_knows(
    intensity_range: tuple[float, float], unit: str, epsilon_one: tuple[float, str]
) -> None:
    assert readable_unit(intensity_range, unit) == epsilon_one


@pytest.mark.parametrize(("kind", "second_moment"), [("sign", 1.0), ("uniform", 1 / 3)])
def test_noise_moves_a_linear_margin_by_the_2_norm_of_the_weights(kind: str, second_moment: float) -> None:
    """Its variance is epsilon² |w|² times the noise's own; an attack's is epsilon |w|₁."""
    target = Target(linear_model(WEIGHTS))
    x = grey_images(4000, channels=3)
    goal = leave(np.ones(len(x), dtype=np.int64), n_classes=2)
    epsilons = (EPSILON, 5 * EPSILON)
    rng = np.random.default_rng(0)
    moved = noise_margins(target, x, goal, epsilons=epsilons, kind=kind, rng=rng) - target.margins(x, goal)
    np.testing.assert_allclose(
        moved.std(axis=1) ** 2, np.square(epsilons) * second_moment * (WEIGHTS**2).sum(), rtol=0.08
    )
    np.testing.assert_allclose(moved[1], 5 * moved[0], atol=1e-4)
    assert np.abs(moved[0]).max() < EPSILON * np.abs(WEIGHTS).sum() / 2


def test_noise_stays_in_the_box() -> None:
    target = threshold_model(0.0)
    goal = leave(np.array([1]), n_classes=2)
    rng = np.random.default_rng(0)
    black = noise_margins(target, np.zeros((1, *SHAPE), np.float32), goal, epsilons=(0.5,), kind="sign", rng=rng)
    assert black[0, 0] == pytest.approx(0.5 * np.round(black[0, 0] / 0.5)), "pixels are 0 or 0.5"
    assert 0 < black[0, 0] < 54
