"""Shapes and textures shared by all phantoms, in two or three dimensions, in millimetres or any other unit.

Texture. Breast tissue, lung and brain have power spectra close to

    P(f) = K / f^beta

(Burgess, SPIE 5034, 2003: beta 1.5 to 3.5 in mammograms, mean 2.8). White noise is multiplied by f^(-beta / 2) in the
Fourier domain, so a field is periodic and its expected spectrum is exact.

Bodies. A lesion is the inside of a bumpy ball, whose radius in direction u is a sum of waves about random poles a_k,

    r(u) = 1 + s sum_k g_k cos(k arccos(u . a_k)) / sqrt(k (n - 2)),    g_k standard normal, k = 3, 3 .. n, n,

a random sphere with few terms, after de Sisternes et al. (Med. Phys. 42, 2015); in the plane it is a Fourier outline.
Vessels and spicules are tubes around a wavy line.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
from jaxtyping import Float32

Axes = tuple[Float32[np.ndarray, "..."], ...]
"""Coordinates of the points of a grid: one array per dimension; the arrays broadcast to the grid's shape."""

Field = Float32[np.ndarray, "..."]
"""A value for each point of a grid."""


def power_law(
    shape: tuple[int, ...], *, beta: float, rng: np.random.Generator, spacing: tuple[float, ...] | None = None
) -> Field:
    """Draw a random field with power spectrum f^-beta, mean 0 and standard deviation 1.

    spacing: distance between points along each dimension; 1 if None.
    """
    return _shaped_noise(shape, lambda frequency: frequency ** (-beta / 2), spacing=spacing, rng=rng)


def fold_noise(
    shape: tuple[int, ...], *, period: float, rng: np.random.Generator, spacing: tuple[float, ...] | None = None
) -> Field:
    """Draw a random field of folds `period` apart (in the unit of `spacing`), mean 0 and standard deviation 1."""
    return _shaped_noise(
        shape, lambda frequency: np.exp(-0.5 * ((frequency * period - 1) / 0.25) ** 2), spacing=spacing, rng=rng
    )


def _shaped_noise(
    shape: tuple[int, ...],
    amplitude: Callable[[np.ndarray], np.ndarray],
    *,
    spacing: tuple[float, ...] | None,
    rng: np.random.Generator,
) -> Field:
    steps = spacing or (1.0,) * len(shape)
    lines = [np.fft.fftfreq(n, step) for n, step in zip(shape[:-1], steps[:-1], strict=True)]
    lines.append(np.fft.rfftfreq(shape[-1], steps[-1]))
    frequency = norm(tuple(np.meshgrid(*[line.astype(np.float32) for line in lines], indexing="ij", sparse=True)))
    frequency.flat[0] = 1  # the mean, which is subtracted below
    spectrum = scipy.fft.rfftn(rng.standard_normal(shape, dtype=np.float32)) * amplitude(frequency)
    field = scipy.fft.irfftn(spectrum, s=shape)
    field -= field.mean()
    return (field / field.std()).astype(np.float32)


def axes_about(shape: tuple[int, ...], *, spacing: tuple[float, ...], centre: tuple[float, ...]) -> Axes:
    """Return the coordinates of a grid's points relative to `centre`, which is given as indices."""
    lines = [
        (np.arange(n, dtype=np.float32) - np.float32(at)) * np.float32(step)
        for n, step, at in zip(shape, spacing, centre, strict=True)
    ]
    return tuple(np.meshgrid(*lines, indexing="ij", sparse=True))


def box_about(axes: Axes, *, reach: float) -> tuple[tuple[slice, ...], Axes]:
    """Return the part of a grid within `reach` of the origin along every axis: its slices and its axes."""
    box = []
    for axis in axes:
        inside = np.flatnonzero(np.abs(axis.ravel()) <= reach)
        box.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0))
    lines = [axis.ravel()[part] for axis, part in zip(axes, box, strict=True)]
    return tuple(box), tuple(np.meshgrid(*lines, indexing="ij", sparse=True))


def norm(axes: Axes) -> Field:
    """Return the distance of each point from the origin."""
    return np.sqrt(functools.reduce(np.add, [axis**2 for axis in axes]))


def project(axes: Axes, direction: tuple[float, ...]) -> Field:
    """Return the position of each point along a direction through the origin."""
    parts = [axis * np.float32(part) for axis, part in zip(axes, direction, strict=True)]
    return np.asarray(functools.reduce(np.add, parts))


def random_direction(dimensions: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Draw a unit vector, uniformly over all directions."""
    vector = rng.standard_normal(dimensions)
    return tuple(float(part) for part in vector / np.linalg.norm(vector))


def bumpy_radius(axes: Axes, *, bumpiness: float, n_waves: int, rng: np.random.Generator) -> Field:
    """Draw a bumpy ball of mean radius about 1; return its radius towards each point, between 0.4 and 1.8.

    bumpiness: s of the module's formula; 0 is a ball. n_waves: the highest k, at least 3.
    """
    distance = np.maximum(norm(axes), np.float32(1e-6))
    radius = np.ones_like(distance)
    # Two poles for each k, because a single wave with four lobes would look like a square.
    for wave in np.repeat(np.arange(3, n_waves + 1), 2):
        cosine = np.clip(project(axes, random_direction(len(axes), rng)) / distance, -1, 1)
        height = bumpiness * rng.standard_normal() / np.sqrt(wave * (n_waves - 2))
        radius += np.float32(height) * np.cos(np.float32(wave) * np.arccos(cosine))
    return np.clip(radius, np.float32(0.4), np.float32(1.8))


def soft_step(distance: Field, *, width: float) -> Field:
    """Return a smooth step from 1 far below 0 to 0 far above it, one half at 0: 1 / (1 + exp(distance / width))."""
    return np.float32(0.5) - np.float32(0.5) * np.tanh(distance / np.float32(2 * width))


def tube_distance(
    axes: Axes, *, direction: tuple[float, ...], bend: float, wavelength: float, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Return each point's distance from a wavy line through the origin, and its position along the line.

    bend: amplitude of the waves, in a random sideways direction. wavelength: of the waves. Both in the unit of `axes`.
    """
    side = np.cross(direction, random_direction(3, rng)) if len(axes) == 3 else np.array([-direction[1], direction[0]])
    side = side / np.linalg.norm(side)
    along = project(axes, direction)
    phase = rng.uniform(0, 2 * np.pi)
    wave = np.sin(along * np.float32(2 * np.pi / wavelength) + np.float32(phase)) - np.float32(np.sin(phase))
    offsets = tuple(
        axis - along * np.float32(part) - wave * np.float32(bend * aside)
        for axis, part, aside in zip(axes, direction, side, strict=True)
    )
    return norm(offsets), along


def spicules(
    axes: Axes,
    *,
    directions: Sequence[tuple[float, ...]],
    inner: float,
    lengths: tuple[float, float],
    width: float,
    rng: np.random.Generator,
) -> Field:
    """Render lines that radiate from a lesion at the origin and taper off, 1 at their roots and 0 away from them.

    directions: unit vectors, one per line. inner: the lesion's radius. lengths: shortest and longest reach beyond it.
    width: half-width at the root.
    """
    pattern = np.zeros_like(norm(axes))
    for direction in directions:
        end = inner + rng.uniform(*lengths)
        distance, along = tube_distance(axes, direction=direction, bend=0.1 * inner, wavelength=3 * end, rng=rng)
        rest = np.clip((np.float32(end) - along) / np.float32(end - 0.6 * inner), 0, 1) * (along > 0.4 * inner)
        pattern = np.maximum(pattern, rest * np.exp(-0.5 * (distance / (np.float32(width) * (0.4 + rest))) ** 2))
    return pattern.astype(np.float32)
