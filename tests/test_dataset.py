"""A processed data set: parts of it, what a model is given, and files that do not belong together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.data.dataset import LabelledImages, load, write_images

N = 12


def make_index() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"{row:03d}" for row in range(N)],
            "patient_id": ["NA", "1e5", *["007"] * (N - 2)],
            "label": [row % 3 // 2 for row in range(N)],  # 8 of class 0, 4 of class 1
            "class_name": [["benign", "malignant"][row % 3 // 2] for row in range(N)],
            "split": ["train"] * 6 + ["validation"] * 3 + ["test"] * 3,
            "source": "a.png",
        }
    )


def make_pixels(channels: int = 1) -> np.ndarray:
    values = np.arange(N, dtype=np.float32)[:, None, None, None] / N
    return np.broadcast_to(values, (N, 4, 5, channels)).copy()


def write_folder(folder: Path, *, channels: int = 1) -> Path:
    np.save(folder / "images.npy", make_pixels(channels))
    write_csv(folder / "index.csv", make_index())
    write_results(
        folder / "summary.json",
        {"dataset": "toy", "class_names": ["benign", "malignant"], "synthetic": True, "notes": []},
    )
    return folder


@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_three_channels(tmp_path: Path, channels: int) -> None:
    data = load(write_folder(tmp_path, channels=channels))
    images = data.images(np.array([5, 2]))
    assert (images.shape, images.dtype) == ((2, 4, 5, 3), np.float32)
    np.testing.assert_array_equal(images[:, 0, 0], np.repeat([[5 / N], [2 / N]], 3, axis=1).astype(np.float32))
    assert data.images(slice(3, 5))[:, 0, 0, 0].tolist() == pytest.approx([3 / N, 4 / N])


def test_fields(tmp_path: Path) -> None:
    data = load(write_folder(tmp_path))
    assert (len(data), data.name, data.class_names, data.synthetic) == (N, "toy", ("benign", "malignant"), True)
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [0, 0, 1] * 4
    assert data.image_ids[:2] == ["000", "001"]
    assert data.rows["patient_id"].tolist()[:3] == ["NA", "1e5", "007"]
    assert isinstance(data.pixels, np.memmap)


def test_parts_keep_their_own_pixels(tmp_path: Path) -> None:
    test = load(write_folder(tmp_path)).select("test")
    assert test.image_ids == ["009", "010", "011"]
    np.testing.assert_allclose(test.images()[:, 0, 0, 0], [9 / N, 10 / N, 11 / N], rtol=1e-6)
    again = test.take(np.array([2, 0]))
    assert (again.image_ids, again.labels.tolist()) == (["011", "009"], [1, 0])
    np.testing.assert_allclose(again.images()[:, 0, 0, 0], [11 / N, 9 / N], rtol=1e-6)
    assert again.pixels is test.pixels


def test_split_without_images(tmp_path: Path) -> None:
    data = load(write_folder(tmp_path)).select("train")
    with pytest.raises(InputError, match="toy: no test images"):
        data.select("test")


@pytest.mark.parametrize(("max_images", "counts"), [(6, [4, 2]), (3, [2, 1]), (4, [3, 1]), (1, [1, 0]), (12, [8, 4])])
def test_subset_keeps_the_shares(tmp_path: Path, max_images: int, counts: list[int]) -> None:
    part = load(write_folder(tmp_path)).subset(max_images, seed=0)
    assert np.bincount(part.labels, minlength=2).tolist() == counts
    assert part.image_ids == sorted(part.image_ids)


def test_subset_is_drawn_with_the_seed(tmp_path: Path) -> None:
    data = load(write_folder(tmp_path))
    assert data.subset(6, seed=0).image_ids == data.subset(6, seed=0).image_ids
    assert len({tuple(data.subset(6, seed=seed).image_ids) for seed in range(5)}) > 1
    assert data.subset(None, seed=0) is data


def test_images_are_written_one_by_one(tmp_path: Path) -> None:
    told = []
    pixels = make_pixels()
    write_images(tmp_path / "a.npy", iter(pixels), shape=pixels.shape, on_progress=lambda *step: told.append(step))
    np.save(tmp_path / "b.npy", pixels)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert told == [(done, N, "images") for done in range(1, N + 1)]


@pytest.mark.parametrize("value", [255.0, -0.01, np.nan, np.inf])
def test_values_outside_the_unit_interval(tmp_path: Path, value: float) -> None:
    pixels = make_pixels()
    pixels[7, 1, 1, 0] = value
    np.save(write_folder(tmp_path) / "images.npy", pixels)
    data = load(tmp_path)
    assert len(data.images(slice(0, 7))) == 7
    with pytest.raises(InputError, match=r"toy, image .*, pixel \(1, 1, 0\): expected a value in \[0, 1\], got "):
        data.images()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images.npy", b"", r"images\.npy: expected an array of images, got "),
        ("images.npy", b"\x93NUMPY\x01\x00", r"images\.npy: expected an array of images, got "),
        ("index.csv", b"", r"index\.csv: expected a CSV with one row per image, got "),
        ("index.csv", b"image_id,label\n1,a\n", r"index\.csv: expected a CSV with one row per image, got "),
        ("summary.json", b"{", r"expected a JSON file, got .* in .*summary\.json"),
        ("summary.json", b"{}", r"expected schema_version 1, got none in .*summary\.json"),
        (
            "summary.json",
            b'{"schema_version": 1}',
            r"summary\.json: no key class_names \(found: schema_version\)",
        ),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (write_folder(tmp_path) / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("name", ["images.npy", "index.csv", "summary.json"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    (write_folder(tmp_path) / name).unlink()
    with pytest.raises(InputError, match=f"No such file.*{name}"):
        load(tmp_path)


def test_truncated_images(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "images.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"images\.npy: expected an array of images, got "):
        load(tmp_path)


@pytest.mark.parametrize("column", ["image_id", "patient_id", "class_name", "split", "source", "label"])
def test_missing_column(tmp_path: Path, column: str) -> None:
    write_csv(write_folder(tmp_path) / "index.csv", make_index().drop(columns=column))
    with pytest.raises(InputError, match=rf"index\.csv: no column {column} \(found: "):
        load(tmp_path)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_csv(write_folder(tmp_path) / "index.csv", make_index()[:-1])
    with pytest.raises(InputError, match=r"index\.csv: 11 rows for 12 images in .*images\.npy"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("pixels", "changes", "message"),
    [
        (make_pixels(2), {}, "toy: expected float32 images of shape n x h x w x 1 or 3, got float32 12 x 4 x 5 x 2"),
        (make_pixels().astype(np.float64), {}, "expected float32 images .*, got float64 12 x 4 x 5 x 1"),
        (make_pixels()[..., 0], {}, "toy: expected float32 images .*, got float32 12 x 4 x 5$"),
        (make_pixels()[:5], {}, "toy: a row has a position outside 0 to 4"),
        (make_pixels(), {"image_id": "same"}, "toy: an image_id occurs twice"),
        (make_pixels(), {"label": 2}, "toy: a label is not between 0 and 1"),
        (make_pixels(), {"split": "val"}, r"toy: an unknown split \(known: train, validation, test\)"),
    ],
)
def test_checks_on_construction(pixels: np.ndarray, changes: dict[str, object], message: str) -> None:
    rows = make_index().assign(position=range(N)).assign(**changes)
    with pytest.raises(InputError, match=message):
        LabelledImages(rows=rows, pixels=pixels, class_names=("a", "b"), synthetic=False, name="toy")
