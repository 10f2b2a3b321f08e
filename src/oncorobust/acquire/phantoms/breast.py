"""Mammographic phantoms of masses with the frequencies of shapes and margins in CBIS-DDSM.

Shape and margins of a mass, and its density, assessment and subtlety, are sampled with their frequencies in its class
among the 1,696 real masses. Rendering depends only on these five attributes; nothing else reveals the class. Tissue is
a field with power spectrum 1 / f^beta, beta 2.8 on average (Burgess, SPIE 5034, 2003), of which the densest part is
glandular. The mass is the projection of a lumpy ball that has, depending on the margins, a blurred or hidden border,
small lobules, or radiating spicules (after VICTRE's breastMass: de Sisternes et al. 2015). The more suspicious the
assessment, the denser the mass and the more marked these signs.

`difficulty` divides the mass's contrast, whose median is `CONTRAST` standard deviations of the tissue at difficulty 1.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt16
from scipy.ndimage import gaussian_filter

from oncorobust.acquire.phantoms.texture import (
    Axes,
    Field,
    axes_about,
    bumpy_radius,
    norm,
    power_law,
    project,
    random_direction,
    soft_step,
    spicules,
)

CONTRAST = 9.0
"""Median contrast of a mass at difficulty 1, in standard deviations of the tissue."""

FULL_SHAPE = (320, 256)
"""Rows and columns of the whole mammogram; the chest wall is on its left edge."""

MARGINS = ("CIRCUMSCRIBED", "OBSCURED", "MICROLOBULATED", "ILL_DEFINED", "SPICULATED", "N/A")
MASS_COUNTS: dict[str, tuple[tuple[int, int], ...]] = {
    "ROUND": ((70, 9), (33, 1), (12, 2), (28, 17), (21, 20), (0, 0)),
    "OVAL": ((139, 10), (130, 12), (48, 28), (73, 29), (26, 25), (0, 0)),
    "LOBULATED": ((154, 24), (84, 10), (56, 34), (84, 50), (8, 8), (0, 0)),
    "IRREGULAR": ((0, 0), (21, 7), (15, 14), (192, 136), (294, 267), (0, 0)),
    "OTHER": ((31, 0), (1, 0), (0, 0), (58, 30), (58, 40), (60, 11)),
}
"""Numbers of masses and of malignant masses for each shape, in the order of MARGINS, from CBIS-DDSM's mass CSVs
(training and test); of several shapes or margins the most suspicious one counts."""

DENSITY_COUNTS = {False: (178, 399, 244, 91), True: (159, 358, 205, 62)}
"""Numbers of masses with breast density 1 to 4, by malignancy; from CBIS-DDSM's mass CSVs, as are the next two."""

ASSESSMENT_COUNTS = {False: (140, 0, 90, 315, 356, 11), True: (22, 3, 1, 49, 346, 363)}
"""Numbers of masses with BI-RADS assessment 0 to 5, by malignancy."""

SUBTLETY_COUNTS = {False: (21, 64, 229, 276, 320), True: (34, 77, 129, 177, 367)}
"""Numbers of masses with subtlety 1 (hardly visible) to 5 (obvious), by malignancy, without two of subtlety 0."""

_AXIS_RATIO = {"ROUND": 1.0, "OVAL": 0.7, "LOBULATED": 0.85, "IRREGULAR": 0.85, "OTHER": 0.75}
_BUMPS = {"ROUND": (0.03, 6), "OVAL": (0.04, 6), "LOBULATED": (0.15, 5), "IRREGULAR": (0.30, 12), "OTHER": (0.20, 9)}
"""Bumpiness of the outline and number of its waves."""
_SUSPICION = (0.4, 0.0, 0.1, 0.3, 0.6, 1.0)
"""Strength of the signs of malignancy, 0 to 1, for BI-RADS assessment 0 (incomplete) to 5."""

_EDGE = {  # as a share of the mass's radius
    "CIRCUMSCRIBED": 0.04,
    "OBSCURED": 0.08,
    "MICROLOBULATED": 0.06,
    "ILL_DEFINED": 0.22,
    "SPICULATED": 0.10,
    "N/A": 0.25,
}


@dataclass(frozen=True)
class MassAttributes:
    """A mass's attributes in the CSV files.

    shape: a key of MASS_COUNTS. margins: one of MARGINS. density: 1 to 4. assessment: 0 to 5. subtlety: 1 to 5.
    """

    shape: str
    margins: str
    density: int
    assessment: int
    subtlety: int
    malignant: bool


@dataclass(frozen=True)
class BreastPhantom:
    """A mammogram, the mask of its mass, and the box (top, left, height, width) of the cropped lesion."""

    full: UInt16[np.ndarray, "rows cols"]
    mask: Bool[np.ndarray, "rows cols"]
    box: tuple[int, int, int, int]


def sample_masses(n: int, *, rng: np.random.Generator) -> list[MassAttributes]:
    """Draw n masses in random order, half of them malignant (rounded down)."""
    return [_sample_mass(bool(malignant), rng) for malignant in rng.permutation(np.arange(n) % 2)]


def _sample_mass(malignant: bool, rng: np.random.Generator) -> MassAttributes:
    kinds = [(shape, margins) for shape in MASS_COUNTS for margins in MARGINS]
    counts = [(both - cancer, cancer) for row in MASS_COUNTS.values() for both, cancer in row]
    shape, margins = kinds[_draw([count[malignant] for count in counts], rng)]
    return MassAttributes(
        shape=shape,
        margins=margins,
        density=1 + _draw(DENSITY_COUNTS[malignant], rng),
        assessment=_draw(ASSESSMENT_COUNTS[malignant], rng),
        subtlety=1 + _draw(SUBTLETY_COUNTS[malignant], rng),
        malignant=malignant,
    )


def _draw(counts: list[int] | tuple[int, ...], rng: np.random.Generator) -> int:
    """Draw a position with a probability proportional to its count."""
    return int(rng.choice(len(counts), p=np.array(counts) / sum(counts)))


def render_breast(attributes: MassAttributes, *, difficulty: float, rng: np.random.Generator) -> BreastPhantom:
    """Render a mammogram with one mass; the sides of the box around it are 100 to 180 pixels."""
    tissue, breast = _tissue(attributes.density, rng)
    box = _place_box(rng)
    top, left, height, width = box
    spot = (slice(top, top + height), slice(left, left + width))
    radius = rng.uniform(0.42, 0.66) * min(height, width) / 2
    centre = tuple((side - 1) / 2 + rng.normal(0, 0.03 * side) for side in (height, width))
    axes = axes_about((height, width), spacing=(1.0, 1.0), centre=centre)
    body, inside = _mass(attributes, axes, radius, rng)
    contrast = rng.lognormal(np.log(CONTRAST / difficulty), 0.2) * (0.8 + 0.05 * attributes.subtlety)
    contrast *= 0.4 + 1.2 * _SUSPICION[attributes.assessment]  # suspicious masses are dense
    tissue[spot] += np.float32(contrast) * body
    tissue += np.float32(0.15) * gaussian_filter(rng.standard_normal(FULL_SHAPE, dtype=np.float32), 0.6)
    mask = np.zeros(FULL_SHAPE, bool)
    mask[spot] = inside
    grey = rng.normal(16000, 1200) + rng.uniform(2400, 3000) * tissue
    full = np.clip(grey * breast, 0, 65535).astype(np.uint16)
    return BreastPhantom(full, mask, box)


def _tissue(density: int, rng: np.random.Generator) -> tuple[Field, Field]:
    """Render parenchyma, in standard deviations of its texture, and the share of breast in each pixel."""
    nipple_row = FULL_SHAPE[0] / 2 + rng.uniform(-10, 10)
    axes = axes_about(FULL_SHAPE, spacing=(1.0, 1.0), centre=(nipple_row, 0.0))
    reach = (axes[0] / np.float32(rng.uniform(165, 190))) ** 2 + (axes[1] / np.float32(rng.uniform(215, 240))) ** 2
    texture = power_law(FULL_SHAPE, beta=rng.normal(2.8, 0.25), rng=rng)
    gland = soft_step(0.9 - 0.35 * density + reach - texture, width=0.5) * soft_step(reach - 0.75, width=0.08)
    ligaments = power_law(FULL_SHAPE, beta=1.5, rng=rng) * np.float32(0.15)
    return texture + np.float32(2.0) * gland + ligaments, soft_step(reach - 0.97, width=0.012)


def _place_box(rng: np.random.Generator) -> tuple[int, int, int, int]:
    side, aspect = rng.uniform(112, 160), np.exp(rng.uniform(-0.03, 0.03))
    height, width = round(side * aspect), round(side / aspect)
    return int(rng.integers(40, 281 - height)), int(rng.integers(2, 191 - width)), height, width


def _mass(
    attributes: MassAttributes, axes: Axes, radius: float, rng: np.random.Generator
) -> tuple[Field, Bool[np.ndarray, "rows cols"]]:
    """Render the thickness of the mass at each pixel, at most 1, and the mask inside its outline."""
    direction = random_direction(2, rng)
    stretch = _AXIS_RATIO[attributes.shape] ** 0.5
    turned = (project(axes, direction) * stretch, project(axes, (-direction[1], direction[0])) / np.float32(stretch))
    bumpiness, n_waves = _BUMPS[attributes.shape]
    if attributes.margins == "MICROLOBULATED":
        bumpiness, n_waves = bumpiness + 0.06, 16
    marked = 0.7 + 0.5 * _SUSPICION[attributes.assessment]
    outline = bumpy_radius(turned, bumpiness=bumpiness * marked, n_waves=n_waves, rng=rng) * np.float32(radius)
    distance = norm(turned)
    dome = np.sqrt(np.clip(1 - (distance / outline) ** 2, 0, 1))
    edge = soft_step(distance - outline, width=_EDGE[attributes.margins] * radius)
    body = 0.5 * dome + 0.5 * edge
    if attributes.margins == "OBSCURED":  # tissue in front hides one side
        hidden = soft_step(-project(axes, random_direction(2, rng)), width=0.15 * radius)
        body = body * (1 - 0.75 * hidden)
    if attributes.margins == "SPICULATED":
        lengths = (0.4 * radius, 1.1 * radius)
        directions = [random_direction(2, rng) for _ in range(rng.integers(14, 30))]
        lines = spicules(axes, directions=directions, inner=radius, lengths=lengths, width=0.12 * radius, rng=rng)
        body = np.maximum(body, np.float32(0.75 * marked) * lines)
    return body.astype(np.float32), distance < outline
