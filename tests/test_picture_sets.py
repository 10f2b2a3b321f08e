"""Sets of pictures: shape, channels, orientation, padding and range over all images, and the notes on them."""

import numpy as np
import pytest
from test_preprocess import make_raw, make_settings

from oncorobust.base.errors import InputError
from oncorobust.data.channels import count_channels, with_channels, without_equal_channels
from oncorobust.data.conversion import centre_crop, pad_square
from oncorobust.data.preprocess import process
from oncorobust.formats.records import RawImages

COLOUR = np.dstack([np.full((8, 8), grey, np.uint8) for grey in (10, 20, 200)])


def varied(row: int, shape: tuple[int, ...] = (8, 8)) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, shape).astype(np.uint8)


def in_three(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[:, :, None], 3, axis=2)


def converted(raw: RawImages, **changes: object) -> tuple[np.ndarray, list[str]]:
    processed = process(raw, make_settings(**changes), dataset="toy", seed=0)
    images = np.stack(list(processed.images))
    assert images.shape == processed.shape
    return images, processed.complete_summary()["notes"]


def lesion_at_the_top(row: int) -> np.ndarray:
    values = np.full((400, 250), 40, np.uint8)
    values[10:50, 100:140] = 255 if row % 4 > 1 else 40
    return values


def test_crop_says_what_it_leaves_out_and_pad_keeps_it() -> None:
    raw = make_raw(lambda row: lesion_at_the_top(row) if row < 30 else varied(row, (250, 250)))
    images, notes = converted(raw)
    assert images[raw.index["label"].to_numpy()[:30].nonzero()[0]].max() < 1
    note = next(note for note in notes if "not square" in note)
    assert note.startswith("30 of 36 images are not square: the central square leaves out 37.5 % of their pixels")
    assert "'000.png' (400 x 250), '001.png' (400 x 250), '002.png' (400 x 250) and others" in note
    assert "preprocess.fit: pad" in note
    images, notes = converted(raw, fit="pad")
    assert images.max(axis=(1, 2, 3)).max() == 1
    assert "30 of 36 images are not square and were padded with black (preprocess.fit: pad)" in "\n".join(notes)
    assert not images[:, :, :5].reshape(36, -1).any(axis=1).all()  # black beside the image


def test_square_images_have_no_note_on_shape() -> None:
    assert "square" not in "\n".join(converted(make_raw(varied), fit="pad")[1])


def test_pad_keeps_pixels_in_the_middle() -> None:
    values = np.arange(1, 7, dtype=np.float32).reshape(3, 2, 1)
    assert pad_square(values)[:, :, 0].tolist() == [[1, 2, 0], [3, 4, 0], [5, 6, 0]]
    assert pad_square(values.reshape(2, 3, 1))[:, :, 0].tolist() == [[1, 2, 3], [4, 5, 6], [0, 0, 0]]
    assert centre_crop(np.zeros((40, 20)), fraction=0.75, fit="pad").shape == (30, 20)
    assert centre_crop(np.zeros((40, 20)), fraction=0.25, fit="pad").shape == (10, 10)


def test_grey_in_three_equal_channels_is_grey() -> None:
    grey, _ = converted(make_raw(varied))
    images, notes = converted(make_raw(lambda row: in_three(varied(row))))
    np.testing.assert_array_equal(images, grey)
    assert "36 of 36 images are grey, stored in three equal channels; one was kept (preprocess.channels: auto)" in notes


def test_one_channel_here_and_three_equal_ones_there() -> None:
    images, notes = converted(make_raw(lambda row: in_three(varied(row)) if row % 2 else varied(row)))
    assert images.shape[3] == 1
    assert any(note.startswith("18 of 36 images are grey, stored in three") for note in notes)


def test_one_image_in_colour_makes_the_set_colour() -> None:
    raw = make_raw(lambda row: COLOUR if row == 35 else in_three(varied(row)))
    images, notes = converted(raw)
    assert images.shape[3] == 3
    assert not any("channel" in note for note in notes)


@pytest.mark.parametrize("first", [0, 1])
def test_a_mixed_set_is_refused_with_the_way_out(first: int) -> None:
    raw = make_raw(lambda row: COLOUR if (row < 30) == first else varied(row))
    with pytest.raises(InputError, match=r"\.png: expected [13] channels.* got [13] .*preprocess.channels to grey or"):
        list(process(raw, make_settings(), dataset="toy", seed=0).images)
    images, notes = converted(raw, channels="colour", duplicates="allow")
    assert images.shape[3] == 3
    assert any("images are grey and have three equal channels (preprocess.channels: colour)" in one for one in notes)
    images, notes = converted(raw, channels="grey", duplicates="allow")
    assert images.shape[3] == 1
    assert any("images in colour were replaced by their luminance (preprocess.channels: grey)" in one for one in notes)


def test_luminance() -> None:
    found = with_channels(COLOUR, 1, "grey", source="a")
    np.testing.assert_allclose(found, 0.299 * 10 + 0.587 * 20 + 0.114 * 200, rtol=1e-6)
    assert with_channels(in_three(varied(0)), 1, "grey", source="a").dtype == np.uint8


def test_counting_channels_stops_at_the_first_answer() -> None:
    def endless(first: np.ndarray, second: np.ndarray):
        yield first
        yield second
        raise AssertionError("read on")

    assert count_channels(endless(in_three(varied(0)), COLOUR), "auto") == 3
    assert count_channels(endless(in_three(varied(0)), varied(1)), "auto") == 1
    assert count_channels([], "colour") == 3
    assert without_equal_channels(COLOUR) is COLOUR


def test_faint_colour_is_noted() -> None:
    def tinted(row: int) -> np.ndarray:
        values = in_three(varied(row) // 2)
        values[:, :, 1] += 2
        return values

    _, notes = converted(make_raw(tinted), intensity_range=(0.0, 255.0))
    assert any("differ by at most 2: if the images are grey, set preprocess.channels to grey" in note for note in notes)


def test_identical_images_in_one_and_three_channels_are_found() -> None:
    raw = make_raw(lambda row: in_three(varied(0)) if row == 35 else varied(row))
    _, notes = converted(raw, duplicates="allow")
    assert any(note.startswith("2 of 36 images have an identical copy") for note in notes)


@pytest.mark.parametrize(
    ("top", "limits", "said"),
    [
        (4095, (0.0, 65535.0), "use 6.2 % of the format's range 0 to 65535"),
        (1000, (0.0, 65535.0), r"set preprocess.intensity_range to [0, 1023] or training"),
        (4095, (0.0, 4095.0), ""),
        (100, (0.0, 255.0), "[0, 127]"),
        (100, (-32768.0, 32767.0), "[0, 127]"),
    ],
)
def test_a_range_that_is_hardly_used_is_noted(top: int, limits: tuple[float, float], said: str) -> None:
    def values(row: int) -> np.ndarray:
        return np.linspace(0, top, 64).reshape(8, 8).astype(np.uint16) + np.uint16(0) * row

    notes = "\n".join(converted(make_raw(values, limits=limits), duplicates="allow")[1])
    assert ("use" in notes and said in notes) if said else "contrast" not in notes
    assert "contrast" not in "\n".join(
        converted(make_raw(values, limits=limits), duplicates="allow", intensity_range="training")[1]
    )
