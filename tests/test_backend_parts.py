"""Functions of images taken in parts give what the whole gives, and no part is too large."""

import numpy as np
import pytest
from models import interior_images, small_convolutional_net

from oncorobust.attacks.goals import leave
from oncorobust.attacks.target import Target
from oncorobust.backend import parts
from oncorobust.backend.parts import in_parts


@pytest.mark.parametrize(("n", "lengths"), [(0, [0]), (4, [4]), (5, [2, 3]), (10, [3, 3, 4])])
def test_parts_are_of_nearly_equal_length_and_never_above_the_limit(monkeypatch, n, lengths):
    monkeypatch.setattr(parts, "PIXEL_VALUES", {"cpu": 4 * 6, "gpu": 4 * 6})
    seen = []

    def doubled(x, y, factor):
        seen.append(len(x))
        assert factor.shape == ()
        return factor * x, y

    x, y = np.arange(n * 6.0).reshape(n, 2, 3), np.arange(n)
    found, same = in_parts(doubled)(x, y, np.float32(2))
    np.testing.assert_array_equal(found, 2 * x)
    np.testing.assert_array_equal(same, y)
    assert seen == lengths


def test_an_image_above_the_limit_goes_alone(monkeypatch):
    monkeypatch.setattr(parts, "PIXEL_VALUES", {"cpu": 5, "gpu": 5})
    np.testing.assert_array_equal(in_parts(lambda x: x.sum(axis=1))(np.ones((3, 6))), [6, 6, 6])


def test_an_attack_in_parts_is_the_attack_on_all_images(monkeypatch):
    net, x = small_convolutional_net(), interior_images(7)
    goal = leave(np.arange(7) % 3, n_classes=3)
    steps = {"radius": np.full((7, 1, 1, 1), 0.05), "eps_step": np.linspace(0.005, 0.02, 7), "n_steps": 3}
    whole = Target(net)
    expected = [whole.logits(x), *whole.margin_gradient(x, goal), *whole.walk(x, x, goal, **steps)]
    monkeypatch.setattr(parts, "PIXEL_VALUES", {"cpu": 3 * x[0].size, "gpu": 3 * x[0].size})
    split = Target(net)
    found = [split.logits(x), *split.margin_gradient(x, goal), *split.walk(x, x, goal, **steps)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
