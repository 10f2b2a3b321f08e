"""Brain MRI phantoms: skull-stripped, contrast-enhanced T1 volumes with metastases and positions without any.

A volume is a slab of axial slices through the upper brain: white matter, a folded cortex with fluid between the folds,
ventricles, deep grey nuclei; a bias field; Rician noise. Vessels (tubes, and dots where they cross a slice) and dura
take up contrast agent everywhere, so brightness alone does not identify a metastasis. Metastases have lognormal
diameters; large ones may have a ring of enhancement around a necrotic core, and are surrounded by oedema, dark on T1.

Each metastasis has a negative, at least 10 mm from any segmented voxel; which of their two positions is the metastasis
is random. `difficulty` divides the signal that contrast agent adds to a metastasis, whose median is `CONTRAST` at
difficulty 1 (for comparison: white matter 0.78, noise 0.035).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy.ndimage import gaussian_filter, uniform_filter

from oncorobust.acquire.phantoms.brain_places import MOST_BUMPY, OEDEMA_FROM_MM, WIDEST_OEDEMA, Place, draw_pairs
from oncorobust.acquire.phantoms.texture import (
    Axes,
    Field,
    axes_about,
    box_about,
    bumpy_radius,
    fold_noise,
    norm,
    power_law,
    random_direction,
    soft_step,
    tube_distance,
)

CONTRAST = 0.75
"""Median signal that contrast agent adds to a metastasis at difficulty 1."""

CROP_MM = 40.0
"""Side of the square around a lesion or negative; at least 90 % of the square lies in the brain."""

NECROSIS, OEDEMA, ENHANCING = 1, 2, 3
"""Labels of a segmentation, as in BraTS-METS."""

WHITE, GREY, FLUID, NOISE = 0.78, 0.62, 0.30, 0.035
"""Signal of the tissues on T1, and standard deviation of the noise."""

_HALF_AXES_MM = (62.0, 71.0, 57.0)


@dataclass(frozen=True)
class Metastasis:
    """One metastasis: centre (slice, row, column) in voxels, and diameter in mm."""

    centre: Place
    diameter_mm: float


@dataclass(frozen=True)
class BrainPhantom:
    """A volume in arbitrary units, 0 outside the brain, with its segmentation.

    negatives: centres (slice, row, column), in voxels, of positions without a metastasis, as many as metastases.
    """

    t1c: Float32[np.ndarray, "slices rows cols"]
    segmentation: UInt8[np.ndarray, "slices rows cols"]
    metastases: tuple[Metastasis, ...]
    negatives: tuple[Place, ...]


def render_brain(
    *,
    n_metastases: int,
    difficulty: float,
    rng: np.random.Generator,
    n_slices: int = 16,
    size: int = 128,
    pixel_spacing_mm: float = 1.25,
    slice_thickness_mm: float = 3.0,
) -> BrainPhantom:
    """Render a volume with metastases and as many negatives, in the same slices where there is room.

    Raises InputError when the brain has no room for them.
    """
    shape = (n_slices, size, size)
    spacing = (slice_thickness_mm, pixel_spacing_mm, pixel_spacing_mm)
    middle = ((n_slices - 1) / 2, (size - 1) / 2, (size - 1) / 2)
    axes = _turn(axes_about(shape, spacing=spacing, centre=middle), rng)
    surface = _distance_to_centre(axes)
    brain = np.asarray(surface < 1)
    signal = _tissue(axes, surface, spacing, rng) + _vessels(brain, spacing, rng)
    side = round(CROP_MM / pixel_spacing_mm)
    places = brain & (uniform_filter(brain.astype(np.float32), (0, side, side)) >= 0.9)
    places[[0, -1]] = False
    pairs = draw_pairs(n_metastases, places, spacing=spacing, rng=rng)
    metastases = tuple(Metastasis(pair.lesion, pair.diameter_mm) for pair in pairs)
    segmentation = np.zeros(shape, np.uint8)
    for metastasis in metastases:
        _add_metastasis(signal, segmentation, metastasis, spacing, CONTRAST / difficulty, rng)
    segmentation[~brain] = 0
    negatives = tuple(pair.negative for pair in pairs)
    return BrainPhantom(_scan(signal, brain, rng), segmentation, metastases, negatives)


def _turn(axes: Axes, rng: np.random.Generator) -> Axes:
    """Turn and shift the axes slightly, because the head is not exactly centred."""
    angle = rng.normal(0, 0.08)
    rows, columns = axes[1] - np.float32(rng.normal(0, 2)), axes[2] - np.float32(rng.normal(0, 2))
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return axes[0], cosine * rows - sine * columns, sine * rows + cosine * columns


def _distance_to_centre(axes: Axes) -> Field:
    """Return the distance from the brain's centre, as a fraction of the brain's radius in that direction."""
    front = 1 + 0.08 * axes[1] / np.float32(_HALF_AXES_MM[1])  # narrower at the forehead
    height = axes[0] + 5
    return norm(
        (
            height / np.float32(_HALF_AXES_MM[0]),
            axes[1] / np.float32(_HALF_AXES_MM[1]),
            axes[2] / (np.float32(_HALF_AXES_MM[2]) * front),
        )
    )


def _tissue(axes: Axes, surface: Field, spacing: tuple[float, ...], rng: np.random.Generator) -> Field:
    """Render the signal of white matter, grey matter, fluid, and the dura, which takes up contrast agent."""
    z, y, x = axes
    depth = (1 - surface) * 60
    folds = np.abs(fold_noise(surface.shape, period=13.0, rng=rng, spacing=spacing))
    cleft = np.abs(x)
    cortex = np.maximum(soft_step(folds - (1.05 - depth / 24), width=0.12), soft_step(depth - 3.5, width=0.6))
    cortex = np.maximum(cortex, soft_step(cleft - 4.5, width=0.6) * (np.abs(y) > 28))
    nuclei = norm(((z + 14) / 14, (y + 2) / 17, (cleft - 19) / 7)) - 1
    grey = np.maximum(cortex, 0.8 * soft_step(nuclei, width=0.08))
    sulci = soft_step(folds - (0.30 - depth / 60), width=0.06) * soft_step(depth - 18, width=3.0)
    ventricles = norm(((z + 6) / 17, y / 27, (cleft - 6 - 0.010 * y**2) / 4.5)) - 1
    fluid = np.maximum(0.85 * sulci, soft_step(ventricles, width=0.08))
    fluid = np.maximum(fluid, 0.8 * soft_step(cleft - 1.2, width=0.4) * (np.abs(y) > 30))
    signal = WHITE + (GREY - WHITE) * grey + 0.02 * power_law(surface.shape, beta=2.6, rng=rng, spacing=spacing)
    signal = signal + (FLUID - signal) * fluid
    dura = soft_step(cleft - 0.6, width=0.3) * (np.abs(y) > 32) + np.exp(-(((depth - 1) / 1.5) ** 2))
    sinus = np.exp(-((cleft / 3) ** 2) - (((depth - 2) / 3) ** 2)) * (np.abs(y) > 20)
    return (signal + rng.uniform(0, 0.3) * dura + rng.uniform(0.3, 0.8) * sinus).astype(np.float32)


def _vessels(
    brain: Bool[np.ndarray, "slices rows cols"], spacing: tuple[float, ...], rng: np.random.Generator
) -> Field:
    """Render the signal that contrast agent adds to vessels, each a short tube somewhere in the brain."""
    signal = np.zeros(brain.shape, np.float32)
    starts = np.argwhere(brain)
    for start in starts[rng.integers(len(starts), size=rng.integers(30, 60))]:
        axes = axes_about(brain.shape, spacing=spacing, centre=tuple(float(place) for place in start))
        box, local = box_about(axes, reach=rng.uniform(5, 20))
        distance, _ = tube_distance(
            local, direction=random_direction(3, rng), bend=rng.uniform(0, 2), wavelength=rng.uniform(15, 40), rng=rng
        )
        vessel = soft_step(distance - np.float32(rng.uniform(0.4, 1.1)), width=0.3) * np.float32(rng.uniform(0.1, 0.5))
        signal[box] = np.maximum(signal[box], vessel)
    return signal


def _add_metastasis(
    signal: Field,
    segmentation: UInt8[np.ndarray, "slices rows cols"],
    metastasis: Metastasis,
    spacing: tuple[float, ...],
    contrast: float,
    rng: np.random.Generator,
) -> None:
    """Add one metastasis to the signal and the segmentation, in place."""
    radius = metastasis.diameter_mm / 2
    axes = axes_about(signal.shape, spacing=spacing, centre=metastasis.centre)
    box, local = box_about(axes, reach=3 * radius + 3)
    bumps = np.minimum(bumpy_radius(local, bumpiness=0.08, n_waves=5, rng=rng), np.float32(MOST_BUMPY))
    outline = bumps * np.float32(radius)
    distance = norm(local)
    body = soft_step(distance - outline, width=0.4)
    labels = segmentation[box]
    if metastasis.diameter_mm > OEDEMA_FROM_MM:
        spread = np.float32(rng.uniform(0.4, WIDEST_OEDEMA) * radius)
        around = soft_step(distance - outline - spread, width=1.2) * (1 - body)
        signal[box] -= np.float32(0.10) * around
        labels[around > 0.5] = OEDEMA
    labels[body > 0.5] = ENHANCING
    enhancement = body
    if metastasis.diameter_mm > 10 and rng.random() < 0.6:
        core = soft_step(distance - outline * np.float32(rng.uniform(0.5, 0.8)), width=0.5)
        enhancement = body * (1 - np.float32(1.15) * core)
        labels[core > 0.5] = NECROSIS
    signal[box] += np.float32(rng.lognormal(np.log(contrast), 0.45)) * enhancement


def _scan(
    signal: Field, brain: Bool[np.ndarray, "slices rows cols"], rng: np.random.Generator
) -> Float32[np.ndarray, "slices rows cols"]:
    """Simulate the scan: bias field, Rician noise, arbitrary scale, and skull stripping."""
    bias = 1 + 0.15 * np.clip(power_law(signal.shape[1:], beta=4.0, rng=rng) / 2, -1, 1)
    blurred = gaussian_filter(signal, (0, 0.4, 0.4)) * bias
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(NOISE)
    scale = np.float32(rng.uniform(700, 1100))
    return np.where(brain, scale * np.hypot(blurred + real, imaginary), 0).astype(np.float32)
