"""Rounding of images to files of 8, 12 or 16 bits, and whether an adversarial example survives it.

A file of b bits holds the whole grey levels k = 0 ... 2^b - 1, read back as k / (2^b - 1). Rounding undoes every change
of less than half a level of a pixel that was stored before, so no epsilon below

    1 / (2 (2^b - 1))        0.00196 for 8 bits, 0.00012 for 12, 0.0000076 for 16

leaves anything of a perturbation; one level is 1/255 = 0.0039 for 8 bits, about the largest epsilon of the paper. The
stored image lies within epsilon and half a level of the image it was made from. float32 holds all 65,536 levels of 16
bits apart (its mantissa has 24 bits).
"""

import numpy as np
from jaxtyping import UInt8, UInt16

from oncorobust.attacks.goals import Goal
from oncorobust.attacks.linf import Found
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Flags, Images
from oncorobust.base.units import grey_levels


def to_stored(x: Images, *, bits: int) -> UInt8[np.ndarray, "n h w c"] | UInt16[np.ndarray, "n h w c"]:
    """Return the whole grey levels nearest to images in [0, 1], ready for a file (halves round to even)."""
    return np.round(x * np.float32(grey_levels(bits))).astype(np.uint8 if bits <= 8 else np.uint16)


def round_to_bits(x: Images, *, bits: int) -> Images:
    """Return images (n, h, w, c) in [0, 1] as they come back from a file of `bits`, float32."""
    return to_stored(x, bits=bits).astype(np.float32) / np.float32(grey_levels(bits))


def survives_rounding(target: Target, found: Found, goal: Goal, *, bits: int) -> Flags:
    """Return which images (n,) stay flipped after storing in `bits`; one forward pass per flipped image."""
    survives = found.flipped
    positions = np.flatnonzero(survives)
    if len(positions):
        stored = round_to_bits(found.x_adv[positions], bits=bits)
        survives[positions] = target.margins(stored, goal.at(positions)) < 0
    return survives
