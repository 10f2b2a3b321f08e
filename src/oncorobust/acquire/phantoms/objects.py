"""Renderer of small coloured objects of ten kinds, which stand in for CIFAR-10's classes.

The kinds are a table of polygons and scenes (`object_kinds`). In each image the object is turned, mirrored, stretched
and shifted, its colours are drawn at random, and a power-law texture is added to object and scene. Objects are drawn at
four times their size and averaged, so that outlines are smooth.

`difficulty` divides the contrast between object and scene; at difficulty 1 it is the fraction `CONTRAST` of the full
contrast.
"""

import colorsys

import numpy as np
import PIL.Image
import PIL.ImageDraw
from jaxtyping import Float, Int, UInt8

from oncorobust.acquire.phantoms.object_kinds import KINDS, SCENES, Kind
from oncorobust.acquire.phantoms.texture import power_law
from oncorobust.base.errors import InputError

CONTRAST = 1.0
"""Fraction of the full contrast between object and scene at difficulty 1."""

SIDE = 32
_OVERSAMPLING = 4


def render_objects(
    labels: Int[np.ndarray, " n"], *, difficulty: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "n 32 32 3"]:
    """Draw one image per label, of its kind. Raises InputError for a label outside 0 to 9."""
    outside = labels[(labels < 0) | (labels >= len(KINDS))]
    if len(outside):
        raise InputError(f"expected labels from 0 to {len(KINDS) - 1}, got {outside[0]}")
    images = [_render(KINDS[label], CONTRAST / difficulty, rng) for label in labels]
    return np.stack(images) if images else np.zeros((0, SIDE, SIDE, 3), np.uint8)


def _render(kind: Kind, contrast: float, rng: np.random.Generator) -> UInt8[np.ndarray, "32 32 3"]:
    scene = _scene(kind.scenes[rng.integers(len(kind.scenes))], rng)
    thing, cover = _thing(kind, rng)
    texture = power_law((SIDE, SIDE), beta=1.5, rng=rng)[..., None]
    image = scene + contrast * cover * (thing + 0.05 * texture - scene)
    image = image * rng.uniform(0.8, 1.15) + rng.normal(0, 0.02, image.shape)
    return np.clip(np.round(255 * image), 0, 255).astype(np.uint8)


def _scene(name: str, rng: np.random.Generator) -> Float[np.ndarray, "32 32 3"]:
    upper, lower = (_colour(*hsv, rng) for hsv in SCENES[name])
    horizon = rng.uniform(8, 24)
    below = 1 / (1 + np.exp(horizon - np.arange(SIDE)))[:, None, None]
    texture = power_law((SIDE, SIDE), beta=2.0, rng=rng)[..., None]
    return upper + below * (lower - upper) + rng.uniform(0.03, 0.07) * texture


def _thing(kind: Kind, rng: np.random.Generator) -> tuple[Float[np.ndarray, "32 32 3"], Float[np.ndarray, "32 32 1"]]:
    """Render the object's colours and the fraction of each pixel that it covers."""
    low, high = kind.hues[rng.integers(len(kind.hues))]
    hue, saturation, value = rng.uniform(low, high), rng.uniform(0.1, 0.8), rng.uniform(0.3, 0.95)
    paints = {
        "body": _colour(hue, saturation, value, rng),
        "second": _colour(hue, saturation, 0.7 * value, rng),
        "dark": _colour(0.0, 0.0, 0.12, rng),
        "light": _colour(0.13, 0.15, 0.9, rng),
    }
    side = SIDE * _OVERSAMPLING
    canvas = PIL.Image.new("RGBA", (side, side))
    pen = PIL.ImageDraw.Draw(canvas)
    move, shift = _pose(rng)
    for part in kind.parts:
        corners = (np.array(part.corners) @ move.T + shift + 1) * side / 2
        fill = tuple(round(255 * float(level)) for level in np.clip(paints[part.paint], 0, 1))
        pen.polygon([tuple(corner) for corner in corners.tolist()], fill=(*fill, 255))
    # Colours are weighted by cover, so that the empty canvas does not darken the outline.
    drawn = np.asarray(canvas, dtype=np.float64).reshape(SIDE, _OVERSAMPLING, SIDE, _OVERSAMPLING, 4) / 255
    cover = drawn[..., 3:].mean(axis=(1, 3))
    colours = (drawn[..., :3] * drawn[..., 3:]).mean(axis=(1, 3))
    return colours / np.maximum(cover, 1e-9), cover


def _pose(rng: np.random.Generator) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, " 2"]]:
    """Draw the transformation of the corners: mirror, stretch and turn, then shift."""
    angle, mirror = rng.normal(0, 0.1), rng.choice([-1.0, 1.0])
    scale = rng.uniform(0.75, 0.95) * np.array([mirror, 1.0]) * np.exp(rng.normal(0, 0.1, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn * scale, rng.uniform(-0.12, 0.12, 2)


def _colour(hue: float, saturation: float, value: float, rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    """Return the colour as red, green and blue, about 0 to 1, with a small random deviation."""
    jitter = rng.normal(0, 0.03, 3)
    return np.clip(np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value)) + jitter, 0, 1)
