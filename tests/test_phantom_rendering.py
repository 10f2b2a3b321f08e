"""Phantoms: their textures and sizes against closed forms, their classes against the published tables, no shortcuts."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from oncorobust.acquire.phantoms import brain, brain_places, breast, lung
from oncorobust.acquire.phantoms.brain import BrainPhantom, render_brain
from oncorobust.acquire.phantoms.brain_places import draw_pairs
from oncorobust.acquire.phantoms.breast import BreastPhantom, MassAttributes, render_breast, sample_masses
from oncorobust.acquire.phantoms.lung import LungPhantom, NoduleAttributes, render_lung, sample_nodules
from oncorobust.acquire.phantoms.object_kinds import KINDS
from oncorobust.acquire.phantoms.objects import render_objects
from oncorobust.acquire.phantoms.texture import (
    axes_about,
    box_about,
    bumpy_radius,
    fold_noise,
    norm,
    power_law,
    random_direction,
    soft_step,
    spicules,
    tube_distance,
)
from oncorobust.base.errors import InputError

PLAIN_NODULE = NoduleAttributes(
    diameter_mm=14.0,
    subtlety=5.0,
    internal_structure=1.0,
    calcification=6.0,
    sphericity=5.0,
    margin=5.0,
    lobulation=1.0,
    spiculation=1.0,
    texture=5.0,
    malignant=False,
)
PLAIN_MASS = MassAttributes(
    shape="ROUND", margins="CIRCUMSCRIBED", density=2, assessment=3, subtlety=5, malignant=False
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_nodules(n: int, seed: int = 0) -> list[tuple[NoduleAttributes, LungPhantom]]:
    stream = rng(seed)
    return [(one, render_lung(one, difficulty=1.0, rng=stream)) for one in sample_nodules(n, rng=stream)]


def make_masses(n: int, seed: int = 0) -> list[tuple[MassAttributes, BreastPhantom]]:
    stream = rng(seed)
    return [(one, render_breast(one, difficulty=1.0, rng=stream)) for one in sample_masses(n, rng=stream)]


def in_standard_errors(values: list[float], malignant: list[bool]) -> float:
    """Difference of the classes' means in its standard errors."""
    first, second = (np.array(values)[np.array(malignant) == which] for which in (False, True))
    return float((first.mean() - second.mean()) / np.sqrt(first.var() / len(first) + second.var() / len(second)))


# Texture


@pytest.mark.parametrize("beta", [1.5, 2.8, 3.5])
def test_the_power_spectrum_falls_with_the_exponent_asked_for(beta: float) -> None:
    field = power_law((128, 128), beta=beta, rng=rng())
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-5)
    power = np.abs(np.fft.fft2(field.astype(float))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    ring = np.round(frequency * 128).astype(int)
    rings = np.arange(3, 60)
    radial = [power[ring == one].mean() for one in rings]
    slope = np.polyfit(np.log(rings), np.log(radial), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.15)


def test_texture_stays_alike_over_the_same_distance_whatever_the_spacing() -> None:
    field = power_law((24, 96, 96), beta=3.0, spacing=(4.0, 1.0, 1.0), rng=rng())
    four_mm_across = np.corrcoef(field[:, 4:].ravel(), field[:, :-4].ravel())[0, 1]
    four_mm_through = np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1]
    assert four_mm_through == pytest.approx(four_mm_across, abs=0.1)


def test_folds_repeat_at_their_period() -> None:
    field = fold_noise((128, 128), period=16.0, rng=rng()).astype(float)
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    assert (power * frequency).sum() / power.sum() == pytest.approx(1 / 16, rel=0.1)


def test_axes_are_distances_from_the_centre() -> None:
    rows, columns = axes_about((3, 4), spacing=(2.0, 0.5), centre=(1.0, 1.0))
    assert rows.ravel().tolist() == [-2, 0, 2]
    assert columns.ravel().tolist() == [-0.5, 0, 0.5, 1]
    assert norm((rows, columns))[2, 1] == 2
    box, (near_rows, near_columns) = box_about((rows, columns), reach=0.6)
    assert box == (slice(1, 2), slice(0, 3))
    assert near_rows.shape == (1, 1)
    assert near_columns.ravel().tolist() == [-0.5, 0, 0.5]
    assert box_about(axes_about((3,), spacing=(1.0,), centre=(-9.0,)), reach=1.0)[0] == (slice(0, 0),)


def test_a_ball_without_bumps_is_a_ball() -> None:
    axes = axes_about((9, 9, 9), spacing=(1.0, 1.0, 1.0), centre=(4.0, 4.0, 4.0))
    assert np.all(bumpy_radius(axes, bumpiness=0.0, n_waves=6, rng=rng()) == 1)
    bumpy = bumpy_radius(axes, bumpiness=0.2, n_waves=6, rng=rng())
    assert 0.01 < bumpy.std() < 0.4
    wild = bumpy_radius(axes, bumpiness=50.0, n_waves=6, rng=rng())
    assert (wild.min(), wild.max()) == pytest.approx((0.4, 1.8))


def test_a_soft_step_is_the_logistic_function() -> None:
    distance = np.array([-50, -0.2, 0, 0.2, 50], np.float32)
    expected = [1, 1 / (1 + np.exp(-1)), 0.5, 1 / (1 + np.exp(1)), 0]
    assert soft_step(distance, width=0.2) == pytest.approx(expected, abs=1e-6)


def test_a_straight_tube_is_as_far_as_the_sine_says() -> None:
    axes = axes_about((11, 11, 11), spacing=(1.0, 1.0, 1.0), centre=(5.0, 5.0, 5.0))
    distance, along = tube_distance(axes, direction=(0.0, 0.6, 0.8), bend=0.0, wavelength=10.0, rng=rng())
    assert along[5, 8, 9] == pytest.approx(5)  # 3, 4 on the line
    assert distance[5, 8, 9] == pytest.approx(0, abs=1e-5)
    assert distance[7, 8, 9] == pytest.approx(2)
    bent, _ = tube_distance(axes, direction=(0.0, 0.6, 0.8), bend=2.0, wavelength=10.0, rng=rng())
    assert bent[5, 5, 5] == pytest.approx(0, abs=1e-5)
    assert np.abs(bent - distance).max() <= 4 + 1e-5


def test_directions_are_unit_vectors_to_all_sides() -> None:
    stream = rng()
    vectors = np.array([random_direction(3, stream) for _ in range(2000)])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2000))
    assert vectors.mean(axis=0) == pytest.approx(np.zeros(3), abs=0.05)


def test_a_spicule_starts_at_the_lesion_and_ends_at_its_length() -> None:
    axes = axes_about((101, 101), spacing=(1.0, 1.0), centre=(50.0, 50.0))
    pattern = spicules(axes, directions=[(0.0, 1.0)], inner=10.0, lengths=(20.0, 20.0), width=1.0, rng=rng())
    reach = np.flatnonzero(pattern.max(axis=0) > 1e-6) - 50
    assert (reach.min(), reach.max()) == (5, 29)
    assert not spicules(axes, directions=[], inner=10.0, lengths=(5.0, 5.0), width=1.0, rng=rng()).any()


# Lung


def test_nodules_have_the_statistics_of_their_class() -> None:
    nodules = sample_nodules(4001, rng=rng())
    assert sum(nodule.malignant for nodule in nodules) == 2000
    for malignant, mean_ln, margin, lobulation in ((False, 1.98, 4.11, 1.39), (True, 2.38, 3.60, 1.88)):
        chosen = [nodule for nodule in nodules if nodule.malignant is malignant]
        assert np.mean([np.log(nodule.diameter_mm) for nodule in chosen]) == pytest.approx(mean_ln, abs=0.04)
        assert np.median([nodule.margin for nodule in chosen]) == pytest.approx(margin, abs=0.1)
        assert np.median([nodule.lobulation for nodule in chosen]) == pytest.approx(lobulation, abs=0.1)
        pairs = np.array([(nodule.margin, nodule.texture) for nodule in chosen])
        assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.75, abs=0.12)  # weakened where the scale ends
    for nodule in nodules:
        assert 3 <= nodule.diameter_mm <= 40
        assert 1 <= nodule.calcification <= 6
        assert all(1 <= value <= 5 for value in (nodule.margin, nodule.texture, nodule.spiculation, nodule.subtlety))


@pytest.mark.parametrize("diameter_mm", [6.0, 14.0, 25.0])
def test_a_smooth_nodule_is_as_wide_as_its_diameter(diameter_mm: float) -> None:
    phantom = render_lung(replace(PLAIN_NODULE, diameter_mm=diameter_mm), difficulty=1.0, rng=rng())
    middle = phantom.mask[2]
    assert 2 * np.sqrt(middle.sum() * 0.7**2 / np.pi) == pytest.approx(diameter_mm, abs=1.4)  # two pixels
    assert 0.7 * middle.any(axis=0).sum() == pytest.approx(diameter_mm, abs=2)
    if diameter_mm == 6:  # 2.5 mm off the centre a ball of 6 mm is 3.3 mm wide, 5 mm off nothing is left
        assert 2 * np.sqrt(phantom.mask[1].sum() * 0.7**2 / np.pi) == pytest.approx(3.3, abs=1.0)
        assert not phantom.mask[[0, 4]].any()


def test_a_nodule_is_as_dense_as_its_rating_says() -> None:
    for rating, hu in ((5.0, 40), (1.0, -630)):
        phantom = render_lung(replace(PLAIN_NODULE, texture=rating), difficulty=1.0, rng=rng())
        inside = distance_transform_edt(phantom.mask[2]) > 4
        assert phantom.volume_hu[2][inside].mean() == pytest.approx(hu, abs=20)
    calcified = render_lung(replace(PLAIN_NODULE, calcification=3.0), difficulty=1.0, rng=rng())
    assert calcified.volume_hu[2][calcified.mask[2]].max() > 400


def test_difficulty_divides_the_nodules_contrast() -> None:
    def brightness(difficulty: float) -> float:
        phantom = render_lung(PLAIN_NODULE, difficulty=difficulty, rng=rng(3))
        return float(phantom.volume_hu[2][distance_transform_edt(phantom.mask[2]) > 4].mean())

    behind, plain, hard = brightness(1e6), brightness(1.0), brightness(4.0)
    assert (hard - behind) / (plain - behind) == pytest.approx(0.25, abs=0.01)


def test_the_lungs_of_both_classes_are_alike_away_from_the_nodule() -> None:
    means, deviations, rows, columns, malignant = [], [], [], [], []
    for attributes, phantom in make_nodules(80):
        far = distance_transform_edt(~phantom.mask, sampling=(2.5, 0.7, 0.7)) > 14
        dark = phantom.volume_hu[far & (phantom.volume_hu < -600)]  # parenchyma; the chest wall is half the variance
        means.append(float(dark.mean()))
        deviations.append(float(dark.std()))
        place = np.argwhere(phantom.mask).mean(axis=0)
        rows.append(float(place[1]))
        columns.append(float(place[2]))
        malignant.append(attributes.malignant)
    for values in (means, deviations, rows, columns):
        assert abs(in_standard_errors(values, malignant)) < 3


def test_a_crop_of_50_mm_fits_around_every_nodule() -> None:
    for attributes, phantom in make_nodules(40, seed=2):
        assert phantom.volume_hu.shape == (5, 128, 128)
        assert -1024 <= phantom.volume_hu.min() <= phantom.volume_hu.max() <= 3071
        assert phantom.mask.any(), attributes
        centre = np.argwhere(phantom.mask[phantom.mask.sum(axis=(1, 2)).argmax()]).mean(axis=0)
        assert np.all(centre - 25 / 0.7 >= -0.5) and np.all(centre + 25 / 0.7 <= 127.5), attributes


# Breast


def test_the_table_of_masses_is_cbis_ddsms() -> None:
    counts = [count for row in breast.MASS_COUNTS.values() for count in row]
    assert (sum(both for both, _ in counts), sum(cancer for _, cancer in counts)) == (1696, 784)
    assert [sum(breast.DENSITY_COUNTS[malignant]) for malignant in (False, True)] == [912, 784]
    assert [sum(breast.ASSESSMENT_COUNTS[malignant]) for malignant in (False, True)] == [912, 784]
    assert [sum(breast.SUBTLETY_COUNTS[malignant]) for malignant in (False, True)] == [910, 784]


def test_shapes_and_margins_come_as_often_as_in_the_table() -> None:
    masses = sample_masses(6000, rng=rng())
    assert sum(mass.malignant for mass in masses) == 3000
    found = Counter((mass.shape, mass.margins, mass.malignant) for mass in masses)
    chi_square, cells = 0.0, 0
    for shape, row in breast.MASS_COUNTS.items():
        for margins, (both, cancer) in zip(breast.MARGINS, row, strict=True):
            for malignant, expected in ((True, 3000 * cancer / 784), (False, 3000 * (both - cancer) / 912)):
                if expected:
                    chi_square += (found[shape, margins, malignant] - expected) ** 2 / expected
                    cells += 1
                else:
                    assert not found[shape, margins, malignant]
    degrees = cells - 2
    assert chi_square < degrees + 4 * np.sqrt(2 * degrees)


def test_a_mass_lies_inside_its_box_and_the_box_inside_the_image() -> None:
    for _, phantom in make_masses(60):
        top, left, height, width = phantom.box
        assert 100 <= min(height, width) <= max(height, width) <= 180
        assert 0 <= top <= 320 - height and 0 <= left <= 256 - width
        outside = phantom.mask.copy()
        outside[top : top + height, left : left + width] = False
        assert not outside.any()
        assert 0.02 < phantom.mask.sum() / (height * width) < 0.8


def test_a_round_mass_is_round() -> None:
    phantom = render_breast(PLAIN_MASS, difficulty=1.0, rng=rng())
    rows, columns = phantom.mask.any(axis=1).sum(), phantom.mask.any(axis=0).sum()
    assert rows == pytest.approx(columns, rel=0.12)
    assert phantom.mask.sum() == pytest.approx(np.pi / 4 * rows * columns, rel=0.05)


def test_difficulty_divides_the_masss_contrast() -> None:
    def image(difficulty: float) -> np.ndarray:
        return render_breast(PLAIN_MASS, difficulty=difficulty, rng=rng(4)).full.astype(float)

    without, mask = image(1e9), render_breast(PLAIN_MASS, difficulty=1.0, rng=rng(4)).mask
    plain, hard = ((image(difficulty) - without)[mask].mean() for difficulty in (1.0, 2.0))
    assert hard / plain == pytest.approx(0.5, abs=0.01)


def test_the_breasts_of_both_classes_are_alike_away_from_the_mass() -> None:
    means, deviations, sides, tops, lefts, malignant = [], [], [], [], [], []
    for attributes, phantom in make_masses(80):
        # Density differs between the classes in the real table, so it is held fixed here.
        phantom = render_breast(replace(attributes, density=2), difficulty=1.0, rng=rng(len(means)))
        top, left, height, width = phantom.box
        far = distance_transform_edt(~phantom.mask) > 80
        tissue = phantom.full[far & (phantom.full > 10_000)]
        means.append(float(tissue.mean()))
        deviations.append(float(tissue.std()))
        sides.append(float(height + width))
        tops.append(float(top))
        lefts.append(float(left))
        malignant.append(attributes.malignant)
    for values in (means, deviations, sides, tops, lefts):
        assert abs(in_standard_errors(values, malignant)) < 3


# Brain


@pytest.fixture(scope="module")
def brains() -> list[BrainPhantom]:
    stream = rng(1)
    return [render_brain(n_metastases=3, difficulty=1.0, rng=stream) for _ in range(16)]


def test_a_brain_has_the_labels_and_lesions_asked_for(brains: list[BrainPhantom]) -> None:
    seen: set[int] = set()
    for phantom in brains:
        assert phantom.t1c.shape == phantom.segmentation.shape == (16, 128, 128)
        assert phantom.t1c.min() >= 0 and 500 < phantom.t1c.max() < 4000
        assert not phantom.segmentation[phantom.t1c == 0].any()
        seen |= set(np.unique(phantom.segmentation).tolist())
        lesions, count = label(np.isin(phantom.segmentation, (1, 3)), structure=np.ones((3, 3, 3)))
        assert count == len(phantom.metastases) == 3
        for metastasis in phantom.metastases:
            assert lesions[tuple(int(place) for place in metastasis.centre)] > 0
    assert seen == {0, brain.NECROSIS, brain.OEDEMA, brain.ENHANCING}


def test_a_metastasis_is_as_large_as_its_diameter(brains: list[BrainPhantom]) -> None:
    for phantom in brains:
        for metastasis in phantom.metastases:
            slice_, row, column = (int(place) for place in metastasis.centre)
            lesion = np.isin(phantom.segmentation[slice_], (1, 3))
            near = lesion[max(0, row - 14) : row + 15, max(0, column - 14) : column + 15]
            diameter = 2 * np.sqrt(near.sum() * 1.25**2 / np.pi)
            assert diameter == pytest.approx(metastasis.diameter_mm, abs=2.5, rel=0.2)


def test_negatives_are_in_the_brain_and_far_from_every_lesion(brains: list[BrainPhantom]) -> None:
    for phantom in brains:
        distance = distance_transform_edt(phantom.segmentation == 0, sampling=(3.0, 1.25, 1.25))
        assert len(phantom.negatives) == len(phantom.metastases)
        for negative in phantom.negatives:
            place = tuple(int(part) for part in negative)
            assert distance[place] >= 10
            assert phantom.t1c[place] > 0


def test_lesions_and_negatives_lie_in_the_same_places() -> None:
    z, y, x = np.ogrid[-22.5:22.6:3, -80:80:1.25, -80:80:1.25]
    places = (z / 40) ** 2 + (y / 55) ** 2 + (x / (40 + y / 10)) ** 2 < 1
    stream = rng(5)
    pairs = [pair for _ in range(120) for pair in draw_pairs(3, places, spacing=(3.0, 1.25, 1.25), rng=stream)]
    lesions, negatives = (np.array([getattr(pair, name) for pair in pairs]) for name in ("lesion", "negative"))
    assert all(places[tuple(place.astype(int))] for place in (*lesions, *negatives))
    from_middle = [np.hypot(found[:, 1] - 63.5, found[:, 2] - 63.5) for found in (lesions, negatives)]
    for first, second in [*zip(lesions.T, negatives.T, strict=True), from_middle]:
        values, which = [*first.tolist(), *second.tolist()], [False] * len(first) + [True] * len(second)
        assert abs(in_standard_errors(values, which)) < 3
    assert np.mean(lesions[:, 0] == negatives[:, 0]) > 0.9


def test_difficulty_divides_what_contrast_agent_adds() -> None:
    def volume(difficulty: float) -> BrainPhantom:
        return render_brain(n_metastases=1, difficulty=difficulty, rng=rng(7))

    without, plain, hard = volume(1e9), volume(1.0), volume(2.0)
    lesion = plain.segmentation == brain.ENHANCING
    added = [(one.t1c[lesion] - without.t1c[lesion]).mean() for one in (plain, hard)]
    assert added[1] / added[0] == pytest.approx(0.5, abs=0.02)


def test_a_brain_without_room_is_refused() -> None:
    with pytest.raises(InputError, match="no room for 60 metastases and negatives in the brain after 20 attempts"):
        render_brain(n_metastases=60, difficulty=1.0, rng=rng())
    healthy = render_brain(n_metastases=0, difficulty=1.0, rng=rng())
    assert not healthy.segmentation.any() and not healthy.negatives


# Objects


def test_objects_are_colour_images_of_every_kind() -> None:
    images = render_objects(np.arange(10), difficulty=1.0, rng=rng())
    assert images.shape == (10, 32, 32, 3)
    assert images.std(axis=(1, 2)).min() > 5
    assert len(KINDS) == 10
    assert render_objects(np.zeros(0, int), difficulty=1.0, rng=rng()).shape == (0, 32, 32, 3)
    with pytest.raises(InputError, match="expected labels from 0 to 9, got 10"):
        render_objects(np.array([3, 10]), difficulty=1.0, rng=rng())


def test_a_thing_without_contrast_is_its_scene() -> None:
    hidden = render_objects(np.full(20, 8), difficulty=1e9, rng=rng()).astype(float)
    shown = render_objects(np.full(20, 8), difficulty=1.0, rng=rng()).astype(float)
    half = render_objects(np.full(20, 8), difficulty=2.0, rng=rng()).astype(float)
    thing = np.abs(shown - hidden) > 40
    assert thing.any()
    ratio = ((half - hidden)[thing] / (shown - hidden)[thing]).mean()
    assert ratio == pytest.approx(0.5, abs=0.05)


# All


def test_the_same_seed_draws_the_same_arrays() -> None:
    def draw(seed: int) -> list[np.ndarray]:
        (_, nodule), (_, mass) = make_nodules(1, seed)[0], make_masses(1, seed)[0]
        volume = render_brain(n_metastases=2, difficulty=1.0, rng=rng(seed))
        things = render_objects(np.arange(3), difficulty=1.0, rng=rng(seed))
        return [nodule.volume_hu, nodule.mask, mass.full, mass.mask, volume.t1c, volume.segmentation, things]

    assert all(np.array_equal(first, second) for first, second in zip(draw(0), draw(0), strict=True))
    assert not any(np.array_equal(first, second) for first, second in zip(draw(0), draw(1), strict=True))


def test_class_enters_rendering_only_through_the_attributes() -> None:
    for attributes, phantom in make_nodules(3):
        other = replace(attributes, malignant=not attributes.malignant)
        same = [render_lung(one, difficulty=1.0, rng=rng(9)).volume_hu for one in (attributes, other)]
        assert np.array_equal(*same) and phantom.mask.any()
    for mass, _ in make_masses(3):
        swapped = replace(mass, malignant=not mass.malignant)
        images = [render_breast(one, difficulty=1.0, rng=rng(9)).full for one in (mass, swapped)]
        assert np.array_equal(*images)


def test_window_and_sizes_stand_in_the_modules() -> None:
    assert (lung.CROP_MM, brain.CROP_MM, brain_places.MIN_DISTANCE_MM) == (50, 40, 10)
