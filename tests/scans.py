"""Images as scanners make them, for the tests of the room `scanner`."""

import numpy as np
from scipy import ndimage

from oncorobust.formats.records import Modality, Scan, Stack
from oncorobust.scanner.changes import CHANGES, Change


def change_named(name: str) -> Change:
    """Return a change by its name."""
    return next(change for change in CHANGES if change.name == name)


def textured(shape: tuple[int, ...], *, low: float, high: float, seed: int = 0) -> np.ndarray:
    """Return smooth random values (float32) from low to high."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4)
    return (low + (high - low) * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


def ct(values: np.ndarray, *, spacing: tuple[float, float] = (0.7, 0.7), stack: Stack | None = None) -> Scan:
    """Return a CT slice in HU."""
    return Scan(values.astype(np.float32), "CT", "HU", (-1024.0, 3071.0), spacing, stack)


def of(modality: Modality, values: np.ndarray, *, spacing: tuple[float, float] | None = (1.0, 1.0)) -> Scan:
    """Return an image of another scanner, in stored values without limits."""
    return Scan(values.astype(np.float32), modality, "stored value", None, spacing)


def examples() -> dict[str, Scan]:
    """Return an image of each kind to which all changes of that kind apply."""
    values = textured((5, 160, 144), low=0.0, high=1000.0)
    stack = Stack(values, np.array([-3.0, -1.5, 0.0, 1.5, 3.0]))
    grey = np.rint(textured((160, 144), low=0.0, high=255.0)).astype(np.float32)
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    return {
        "CT": Scan(values[2] - 900, "CT", "HU", (-1024.0, 3071.0), (0.7, 0.7), Stack(values - 900, stack.positions_mm)),
        "MR": Scan(values[2], "MR", "stored value", None, (0.6, 0.6), stack),
        "MG": Scan(values[2], "MG", "stored value", None, (0.07, 0.07)),
        "grey": Scan(grey, "other", "grey level", (0.0, 255.0), None),
        "colour": Scan(colour, "other", "grey level", (0.0, 255.0), None),
    }
