"""Volumes: where voxels lie, how they are turned for display, and how squares are cut."""

import numpy as np
import pytest

from oncorobust.base.errors import InputError
from oncorobust.formats.volumes import (
    Grid,
    Volume,
    check_grid,
    check_square_pixels,
    crop_side,
    crop_square,
    display_order,
    percentiles_inside,
    reorder,
    reorder_grid,
)

LEFT, BACK, HEAD = np.eye(3)


def make_grid(*axes: np.ndarray, spacing: tuple[float, float, float] = (3.0, 1.5, 1.5)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = np.stack(axes, axis=1) * spacing
    affine[:3, 3] = (-10.0, 20.0, 5.0)
    return Grid(affine=affine, shape=(4, 5, 6))


def test_points_and_voxels() -> None:
    grid = make_grid(HEAD, BACK, LEFT)
    np.testing.assert_allclose(grid.to_mm(2.0, 1.0, 3.0), (-10 + 3 * 1.5, 20 + 1.5, 5 + 6))
    np.testing.assert_allclose(grid.to_voxel(-5.5, 21.5, 11.0), (2, 1, 3))
    assert grid.spacing_mm == (3.0, 1.5, 1.5)
    assert grid.holds(np.array((-0.5, 4.49, 5.49)))
    for outside in ((-0.51, 0, 0), (3.5, 0, 0), (0, 4.5, 0), (0, 0, 5.5)):
        assert not grid.holds(np.array(outside, dtype=float))


@pytest.mark.parametrize(
    ("stored", "slice_axis", "shown"),
    [
        ((HEAD, BACK, LEFT), None, (HEAD, BACK, LEFT)),
        ((-LEFT, -BACK, HEAD), None, (HEAD, BACK, LEFT)),  # NIfTI's usual order
        ((BACK, -HEAD, -LEFT), None, (HEAD, BACK, LEFT)),
        ((-HEAD, LEFT, BACK), 0, (HEAD, BACK, LEFT)),
        ((LEFT, -HEAD, BACK), 0, (LEFT, -HEAD, BACK)),  # sagittal: rows to the feet, columns to the back
        ((-LEFT, -BACK, HEAD), 0, (LEFT, -HEAD, BACK)),
        ((-BACK, HEAD, LEFT), 0, (BACK, -HEAD, LEFT)),  # coronal
    ],
)
def test_display_order(stored: tuple[np.ndarray, ...], slice_axis: int | None, shown: tuple[np.ndarray, ...]) -> None:
    grid = make_grid(*stored, spacing=(1.0, 2.0, 3.0))
    order = display_order(grid, slice_axis=slice_axis)
    turned = reorder_grid(grid, order)
    np.testing.assert_allclose(turned.affine[:3, :3] / turned.spacing_mm, np.stack(shown, axis=1))
    values = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    moved = reorder(values, order)
    assert moved.shape == turned.shape
    for voxel in np.ndindex(4, 5, 6):  # each value is still at its place in the patient
        place = tuple(np.round(turned.to_voxel(*grid.to_mm(*map(float, voxel)))).astype(int))
        assert moved[place] == values[voxel]


def test_oblique_axes_go_to_the_nearest() -> None:
    angle = np.radians(20)
    up, back = np.cos(angle) * HEAD + np.sin(angle) * BACK, np.cos(angle) * BACK - np.sin(angle) * HEAD
    order = display_order(make_grid(-LEFT, -back, up), slice_axis=None)
    assert order.axes == (2, 1, 0)
    assert order.reverse == (False, True, True)


def test_crop_odd_and_even() -> None:
    values = np.arange(60, dtype=np.float32).reshape(6, 10)
    np.testing.assert_array_equal(crop_square(values, row=2.0, column=3.0, side=3), values[1:4, 2:5])
    np.testing.assert_array_equal(crop_square(values, row=2.5, column=3.5, side=4), values[1:5, 2:6])
    np.testing.assert_array_equal(crop_square(values, row=2.4, column=3.6, side=3), values[1:4, 2:5])
    np.testing.assert_array_equal(crop_square(values, row=2.0, column=3.0, side=4), values[0:4, 1:5])
    np.testing.assert_array_equal(crop_square(values, row=2.4999999, column=3.5, side=4), values[1:5, 2:6])


def test_a_crop_that_leaves_the_slice_is_filled_with_0() -> None:
    values = np.arange(1, 5, dtype=np.float32).reshape(2, 2)
    corner = np.array(((0, 0, 0), (0, 1, 2), (0, 3, 4)), dtype=np.float32)
    np.testing.assert_array_equal(crop_square(values, row=0.0, column=0.0, side=3), corner)
    opposite = np.array(((1, 2, 0), (3, 4, 0), (0, 0, 0)), dtype=np.float32)
    np.testing.assert_array_equal(crop_square(values, row=1.0, column=1.0, side=3), opposite)
    assert crop_square(values, row=0.5, column=0.5, side=8).sum() == 10


def test_shares_of_the_percentiles() -> None:
    values = np.concatenate((np.zeros(50), np.arange(1, 202))).reshape(1, 1, 251).astype(np.float32)
    low, high = percentiles_inside(values, "x")
    assert (low, high) == (2, 200)  # of 1 to 201
    volume = Volume(values, make_grid(HEAD, BACK, LEFT), (low, high))
    np.testing.assert_allclose(
        volume.share(values[0])[0, [0, 50, 51, 150, 249, 250]], np.array((-2, -1, 0, 99, 198, 199)) / 198
    )


def test_what_cannot_be_scaled() -> None:
    with pytest.raises(InputError, match=r"expected an image, got a volume in which every voxel is 0 in a\.nii"):
        percentiles_inside(np.zeros((2, 2, 2), dtype=np.float32), "a.nii")
    with pytest.raises(InputError, match=r"more than one value, got 7 at percentiles 0\.5 and 99\.5 in a\.nii"):
        percentiles_inside(np.full((2, 2, 2), 7, dtype=np.float32), "a.nii")


def test_grids_that_are_refused() -> None:
    check_grid(make_grid(HEAD, BACK, LEFT), "a.nii")
    with pytest.raises(InputError, match=r"right angles, got an angle of 84\.29 degrees in a\.nii"):
        check_grid(make_grid(HEAD + 0.1 * BACK, BACK, LEFT), "a.nii")
    with pytest.raises(InputError, match=r"positive finite size, got 3 x 0 x 1\.5 mm in a\.nii"):
        check_grid(make_grid(HEAD, BACK * 0, LEFT), "a.nii")
    with pytest.raises(InputError, match=r"positive finite size, got 3 x nan x 1\.5 mm in a\.nii"):
        check_grid(make_grid(HEAD, BACK * np.nan, LEFT), "a.nii")
    with pytest.raises(InputError, match=r"square pixels on the slices, got 1 x 1\.01 mm in a\.nii"):
        check_square_pixels(make_grid(HEAD, BACK, LEFT, spacing=(3.0, 1.0, 1.01)), "a.nii")


def test_the_side_of_a_crop() -> None:
    grid = make_grid(HEAD, BACK, LEFT, spacing=(3.0, 0.9, 0.9))
    assert crop_side(grid, crop_mm=40.0, where="a.nii") == 44
    with pytest.raises(InputError, match=r"crop_mm of at least two pixels, got 1 mm for a\.nii"):
        crop_side(grid, crop_mm=1.0, where="a.nii")
