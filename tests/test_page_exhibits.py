"""Pictures, numbers and rows of the gallery and the table of images, against hand-computed values."""

import base64
import dataclasses
import io
import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from exhibits_page import HOSTILE, exhibits_page, gallery_source, image_rows, images_source

from oncorobust.base.errors import InputError
from oncorobust.base.layout import row_files
from oncorobust.report.page import gallery, images
from oncorobust.report.page.gallery import gallery_view, read_gallery, shortened
from oncorobust.report.page.images import images_view, read_image_rows, subgroup_columns
from oncorobust.report.page.pictures import magnification, perturbation_picture, picture, reduction
from oncorobust.report.tables.row_statistics import read_rows


def pixels(source):
    content = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    return np.asarray(PIL.Image.open(io.BytesIO(content)))


def test_a_picture_holds_the_pixels_of_the_image():
    image = np.array([[[0.0] * 3, [1.0] * 3], [[0.2, 0.4, 0.6], [2.0] * 3]], dtype=np.float32)
    assert pixels(picture(image)).tolist() == [[[0] * 3, [255] * 3], [[51, 102, 153], [255] * 3]]
    assert pixels(picture(image[:1])).tolist() == [[0, 255]]
    assert pixels(picture(image[:1, :, :1])).tolist() == [[0, 255]]


def test_a_perturbation_is_magnified_about_middle_grey():
    difference = np.array([[[-0.01] * 3, [0.0] * 3, [0.005] * 3]], dtype=np.float32)
    assert pixels(perturbation_picture(difference, epsilon=0.01)).tolist() == [[0, 128, 191]]
    assert magnification(0.01) == "50"


def test_large_images_are_reduced_by_a_whole_factor():
    image = np.zeros((130, 129, 3), dtype=np.float32)
    image[0:3, 0:3] = 1.0
    image[3, 0] = 0.7
    assert reduction(64, 64) == 1 and reduction(65, 10) == 2 and reduction(130, 129) == 3
    shown = pixels(picture(image))
    assert shown.shape == (43, 43)
    assert shown[0, 0] == 255 and shown[1, 0] == round(255 * 0.7 / 9)
    assert pixels(perturbation_picture(-image, epsilon=1.0))[1, 0] == round(255 * 0.15)


def test_probabilities_and_flips_by_hand():
    (tab,) = gallery_view([gallery_source(), gallery_source(model="hardened")])
    first, second = tab.blocks[0].images
    assert (tab.key, len(tab.blocks), tab.blocks[1].heading) == ("lidc", 2, "LIDC, hardened model")
    # softmax of (2, 0) and of (2, 4): 0.8808 and 0.1192
    assert [(bar.name, bar.percent) for bar in first.bars] == [("benign", "88.1"), ("malignant", "11.9")]
    assert [one.flipped for one in first.steps] == [False, True, True]
    assert [bar.percent for bar in first.steps[1].bars] == ["11.9", "88.1"]
    assert [bar.predicted for bar in first.steps[1].bars] == [False, True]
    assert first.flips_from == "flips from epsilon 0.004 (5.6 HU)"
    assert second.flips_from == "does not flip up to epsilon 0.02 (28 HU)"
    assert (first.steps[0].label, first.steps[0].magnification) == ("0.001 (1.4 HU)", "500")
    assert first.anchor != second.anchor


def test_of_many_classes_the_largest_and_the_true_one_are_shown():
    names = tuple(f"class {one}" for one in range(30))
    source = gallery_source(classes=names)
    logits = np.zeros((3, 2, 30), np.float32)
    logits[2, 0, 20:29] = 5.0
    gallery = dataclasses.replace(source.gallery, logits=logits, labels=np.array([15, 15]))
    ((first, _),) = (block.images for block in gallery_view([dataclasses.replace(source, gallery=gallery)])[0].blocks)
    shown = [bar.name for bar in first.bars]
    assert len(shown) == 10 and {"class 15", "class 0"} <= set(shown)
    assert [bar.name for bar in first.bars if bar.true] == ["class 15"]


def test_the_gallery_keeps_its_size(monkeypatch):
    sources = [gallery_source(ids=("a", "b", "c")), gallery_source(dataset="mnist")]
    whole = gallery_view(sources)
    assert [len(tab.blocks[0].images) for tab in whole] == [3, 2]
    size = sum(
        len(one.picture) + sum(len(step.perturbation) + len(step.adversarial) for step in one.steps)
        for tab in whole
        for one in tab.blocks[0].images
    )
    monkeypatch.setattr(gallery, "MOST_BYTES", size - 1)
    smaller = gallery_view(sources)
    assert [(len(tab.blocks[0].images), tab.blocks[0].left_out) for tab in smaller] == [(2, 1), (2, 0)]
    monkeypatch.setattr(gallery, "MOST_BYTES", 1)
    assert [len(tab.blocks[0].images) for tab in gallery_view(sources)] == [1, 1]
    assert "1 more stored images are left out" in exhibits_page(sources, [])


def test_a_gallery_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"reports/lidc/clean/examples.npz: .*expected an npz file"):
        read_gallery("lidc", "clean")
    (tmp_path / "reports/lidc/clean").mkdir(parents=True)
    np.savez("reports/lidc/clean/examples.npz", images=np.zeros(1), gallery_images=np.zeros((1, 2, 2, 3)))
    with pytest.raises(InputError, match=r"no arrays \['adversarial', .*run stage attack again"):
        read_gallery("lidc", "clean")


def content_of(view):
    return json.loads(view.json)["datasets"]


def test_columns_hold_the_rows():
    rows = image_rows([f"i{one}" for one in range(30)])
    (held,) = content_of(images_view([images_source(rows, anchors={("clean", "i3"): "there"})]))
    clean = rows.models["clean"]
    assert held["ids"] == rows.images["image_id"].tolist()
    assert [held["patients"][code] for code in held["patient"]] == rows.images["patient_id"].tolist()
    assert held["models"][0]["flipped"] == [None if np.isinf(one) else one for one in clean["first_flipped"]]
    assert held["models"][0]["predicted"] == clean["predicted"].tolist()
    assert held["models"][0]["anchors"][3] == "there" and held["models"][1]["anchors"][3] is None
    assert [one["name"] for one in held["groups"]] == ["split", "site"]
    site = held["groups"][1]
    assert [site["values"][code] for code in site["codes"]] == rows.images["site"].replace("", "not stated").tolist()


def test_subgroups_are_columns_of_few_values_without_decimals():
    images = image_rows([f"i{one}" for one in range(30)]).images
    images = images.assign(size_mm=["1.5", "2.5"] * 15, view=["CC", "MLO"] * 15, same="x", density=["1", "2", "3"] * 10)
    assert subgroup_columns(images) == ["split", "site", "view", "density"]


def test_pictures_and_rows_are_limited(monkeypatch):
    monkeypatch.setattr(images, "MOST_PICTURES", 10)
    monkeypatch.setattr(images, "MOST_ROWS", 20)
    sources = [images_source(image_rows([f"{key}{one}" for one in range(30)]), key=key) for key in ("a", "b")]
    view = images_view(sources)
    assert [len(one["pictures"]) for one in content_of(view)] == [5, 5]
    assert [len(one["models"][1]["margin"]) for one in content_of(view)] == [20, 20]
    assert [(one.total, one.listed) for one in view.tables] == [(60, 40), (60, 40)]
    assert "The table with scripts holds the 40 most sensitive rows." in exhibits_page([], sources)


def test_the_plain_table_holds_the_most_sensitive_rows():
    rows = image_rows([f"i{one}" for one in range(30)])
    (table,) = images_view([images_source(rows)]).tables
    both = pd.concat([one.assign(model=name) for name, one in rows.models.items()])
    wanted = both.sort_values("first_flipped", kind="stable").head(20)
    assert [(line[0], line[2]) for line in table.lines] == list(zip(wanted.index, wanted["model"], strict=True))


def test_ids_with_markup_end_no_element():
    ids = list(HOSTILE)
    page = exhibits_page([gallery_source(ids=ids)], [images_source(image_rows(ids))])
    assert "<script>document.title" not in page and "<img src=x" not in page and "x" * 200 not in page
    held = json.loads(page.split('id="images-data">')[1].split("</script>")[0])
    assert held["datasets"][0]["ids"] == [shortened(one) for one in ids]
    assert shortened(ids[0]) == ids[0] and len(shortened(ids[3])) == 120


def write_run(root, ids):
    """The rows of a data set of one model, and its index.csv, whose ids are text."""
    folder, processed = root / "reports/own/clean", root / "data/processed/own"
    folder.mkdir(parents=True)
    processed.mkdir(parents=True)
    rows = pd.DataFrame({"image_id": ["007", "NA"], "patient_id": ["1", "2"], "label": [0, 1], "attack": "none"})
    rows = rows.assign(epsilon=0.0, attacked_label="none", predicted=[0, 0], margin=[1.5, -0.5], linf=0.0)
    rows.to_csv(folder / "predictions.csv", index=False)
    found = rows[["image_id", "patient_id", "label", "predicted"]].assign(attack="fgsm")
    found.assign(last_safe=[0.2, 0.05], first_flipped=[np.inf, 0.1]).to_csv(folder / "intervals.csv", index=False)
    index = pd.DataFrame({"image_id": ids, "patient_id": "1", "label": "1", "split": "test"})
    index.to_csv(processed / "index.csv", index=False)


def rows_of(dataset):
    return {file: read_rows(file) for file in row_files(dataset, "clean")}


def test_rows_are_read_the_most_sensitive_first(tmp_path, monkeypatch):
    write_run(tmp_path, ["other", "007", "NA"])
    monkeypatch.chdir(tmp_path)
    found = read_image_rows("own", {"clean": "clean"}, rows_of("own"))
    assert found.images["image_id"].tolist() == ["NA", "007"]
    assert found.images["position"].tolist() == [2, 1]
    assert found.models["clean"]["first_flipped"].tolist() == [0.1, np.inf]
    assert found.models["clean"]["margin"].tolist() == [-0.5, 1.5]


def test_rows_of_an_image_that_is_in_no_index_are_refused(tmp_path, monkeypatch):
    write_run(tmp_path, ["007"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"own, clean model: no rows of the images NA \(expected those of the first"):
        read_image_rows("own", {"clean": "clean"}, rows_of("own"))
