"""Checks that images, gradients and results of attacks are finite, and gradients beside points that have none.

Where a model normalises an image by its standard deviation or norm, or clips at a bound, its gradient at an exact tie,
such as a constant image, is not a number; backends differ at which ties. A direction from a point beside the tie serves
there, because each iterate inside the ball is a sound candidate, whichever direction led to it. A gradient that is not
finite beside the image either comes from a fault of the model, and is refused.
"""

from collections.abc import Callable, Sequence

import numpy as np

from oncorobust.base.arrays import Flags, Images, Logits, PerImage
from oncorobust.base.errors import InputError

_BESIDE = 1e-3
"""Largest change of a pixel between a tie and the point beside it, in [0, 1] units: a quarter of a level of 8 bits."""

_ROUNDING = 1e-6


def check_finite_images(x: Images, *, stage: str, names: np.ndarray | None = None) -> None:
    """Refuse images (n, h, w, c) with a value that is not finite. Raises InputError naming the images."""
    if not np.isfinite(x).all():
        raise InputError(
            f"{stage}: expected finite pixels, got values that are not finite in {_named(~_finite(x), names)}"
        )


def check_finite_logits(logits: Logits, *, stage: str, names: Sequence[str]) -> None:
    """Refuse logits (n, classes) that are not finite. Raises InputError naming the images."""
    if not np.isfinite(logits).all():
        bad = ~_finite(logits)
        raise InputError(f"{stage}: expected finite logits, got {logits[bad][0].tolist()} for {_named(bad, names)}")


def check_finite_margins(margin: PerImage, *, stage: str, names: np.ndarray | None = None) -> None:
    """Refuse margins (n,) that are not finite. Raises InputError naming the images."""
    if not np.isfinite(margin).all():
        bad = ~np.isfinite(margin)
        raise InputError(f"{stage}: expected finite logits, got a margin of {margin[bad][0]} for {_named(bad, names)}")


def finite_gradient(
    gradient: Images,
    x: Images,
    *,
    at: Callable[[np.ndarray, Images], Images],
    stage: str,
    names: np.ndarray | None = None,
) -> Images:
    """Return the gradient (n, h, w, c) of images x, taken at a point beside x where it is not finite.

    at: (positions, points) -> the gradient at other points, in place of the images at the positions. Raises InputError
    naming the images whose gradient is not finite there either.
    """
    broken = np.flatnonzero(~_finite(gradient))
    if len(broken) == 0:
        return gradient
    mended = np.array(gradient)
    mended[broken] = at(broken, beside(x[broken]))
    if not np.isfinite(mended[broken]).all():
        raise InputError(
            f"{stage}: expected finite gradients, got values that are not finite at, and beside, "
            f"{_named(~_finite(mended), names)}: look for square roots, norms, logarithms and divisions in the model"
        )
    return mended


def beside(x: Images) -> Images:
    """Return a point of the box near each image, up to 0.001 away in each pixel and nowhere at the image's own values.

    Pixels move by fixed, different amounts in fixed directions (into the box at its bounds), so that constant images
    and regions do not stay constant. An image's point does not depend on the other images.
    """
    move = _BESIDE * np.random.default_rng(0).uniform(0.5, 1, x.shape[1:]).astype(np.float32)
    up = np.random.default_rng(1).random(x.shape[1:]) < 0.5
    return np.where((x < _BESIDE) | (up & (x <= 1 - _BESIDE)), x + move, x - move).astype(np.float32)


def checked_result(
    x_adv: Images, x: Images, radius: float | np.ndarray, *, stage: str, names: np.ndarray | None = None
) -> Images:
    """Return an attack's images, float32, after checking that they are finite, in the ball and in the box [0, 1].

    radius: l_inf radius, broadcasts to the images. Raises ArithmeticError naming the images that fail.
    """
    with np.errstate(invalid="ignore"):
        change = np.abs(x_adv - x)
        # NaN fails each comparison.
        good = (change <= radius + _ROUNDING) & (x_adv >= 0) & (x_adv <= 1)
    if not good.all():
        bad = ~good.reshape(len(x), -1).all(axis=1)
        first = int(bad.argmax())
        raise ArithmeticError(
            f"{stage}: expected finite pixels in [0, 1] within {np.max(radius)} of the image, got a change of "
            f"{change[first].max()} and pixels in [{x_adv[first].min()}, {x_adv[first].max()}] in {_named(bad, names)}"
        )
    return x_adv.astype(np.float32, copy=False)


def _finite(values: np.ndarray) -> Flags:
    return np.isfinite(values).reshape(len(values), -1).all(axis=1)


def _named(bad: Flags, names: np.ndarray | Sequence[str] | None) -> str:
    """Return the first images by name, or by position where they have none."""
    positions = np.flatnonzero(bad)
    shown = positions[:3] if names is None else np.asarray(names)[positions[:3]]
    kind = "image" if np.asarray(shown).dtype.kind in "OUS" else "the image at position"
    rest = f" and {len(positions) - 3} more" if len(positions) > 3 else ""
    return f"{kind} {', '.join(map(str, shown))}{rest}"
