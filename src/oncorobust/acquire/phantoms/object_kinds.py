"""Table of the ten kinds of objects that stand in for CIFAR-10's classes, and of their scenes.

A kind consists of a few polygons and ovals in a square from -1 to 1, the colour role of each, the hues that its body
may have, and its scenes. Kinds share hues, scenes and parts (wheels, legs, fur), so that no single cue separates them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Points = tuple[tuple[float, float], ...]
"""Corners (x to the right, y down) in a square from -1 to 1."""

Paint = Literal["body", "second", "dark", "light"]


@dataclass(frozen=True)
class Part:
    """A polygon of an object, and which of the object's colours fills it."""

    paint: Paint
    corners: Points


@dataclass(frozen=True)
class Kind:
    """A kind of object: its parts from back to front, the hues its body may have, and its scenes."""

    parts: tuple[Part, ...]
    hues: tuple[tuple[float, float], ...]
    scenes: tuple[str, ...]


def _oval(paint: Paint, x: float, y: float, width: float, height: float) -> Part:
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    corners = tuple((x + width * float(np.cos(angle)), y + height * float(np.sin(angle))) for angle in angles)
    return Part(paint, corners)


def _box(paint: Paint, left: float, top: float, right: float, bottom: float) -> Part:
    return Part(paint, ((left, top), (right, top), (right, bottom), (left, bottom)))


def _legs(*places: float, top: float, bottom: float) -> tuple[Part, ...]:
    return tuple(_box("second", x - 0.06, top, x + 0.06, bottom) for x in places)


_WHEELS = (_oval("dark", -0.5, 0.38, 0.2, 0.2), _oval("dark", 0.5, 0.38, 0.2, 0.2))
_FUR = ((0.04, 0.12), (0.55, 0.62))
_COAT = ((0.04, 0.10),)
_LACQUER = ((0.0, 0.03), (0.1, 0.16), (0.55, 0.65), (0.97, 1.0))

KINDS = (
    Kind(  # airplane
        (
            Part("second", ((-0.1, 0.0), (0.25, 0.0), (-0.3, 0.7), (-0.5, 0.7))),
            Part("second", ((-0.1, 0.0), (0.25, 0.0), (-0.3, -0.6), (-0.5, -0.6))),
            Part("second", ((-0.9, -0.4), (-0.75, -0.4), (-0.5, 0.0), (-0.85, 0.0))),
            _oval("body", 0.0, 0.0, 0.95, 0.14),
            _oval("dark", 0.7, -0.04, 0.1, 0.05),
        ),
        ((0.55, 0.65), (0.0, 0.05)),
        ("sky", "sky", "road"),
    ),
    Kind(  # automobile
        (
            Part("body", ((-0.5, -0.05), (-0.3, -0.4), (0.3, -0.4), (0.55, -0.05))),
            Part("light", ((-0.38, -0.08), (-0.24, -0.32), (0.24, -0.32), (0.4, -0.08))),
            _box("body", -0.9, -0.08, 0.9, 0.35),
            *_WHEELS,
        ),
        _LACQUER,
        ("road", "road", "meadow"),
    ),
    Kind(  # bird
        (
            Part("second", ((-0.95, 0.1), (-0.4, -0.12), (-0.3, 0.15))),
            _oval("body", 0.0, 0.0, 0.5, 0.3),
            _oval("body", 0.45, -0.3, 0.2, 0.19),
            Part("light", ((0.6, -0.35), (0.9, -0.25), (0.6, -0.2))),
            Part("second", ((-0.3, -0.1), (0.25, -0.05), (-0.3, 0.3))),
            *_legs(-0.05, 0.15, top=0.25, bottom=0.6),
        ),
        ((0.0, 0.15), (0.5, 0.65)),
        ("sky", "meadow", "wood"),
    ),
    Kind(  # cat
        (
            _oval("body", 0.0, 0.65, 0.5, 0.45),
            Part("body", ((-0.55, -0.75), (-0.5, 0.0), (-0.05, -0.35))),
            Part("body", ((0.55, -0.75), (0.5, 0.0), (0.05, -0.35))),
            _oval("body", 0.0, -0.05, 0.55, 0.45),
            _oval("light", -0.22, -0.12, 0.11, 0.1),
            _oval("light", 0.22, -0.12, 0.11, 0.1),
            _oval("dark", 0.0, 0.1, 0.07, 0.06),
        ),
        _FUR,
        ("room", "room", "meadow"),
    ),
    Kind(  # deer
        (
            _oval("body", -0.1, 0.05, 0.5, 0.24),
            *_legs(-0.5, -0.3, 0.12, 0.3, top=0.1, bottom=0.85),
            Part("body", ((0.2, -0.05), (0.42, -0.5), (0.58, -0.45), (0.4, 0.15))),
            _oval("body", 0.62, -0.45, 0.22, 0.12),
            Part("second", ((0.42, -0.5), (0.15, -0.95), (0.22, -0.95), (0.5, -0.55))),
            Part("second", ((0.5, -0.5), (0.6, -0.98), (0.67, -0.98), (0.58, -0.52))),
        ),
        _COAT,
        ("meadow", "wood"),
    ),
    Kind(  # dog
        (
            _oval("body", 0.0, 0.7, 0.45, 0.45),
            _oval("body", 0.0, -0.1, 0.45, 0.5),
            Part("second", ((-0.35, -0.5), (-0.7, -0.3), (-0.65, 0.3), (-0.4, 0.0))),
            Part("second", ((0.35, -0.5), (0.7, -0.3), (0.65, 0.3), (0.4, 0.0))),
            _oval("light", 0.0, 0.18, 0.25, 0.22),
            _oval("dark", 0.0, 0.08, 0.12, 0.09),
            _oval("dark", -0.18, -0.2, 0.07, 0.07),
            _oval("dark", 0.18, -0.2, 0.07, 0.07),
        ),
        _FUR,
        ("room", "meadow"),
    ),
    Kind(  # frog
        (
            _oval("second", -0.6, 0.35, 0.32, 0.2),
            _oval("second", 0.6, 0.35, 0.32, 0.2),
            _oval("body", 0.0, 0.15, 0.6, 0.4),
            _oval("body", -0.3, -0.25, 0.18, 0.18),
            _oval("body", 0.3, -0.25, 0.18, 0.18),
            _oval("dark", -0.3, -0.27, 0.09, 0.09),
            _oval("dark", 0.3, -0.27, 0.09, 0.09),
        ),
        ((0.2, 0.38), (0.08, 0.12)),
        ("wood", "meadow", "sea"),
    ),
    Kind(  # horse
        (
            Part("second", ((-0.55, -0.15), (-0.9, 0.1), (-0.8, 0.5), (-0.5, 0.1))),
            _oval("body", -0.1, 0.0, 0.52, 0.3),
            *_legs(-0.48, -0.3, 0.15, 0.33, top=0.1, bottom=0.85),
            Part("body", ((0.1, -0.1), (0.4, -0.75), (0.6, -0.65), (0.4, 0.15))),
            Part("second", ((0.02, -0.2), (0.36, -0.85), (0.42, -0.7), (0.2, -0.1))),
            Part("body", ((0.38, -0.78), (0.85, -0.45), (0.78, -0.32), (0.45, -0.5))),
        ),
        _COAT,
        ("meadow", "road"),
    ),
    Kind(  # ship
        (
            _box("second", -0.35, -0.35, 0.3, 0.05),
            _box("dark", -0.1, -0.7, 0.05, -0.35),
            _box("light", -0.28, -0.25, 0.22, -0.1),
            Part("body", ((-0.95, 0.05), (0.95, 0.05), (0.7, 0.45), (-0.75, 0.45))),
        ),
        ((0.0, 0.05), (0.55, 0.65)),
        ("sea", "sea", "sky"),
    ),
    Kind(  # truck
        (
            _box("body", -0.95, -0.6, 0.35, 0.3),
            _box("second", 0.38, -0.25, 0.9, 0.3),
            _box("light", 0.55, -0.17, 0.85, 0.05),
            _oval("dark", -0.6, 0.38, 0.19, 0.19),
            _oval("dark", -0.15, 0.38, 0.19, 0.19),
            _oval("dark", 0.6, 0.38, 0.19, 0.19),
        ),
        _LACQUER,
        ("road", "road", "meadow"),
    ),
)
"""The ten kinds, in the order of CIFAR-10's labels."""

SCENES = {  # hue, saturation and value above and below the horizon
    "sky": ((0.58, 0.40, 0.85), (0.58, 0.25, 0.92)),
    "road": ((0.58, 0.15, 0.75), (0.10, 0.05, 0.50)),
    "meadow": ((0.28, 0.30, 0.65), (0.26, 0.50, 0.50)),
    "wood": ((0.25, 0.45, 0.35), (0.10, 0.45, 0.40)),
    "room": ((0.10, 0.20, 0.70), (0.06, 0.35, 0.50)),
    "sea": ((0.57, 0.25, 0.85), (0.56, 0.50, 0.55)),
}
