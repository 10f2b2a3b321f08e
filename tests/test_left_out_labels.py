"""Labels that are withheld or missing: which patients lose theirs, that nothing reads them, and what is refused."""

import copy
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from test_manifest import HEADER, write_tree
from test_preprocess import flat, make_raw, make_settings

from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.data.dataset import load, write_images
from oncorobust.data.left_out_labels import labelled_patients
from oncorobust.data.preprocess import Processed, process
from oncorobust.data.tree_facts import count_splits
from oncorobust.data.unlabelled import UnlabelledImages, load_unlabelled
from oncorobust.formats.manifest import open_manifest, read_listed
from oncorobust.formats.records import NO_LABEL, RawImages
from oncorobust.report.model_text import training_text
from oncorobust.settings.data import Split
from oncorobust.settings.load import parse_params

GIVEN = Split(unit="patient", use_given=True, test_one_in=3, validation_one_in=3)
DRAWN = Split(unit="patient", use_given=False, test_one_in=3, validation_one_in=4)
HALF = make_settings(split=GIVEN, labelled_share=0.5)
DEMO = yaml.safe_load((Path(__file__).parents[1] / "presets" / "demo.yaml").read_text(encoding="utf-8"))
UNLABELLED = {"name": "unlabelled", "targets": "fixed", "weight": 1.0, "unlabelled_ratio": 1, "adversarial_share": 0.5}


def tree(n: int = 48) -> RawImages:
    """Two images a patient, two classes; of twelve patients two are for testing and two for validation."""
    raw = make_raw(flat, n=n)
    names = {0: "test", 1: "validation"}
    return replace(raw, index=raw.index.assign(given_split=[names.get(row // 4 % 6, "train") for row in range(n)]))


def relabelled(raw: RawImages, labels: dict[str, int]) -> RawImages:
    """The tree with other labels for some patients."""
    other = raw.index["patient_id"].map(labels)
    return replace(raw, index=raw.index.assign(label=other.fillna(raw.index["label"]).astype("int64")))


def made(raw: RawImages, settings=HALF, seed: int = 0) -> pd.DataFrame:
    return process(raw, settings, dataset="x", seed=seed).index


def written(folder: Path, found: Processed) -> Path:
    write_images(folder / "images.npy", found.images, shape=found.shape, on_progress=lambda *_: None)
    write_csv(folder / "index.csv", found.index)
    write_results(folder / "summary.json", found.complete_summary())
    return folder


def test_the_patients_that_keep_their_labels_come_first_by_the_hash_of_seed_and_id():
    patients = [f"p{number}" for number in range(20)]
    order = sorted(patients, key=lambda name: hashlib.sha256(f"7\0labels\0{name}".encode()).hexdigest())
    for share, n in ((0.1, 2), (0.26, 5), (0.5, 10), (0.001, 1), (1.0, 20)):
        assert labelled_patients(patients, share=share, seed=7) == set(order[:n])
        assert labelled_patients(patients[::-1], share=share, seed=7) == set(order[:n])
    assert labelled_patients(patients, share=0.5, seed=8) != set(order[:10])


def test_a_training_patient_keeps_all_labels_or_none_and_the_others_keep_all():
    index, whole = made(tree()), made(tree(), make_settings(split=GIVEN))
    training = index[index["split"] == "train"]
    kept = labelled_patients(training["patient_id"].unique().tolist(), share=0.5, seed=0)
    assert len(kept) == 8
    assert set(training.loc[training["label"] != "", "patient_id"]) == kept
    assert (training["patient_id"].isin(kept) == (training["label"] != "")).all()
    assert ((training["label"] == "") == (training["class_name"] == "")).all()
    assert (index.loc[index["split"] != "train", "label"] != "").all()
    assert index["label"].eq("").is_monotonic_increasing  # those without a label come last
    assert set(index["image_id"]) == set(whole["image_id"])
    labelled = index[index["label"] != ""].set_index("image_id")
    truth = whole.set_index("image_id").loc[labelled.index]
    assert (labelled["label"] == truth["label"].astype(str)).all()
    assert (labelled["class_name"] == truth["class_name"]).all()


def test_a_larger_share_keeps_the_labels_of_more_patients():
    def known(share):
        index = made(tree(), make_settings(split=GIVEN, labelled_share=share))
        return set(index.loc[index["label"] != "", "patient_id"])

    assert known(0.3) < known(0.5) < known(0.8)


@pytest.mark.parametrize("max_images", [None, 80])
@pytest.mark.parametrize("split", [GIVEN, DRAWN], ids=["given", "drawn"])
@pytest.mark.parametrize("balance", ["none", "train", "all"])
def test_withheld_labels_are_never_read(balance, split, max_images, tmp_path: Path):
    raw = tree(96)
    raw = raw if split is GIVEN else replace(raw, index=raw.index.drop(columns="given_split"))
    settings = make_settings(split=split, labelled_share=0.5, balance=balance, max_images=max_images)
    index = made(raw, settings)
    withheld = index.loc[index["label"] == "", "patient_id"].unique()
    assert len(withheld) >= 5
    files = {}
    for name, planted in (
        ("true", {}),
        ("wrong", {patient: number % 2 for number, patient in enumerate(withheld)}),
        ("same", dict.fromkeys(withheld, 1)),
        ("none", dict.fromkeys(withheld, NO_LABEL)),
    ):
        found = process(relabelled(raw, planted), settings, dataset="x", seed=0)
        (tmp_path / name).mkdir()
        files[name] = (written(tmp_path / name, found) / "index.csv").read_bytes()
    assert files["wrong"] == files["true"]
    assert files["same"] == files["true"]
    if split is DRAWN or max_images is not None:
        return  # a patient without any label is no candidate for testing, so a draw takes others
    # A label that is missing instead of withheld gives the same known labels; only the notes count it otherwise.
    kept = [line for line in files["true"].splitlines() if b"malignant" in line or b"benign" in line]
    assert kept == [line for line in files["none"].splitlines() if b"malignant" in line or b"benign" in line] != []


def test_classes_are_balanced_by_the_labels_that_are_left():
    index = made(tree(), make_settings(split=GIVEN, labelled_share=0.5, balance="train"))
    counts = index[(index["split"] == "train") & (index["label"] != "")]["label"].value_counts()
    assert counts["0"] == counts["1"] > 0
    assert (index["label"] == "").sum() == 16  # of 8 patients; none is left out


def test_the_notes_count_patients_and_images():
    notes = process(tree(), HALF, dataset="x", seed=0).summary["notes"]
    told = "8 of 16 training patients keep their labels (labelled_share 0.5); the labels of 16 images are withheld"
    assert told in notes


def test_a_class_without_labelled_training_images_is_refused():
    with pytest.raises(
        InputError,
        match=r"^preprocess.labelled_share is 0.01: expected labelled training images of every class, got none of "
        r"class (benign|malignant) among the 1 of 16 training patients that keep their labels: increase it, or change",
    ):
        made(tree(), make_settings(split=GIVEN, labelled_share=0.01))


def without(raw: RawImages, *patients: str) -> RawImages:
    return relabelled(raw, dict.fromkeys(patients, NO_LABEL))


def test_images_that_came_without_a_label_are_for_training_alone():
    settings = make_settings()
    found = process(without(make_raw(flat), "p3", "p4", "p11"), settings, dataset="x", seed=0)
    unlabelled = found.index[found.index["label"] == ""]
    assert set(unlabelled["patient_id"]) == {"p3", "p4", "p11"}
    assert set(unlabelled["split"]) == {"train"}
    assert "6 training images came without a label" in found.summary["notes"]
    assert sum(sum(one.values()) for one in found.summary["counts"].values()) == 30  # the labelled ones
    # They change nothing about the split of the others.
    raw = make_raw(flat)
    rest = raw.index[~raw.index["patient_id"].isin(["p3", "p4", "p11"])]
    positions = rest.index.to_numpy()
    alone = replace(raw, index=rest.reset_index(drop=True), read=lambda row: raw.read(int(positions[row])))
    expected = made(alone, settings)
    labelled = found.index[found.index["label"] != ""]
    assert labelled[["image_id", "split"]].to_numpy().tolist() == expected[["image_id", "split"]].to_numpy().tolist()


def test_a_patient_with_and_without_labels_stays_in_one_split():
    raw = make_raw(flat)
    raw = replace(raw, index=raw.index.assign(label=raw.index["label"].where(raw.index.index % 2 == 0, NO_LABEL)))
    found = process(raw, make_settings(), dataset="x", seed=0)
    assert (found.index.groupby("patient_id")["split"].nunique() == 1).all()
    unlabelled = found.index[found.index["label"] == ""]
    n_train = (found.index["split"] == "train").sum()
    assert len(unlabelled) == n_train / 2
    left = 18 - len(unlabelled)
    told = f"{left} images without a label were left out, because their patients are in validation or test"
    assert told in found.summary["notes"]


def test_a_finished_model_has_no_use_for_images_without_a_label():
    settings = make_settings(split=Split(unit="patient", use_given=False, test_one_in=1, validation_one_in=3))
    found = process(without(make_raw(flat), "p3"), settings, dataset="x", seed=0, is_trained_on=False)
    assert len(found.index) == 34
    assert set(found.index["split"]) == {"test"}


def test_other_choices_leave_images_without_a_label_alone():
    raw = without(make_raw(flat), "p3", "p4")
    found = made(raw, make_settings(per_class=14))
    assert (found["label"] == "").sum() == 4
    assert (found["label"] != "").sum() == 28
    settings = make_settings(classes=("malignant", "benign"))
    chosen = process(raw, settings, dataset="x", seed=0)
    assert (chosen.index["label"] == "").sum() == 0
    assert "4 of 36 images were left out: images without a label" in chosen.summary["notes"]
    counts = count_splits(raw, make_settings(), seed=0, where="here")
    assert sum(counts.values()) == 32


def test_the_files_are_read_in_two_parts(tmp_path: Path):
    raw = replace(tree(), read=lambda row: make_raw(flat, n=48).read(5 * row))
    folder = written(tmp_path, process(raw, HALF, dataset="x", seed=0))
    data, others = load(folder), load_unlabelled(folder, name="x")
    index = made(raw)
    assert data.image_ids == index.loc[index["label"] != "", "image_id"].tolist()
    assert others is not None
    assert others.image_ids == index.loc[index["label"] == "", "image_id"].tolist()
    assert list(others.rows) == ["image_id", "patient_id", "position"]
    assert (len(others), others.n_patients) == (16, 8)
    expected = np.array([5 * int(name) / 255 for name in others.image_ids[2:4]])
    np.testing.assert_allclose(others.images(np.array([2, 3])).mean(axis=(1, 2, 3)), expected, rtol=1e-6)
    whole = written(tmp_path, process(raw, make_settings(split=GIVEN), dataset="x", seed=0))
    assert load_unlabelled(whole, name="x") is None
    assert len(load(whole)) == 48


def test_images_without_a_label_have_no_place_for_one():
    rows = pd.DataFrame({"image_id": ["a"], "patient_id": ["p"], "position": [0], "label": [1]})
    with pytest.raises(InputError, match=r"^x: expected the columns image_id, patient_id, position, got .*label"):
        UnlabelledImages(rows, np.zeros((1, 4, 4, 1), np.float32), "x")


def test_a_row_of_a_manifest_without_a_label(tmp_path: Path):
    rows = ("001,a.png,malignant,p1", "002,b.png,,p3", "003,sub/c.png,benign,p2")
    raw = open_manifest(write_tree(tmp_path, rows=rows))
    assert raw.index["label"].tolist() == [1, NO_LABEL, 0]
    assert raw.class_names == ("benign", "malignant")
    (tmp_path / "classes.txt").write_text("malignant\nbenign\n", encoding="utf-8")
    assert open_manifest(tmp_path).index["label"].tolist() == [0, NO_LABEL, 1]
    with pytest.raises(InputError, match=r"expected a value of label, got an empty cell in .*manifest.csv, line 3"):
        read_listed(tmp_path / "manifest.csv")  # of an external test set


@pytest.mark.parametrize("split", ["test", "validation"])
def test_an_evaluated_image_needs_a_label(split, tmp_path: Path):
    rows = ("001,a.png,malignant,p1,train", f"002,b.png,,p3,{split}", "003,sub/c.png,benign,p2,train")
    write_tree(tmp_path, header=f"{HEADER},split", rows=rows)
    told = rf"manifest.csv, line 3: expected a label, which a {split} image needs, got an empty cell"
    with pytest.raises(InputError, match=told):
        open_manifest(tmp_path)


def test_a_manifest_without_any_label_is_refused(tmp_path: Path):
    write_tree(tmp_path, rows=("001,a.png,,p1", "002,b.png,,p3", "003,sub/c.png,,p2"))
    with pytest.raises(InputError, match=r"expected images of at least two classes, got no label in"):
        open_manifest(tmp_path)


def params_with(**changes):
    """The demo with other settings of the data set mnist, by dotted name."""
    content = copy.deepcopy(DEMO)
    for name, value in changes.items():
        *above, key = name.split("__")
        block = content["datasets"]["mnist"]
        for one in above:
            block = block[one]
        block[key] = value
    return content


def test_the_loss_and_the_share_are_accepted_together():
    params = parse_params(params_with(harden__loss=UNLABELLED, preprocess__labelled_share=0.1))
    assert params.datasets["mnist"].preprocess.labelled_share == 0.1
    assert params.datasets["lidc"].preprocess.labelled_share == 1.0
    alone = parse_params(params_with(preprocess__labelled_share=0.1))  # the supervised comparison
    assert alone.datasets["mnist"].harden is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"harden__loss": UNLABELLED},
            r"datasets.mnist.harden.loss.name: expected images without a label for unlabelled, got none: set "
            r"datasets.mnist.preprocess.labelled_share below 1",
        ),
        ({"preprocess__labelled_share": 0}, r"datasets.mnist.preprocess.labelled_share: .*> ?0|above 0|more than 0"),
        ({"preprocess__labelled_share": 1.5}, r"datasets.mnist.preprocess.labelled_share: .*1"),
        (
            {"preprocess__labelled_share": 0.5, "preprocess__per_class": 20},
            r"datasets.mnist.preprocess.per_class: expected null with a labelled_share below 1, because it draws by "
            r"the labels that are withheld, got 20",
        ),
        (
            {"preprocess__labelled_share": 0.5, "harden__loss": {**UNLABELLED, "weight": -1.0}},
            r"datasets.mnist.harden.loss.weight",
        ),
        (
            {
                "preprocess__labelled_share": 0.5,
                "harden__loss": {**UNLABELLED, "targets": "online"},
                "harden__num_random_init": 0,
            },
            r"datasets.mnist.harden.num_random_init: expected 1 for online targets, whose loss has no gradient",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, told):
    with pytest.raises(InputError, match=told):
        parse_params(params_with(**changes))


def test_a_finished_model_may_know_the_labels_that_are_withheld():
    model = {"source": "path", "path": "own.keras", "input_range": [0.0, 1.0], "fine_tune": False}
    content = params_with(preprocess__labelled_share=0.5, harden__loss=UNLABELLED, model=model)
    told = (
        r"datasets.mnist.preprocess.labelled_share: expected 1 with model.fine_tune false, because the finished model "
        r"may have been trained with the labels that are withheld, got 0.5"
    )
    with pytest.raises(InputError, match=told):
        parse_params(content)


def test_the_page_says_how_many_labels_training_knew():
    training = {
        "collapsed_epochs": [],
        "collapsed": False,
        "best": {"epoch": 2, "validation_accuracy": 0.5},
        "last": {"epoch": 2},
        "epochs_run": 2,
        "ended": "all epochs",
    }
    counts = {"labelled_images": 20, "labelled_patients": 1, "unlabelled_images": 90, "unlabelled_patients": 9}
    told = training_text(training | counts).sentences
    assert "Training used the labels of 20 images of 1 patient, and 90 images of 9 patients without them." in told
    alone = training_text(training | counts | {"unlabelled_images": 0, "unlabelled_patients": 0}).sentences
    assert "Training used the labels of 20 images of 1 patient alone." in alone
    assert "labels" not in training_text(training).sentences
