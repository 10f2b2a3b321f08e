"""Epsilons in words for CT, mammograms, MRI and photographs."""

import pytest

from oncorobust.report.epsilon_words import epsilon_sentences


def summary(low, high, unit):
    return {"intensity_range": [low, high], "intensity_unit": unit}


@pytest.mark.parametrize(
    ("epsilon", "made", "told"),
    [
        (
            0.002,
            summary(-1100, 400, "HU"),
            "each pixel changes by at most 3 HU, which is 0.2\u00a0% of the window from −1,100 to 400 HU.",
        ),
        (
            0.002,
            summary(0, 65535, "grey level"),
            "each pixel changes by at most 131 stored grey levels, which is 0.2\u00a0% of the range from 0 to 65,535.",
        ),
        (
            0.1,
            summary(0, 255, "grey level"),
            "each pixel changes by at most 25.5 stored grey levels, which is 10\u00a0% of the range from 0 to 255.",
        ),
        (
            0.004,
            summary(0, 1, "share of the volume's 0.5 to 99.5 percentile"),
            "each pixel changes by at most 0.4\u00a0% of the range that is shown. The stored values have "
            "no physical unit: 0 to 1 (share of the volume's 0.5 to 99.5 percentile) become black to white.",
        ),
    ],
    ids=["CT", "mammogram", "photograph", "MRI"],
)
def test_the_first_sentence_follows_the_unit(epsilon, made, told):
    assert epsilon_sentences(epsilon, made)[0] == f"Epsilon {epsilon:g}: {told}"


def test_grey_levels_of_8_and_12_bits():
    _, told = epsilon_sentences(0.004, summary(0, 1, "stored value"))
    assert told == "In grey levels of a picture that shows this range, it is 1.02 of 8 bits and 16.4 of 12 bits."
    _, small = epsilon_sentences(0.001, summary(0, 255, "grey level"))
    assert small.endswith("A change below one half of a level can vanish when a picture is stored.")


@pytest.mark.parametrize(("epsilon", "where"), [(0.002, "below"), (0.01, "within"), (0.03, "above")])
def test_noise_is_compared_in_hounsfield_units_alone(epsilon, where):
    """3, 15 and 45 HU against 11.4 to 37.5 HU."""
    told = epsilon_sentences(epsilon, summary(-1100, 400, "HU"))
    assert told[-1].startswith(f"Epsilon is {where} the range of image noise measured in routine-dose chest CT")
    assert "10.1186/s41747-018-0064-3" in told[-1]
    assert not any("noise" in one for one in epsilon_sentences(epsilon, summary(0, 255, "grey level")))
