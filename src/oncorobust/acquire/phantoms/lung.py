"""CT phantoms of lung nodules with the distribution of ratings in LIDC-IDRI.

The attributes of a nodule come from a normal distribution with the means, standard deviations and main correlations of
its class among the 2,651 real nodules (1,365 benign, 1,286 malignant by a mean rating of at least 3), clipped to the
scales. Only these attributes differ between the classes: parenchyma, vessels, chest wall, noise and position have the
same distributions for both.

Rendering follows the ratings: texture (1 ground glass, -630 HU, to 5 solid, +40 HU, like the inserts of the FDA's
thorax phantom), margin (edge 0.3 to 2 mm), sphericity, lobulation, spiculation, calcification, subtlety. `difficulty`
divides the nodule's contrast to its background; at difficulty 1 it is the fraction `CONTRAST` of the physical contrast.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy.ndimage import gaussian_filter

from oncorobust.acquire.phantoms.texture import (
    Axes,
    Field,
    axes_about,
    box_about,
    bumpy_radius,
    norm,
    power_law,
    project,
    random_direction,
    soft_step,
    spicules,
    tube_distance,
)

CONTRAST = 1.0
"""Fraction of the nodule's physical contrast at difficulty 1."""

CROP_MM = 50.0
"""Side of the square around the nodule, which lies inside the image."""

PARENCHYMA_HU, GROUND_GLASS_HU, SOLID_HU = -870.0, -630.0, 40.0

_ATTRIBUTES = (
    "ln_diameter",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "subtlety",
)
_MEANS = {
    False: (1.98, 5.39, 3.86, 4.11, 1.39, 1.30, 4.48, 3.44),
    True: (2.38, 5.97, 3.68, 3.60, 1.88, 1.78, 4.14, 3.90),
}
_DEVIATIONS = {
    False: (0.34, 1.11, 0.81, 0.98, 0.69, 0.65, 1.02, 1.03),
    True: (0.56, 0.20, 0.74, 1.12, 0.90, 0.95, 1.25, 1.07),
}
_CORRELATIONS = {
    False: {("lobulation", "spiculation"): 0.65, ("margin", "texture"): 0.75},
    True: {
        ("lobulation", "spiculation"): 0.65,
        ("margin", "texture"): 0.75,
        ("ln_diameter", "lobulation"): 0.50,
        ("ln_diameter", "spiculation"): 0.51,
    },
}
"""Means, standard deviations and correlations of ln(diameter in mm) and the ratings, by malignancy, over the nodules of
LIDC-IDRI; ratings are means over each nodule's readers."""


@dataclass(frozen=True)
class NoduleAttributes:
    """A nodule's diameter in mm, its ratings from 1 to 5 (calcification to 6), and its class."""

    diameter_mm: float
    subtlety: float
    internal_structure: float
    calcification: float
    sphericity: float
    margin: float
    lobulation: float
    spiculation: float
    texture: float
    malignant: bool


@dataclass(frozen=True)
class LungPhantom:
    """A stack of CT slices in HU, and the mask of the nodule."""

    volume_hu: Float32[np.ndarray, "slices rows cols"]
    mask: Bool[np.ndarray, "slices rows cols"]


def sample_nodules(n: int, *, rng: np.random.Generator) -> list[NoduleAttributes]:
    """Draw n nodules in random order, half of them malignant (rounded down)."""
    return [_sample_nodule(bool(malignant), rng) for malignant in rng.permutation(np.arange(n) % 2)]


def _sample_nodule(malignant: bool, rng: np.random.Generator) -> NoduleAttributes:
    correlation = np.eye(len(_ATTRIBUTES))
    for (first, second), value in _CORRELATIONS[malignant].items():
        i, j = _ATTRIBUTES.index(first), _ATTRIBUTES.index(second)
        correlation[i, j] = correlation[j, i] = value
    deviations = np.array(_DEVIATIONS[malignant])
    drawn = rng.multivariate_normal(_MEANS[malignant], correlation * np.outer(deviations, deviations))
    ratings = {
        name: float(np.clip(value, 1, 6 if name == "calcification" else 5))
        for name, value in zip(_ATTRIBUTES[1:], drawn[1:], strict=True)
    }
    diameter_mm = float(np.clip(np.exp(drawn[0]), 3, 40))
    return NoduleAttributes(diameter_mm=diameter_mm, internal_structure=1.0, malignant=malignant, **ratings)


def render_lung(
    attributes: NoduleAttributes,
    *,
    difficulty: float,
    rng: np.random.Generator,
    n_slices: int = 5,
    size: int = 128,
    pixel_spacing_mm: float = 0.7,
    slice_thickness_mm: float = 2.5,
) -> LungPhantom:
    """Render a nodule in `n_slices` axial slices of size x size pixels, HU from -1024 to 3071.

    The nodule's centre lies in the middle slice, wherever there is room for a square of `CROP_MM`.
    """
    shape = (n_slices, size, size)
    spacing = (slice_thickness_mm, pixel_spacing_mm, pixel_spacing_mm)
    room = max(0.0, (size * pixel_spacing_mm - CROP_MM) / 2 - 3) / pixel_spacing_mm
    middle = (size - 1) / 2
    centre = (float(n_slices // 2), middle + rng.uniform(-room, room), middle + rng.uniform(-room, room))
    axes = axes_about(shape, spacing=spacing, centre=centre)
    volume = _parenchyma(shape, spacing, rng)
    if rng.random() < 0.45:
        volume = _add_chest_wall(volume, axes, rng)
    mask = np.zeros(shape, bool)
    box, local = box_about(axes, reach=attributes.diameter_mm + 8)
    body, nodule_hu = _nodule(attributes, local, rng)
    mask[box] = body > 0.5
    body = np.maximum(body, np.float32(0.8) * _corona(attributes, local, rng))
    visibility = CONTRAST / difficulty * (0.6 + 0.08 * attributes.subtlety)
    volume[box] += np.float32(visibility) * body * (np.maximum(nodule_hu, volume[box]) - volume[box])
    return LungPhantom(_scan(volume, rng), mask)


def _parenchyma(shape: tuple[int, ...], spacing: tuple[float, ...], rng: np.random.Generator) -> Field:
    """Render aerated lung with vessels."""
    level = PARENCHYMA_HU + rng.normal(0, 25)
    volume = power_law(shape, beta=2.2, rng=rng, spacing=spacing) * 22 + np.float32(level)
    for _ in range(rng.integers(6, 15)):
        start = tuple(float(rng.uniform(0, n)) for n in shape)
        axes = axes_about(shape, spacing=spacing, centre=start)
        box, local = box_about(axes, reach=rng.uniform(10, 40))
        distance, along = tube_distance(
            local, direction=random_direction(3, rng), bend=rng.uniform(0, 3), wavelength=rng.uniform(20, 60), rng=rng
        )
        radius = rng.uniform(0.5, 1.8) * np.exp(-np.abs(along) / 60)
        vessel = soft_step(distance - radius, width=0.3) * np.float32(rng.uniform(650, 900))
        volume[box] = np.maximum(volume[box], np.float32(level) + vessel)
    return volume


def _add_chest_wall(volume: Field, axes: Axes, rng: np.random.Generator) -> Field:
    """Add a chest wall: pleura 12 to 35 mm from the nodule's centre, then muscle, one or two ribs, and fat."""
    angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(80, 130)
    inward = (0.0, float(np.sin(angle)), float(np.cos(angle)))
    across = (0.0, inward[2], -inward[1])
    lateral = project(axes, across) - np.float32(rng.uniform(-15, 15))
    depth = project(axes, inward) - np.float32(rng.uniform(12, 35)) + lateral**2 / np.float32(2 * radius)
    soft = 40 + (power_law(volume.shape, beta=2.2, rng=rng) * 12)
    wall = soft - 140 * soft_step(16 + rng.uniform(0, 8) - depth, width=1.0)
    for place in (rng.uniform(-40, -5), rng.uniform(5, 40)):
        rib = np.hypot((depth - 9) / 4.5, (lateral - np.float32(place)) / np.float32(rng.uniform(8, 18)))
        wall = wall + 260 * soft_step(rib - 1, width=0.06) + 420 * np.exp(-(((rib - 0.9) / 0.13) ** 2))
    inside = soft_step(-depth, width=0.5)
    return (volume + inside * (wall - volume)).astype(np.float32)


def _nodule(attributes: NoduleAttributes, axes: Axes, rng: np.random.Generator) -> tuple[Field, Field]:
    """Render the fraction of nodule in each voxel, and the HU of nodule there."""
    radius = attributes.diameter_mm / 2
    stretched = _stretch(axes, ratio=1 - 0.1 * (5 - attributes.sphericity), rng=rng)
    bumps = bumpy_radius(stretched, bumpiness=0.02 + 0.06 * (attributes.lobulation - 1), n_waves=6, rng=rng)
    distance = norm(stretched)
    body = soft_step(distance - bumps * np.float32(radius), width=0.15 + 0.2 * (5 - attributes.margin))
    solid = ((attributes.texture - 1) / 4) ** 0.8
    nodule_hu = np.full_like(body, GROUND_GLASS_HU + (SOLID_HU - GROUND_GLASS_HU) * solid)
    if 1.5 < attributes.texture < 4:  # part-solid: a solid core in ground glass
        nodule_hu += (SOLID_HU - nodule_hu) * soft_step(distance - np.float32(0.45 * radius), width=0.5)
    if attributes.calcification < 5.5:
        calcium = 300 + rng.uniform(150, 300) * (6 - attributes.calcification)
        core = soft_step(distance - np.float32(rng.uniform(0.5, 0.9) * radius), width=0.3)
        nodule_hu += core * (np.maximum(nodule_hu, calcium) - nodule_hu)
    return body, nodule_hu.astype(np.float32)


def _corona(attributes: NoduleAttributes, axes: Axes, rng: np.random.Generator) -> Field:
    """Render spicules close to the slice plane, where readers see them; on average four per step of the rating."""
    radius = attributes.diameter_mm / 2
    directions = []
    for _ in range(rng.poisson(4 * (attributes.spiculation - 1))):
        angle, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15)
        directions.append((np.sin(tilt), np.cos(tilt) * np.sin(angle), np.cos(tilt) * np.cos(angle)))
    lengths = (0.3 * radius, 0.5 * radius + 4)
    return spicules(axes, directions=directions, inner=radius, lengths=lengths, width=0.9, rng=rng)


def _stretch(axes: Axes, *, ratio: float, rng: np.random.Generator) -> Axes:
    """Return axes in which a spheroid, elongated along a random direction, becomes a ball of equal volume."""
    longer = ratio ** (-2 / 3)
    direction = random_direction(3, rng)
    along = project(axes, direction)
    return tuple(
        (axis - along * np.float32(part)) / np.float32(longer**-0.5) + along * np.float32(part / longer)
        for axis, part in zip(axes, direction, strict=True)
    )


def _scan(volume: Field, rng: np.random.Generator) -> Float32[np.ndarray, "slices rows cols"]:
    """Add the blur and noise of the scanner."""
    noise = gaussian_filter(rng.standard_normal(volume.shape, dtype=np.float32), (0, 0.6, 0.6))
    blurred = gaussian_filter(volume, (0, 0.5, 0.5))
    return np.clip(blurred + np.float32(rng.uniform(25, 70)) * noise, -1024, 3071).astype(np.float32)
