"""The block `acquisition` of a data set: known changes, and severities inside physics, named with range and unit."""

import msgspec
import pytest

from oncorobust.base.errors import InputError
from oncorobust.settings.acquisition import QUANTITIES, Acquisition, check_acquisition, quantity

WHERE = "datasets.lung.acquisition"


def read(changes: object) -> Acquisition:
    """Return settings as params.yaml gives them."""
    return msgspec.convert({"changes": changes}, Acquisition)


def test_nothing_stated_means_all_changes_of_all_images_as_the_files_say() -> None:
    settings = msgspec.convert({}, Acquisition)
    assert (settings.modality, settings.changes, settings.max_images) == ("auto", "possible", None)
    check_acquisition(settings, WHERE)


@pytest.mark.parametrize(
    "changes",
    [
        {"dose_noise": [5, 10.5, 200]},
        {"hu_shift": [-10, -5, 5, 10], "rotation": [-3, 3], "jpeg": "literature"},
        {one.change: [one.lowest, one.highest] for one in QUANTITIES},
    ],
)
def test_severities_inside_physics_are_taken(changes: dict[str, object]) -> None:
    check_acquisition(read(changes), WHERE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ".changes: expected at least one change or `possible`, got none"),
        (
            {"dose_nois": [5]},
            ".changes.dose_nois: expected a known change, got 'dose_nois' (did you mean 'dose_noise'?)",
        ),
        ({"dose_noise": [5, 500]}, ".changes.dose_noise[1]: expected dose_noise from 0 to 200 HU, got 500"),
        ({"slice_thickness": [-1]}, ".changes.slice_thickness[0]: expected slice_thickness from 0 to 12 mm, got -1"),
        (
            {"kernel_sharp": [0.5]},
            ".changes.kernel_sharp[0]: expected kernel_sharp from 1 to 2 x the 50 % MTF frequency, got 0.5",
        ),
        (
            {"quantum_noise": [100]},
            ".changes.quantum_noise[0]: expected quantum_noise from 0 to 95 % of the dose removed, got 100",
        ),
        ({"jpeg": [15, 15]}, ".changes.jpeg: expected strictly increasing severities, got 15 before 15"),
        ({"jpeg": [24, 15]}, ".changes.jpeg: expected strictly increasing severities, got 24 before 15"),
    ],
)
def test_a_message_names_the_key_the_range_and_the_unit(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_acquisition(read(changes), WHERE)
    assert str(caught.value) == WHERE + message


def test_an_unknown_change_far_from_all_lists_them() -> None:
    with pytest.raises(InputError, match=r"known: dose_noise, kernel_sharp, .*grey_levels"):
        check_acquisition(read({"zzz": [1]}), WHERE)


@pytest.mark.parametrize(
    "changes", [{"jpeg": []}, {"jpeg": list(range(2, 12))}, {"jpeg": "all"}, "some", {"jpeg": ["x"]}]
)
def test_other_forms_are_refused(changes: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(changes)


def test_names_and_units() -> None:
    assert quantity("dose_noise").unit == "HU"
    assert len({one.change for one in QUANTITIES}) == len(QUANTITIES)
    for one in QUANTITIES:
        assert one.neutral is None or one.lowest <= one.neutral < one.highest
