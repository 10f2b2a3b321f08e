"""Archives: compression ratios that files really have, and grey levels counted."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from scans import change_named, ct, examples, textured

from oncorobust.formats.records import Scan
from oncorobust.scanner.archives import jpeg2000_ratio, jpeg_ratio

KINDS = examples()


def lung(size: int) -> Scan:
    """Return a CT slice with noise of 20 HU."""
    noise = 20 * np.random.default_rng(7).standard_normal((size, size))
    return ct(textured((size, size), low=-900.0, high=100.0) + noise)


def noisy_grey(shape: tuple[int, ...]) -> Scan:
    noise = 4 * np.random.default_rng(8).standard_normal(shape)
    values = np.rint(textured(shape, low=20.0, high=235.0) + noise).clip(0, 255)
    return Scan(values.astype(np.float32), "other", "grey level", (0.0, 255.0), None)


IMAGES = {
    "lung 512": lung(512),
    "lung 128": lung(128),
    "grey 128": noisy_grey((128, 128)),
    "grey 300": noisy_grey((300, 200)),
    "colour": noisy_grey((160, 160, 3)),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize(("change", "reached"), [("jpeg", jpeg_ratio), ("jpeg2000", jpeg2000_ratio)])
def test_the_file_has_the_ratio_asked_for(name: str, change: str, reached: Callable[[Scan, float], float]) -> None:
    for ratio in change_named(change).levels:
        assert reached(IMAGES[name], ratio) == pytest.approx(ratio, rel=0.1)


def test_a_ratio_counts_8_bits_of_grey_levels_and_12_of_raw_values() -> None:
    """The file of the best quality, written by Pillow itself, has the ratio that is reported for it."""
    grey = noisy_grey((128, 128))
    stream = io.BytesIO()
    PIL.Image.fromarray(grey.values.astype(np.uint8)).save(stream, "JPEG", quality=100, optimize=True)
    assert jpeg_ratio(grey, 1.0) == pytest.approx(128 * 128 / len(stream.getvalue()), rel=0.01)
    raw = replace(grey, limits=None, values=grey.values * 16)
    assert jpeg2000_ratio(raw, 12.0) == pytest.approx(12.0, rel=0.1)


def test_jpeg_of_grey_levels_is_what_pillow_reads_back() -> None:
    """At the tables of quality 50 the search ends where Pillow's own file of that quality lies."""
    grey = noisy_grey((128, 128))
    stream = io.BytesIO()
    PIL.Image.fromarray(grey.values.astype(np.uint8)).save(stream, "JPEG", quality=50, optimize=True)
    expected = np.asarray(PIL.Image.open(stream)).astype(np.float32)
    ratio = 128 * 128 / len(stream.getvalue())
    changed = change_named("jpeg").apply(grey, ratio, np.random.default_rng(0))
    error, difference = np.abs(expected - grey.values).mean(), np.abs(changed - expected).mean()
    assert difference < 0.2 * error
    np.testing.assert_array_equal(changed, np.rint(changed))


def test_only_the_loss_of_compression_is_added_to_raw_values() -> None:
    """At a low ratio the difference is far below the step of 8 bits, about 4 HU, to which JPEG rounds."""
    scan = replace(lung(256), values=textured((256, 256), low=-900.0, high=100.0))
    changed = change_named("jpeg2000").apply(scan, 2.0, np.random.default_rng(0))
    np.testing.assert_allclose(changed, scan.values, atol=0.6)
    changed = change_named("jpeg").apply(scan, 6.0, np.random.default_rng(0)).astype(np.float64)
    in_steps = (changed - scan.values) / (np.ptp(scan.values.astype(np.float64)) / 255)
    np.testing.assert_allclose(in_steps, np.rint(in_steps), atol=1e-3)


def test_a_window_keeps_256_levels_from_minus_1024() -> None:
    scan = replace(ct(np.linspace(-1024, 3071, 4096)[None, :]))
    changed = change_named("window_8bit").apply(scan, 2040.0, np.random.default_rng(0))
    np.testing.assert_allclose(np.unique(changed), -1024 + 8 * np.arange(256), atol=1e-3)
    inside = scan.values[0] < 1016
    assert np.abs(changed - scan.values)[0, inside].max() <= 4.001
    np.testing.assert_allclose(changed[0, ~inside], 1016)


@pytest.mark.parametrize(("severity", "count"), [(0.392, 256), (1.587, 64), (6.667, 16), (50.0, 3)])
def test_grey_levels_are_counted(severity: float, count: int) -> None:
    raw = Scan(np.linspace(100, 5000, 20000, dtype=np.float32)[None, :], "MR", "stored value", None, None)
    changed = change_named("grey_levels").apply(raw, severity, np.random.default_rng(0))
    levels = np.unique(changed)
    assert len(levels) == count
    assert (levels[0], levels[-1]) == (100.0, 5000.0)
    assert np.abs(changed - raw.values).max() <= 4900 / (count - 1) / 2 + 0.01


def test_8_bits_of_an_8_bit_picture_change_nothing() -> None:
    picture = replace(KINDS["grey"], values=np.clip(KINDS["grey"].values, 3, 200))
    changed = change_named("grey_levels").apply(picture, 0.392, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, picture.values)
