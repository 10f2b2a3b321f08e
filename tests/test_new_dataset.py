"""Settings of a new data set from facts about its files: each rule by hand-made facts, each block by the reader."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.batch_memory import batch_size, memory_mb
from oncorobust.settings.data import Lidc, Manifest
from oncorobust.settings.load import load_params, parse_params
from oncorobust.settings.new_attack_batch import with_attack_batch
from oncorobust.settings.new_dataset import Decided, decide
from oncorobust.settings.new_dataset_facts import Facts, Wishes
from oncorobust.settings.new_dataset_rules import counted
from oncorobust.settings.new_dataset_text import flow, format_text
from oncorobust.settings.new_model import new_model, source_of
from oncorobust.settings.new_params import with_dataset

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO = (REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")
FACTS = Facts(
    images={"benign": 300, "malignant": 300},
    patients={"benign": 100, "malignant": 120},
    splits={},
    n_sampled=256,
    side=100,
    long_share=0.0,
    limits=((0.0, 255.0),),
    values=(3.0, 250.0),
    unit="grey level",
    channels=("grey",),
    windows=(),
    modalities=(),
    class_order="sorted",
    synthetic=False,
)
WISHES = Wishes(
    name="brain",
    format_name="manifest",
    format="{name: manifest}",
    kind=None,
    title=None,
    size=None,
    intensity_range=None,
    max_images=None,
    positive=None,
    origin=None,
    model=None,
    memory_mb=8000.0,
)
KERAS = new_model("own/m.keras", input_range=(0.0, 255.0), mean=None, std=None, channels="rgb")


def block_of(decided: Decided) -> dict[str, Any]:
    """Read the block as part of the demo's parameters, with all their rules."""
    demo = load_params(REPOSITORY / "presets" / "demo.yaml")
    new = with_dataset(DEMO, demo, "brain", block=decided.block, column=decided.column)
    content = yaml.safe_load(new.text)
    parse_params(content)
    found: dict[str, Any] = content["datasets"]["brain"]
    return found


def preprocess(facts: Facts, **wishes: Any) -> dict[str, Any]:
    found: dict[str, Any] = block_of(decide(facts, replace(WISHES, **wishes)))["preprocess"]
    return found


@pytest.mark.parametrize(
    ("side", "size"), [(20, 32), (32, 32), (63, 32), (64, 64), (100, 96), (127, 116), (128, 128), (512, 224)]
)
def test_the_size_is_the_largest_that_enlarges_no_median_image(side: int, size: int) -> None:
    assert preprocess(replace(FACTS, side=side))["size"] == size


def test_a_stated_size_counts() -> None:
    assert preprocess(FACTS, size=48)["size"] == 48


@pytest.mark.parametrize(("share", "fit"), [(0.0, "crop"), (0.1, "crop"), (0.11, "pad")])
def test_images_that_are_not_square_are_padded_if_they_are_many(share: float, fit: str) -> None:
    assert preprocess(replace(FACTS, long_share=share))["fit"] == fit


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "format"),
        ({"values": (0.0, 40.0)}, "format"),  # 8 bits
        ({"limits": ((0.0, 65535.0),), "values": (0.0, 4095.0)}, "training"),  # 12 bits in 16
        ({"limits": ((0.0, 65535.0),), "values": (10.0, 40000.0)}, "format"),
        ({"limits": (None,)}, "training"),
        ({"limits": ((0.0, 255.0), (0.0, 65535.0))}, "training"),
        ({"limits": ((-1024.0, 3071.0),), "windows": ((-1350.0, 150.0),)}, [-1350, 150]),
        ({"limits": ((0.0, 4095.0),), "values": (0.0, 1000.0), "windows": ((0.0, 1.0), (0.0, 2.0))}, "training"),
    ],
)
def test_the_intensity_range_comes_from_window_format_or_training(facts: dict[str, Any], expected: object) -> None:
    assert preprocess(replace(FACTS, **facts))["intensity_range"] == expected


@pytest.mark.parametrize(
    ("channels", "kind", "expected"),
    [
        (("grey",), "medical", "auto"),
        (("colour",), "medical", "auto"),
        (("faint",), "medical", "grey"),
        (("faint", "grey"), "natural", "grey"),
        (("colour", "grey"), "medical", "grey"),
        (("colour", "grey"), "natural", "colour"),
    ],
)
def test_mixed_channels_become_one_kind(channels: tuple[str, ...], kind: Any, expected: str) -> None:
    assert preprocess(replace(FACTS, channels=channels), kind=kind)["channels"] == expected


def test_few_patients_take_larger_folds_and_a_given_split_is_used() -> None:
    few = replace(FACTS, patients={"benign": 3, "malignant": 120})
    assert preprocess(few)["split"] == {"unit": "patient", "use_given": False, "test_one_in": 3, "validation_one_in": 2}
    assert preprocess(FACTS)["split"]["validation_one_in"] == 6
    given = replace(FACTS, splits={"train": 400, "test": 200}, patients={"benign": 2, "malignant": 2})
    assert preprocess(given)["split"]["use_given"] is True


@pytest.mark.parametrize(("images", "balance"), [({"a": 100, "b": 125}, "none"), ({"a": 100, "b": 126}, "train")])
def test_classes_are_balanced_in_training_alone(images: dict[str, int], balance: str) -> None:
    found = preprocess(replace(FACTS, images=images, patients=dict.fromkeys(images, 50)))
    assert found["balance"] == balance


def test_epochs_follow_the_number_of_training_images() -> None:
    # 600 images, two thirds outside the test split, five sixths of them train: 333; 12,000 / 333 is 36, at most 20.
    assert block_of(decide(FACTS, WISHES))["train"]["epochs"] == 20
    many = replace(FACTS, images={"benign": 2700, "malignant": 2700})  # 3,000 train: 4 epochs
    assert block_of(decide(many, WISHES))["train"]["epochs"] == 4
    assert block_of(decide(many, WISHES))["harden"]["epochs"] == 3


def test_epsilons_follow_the_kind() -> None:
    medical, natural = (block_of(decide(FACTS, replace(WISHES, kind=kind))) for kind in ("medical", "natural"))
    assert (medical["attack"]["epsilons"][0], medical["attack"]["epsilons"][-1]) == (0.0005, 0.02)
    real = yaml.safe_load((REPOSITORY / "presets" / "real.yaml").read_text(encoding="utf-8"))["datasets"]
    digits = block_of(decide(FACTS, replace(WISHES, format_name="mnist", format="{name: mnist}")))
    for found, name in ((medical, "lidc"), (natural, "cifar10"), (digits, "mnist")):
        for key in ("epsilons", "threat_epsilons", "example_epsilon"):
            assert found["attack"][key] == real[name]["attack"][key], (name, key)
        assert found["rank"]["epsilons"] == real[name]["rank"]["epsilons"]
        assert found["harden"]["epsilon"] == real[name]["harden"]["epsilon"]


def test_batches_fit_the_memory_by_the_measured_formula() -> None:
    for size, batch, measured in ((64, 32, 1462), (64, 128, 1860), (224, 4, 3776), (224, 16, 4440)):
        assert memory_mb(batch, size) == pytest.approx(measured, rel=0.02)
    assert batch_size(64, memory=8000.0, largest=1000)[0] == 32
    assert batch_size(64, memory=8000.0, largest=11)[0] == 8  # so that an epoch has several updates
    # 1,130 + 50 x 49 + 0.00101 x 8 x 224^2 = 3,985 MB; with 16 images 4,391 MB
    assert batch_size(224, memory=4000.0, largest=1000)[0] == 8
    assert batch_size(224, memory=100.0, largest=1000)[0] == 1


def test_a_batch_of_attacked_images_fits_the_memory_or_says_so() -> None:
    text = "attacks:\n  batch_size: 64 # images\n"
    alone, beside = ({"size": 224, "memory": 4000.0, "beside": names} for names in ((), ("ct", "mr")))
    # 1,130 + 50 x 49 + 0.00101 x 64 x 224^2 = 6,823 MB, and 8 is the largest half of a half ... below 4,000 MB
    told = "64 images of 224 pixels take about 6.8 GB, a job may take 4.0 GB"
    assert with_attack_batch(text, 64, **alone) == (
        text.replace("64", "8"),
        f"attacks.batch_size: 8; {told}",
    )
    same, line = with_attack_batch(text, 64, **beside)
    assert same == text
    assert line == (
        f"attacks.batch_size: 64; {told}; set it to 8, or expect jobs that run out of memory; ct, mr would be attacked "
        "again"
    )
    assert with_attack_batch(text, 64, size=224, memory=7000.0, beside=()) == (text, None)
    one, line = with_attack_batch(text, 64, size=224, memory=3000.0, beside=())
    assert one == text.replace("64", "1")
    assert line is not None and line.endswith("and one image takes 3.6 GB: choose a smaller --size, or more memory")


def test_the_demos_sets_leave_the_run_and_their_blocks_stay() -> None:
    demo, decided = load_params(REPOSITORY / "presets" / "demo.yaml"), decide(FACTS, WISHES)
    new = with_dataset(DEMO, demo, "brain", block=decided.block, column=decided.column)
    content, before = yaml.safe_load(new.text), yaml.safe_load(DEMO)
    assert new.left_out == ("lidc", "cbis_ddsm", "brain_mets", "mnist", "cifar10")
    assert content["run"]["datasets"] == ["brain"]
    assert content["acquire"] == {}
    assert {name: block for name, block in content["datasets"].items() if name != "brain"} == before["datasets"]
    assert content["report"]["columns"]["brain"] == {"title": "brain", "paper": None, "kind": "medical"}
    assert content["attacks"] == yaml.safe_load((REPOSITORY / "presets" / "real.yaml").read_text())["attacks"]
    assert "# difficulty 1" not in new.text
    kept = DEMO[DEMO.index("datasets:\n  lidc") : DEMO.index("report:")]
    assert kept.strip() in new.text.replace(_indented(decided.block), "")


def _indented(block: str) -> str:
    return "\n" + "".join(f"  {line}\n" for line in block.splitlines())


def test_a_persons_own_sets_and_attacks_stay() -> None:
    demo = load_params(REPOSITORY / "presets" / "demo.yaml")
    first = with_dataset(DEMO, demo, "one", block=_named("one").block, column=_named("one").column)
    edited = first.text.replace("max_queries: 200", "max_queries: 201")
    params = parse_params(yaml.safe_load(edited))
    second = with_dataset(edited, params, "two", block=_named("two").block, column=_named("two").column)
    content = yaml.safe_load(second.text)
    assert content["run"]["datasets"] == ["one", "two"]
    assert content["attacks"]["strict"]["square"]["max_queries"] == 201
    assert (second.left_out, second.new_attacks) == ((), False)
    again = with_dataset(
        second.text, parse_params(content), "one", block=_named("one").block, column=_named("one").column
    )
    assert yaml.safe_load(again.text)["datasets"] == content["datasets"]
    assert yaml.safe_load(again.text)["run"]["datasets"] == ["two", "one"]


def _named(name: str) -> Decided:
    return decide(FACTS, replace(WISHES, name=name))


def test_a_finished_model_is_only_evaluated_on_all_images() -> None:
    block = block_of(decide(FACTS, replace(WISHES, model=KERAS.with_size(48))))
    assert block["model"] == {"source": "path", "path": "own/m.keras", "input_range": [0, 255], "fine_tune": False}
    assert (block["harden"], block["smooth"], block["certify"]) == (None, None, None)
    assert block["preprocess"]["split"]["test_one_in"] == 1
    assert (block["preprocess"]["size"], block["preprocess"]["balance"]) == (48, "none")


def test_networks_need_what_their_training_did() -> None:
    network = new_model("own/n.onnx", input_range=None, mean=(0.5,), std=(0.25,), channels="grey")
    block = block_of(decide(FACTS, replace(WISHES, model=network)))
    assert block["model"]["source"] == "onnx"
    assert block["model"]["preprocessing"] == {"mean": [0.5], "std": [0.25], "range": [0, 1], "channels": "grey"}
    with pytest.raises(InputError, match=r"^--std: expected what the training of own/n.pt2 did to its images"):
        new_model("own/n.pt2", input_range=None, mean=(0.5,), std=None, channels="rgb")
    with pytest.raises(InputError, match=r"^--input-range: expected the values of own/m.keras's input"):
        new_model("own/m.keras", input_range=None, mean=None, std=None, channels="rgb")
    with pytest.raises(InputError, match=r"^--model: expected a .keras, .pt2 or .onnx file, got m.pth, which can run"):
        source_of("m.pth")
    with pytest.raises(InputError, match=r"^--model: expected a .keras, .pt2 or .onnx file, got m.zip$"):
        source_of("m.zip")


@pytest.mark.parametrize(
    ("facts", "wishes", "message"),
    [
        (
            {"patients": {"benign": 12, "malignant": 1}},
            {},
            r"^expected at least 3 patients of each class, one each to train, validate and test, got 12 benign, "
            r"1 malignant: add patients",
        ),
        ({"images": {"benign": 3, "malignant": 0}}, {}, r"^expected images of every class, got none of malignant$"),
        ({"modalities": ("CT", "MR")}, {}, r"^expected images of one modality, got CT and MR: .* --kind medical"),
        ({"splits": {"test": 3}}, {}, r"^column split: expected train and test, got 3 test: .*--model$"),
        (
            {"limits": (None,), "values": (-900.0, 300.0)},
            {"model": KERAS},
            r"^--intensity-range: .*between -900 and 300$",
        ),
    ],
)
def test_unfit_data_are_refused(facts: dict[str, Any], wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decide(replace(FACTS, **facts), replace(WISHES, **wishes))


def test_mixed_modalities_are_taken_if_stated() -> None:
    assert (
        "kind: medical; stated"
        in decide(replace(FACTS, modalities=("CT", "MR")), replace(WISHES, kind="medical")).lines
    )


@pytest.mark.parametrize(
    ("modalities", "format_name", "wanted"),
    [
        ((), "manifest", None),
        (("CT",), "manifest", {"modality": "auto", "changes": "possible", "max_images": None, "max_iter": 100}),
        (("MG", "MR"), "manifest", {"modality": "auto", "changes": "possible", "max_images": None, "max_iter": 100}),
        (("US",), "manifest", None),
        (("CT", "US"), "manifest", None),
        ((), "luna16", {"modality": "auto", "changes": "possible", "max_images": None, "max_iter": 100}),
    ],
)
def test_changes_of_the_acquisition_are_on_where_files_or_format_say_what_scanned(
    modalities: tuple[str, ...], format_name: str, wanted: dict[str, Any] | None
) -> None:
    facts, wishes = replace(FACTS, modalities=modalities), replace(WISHES, kind="medical", format_name=format_name)
    assert yaml.safe_load(decide(facts, wishes).block)["brain"]["acquisition"] == wanted
    assert block_of(decide(FACTS, WISHES))["acquisition"] is None


def test_values_of_people_stay_text() -> None:
    title = 'no: "x" # é'
    column = decide(FACTS, replace(WISHES, title=title)).column
    assert yaml.safe_load(column)["brain"]["title"] == title
    assert flow((0.0001, 1e-05, -1000.0, 3)) == "[0.0001, 0.00001, -1000, 3]"
    classes = ("no", "1.0E+05")
    assert yaml.safe_load(format_text(Manifest(classes=classes))) == {"name": "manifest", "classes": list(classes)}
    lidc = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(2, 3), crop_mm=50)
    assert yaml.safe_load(format_text(lidc))["pathology_methods"] == [2, 3]


def test_many_classes_are_summed_up() -> None:
    assert counted({"a": 1, "b": 2}) == "1 a, 2 b"
    assert counted({str(number): 10 + number for number in range(10)}) == "145 of 10 classes, 10 to 19 of each"
    assert counted(dict.fromkeys("abcde", 3)) == "15 of 5 classes, 3 of each"
