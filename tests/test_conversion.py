"""Stored values to square images in [0, 1]: crop, scale and resize."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oncorobust.data.conversion import centre_crop, resize, to_unit_interval


def test_centre_crop() -> None:
    values = np.arange(24).reshape(4, 6)
    assert centre_crop(values, fraction=0.5).tolist() == [[8, 9], [14, 15]]
    assert centre_crop(values, fraction=1.0).tolist() == values[:, 1:5].tolist()
    assert centre_crop(np.zeros((7, 9, 3)), fraction=0.75).shape == (5, 5, 3)


def test_to_unit_interval() -> None:
    hounsfield = np.array([-2000, -1000, -300, 400, 3000], dtype=np.int16)
    found = to_unit_interval(hounsfield, low=-1000.0, high=400.0)
    assert found.dtype == np.float32
    assert found.tolist() == [0, 0, 0.5, 1, 1]
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_unit_interval(every, low=0.0, high=255.0), every.astype(np.float32) / 255)


def test_resize_means_over_the_area_it_covers() -> None:
    image = np.array([[0, 1], [1, 0]], dtype=np.float32).repeat(64, axis=0).repeat(64, axis=1)[:, :, None]
    checks = np.indices((64, 64)).sum(axis=0)[:, :, None].astype(np.float32) % 2
    assert resize(image, size=64)[8, 8, 0] == 0
    np.testing.assert_allclose(resize(checks, size=16)[2:-2, 2:-2], 0.5, atol=1e-6)  # without aliasing
    np.testing.assert_array_equal(resize(image, size=128), image)


@given(
    image=hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 20), st.integers(2, 20), st.sampled_from([1, 3])),
        elements=st.floats(0, 1, width=32),
    ),
    size=st.integers(2, 40),
)
def test_resize_stays_in_range(image: np.ndarray, size: int) -> None:
    found = resize(image, size=size)
    assert found.shape == (size, size, image.shape[2])
    assert found.dtype == np.float32
    assert image.min() - 1e-6 <= found.min() <= found.max() <= image.max() + 1e-6
