"""Title, five severities and their source for each change. docs/explanation/acquisition.md gives the formulas.

A source states what was read there. Where it gives a range, the levels lie inside; where none was found, it says so.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Levels:
    """Title of a change, five increasing severities in its unit, and where they come from."""

    title: str
    severities: tuple[float, float, float, float, float]
    source: str


LEVELS = {
    "dose_noise": Levels(
        "Noise of a lower dose",
        (10, 15, 20, 30, 40),
        "Noise indices 15, 20, 30 and 40 HU of low-dose chest CT in Chen et al. 2014, Combining automatic tube current "
        "modulation with adaptive statistical iterative reconstruction for low-dose chest CT screening, PLOS ONE 9, "
        "e92414; 10 HU added below them. The noise is added to the one that the image has.",
    ),
    "hu_shift": Levels(
        "Shift of CT numbers",
        (5, 7, 10, 15, 23),
        "Judy, Nawfel and Silverman 2009, Systematic scanner variability of patient CT attenuation measurements: 10 HU "
        "(spleen), 15 HU (air in the trachea) and 23 HU (spleen of 40 cm patients) between two scanners of one vendor. "
        "5 and 7 HU: range by usual tolerances of water in quality control.",
    ),
}
