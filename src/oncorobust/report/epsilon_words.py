"""An epsilon in words, for the images of a data set: in stored units, in grey levels, and as a share of a window.

The words follow the unit of the stored values: Hounsfield units for CT, grey levels for mammograms and photographs, and
a range without physical unit for MRI and other values. Noise is compared where a source states it in the same unit:
den Harder et al., Emphysema quantification using chest CT: influence of radiation dose reduction and reconstruction
technique, Eur Radiol Exp 2018, doi 10.1186/s41747-018-0064-3, Table 2 (medians at routine dose, in the aorta).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.units import epsilon_in_grey_levels, epsilon_in_stored_units

_BITS = (8, 12)
_NOISE_HU = (11.4, 37.5)
"""Noise of routine-dose chest CT by reconstruction: model-based iterative, filtered back projection."""


def epsilon_sentences(epsilon: float, summary: Mapping[str, Any]) -> list[str]:
    """Return what an epsilon means for the images of a data set. summary: content of its summary.json."""
    low, high = map(float, summary["intensity_range"])
    change = epsilon_in_stored_units(epsilon, intensity_range=(low, high))
    told = f"Epsilon {epsilon_text(epsilon)}: each pixel changes by at most "
    share, window = f"{100 * epsilon:.3g}\u00a0%", f"{low:,.10g} to {high:,.10g}".replace("-", "−")
    if summary["intensity_unit"] == "HU":
        told += f"{change:.3g} HU, which is {share} of the window from {window} HU."
    elif summary["intensity_unit"] == "grey level":
        told += f"{change:.3g} stored grey levels, which is {share} of the range from {window}."
    else:
        told += f"{share} of the range that is shown. The stored values have no physical unit: "
        told += f"{window} ({summary['intensity_unit']}) become black to white."
    return [told, _grey_levels(epsilon), *_noise(change, summary["intensity_unit"])]


def _grey_levels(epsilon: float) -> str:
    levels = " and ".join(f"{epsilon_in_grey_levels(epsilon, bits=bits):.3g} of {bits} bits" for bits in _BITS)
    finest = epsilon_in_grey_levels(epsilon, bits=_BITS[0])
    text = f"In grey levels of a picture that shows this range, it is {levels}."
    return f"{text} A change below one half of a level can vanish when a picture is stored." if finest < 0.5 else text


def _noise(change: float, unit: str) -> Iterator[str]:
    if unit != "HU":
        return
    least, most = _NOISE_HU
    where = "above" if change > most else "below" if change < least else "within"
    yield (
        f"Epsilon is {where} the range of image noise measured in routine-dose chest CT: median standard deviation "
        f"{least} HU with model-based iterative reconstruction, {most} HU with filtered back projection (den Harder "
        "et al., 2018, doi 10.1186/s41747-018-0064-3, Table 2). Noise is random and an attack is chosen, so this says "
        "how visible a change is, not how likely."
    )
