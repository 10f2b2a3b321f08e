"""From stored values to images in [0, 1]: golden pixels, one range for the whole set, and what does not fit."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.data.contact_sheet import draw_contact_sheet, write_contact_sheet
from oncorobust.data.dataset import load, read_dataset, write_images
from oncorobust.data.preprocess import Processed, process
from oncorobust.formats.records import RawImages, StoredImage
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.data import Augment, Manifest, Mnist, Preprocess, Split

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
NO_COPIES = Augment(copies=0, horizontal_flip=False, vertical_flip=False, max_rotation_degrees=0.0)


def make_settings(**changes: Any) -> Preprocess:
    split = Split(unit="patient", use_given=False, test_one_in=3, validation_one_in=3)
    defaults: dict[str, Any] = {
        "format": Manifest(),
        "crop_fraction": 1.0,
        "size": 32,
        "intensity_range": "format",
        "balance": "none",
        "split": split,
        "duplicates": "refuse",
        "per_class": None,
        "max_images": None,
    }
    return Preprocess(**{**defaults, **changes})


def make_raw(
    read: Callable[[int], np.ndarray], *, n: int = 36, limits: tuple[float, float] | None = (0.0, 255.0), **fields: Any
) -> RawImages:
    index = pd.DataFrame(
        {
            "image_id": [f"{row:03d}" for row in range(n)],
            "patient_id": [f"p{row // 2}" for row in range(n)],
            "label": [(row // 2) % 2 for row in range(n)],
            "source": [f"{row:03d}.png" for row in range(n)],
        }
    )
    defaults: dict[str, Any] = {
        "class_names": ("benign", "malignant"),
        "synthetic": False,
        "verified": "unverified",
        "intensity_unit": "grey level",
    }
    return RawImages(
        index=index, read=lambda row: StoredImage(values=read(row), limits=limits), **{**defaults, **fields}
    )


def flat(row: int) -> np.ndarray:
    return np.full((40, 50), row, dtype=np.uint8)


def test_summary_and_rows() -> None:
    processed = process(make_raw(flat), make_settings(), dataset="toy", seed=0)
    assert processed.shape == (36, 32, 32, 1)
    assert processed.index.columns.tolist() == ["image_id", "patient_id", "label", "class_name", "split", "source"]
    counts = {"benign": 4, "malignant": 4}
    assert processed.summary == {
        "dataset": "toy",
        "format": "manifest",
        "synthetic": False,
        "verified": "unverified",
        "class_names": ["benign", "malignant"],
        "class_order": "stated",
        "n_raw": 36,
        "n_images": 36,
        "n_patients": 18,
        "size": 32,
        "channels": 1,
        "intensity_range": [0.0, 255.0],
        "intensity_unit": "grey level",
        "counts": {"train": {"benign": 8, "malignant": 8}, "validation": counts, "test": {"benign": 6, "malignant": 6}},
        "patients": {"train": 8, "validation": 4, "test": 6},
        "split_unit": "patient",
        "notes": [],
    }


def test_further_columns_and_notes_of_the_format_are_kept() -> None:
    raw = make_raw(flat, notes=("two files were left out",))
    raw.index["diameter_mm"] = [float(row) for row in range(36)]
    raw.index["given_split"] = "train"
    processed = process(raw, make_settings(per_class=8, format=Mnist()), dataset="toy", seed=0)
    assert processed.index.columns.tolist()[6:] == ["diameter_mm"]
    assert processed.index["diameter_mm"].tolist() == [float(name) for name in processed.index["image_id"]]
    assert processed.summary["notes"] == ["two files were left out", "16 of 36 images were drawn, 8 of each class"]
    assert processed.index["label"].value_counts().to_dict() == {0: 8, 1: 8}


def three_classes() -> RawImages:
    raw = make_raw(flat, class_names=("cat", "deer", "dog"))
    return RawImages(**{**vars(raw), "index": raw.index.assign(label=[(row // 2) % 3 for row in range(36)])})


def test_only_the_named_classes_are_kept_in_the_order_of_the_data_set() -> None:
    processed = process(three_classes(), make_settings(classes=("dog", "cat")), dataset="toy", seed=0)
    images = list(processed.images)
    summary = processed.complete_summary()
    assert summary["class_names"] == ["cat", "dog"]
    assert (summary["n_raw"], summary["n_images"]) == (36, 24)
    assert summary["notes"][0] == "12 of 36 images were left out: class deer"
    assert {name for counts in summary["counts"].values() for name in counts} == {"cat", "dog"}
    assert len(images) == 24
    for image, row in zip(images, processed.index.itertuples(), strict=True):
        original = int(row.image_id)
        np.testing.assert_allclose(image, original / 255, rtol=1e-6)
        assert (row.label, row.class_name) == {0: (0, "cat"), 2: (1, "dog")}[(original // 2) % 3]


def test_per_class_counts_the_kept_classes_alone() -> None:
    settings = make_settings(classes=("cat", "dog"), per_class=12)
    assert process(three_classes(), settings, dataset="toy", seed=0).summary["n_images"] == 24


@pytest.mark.parametrize(("kept", "order"), [(("0", "1"), "numbered"), (("0", "2"), "sorted")])
def test_numbers_that_are_no_longer_those_of_the_classes_are_a_sorted_order(kept: tuple[str, ...], order: str) -> None:
    raw = RawImages(**{**vars(three_classes()), "class_names": ("0", "1", "2"), "class_order": "numbered"})
    summary = process(raw, make_settings(classes=kept), dataset="toy", seed=0).summary
    assert (summary["class_names"], summary["class_order"]) == (list(kept), order)


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    message = r"preprocess.classes: unknown class 'wolf' \(classes of the raw tree: cat, deer, dog\)"
    with pytest.raises(InputError, match=message):
        process(three_classes(), make_settings(classes=("cat", "wolf")), dataset="toy", seed=0)


def test_a_kept_class_without_images_leaves_too_few() -> None:
    raw = RawImages(**{**vars(three_classes()), "class_names": ("cat", "deer", "dog", "wolf")})
    with pytest.raises(InputError, match=r"expected images of at least two classes, got cat"):
        process(raw, make_settings(classes=("cat", "wolf")), dataset="toy", seed=0)


def test_row_i_belongs_to_image_i() -> None:
    settings = make_settings(balance="all", max_images=20)
    processed = process(make_raw(flat), settings, dataset="toy", seed=3)
    images = list(processed.images)
    assert len(images) == len(processed.index) < 36
    for image, name in zip(images, processed.index["image_id"], strict=True):
        np.testing.assert_allclose(image, int(name) / 255, rtol=1e-6)


def test_notes_say_what_was_left_out() -> None:
    labels = pd.Series([int(row >= 24) for row in range(36)])
    raw = make_raw(flat)
    raw = RawImages(**{**vars(raw), "index": raw.index.assign(label=labels)})
    split = Split(unit="image", use_given=False, test_one_in=3, validation_one_in=3)
    processed = process(raw, make_settings(balance="all", max_images=30, split=split), dataset="toy", seed=0)
    drawn, balanced, shared = processed.summary["notes"]
    assert drawn == "30 of 36 images were drawn, by patient (max_images 30)"
    assert balanced.endswith("images were left out for equal class counts (all)")
    assert shared.endswith("patients have images in more than one split")
    for part in processed.summary["counts"].values():
        assert part["benign"] == part["malignant"]


def test_given_range() -> None:
    raw = make_raw(lambda row: np.full((8, 8), row * 10.0), limits=None, intensity_unit="HU")
    processed = process(raw, make_settings(intensity_range=(100.0, 200.0)), dataset="toy", seed=0)
    assert [image[0, 0, 0] for image in processed.images][9:22:3] == pytest.approx([0, 0.2, 0.5, 0.8, 1])
    assert processed.summary["intensity_range"] == [100, 200]


def test_training_range_knows_training_images_only() -> None:
    """Each image holds its own thousand values; those of test and validation images must not move the range."""
    raw = make_raw(lambda row: (np.arange(64 * 64) % 1000 + 1000.0 * row).reshape(64, 64), limits=None)
    processed = process(raw, make_settings(intensity_range="training"), dataset="toy", seed=0)
    rows = processed.index.index[processed.index["split"] == "train"]
    pixels = np.concatenate([raw.read(row).values.ravel() for row in rows])
    assert processed.summary["intensity_range"] == pytest.approx(np.percentile(pixels, [0.5, 99.5]).tolist())
    assert {0, 35} - set(rows), "choose another seed: the extreme images are all in training"


def test_training_range_of_one_value() -> None:
    with pytest.raises(InputError, match=r"training images: 7\.0 from percentile 0\.5 to 99\.5 \(expected more"):
        process(make_raw(lambda _: np.full((8, 8), 7)), make_settings(intensity_range="training"), dataset="t", seed=0)


def test_format_without_limits() -> None:
    raw = make_raw(flat, limits=None, intensity_unit="HU")
    with pytest.raises(
        InputError, match=r"intensity_range is `format`, but the format sets no limits for HU values \(expected two"
    ):
        process(raw, make_settings(), dataset="toy", seed=0)


def test_images_of_other_depth() -> None:
    raw = make_raw(flat)
    mixed = RawImages(
        **{**vars(raw), "read": lambda row: StoredImage(flat(row), (0.0, 65535.0) if row == 30 else (0.0, 255.0))}
    )
    with pytest.raises(InputError, match=r"030\.png: expected limits 0 to 255, as in the first image, got .*65535"):
        list(process(mixed, make_settings(), dataset="toy", seed=0).images)


def test_images_of_other_channels() -> None:
    raw = make_raw(
        lambda row: np.eye(8, dtype=np.uint8)[:, :, None] * np.arange(3, dtype=np.uint8) if row == 30 else flat(0)
    )
    with pytest.raises(InputError, match=r"030\.png: expected 1 channels, as in the first image, got 3"):
        list(process(raw, make_settings(), dataset="toy", seed=0).images)


def test_sizes_may_differ() -> None:
    raw = make_raw(lambda row: np.full((10 + row, 60 - row), row, dtype=np.uint8))
    assert {image.shape for image in process(raw, make_settings(), dataset="t", seed=0).images} == {(32, 32, 1)}


@pytest.mark.parametrize(
    ("images", "changes", "told"),
    [
        (flat, {"max_images": 16}, r"got 8 patients .* 16 images of 8 .*; 16 of 36 images were drawn, by patient \("),
        (
            lambda row: np.arange(64).reshape(8, 8) + row // 4,
            {"duplicates": "group"},
            r"got 9 patients .* 36 images of 18 .*; identical images join these 18 patients to 9\)",
        ),
    ],
)
def test_a_refused_split_tells_what_there_was_to_split_and_why(images: Any, changes: Any, told: str) -> None:
    raw = make_raw(images, notes=("2 of 38 files were left out",))
    split = Split(unit="patient", use_given=False, test_one_in=12, validation_one_in=3)
    with pytest.raises(InputError, match=f"{told[:14]}.*there were .*; 2 of 38 files were left out"):
        process(raw, make_settings(split=split, **changes), dataset="toy", seed=0)
    with pytest.raises(InputError, match=rf"split.test_one_in is 12: expected at least 12 patients, {told}"):
        process(raw, make_settings(split=split, **changes), dataset="toy", seed=0)


def test_max_images_that_leave_one_class() -> None:
    with pytest.raises(InputError, match="max_images 2 leaves fewer than two classes"):
        process(make_raw(flat), make_settings(max_images=2), dataset="toy", seed=0)


def write(folder: Path, processed: Processed) -> None:
    write_images(
        folder / "images.npy", processed.images, shape=processed.shape, on_progress=Progress("preprocess toy").update
    )
    write_csv(folder / "index.csv", processed.index)
    write_results(folder / "summary.json", processed.summary)


@pytest.mark.parametrize("copies", [0, 3])
@pytest.mark.parametrize("synthetic", [False, True])
def test_contact_sheet(tmp_path: Path, copies: int, synthetic: bool) -> None:
    processed = process(make_raw(flat, synthetic=synthetic), make_settings(), dataset="$toy", seed=0)
    write(tmp_path, processed)
    augment = Augment(copies=copies, horizontal_flip=True, vertical_flip=False, max_rotation_degrees=20.0)
    for name in ("a.png", "b.png"):
        summary = processed.complete_summary()
        sheet = draw_contact_sheet(load(tmp_path), summary, processed.looks, settings=augment, seed=0)
        write_contact_sheet(tmp_path / name, sheet)
    texts = [text.get_text() for text in sheet.axes.texts]
    assert ("SYNTHETIC" in texts) is synthetic
    assert any("its 3 copies" in text for text in texts) is (copies == 3)
    assert any("36 images, 18 patients, 16 train, 8 validation, 12 test" in text for text in texts)
    assert any("black 0, white 255 (grey level)" in text for text in texts)
    assert texts.count("before") == texts.count("after") == 2
    # Two classes, before and after, with all of 6 training, 2 validation and 4 test images; 2 rows of 1 and 3 copies.
    assert len(sheet.tiles) == 2 * 2 * 12 + (8 if copies else 0)
    assert any(text.startswith("! 36 of 36 images are constant after preprocessing") for text in texts)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("missing", [0, 2])
@pytest.mark.parametrize("balance", ["none", "train", "all"])
def test_a_class_without_images_is_noted_and_has_an_empty_block(missing: int, balance: str, tmp_path: Path) -> None:
    names = [("none", "benign", "malignant"), (), ("benign", "malignant", "none")][missing]
    raw = make_raw(flat, class_names=names)
    raw.index["label"] += missing == 0
    processed = process(raw, make_settings(balance=balance), dataset="toy", seed=0)
    write(tmp_path, processed)
    data, summary = load(tmp_path), processed.summary
    assert "no image is of class none (of 3 classes)" in summary["notes"]
    assert [summary["counts"][split]["none"] for split in ("train", "validation", "test")] == [0, 0, 0]
    sheet = draw_contact_sheet(data, summary, processed.looks, settings=NO_COPIES, seed=0)
    assert len(sheet.tiles) == 2 * 2 * 12
    assert "none" in [text.get_text() for text in sheet.axes.texts]
    assert len(data.subset(7, seed=0)) == 7
    write_contact_sheet(tmp_path / "sheet.png", sheet)


def write_params(folder: Path, *, acquired: bool = True, **preprocess: Any) -> None:
    """The demo's parameters for its data set `mnist` alone, with other settings of preprocessing."""
    params = yaml.safe_load((Path(__file__).parents[1] / "presets" / "demo.yaml").read_text())
    params["run"]["datasets"] = ["mnist"]
    params["acquire"] = {"mnist": {"source": "packaged"}} if acquired else {}
    for section in (params["datasets"], params["report"]["columns"]):
        for name in set(section) - {"mnist"}:
            del section[name]
    params["datasets"]["mnist"]["preprocess"].update(preprocess)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def make_workplace(folder: Path, monkeypatch: pytest.MonkeyPatch, *, raw: Callable[[int], np.ndarray] = flat) -> None:
    """A folder with params.yaml and the raw tree of a data set `mnist` that is a manifest of npy files."""
    write_params(folder, acquired=False, format={"name": "manifest"}, max_images=None, intensity_range=[0.0, 255.0])
    tree = folder / "data" / "raw" / "mnist"
    tree.mkdir(parents=True)
    rows = [f"{row},{row}.npy,{'AB'[row % 2]},p{row}" for row in range(36)]
    (tree / "manifest.csv").write_text("\n".join(["image_id,path,label,patient_id", *rows]))
    for row in range(36):
        np.save(tree / f"{row}.npy", raw(row))
    monkeypatch.chdir(folder)


def run_script(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    monkeypatch.syspath_prepend(SCRIPTS)
    for module in ("stage", "stage_log"):  # pytest's output stays pytest's
        monkeypatch.setattr(f"oncorobust.pipeline.{module}.open_log", lambda: None)
    scope: dict[str, Any] = {"__name__": "script"}
    exec(compile((SCRIPTS / f"{name}.py").read_text(), f"{name}.py", "exec"), scope)
    run(scope["main"])


def test_script_writes_a_whole_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workplace(tmp_path, monkeypatch)
    run_script("preprocess", monkeypatch, "--dataset", "mnist")
    folder = tmp_path / "data" / "processed" / "mnist"
    assert sorted(path.name for path in folder.iterdir()) == [
        "contact_sheet.png",
        "images.npy",
        "index.csv",
        "raw_tree.csv",
        "summary.json",
    ]
    assert len(load(folder)) == 36
    assert Image.open(folder / "contact_sheet.png").size[0] == 1430
    assert "preprocess mnist: 36 of 36 images" in capsys.readouterr().err
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    run_script("preprocess", monkeypatch, "--dataset", "mnist")
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_script_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workplace(tmp_path, monkeypatch, raw=lambda row: np.full((8, 8), np.nan if row == 30 else 1.0))
    folder = tmp_path / "data" / "processed" / "mnist"
    folder.mkdir(parents=True)
    (folder / "images.npy").write_text("stale")
    with pytest.raises(SystemExit, match="1"):
        run_script("preprocess", monkeypatch, "--dataset", "mnist")
    assert list(folder.iterdir()) == []
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "error: expected finite values, got 64 that are NaN or infinite in data/raw/mnist/30.npy"


def test_scripts_name_an_unknown_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workplace(tmp_path, monkeypatch)
    for name in ("acquire", "preprocess"):
        with pytest.raises(SystemExit, match="1"):
            run_script(name, monkeypatch, "--dataset", "minst")
        assert capsys.readouterr().err == "error: expected --dataset mnist, got minst\n"


def test_acquire_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    run_script("acquire", monkeypatch, "--dataset", "mnist")
    assert (tmp_path / "data/raw/mnist/train-images-idx3-ubyte").stat().st_size == 16 + 5000 * 784
    write_params(tmp_path, acquired=False)
    with pytest.raises(SystemExit, match="1"):
        run_script("acquire", monkeypatch, "--dataset", "mnist")
    assert capsys.readouterr().err.splitlines()[-1] == "error: expected a key of acquire in params.yaml, got mnist"


def test_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_workplace(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["attack.py", "--dataset", "mnist", "--model", "adversarial"])
    arguments = parse("dataset", "model")
    assert (arguments.dataset, arguments.model) == ("mnist", "adversarial")
    monkeypatch.setattr(sys, "argv", ["attack.py", "--dataset", "mnist", "--model", "robust"])
    with pytest.raises(SystemExit, match="2"):
        parse("dataset", "model")
    assert "choose from" in capfd.readouterr().err


def test_reading_back(tmp_path: Path) -> None:
    processed = process(make_raw(flat), make_settings(), dataset="toy", seed=0)
    write(tmp_path, processed)
    data = read_dataset(tmp_path / "images.npy", tmp_path / "index.csv", tmp_path / "summary.json")
    written = data.rows.drop(columns="position")
    assert written.equals(processed.index.astype(written.dtypes))
    assert data.rows["position"].tolist() == list(range(len(data)))
    np.testing.assert_allclose(data.images()[:, 0, 0, 2], np.arange(36) / 255, rtol=1e-6)
