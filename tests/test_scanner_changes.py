"""Changes of raw values: severities, what they need of an image, and the same bytes for the same seed."""

from dataclasses import replace

import numpy as np
import pytest
from scans import change_named, ct, examples, of, textured
from toy_pipeline import REPOSITORY

from oncorobust.base.errors import InputError
from oncorobust.scanner.changes import CHANGES, Change
from oncorobust.scanner.levels import LEVELS
from oncorobust.settings.acquisition import QUANTITIES

EXAMPLES = examples()
CASES = [(kind, change) for kind, scan in EXAMPLES.items() for change in CHANGES if change.why_not(scan) is None]
IDS = [f"{kind}-{change.name}" for kind, change in CASES]
OTHER_SEED = 1
"""A seed that draws the other phase encoding than 3, for ghosting."""
DRAWN = {"dose_noise", "bias_field", "rician_noise", "ghosting", "quantum_noise"}


def test_settings_levels_and_changes_name_the_same() -> None:
    names = [change.name for change in CHANGES]
    assert names == [one.change for one in QUANTITIES] == list(LEVELS)
    assert {change.name for _, change in CASES} == set(names), "no image of the tests takes some change"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_five_increasing_levels_lie_inside_physics(change: Change) -> None:
    assert len(change.levels) == 5
    assert list(change.levels) == sorted(set(change.levels))
    for severity in change.levels:
        change.quantity.check(severity, "level")
    assert change.quantity.neutral is None or change.levels[0] > change.quantity.neutral
    assert change.source.endswith(".")


def test_the_page_about_changes_states_range_neutral_severity_and_levels_of_each() -> None:
    page = (REPOSITORY / "docs" / "explanation" / "acquisition.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|") for line in page.splitlines() if line.startswith("| `")]
    stated = {cells[0].strip(" `"): [cell.strip() for cell in cells[3:]] for cells in rows if len(cells) == 6}
    assert list(stated) == [change.name for change in CHANGES]
    for change in CHANGES:
        found = change.quantity
        neutral = "" if found.neutral is None else f"{found.neutral:g}"
        levels = ", ".join(f"{severity:g}" for severity in change.levels)
        assert stated[change.name] == [f"{found.lowest:g} to {found.highest:g}", neutral, levels], change.name


@pytest.mark.parametrize(("kind", "change"), CASES, ids=IDS)
def test_a_change_keeps_shape_type_and_limits_and_repeats_to_the_byte(kind: str, change: Change) -> None:
    scan, severity = EXAMPLES[kind], change.levels[2]
    before = scan.values.copy()
    changed = change.apply(scan, severity, np.random.default_rng(3))
    assert changed.dtype == np.float32
    assert changed.shape == scan.values.shape
    assert np.isfinite(changed).all()
    if scan.limits is not None:
        assert scan.limits[0] <= changed.min() <= changed.max() <= scan.limits[1]
    assert not np.array_equal(changed, scan.values)
    np.testing.assert_array_equal(scan.values, before)
    for other in EXAMPLES.values():
        if change.why_not(other) is None:
            change.apply(other, severity, np.random.default_rng(5))
    assert change.apply(scan, severity, np.random.default_rng(3)).tobytes() == changed.tobytes()
    differs = change.apply(scan, severity, np.random.default_rng(OTHER_SEED)).tobytes() != changed.tobytes()
    assert differs == (change.name in DRAWN)


@pytest.mark.parametrize(("kind", "change"), CASES, ids=IDS)
def test_the_neutral_severity_gives_the_values_back(kind: str, change: Change) -> None:
    scan, neutral = EXAMPLES[kind], change.quantity.neutral
    if neutral is None:
        return
    changed = change.apply(scan, neutral, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, scan.values)


CONTINUOUS = [one for one in CASES if one[1].name not in {"jpeg", "jpeg2000", "window_8bit", "grey_levels"}]


@pytest.mark.parametrize(("kind", "change"), CONTINUOUS, ids=[f"{kind}-{change.name}" for kind, change in CONTINUOUS])
def test_next_to_the_neutral_severity_next_to_nothing_changes(kind: str, change: Change) -> None:
    scan, neutral = EXAMPLES[kind], change.quantity.neutral
    assert neutral is not None
    changed = change.apply(scan, neutral + 1e-6, np.random.default_rng(0))
    np.testing.assert_allclose(changed, scan.values, atol=0.1)


@pytest.mark.parametrize(("kind", "change"), CASES, ids=IDS)
def test_a_higher_level_changes_more(kind: str, change: Change) -> None:
    scan = EXAMPLES[kind]
    sizes = []
    for severity in change.levels:
        difference = change.apply(scan, severity, np.random.default_rng(2)).astype(np.float64) - scan.values
        sizes.append(float(np.sqrt(np.mean(difference**2))))
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_severity_outside_physics_is_refused_with_range_and_unit(change: Change) -> None:
    scan = next(one for one in EXAMPLES.values() if change.why_not(one) is None)
    low, high = change.quantity.lowest, change.quantity.highest
    for wrong in (low - 1, high + 1, float("nan")):
        with pytest.raises(InputError) as caught:
            change.apply(scan, wrong, np.random.default_rng(0))
        expected = f"severity: expected {change.name} from {low:g} to {high:g} {change.unit}, got {wrong:g}"
        assert str(caught.value) == expected


def test_why_not_names_what_is_missing() -> None:
    slice_of_ct, mr = ct(textured((160, 160), low=-900.0, high=100.0)), EXAMPLES["MR"]
    grey = replace(slice_of_ct, unit="grey level")
    reasons = [
        ("dose_noise", grey, "needs values in HU, found grey level"),
        ("dose_noise", mr, "needs CT, found MR"),
        ("dose_noise", EXAMPLES["grey"], "needs CT, found an image of another or unknown modality"),
        ("dose_noise", replace(slice_of_ct, spacing_mm=None), "needs the pixel spacing in mm, found none"),
        ("slice_thickness", slice_of_ct, "needs neighbouring slices, found none"),
        ("slice_thickness", EXAMPLES["MG"], "needs CT or MR, found MG"),
        ("rician_noise", of("MR", np.array([[-3.0, 1.0]])), "needs magnitudes of at least 0, found -3"),
        ("rician_noise", of("MR", np.zeros((4, 4))), "needs a signal, found 0 everywhere"),
        ("jpeg", of("other", np.eye(28)), "needs at least 128 x 128 pixels, found 28 x 28"),
        ("jpeg", of("other", np.ones((128, 128))), "needs at least two different values, found one"),
        ("quantum_noise", of("MG", np.ones((8, 8))), "needs at least two different values, found one"),
        ("grey_levels", slice_of_ct, "needs values without a physical unit, found HU (see window_8bit)"),
        (
            "blur",
            replace(EXAMPLES["colour"], modality="MG"),
            "needs one plane of values, found three (colours or planes)",
        ),
    ]
    for name, scan, reason in reasons:
        assert change_named(name).why_not(scan) == reason
        with pytest.raises(InputError, match=name):
            change_named(name).apply(scan, change_named(name).levels[0], np.random.default_rng(0))


def test_values_beyond_the_limits_are_cut() -> None:
    changed = change_named("hu_shift").apply(ct(np.array([[3070.0, -1024.0]])), 10.0, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, [[3071.0, -1014.0]])
