"""Metastases out of a segmentation, and negatives that match them."""

import numpy as np
from brain_trees import LESIONS, SHAPE, SPACING_MM, distance_mm, make_scene

from oncorobust.base.seeds import child_rng
from oncorobust.formats.brain_mets.regions import Lesion, Negative, find_lesions, find_negatives, mask_distance_mm

SIDE = 12


def negatives_of(
    segmentation: np.ndarray, brain: np.ndarray, *, min_distance_mm: float = 10.0, seed: int = 0
) -> tuple[tuple[Lesion, ...], tuple[Negative, ...]]:
    lesions = find_lesions(tumour(segmentation), brain, spacing_mm=SPACING_MM)
    negatives = find_negatives(
        lesions,
        segmentation > 0,
        brain,
        spacing_mm=SPACING_MM,
        side=SIDE,
        min_distance_mm=min_distance_mm,
        rng=child_rng(seed, "test"),
    )
    return lesions, negatives


def tumour(segmentation: np.ndarray) -> np.ndarray:
    return np.isin(segmentation, (1, 3))


def block(*boxes: tuple[slice, slice, slice], label: int = 3) -> np.ndarray:
    segmentation = np.zeros(SHAPE, dtype=np.uint8)
    for box in boxes:
        segmentation[box] = label
    return segmentation


EVERYWHERE = np.ones(SHAPE, dtype=bool)


def test_lesions_of_a_scene() -> None:
    scene = make_scene()
    lesions = find_lesions(tumour(scene.segmentation), scene.values != 0, spacing_mm=SPACING_MM)
    assert [(lesion.slice, lesion.row, lesion.column) for lesion in lesions] == list(LESIONS)
    for lesion, (centre, radius) in zip(lesions, LESIONS.items(), strict=True):
        volume_mm3 = (distance_mm(centre) <= radius).sum() * 12
        assert np.isclose(np.pi / 6 * lesion.diameter_mm**3, volume_mm3)
        assert abs(lesion.diameter_mm - 2 * radius) < 1
        assert lesion.brain_share == 1


def test_components_that_touch_at_a_corner_are_one() -> None:
    first = (slice(4, 5), slice(10, 12), slice(10, 12))
    segmentation = block(first, (slice(5, 6), slice(12, 15), slice(12, 15)))
    (lesion,) = find_lesions(tumour(segmentation), EVERYWHERE, spacing_mm=SPACING_MM)
    assert (lesion.slice, lesion.row, lesion.column) == (5, 13, 13), "the slice of largest area, and its own centroid"
    apart = block(first, (slice(5, 6), slice(13, 16), slice(12, 15)))
    assert len(find_lesions(tumour(apart), EVERYWHERE, spacing_mm=SPACING_MM)) == 2


def test_necrosis_belongs_to_a_lesion_and_oedema_and_cavity_do_not() -> None:
    segmentation = block((slice(4, 5), slice(10, 11), slice(10, 11)), label=1)
    segmentation[4, 10, 11] = 3
    segmentation[4, 10, 12], segmentation[4, 10, 13] = 2, 4
    (lesion,) = find_lesions(tumour(segmentation), EVERYWHERE, spacing_mm=SPACING_MM)
    assert (lesion.slice, lesion.row, lesion.column) == (4, 10, 10.5)
    assert np.isclose(lesion.diameter_mm, (6 * 2 * 12 / np.pi) ** (1 / 3))
    assert (
        find_lesions(tumour(np.where(segmentation == 3, 0, segmentation) // 2 * 2), EVERYWHERE, spacing_mm=SPACING_MM)
        == ()
    )


def test_share_of_a_lesion_in_the_brain() -> None:
    segmentation = block((slice(4, 5), slice(10, 11), slice(10, 14)))
    brain = EVERYWHERE.copy()
    brain[:, :, 11:] = False
    (lesion,) = find_lesions(tumour(segmentation), brain, spacing_mm=SPACING_MM)
    assert lesion.brain_share == 0.25


def test_distances_are_in_millimetres_and_across_slices() -> None:
    segmentation = block((slice(4, 5), slice(10, 11), slice(10, 11)))
    distance = mask_distance_mm(segmentation > 0, [4, 7], spacing_mm=SPACING_MM)
    assert distance.shape == (2, *SHAPE[1:])
    assert distance[0, 10, 14] == 8
    assert distance[1, 10, 10] == 9
    assert np.isclose(distance[1, 12, 13], np.sqrt(9**2 + 4**2 + 6**2))
    assert np.isinf(mask_distance_mm(segmentation > 9, [4], spacing_mm=SPACING_MM)).all()


def test_a_negative_is_the_mirror_image_of_its_lesion() -> None:
    scene = make_scene()
    brain = scene.values != 0
    _, negatives = negatives_of(scene.segmentation, brain)
    for negative, (slice_, row, column) in zip(negatives, LESIONS, strict=True):
        midline = (SHAPE[2] - 1) / 2
        assert (negative.slice, negative.row, negative.column) == (slice_, row, 2 * midline - column)
        assert not negative.shows_mask


def test_negatives_keep_their_distance_from_oedema_in_3d() -> None:
    segmentation = block((slice(6, 7), slice(28, 30), slice(14, 16)))
    mirror = (slice(10, 11), slice(28, 30), slice(40, 42))  # twelve millimetres above the lesion's mirror image
    _, (free,) = negatives_of(segmentation, EVERYWHERE, min_distance_mm=14.0)
    segmentation[mirror] = 2
    _, (near,) = negatives_of(segmentation, EVERYWHERE, min_distance_mm=12.0)
    _, (moved,) = negatives_of(segmentation, EVERYWHERE, min_distance_mm=14.0)
    assert (free.slice, free.row, free.column) == (near.slice, near.row, near.column) == (6, 28, 40)
    rows, columns = max(28 - moved.row, moved.row - 29, 0), max(40 - moved.column, moved.column - 41, 0)
    assert moved.slice == 6
    assert 12**2 + (2 * rows) ** 2 + (2 * columns) ** 2 >= 14**2
    assert (rows, columns) in ((3, 2), (2, 3)), "12² + 6² + 4² = 14²: and it goes no further than it has to"


def test_the_middle_of_a_negative_is_brain() -> None:
    segmentation = block((slice(6, 7), slice(28, 30), slice(14, 16)))
    brain = EVERYWHERE.copy()
    brain[:, 33:] = False  # the middle of the crop has 6 x 6 voxels and reaches two rows below its centre
    _, (negative,) = negatives_of(segmentation, brain)
    assert negative.row == 28
    brain[:, 28:] = False
    segmentation[6, 26:28, 14:16] = 3
    _, (moved,) = negatives_of(segmentation, brain)
    assert moved.row == 25, "rows 22 to 27 are brain: a centre one row lower would leave a sixth outside"


def test_negatives_share_at_most_half_of_their_squares() -> None:
    boxes = [(slice(6, 7), slice(row, row + 2), slice(14, 16)) for row in (20, 23, 26, 29)]
    _, negatives = negatives_of(block(*boxes), EVERYWHERE)
    assert len(negatives) == 4
    for first in negatives:
        for second in negatives:
            if first.lesion != second.lesion:
                assert max(abs(first.row - second.row), abs(first.column - second.column)) >= SIDE / 2


def test_places_that_show_no_mask_come_first() -> None:
    segmentation = block((slice(6, 7), slice(28, 30), slice(14, 16)), (slice(6, 7), slice(28, 30), slice(34, 36)))
    _, negatives = negatives_of(segmentation, EVERYWHERE, min_distance_mm=4.0)
    for negative in negatives:
        top, left = negative.row - SIDE // 2, negative.column - SIDE // 2
        assert not segmentation[negative.slice, max(top, 0) : top + SIDE, max(left, 0) : left + SIDE].any()
        assert not negative.shows_mask


def test_where_every_place_shows_the_mask_the_distance_decides() -> None:
    segmentation = np.zeros(SHAPE, dtype=np.uint8)
    segmentation[6, 28:30, 14:16] = 3
    segmentation[6, ::8, ::8] = 2
    _, negatives = negatives_of(segmentation, EVERYWHERE, min_distance_mm=5.0)
    assert [negative.shows_mask for negative in negatives] == [True]
    assert mask_distance_mm(segmentation > 0, [6], spacing_mm=SPACING_MM)[0, negatives[0].row, negatives[0].column] >= 5


def test_without_room_there_are_fewer_negatives() -> None:
    segmentation = block((slice(6, 7), slice(28, 30), slice(14, 16)), (slice(6, 7), slice(28, 30), slice(28, 30)))
    narrow = np.zeros(SHAPE, dtype=bool)
    narrow[:, 26:34, 10:34] = True  # room between the two, but not for two
    lesions, negatives = negatives_of(segmentation, narrow)
    assert (len(lesions), len(negatives)) == (2, 1)
    assert negatives_of(segmentation, np.zeros(SHAPE, dtype=bool))[1] == ()
    assert negatives_of(np.zeros(SHAPE, dtype=np.uint8), EVERYWHERE) == ((), ())


def test_neither_slice_nor_distance_from_the_midline_gives_the_label_away() -> None:
    rng = np.random.default_rng(3)
    midline = (SHAPE[2] - 1) / 2
    found: list[np.ndarray] = []
    for _ in range(60):
        centre = tuple(int(place) for place in rng.integers((4, 20, 10), (14, 40, 46)))
        segmentation = np.where(distance_mm(centre) <= 4, 3, 0).astype(np.uint8)
        (lesion,), negatives = negatives_of(segmentation, make_scene().values != 0)
        assert {negative.slice for negative in negatives} <= {lesion.slice}
        found += [
            np.abs((lesion.row - negative.row, abs(lesion.column - midline) - abs(negative.column - midline)))
            for negative in negatives
        ]
    assert len(found) >= 50
    assert np.median(found, axis=0).max() <= 1
