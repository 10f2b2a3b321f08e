"""What the contact sheet is made of: looks, tiles with boxes, histograms, and warnings on shortcuts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from test_preprocess import NO_COPIES, make_raw, make_settings, write

from oncorobust.data.appearances import Sample, choose_shown, group_widths
from oncorobust.data.contact_sheet import draw_contact_sheet, write_contact_sheet
from oncorobust.data.dataset import load
from oncorobust.data.preprocess import Processed, process
from oncorobust.data.sheet_tiles import SIDE, tile_of, tile_of_processed
from oncorobust.data.value_histograms import histograms
from oncorobust.formats.lesion_boxes import LESION_BOX, STORED_SIDE
from oncorobust.formats.records import RawImages, StoredImage

N = 60
RNG = np.random.default_rng(0)
NOISE = RNG.integers(1, 255, (N, 40, 40)).astype(np.uint8)


def noise(row: int) -> np.ndarray:
    return NOISE[row]


def label_of(row: int) -> int:
    return (row // 2) % 2


def made(read: Callable[[int], np.ndarray], **changes: Any) -> Processed:
    processed = process(make_raw(read, n=N), make_settings(**changes), dataset="toy", seed=0)
    for _ in processed.images:
        pass
    return processed


def warnings(processed: Processed) -> list[str]:
    notes = processed.complete_summary()["notes"]
    return [note.removeprefix("warning: ") for note in notes if note.startswith("warning: ")]


def test_images_without_a_fault_have_no_warning() -> None:
    assert warnings(made(noise)) == []


def test_extremes_are_named() -> None:
    def some(row: int) -> np.ndarray:
        dark = np.zeros((40, 40), np.uint8)
        dark[:2, :2] = 255
        return {0: np.full((40, 40), 7, np.uint8), 5: dark, 9: 255 - dark}.get(row, noise(row))

    assert warnings(made(some)) == [
        "1 of 60 images are constant after preprocessing: every pixel has one value: '000.png'",
        "1 of 60 images are nearly black (mean below 0.02): '005.png'",
        "1 of 60 images are nearly white (mean above 0.98): '009.png'",
    ]


def test_clipped_values_are_counted_by_class() -> None:
    def read(row: int) -> np.ndarray:
        values = noise(row).astype(float)
        values[:8] = 900.0 if label_of(row) else 100.0
        values[8] = -5.0
        return values

    processed = made(read, intensity_range=(0.0, 300.0))
    assert processed.looks.mean_shares(1) == pytest.approx((1 / 40, 8 / 40, 0))
    assert processed.looks.mean_shares(0) == pytest.approx((1 / 40, 0, 0))
    assert warnings(processed) == [
        "20 % of the values of class malignant lie above the white value (300) and are clipped",
    ]


@pytest.mark.parametrize(("side", "told"), [(16, False), (15, True)])
def test_enlargement_beyond_twice(side: int, told: bool) -> None:
    found = warnings(made(lambda row: noise(row)[:side, :side] if row == 3 else noise(row)))
    assert found == (
        ["1 of 60 images are enlarged more than 2 times, the smallest from 15 to 32 pixels: '003.png'"] if told else []
    )


def test_classes_of_different_sizes() -> None:
    (found,) = warnings(made(lambda row: noise(row)[: 40 - 3 * label_of(row) - row % 3]))
    assert found == (
        "the stored size in pixels is higher in class benign than in the others (AUC 1.00): a model may learn it in "
        "place of the subject"
    )


def test_a_few_images_of_another_size_are_no_shortcut() -> None:
    assert warnings(made(lambda row: noise(row)[:30] if row in (0, 1, 4) else noise(row))) == []


def test_corners_of_one_class() -> None:
    def read(row: int) -> np.ndarray:
        values = noise(row).copy()
        if label_of(row):
            values[:4] = values[-4:] = 0
        return values

    (found,) = warnings(made(read))
    assert found == (
        "100 % of class malignant, but 0 % of the others, have corners that are black: a model may learn it in place "
        "of the subject"
    )


@pytest.mark.parametrize("column", ["scanner", "Manufacturer", "site"])
def test_scanners_of_one_class(column: str) -> None:
    raw = make_raw(noise, n=N)
    raw.index[column] = ["A" if label_of(row) or row % 10 == 0 else "B" for row in range(N)]
    processed = process(raw, make_settings(), dataset="toy", seed=0)
    list(processed.images)
    assert any(f"of the others, have {column} " in found for found in warnings(processed))


def test_padding_and_depth_of_one_class(tmp_path: Path) -> None:
    def read(row: int) -> StoredImage:
        padded = np.zeros((40, 40), bool)
        padded[:10] = label_of(row)
        limits = (0.0, 4095.0) if label_of(row) else (0.0, 255.0)
        return StoredImage(noise(row), limits, padded=padded, lossy=label_of(row) == 1)

    raw = make_raw(noise, n=N)
    raw = RawImages(**{**vars(raw), "read": read})
    processed = process(raw, make_settings(intensity_range=(0.0, 255.0)), dataset="toy", seed=0)
    write(tmp_path, processed)
    found = " ".join(warnings(processed))
    assert "the share of padding is higher in class malignant" in found or "lower in class benign" in found
    assert "have a range of stored values of 0 to" in found
    assert "have compression with" in found
    assert processed.looks.mean_shares(1)[2] == pytest.approx(0.25)
    sheet = draw_contact_sheet(
        load(tmp_path), processed.complete_summary(), processed.looks, settings=NO_COPIES, seed=0
    )
    assert any("padding 25.0 %" in text.get_text() for text in sheet.axes.texts)


def test_tiles_keep_the_shape_and_show_the_box() -> None:
    values = np.zeros((36, 72))
    values[9:18, 18:36] = 5.0
    tile = tile_of(values, np.array([9.0, 18.0, 18.0, 36.0])).pixels
    assert tile.shape == (SIDE, SIDE, 3)
    assert (tile[:18] == 235).all() and (tile[54:] == 235).all(), "nothing above and below a wide image"
    assert (tile[18 + 9 : 18 + 18, 18:36] == 255).all(), "the lesion is left free"
    orange = (tile == (255, 159, 28)).all(axis=2)
    rows, columns = np.nonzero(orange)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (26, 36, 17, 36)
    assert orange.sum() == 2 * 20 + 2 * 9


def test_tiles_of_processed_images_are_not_stretched() -> None:
    tile = tile_of_processed(np.full((36, 36, 1), 0.5, np.float32), np.full(4, np.nan)).pixels
    assert (tile == 128).all()


def test_a_constant_image_as_stored_is_grey() -> None:
    assert (tile_of(np.full((5, 5), 7.0), None).pixels == 128).all()


def test_widths_of_the_splits() -> None:
    assert group_widths(["train", "validation", "test"]) == {"train": 6, "validation": 2, "test": 4}
    assert group_widths(["train", "test"]) == {"train": 7, "test": 5}
    assert group_widths(["test"]) == {"test": 12}


def test_shown_images_are_of_their_class_and_split() -> None:
    chosen = pd.DataFrame({"label": [k % 2 for k in range(40)], "split": ["train"] * 30 + ["test"] * 10})
    shown = choose_shown(chosen, seed=1)
    assert list(shown) == [(0, "train"), (0, "test"), (1, "train"), (1, "test")]
    assert [len(positions) for positions in shown.values()] == [7, 5, 7, 5]
    for (label, split), positions in shown.items():
        assert set(chosen["label"][positions]) == {label}
        assert set(chosen["split"][positions]) == {split}


def test_samples_stay_small() -> None:
    sample = Sample()
    for number in range(20_000):
        sample.add(np.full((10, 10), number))
    kept = np.unique(sample.all())
    assert len(kept) <= 4097
    assert (np.diff(kept) == sample.every).all(), "evenly spaced images"


def test_histograms_hold_the_values() -> None:
    processed = made(lambda row: np.clip(noise(row), 0, 50) if label_of(row) else noise(row))
    before, after = histograms(processed.looks)
    for histogram in (before, after):
        assert histogram.pooled.sum() == pytest.approx(1)
        assert [shares.sum() for shares in histogram.of_class.values()] == pytest.approx([1, 1])
    assert before.marks == (0.0, 255.0)
    assert before.of_class[1][before.edges[:-1] > 50].sum() == 0
    assert before.of_class[0][before.edges[:-1] > 50].sum() > 0.7


def test_lesion_boxes_before_and_after(tmp_path: Path) -> None:
    raw = make_raw(lambda row: np.full((40, 40), 100 + row % 3, np.uint8), n=N)
    boxes = [(10.0, 10.0, 20.0, 20.0) if label_of(row) else (np.nan,) * 4 for row in range(N)]
    raw.index[list(LESION_BOX)] = boxes
    raw.index[STORED_SIDE] = 40
    processed = process(raw, make_settings(), dataset="toy", seed=0)
    write(tmp_path, processed)
    sheet = draw_contact_sheet(
        load(tmp_path), processed.complete_summary(), processed.looks, settings=NO_COPIES, seed=0
    )
    write_contact_sheet(tmp_path / "sheet.png", sheet)
    pixels = np.asarray(PIL.Image.open(tmp_path / "sheet.png"))
    for tile, left, top in sheet.tiles:
        np.testing.assert_array_equal(pixels[top : top + SIDE, left : left + SIDE], tile.pixels)
    boxed = [bool((tile.pixels == (255, 159, 28)).all(axis=2).any()) for tile, _, _ in sheet.tiles]
    assert boxed == [False] * 24 + [True] * 24, "class 0 before and after, then class 1"
    assert any("Box: the lesion." in text.get_text() for text in sheet.axes.texts)
