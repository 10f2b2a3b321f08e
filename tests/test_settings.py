"""Parameters: every preset loads, the paper's preset is the paper's tables, every mistake is refused with its path.

The tables are transcribed from the publication in tests/paper_tables/, apart from the preset they are compared with;
the epsilon grids are the axes of its figures and the grids of its sensitivity script. Tables S2 to S4 are compared with
what is built from the preset in test_paper_recipe.py.
"""

import copy
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.load import check_overrides, load_params, parse_params
from oncorobust.settings.pipeline import Dataset, Params

REPOSITORY = Path(__file__).resolve().parent.parent
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))
DEMO = yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
ACQUISITION = ("modality", "changes")
"""Keys whose default is the demo's value."""
OPTIONAL = {  # older files of parameters lack these
    "run.seeds",
    "datasets.cbis_ddsm.preprocess.format.allow_missing",
    "datasets.brain_mets.preprocess.format.labels",
    *(f"datasets.{name}.preprocess.{key}" for name in DEMO["datasets"] for key in ("fit", "channels", "classes")),
    *(f"datasets.{name}.certify" for name, block in DEMO["datasets"].items() if block["certify"] is None),
    *(f"datasets.{name}.smooth" for name in DEMO["datasets"]),
    *(f"datasets.{name}.acquisition" for name, block in DEMO["datasets"].items() if block["acquisition"] is None),
    *(f"datasets.lidc.acquisition.{key}" for key in ACQUISITION),
}
CERTIFIED = "datasets.brain_mets.certify"
"""Null where it is missing; the demo certifies one data set."""
RESCANNED = {f"datasets.lidc.acquisition{key}" for key in ("", ".max_images")}
"""Null where they are missing; the demo changes six images of one data set."""
SEARCHED = {"datasets.lidc.acquisition.max_iter"}
"""100 where they are missing; the demo takes fewer steps."""
UNMARKED = {f"report.columns.{name}.kind" for name in DEMO["report"]["columns"]}
"""Null where they are missing; the demo marks its data sets."""
OPEN_KEYS = {"acquire", "datasets", "report.columns"}  # their keys are names of data sets


def entries(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys, of leaves and of the mappings above them."""
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from entries(value, f"{prefix}{key}.")


NAMES = list(entries(DEMO))
LEAVES = [name for name in NAMES if not any(other.startswith(f"{name}.") for other in NAMES)]


def with_value(name: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(DEMO)
    parent, key = parent_of(content, name)
    parent[key] = value
    return content


def parent_of(content: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    *above, key = name.split(".")
    for step in above:
        content = content[step]
    return content, key


def refused(content: object) -> str:
    with pytest.raises(InputError) as caught:
        parse_params(content)
    return str(caught.value)


@pytest.mark.parametrize("path", [*PRESETS, REPOSITORY / "params.yaml"], ids=lambda path: path.stem)
def test_presets_load(path: Path) -> None:
    params = load_params(path)
    assert set(params.run.datasets) <= set(params.datasets)


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_an_optional_key_has_the_value_of_the_demo(name: str) -> None:
    content = copy.deepcopy(DEMO)
    parent, key = parent_of(content, name)
    del parent[key]
    assert parse_params(content) == parse_params(DEMO)


@pytest.mark.parametrize("name", sorted(UNMARKED))
def test_a_data_set_without_a_kind_is_neither_medical_nor_natural(name: str) -> None:
    content = copy.deepcopy(DEMO)
    parent, key = parent_of(content, name)
    del parent[key]
    report = parse_params(content).report
    assert report.columns[name.split(".")[2]].kind is None
    assert len([*report.of_kind("medical"), *report.of_kind("natural")]) == len(UNMARKED) - 1


@pytest.mark.parametrize("name", sorted(SEARCHED))
def test_the_l2_search_takes_a_hundred_steps_unless_stated(name: str) -> None:
    content = copy.deepcopy(DEMO)
    parent, key = parent_of(content, name)
    del parent[key]
    acquisition = parse_params(content).datasets[name.split(".")[1]].acquisition
    assert acquisition is not None
    assert acquisition.max_iter == 100


_NOT_REQUIRED = OPTIONAL | UNMARKED | RESCANNED | SEARCHED | {CERTIFIED}
REQUIRED = [name for name in NAMES if name.rpartition(".")[0] not in OPEN_KEYS and name not in _NOT_REQUIRED]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_key_is_refused_with_its_path(name: str) -> None:
    content = copy.deepcopy(DEMO)
    parent, key = parent_of(content, name)
    del parent[key]
    assert refused(content) == f"{name}: expected a value, got none"


@pytest.mark.parametrize("name", [name for name in NAMES if name.rpartition(".")[0] not in OPEN_KEYS])
def test_a_misspelt_key_is_refused_with_its_path_and_the_right_one(name: str) -> None:
    content = copy.deepcopy(DEMO)
    parent, key = parent_of(content, name)
    parent[f"{key}x"] = parent[key]  # beside the right one, so that it is not only the missing one that is refused
    wrong = f"{key}x"
    assert refused(content) == f"{name}x: expected a known key, got {wrong!r} (did you mean {key!r}?)"


@pytest.mark.parametrize("name", LEAVES)
def test_a_value_of_another_kind_is_refused_with_its_path(name: str) -> None:
    wrong = (
        [1] if name.endswith((".labels", ".certify", ".smooth", ".acquisition")) else {"a": 1}
    )  # these may be mappings
    assert refused(with_value(name, wrong)).startswith(f"{name}: expected `")
    if not isinstance(parent_of(DEMO, name)[0][name.rpartition(".")[2]], bool):
        assert refused(with_value(name, True)).startswith(f"{name}: expected `")


NUMBERS = [name for name in LEAVES if type(parent_of(DEMO, name)[0][name.rpartition(".")[2]]) in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_out_of_range_are_refused_with_their_path(name: str) -> None:
    assert re.match(rf"{name}: expected `(int|float)` >=? -?[0-9.]+, got -1$", refused(with_value(name, -1)))
    for value in (float("nan"), float("inf")):
        assert refused(with_value(name, value)) == f"{name}: expected a finite number, got {value}"
    message = refused(with_value(name, "1e-3"))
    assert re.fullmatch(rf"{name}: expected `.*`, got the text '1e-3': write it as 0.001", message)


def test_every_number_of_the_demo_is_covered() -> None:
    assert len(NUMBERS) > 25
    assert len(LEAVES) > 50


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("datasets.mnist.train.epochs", 0, "expected `int` >= 1, got 0"),
        ("datasets.mnist.train.epochs", 2.5, "expected `int`, got `float`"),
        ("datasets.mnist.train.batch_size", 0, "expected `int` >= 1, got 0"),
        ("datasets.mnist.harden.epochs", 0, "expected `int` >= 1, got 0"),
        ("datasets.mnist.preprocess.size", 7, "expected `int` >= 8, got 7"),
        (
            "datasets.mnist.preprocess.size",
            31,
            "expected at least 32 for model.source vgg16, which halves the image five times, got 31",
        ),
        (
            "datasets.mnist.preprocess.format.name",
            "minst",
            "expected one of mnist, cifar10, manifest, lidc, cbis_ddsm, brain_mets, luna16, got 'minst'",
        ),
        ("datasets.mnist.preprocess.split.unit", "slice", "expected one of patient, image, got 'slice'"),
        ("datasets.mnist.preprocess.intensity_range", "mean", "expected one of format, training, got 'mean'"),
        ("datasets.mnist.preprocess.intensity_range", [400, -1000], "expected low < high, got [400.0, -1000.0]"),
        ("datasets.mnist.train.optimizer.name", "rmsprop", "expected one of sgd, adam, got 'rmsprop'"),
        (
            "datasets.mnist.model.source",
            "vgg19",
            "expected one of vgg16, application, path, torch_export, onnx, timm, monai, got 'vgg19'",
        ),
        ("datasets.mnist.model.dropout", 1.0, "expected `float` < 1.0, got 1.0"),
        ("datasets.mnist.train.keep", "best", "expected one of validation_loss, last, got 'best'"),
        ("datasets.mnist.train.average", 1.0, "expected `float` < 1.0, got 1.0"),
        ("datasets.mnist.train.precision", "tf32", "expected one of auto, float32, mixed, got 'tf32'"),
        (
            "datasets.mnist.train.optimizer.weight_decay",
            10000,
            "expected less than 1 / learning_rate, because an update would reduce weights to 0 or beyond, got 10000.0",
        ),
        ("datasets.mnist.harden.rel_eps_step", 1.5, "expected `float` <= 1.0, got 1.5"),
        ("datasets.mnist.harden.num_random_init", 2, "expected `int` <= 1, got 2"),
        ("datasets.mnist.harden.schedule.name", "cosine", "expected one of constant, warm_up, stages, got 'cosine'"),
        (
            "datasets.mnist.harden.loss.name",
            "mart",
            "expected one of mixture, trades, unlabelled, noise, noise_adversarial, got 'mart'",
        ),
        ("datasets.mnist.harden.loss.adversarial_share", 1.5, "expected `float` <= 1.0, got 1.5"),
        ("datasets.mnist.harden.loss.beta", 6.0, "expected a known key, got 'beta' (known: adversarial_share, name)"),
        ("datasets.mnist.harden.weight_perturbation", 0, "expected `float` > 0.0, got 0"),
        ("datasets.mnist.harden.max_drop", 30, "expected `float` < 1.0, got 30"),
        ("datasets.mnist.rank.exclude_share", 1.0, "expected `float` < 1.0, got 1.0"),
        ("datasets.mnist.rank.epsilons", [0.1, 0.1], "expected strictly increasing epsilons, got 0.1 before 0.1"),
        (
            "datasets.mnist.rank.reject_epsilon",
            0.9,
            "expected at most 0.15, up to which rank.epsilons measures minimal epsilons, got 0.9",
        ),
        ("datasets.mnist.attack.epsilons", [], "expected `array` of length >= 1, got []"),
        ("attacks.table_epsilons", [0.002, 0.001], "expected strictly increasing epsilons, got 0.002 before 0.001"),
        ("attacks.bim.num_random_init", 1, "expected 0 (BIM starts at the image itself), got 1"),
        ("report.adversarial_training_epsilon", 0.003, "expected one of attacks.table_epsilons, got 0.003"),
        ("report.columns.mnist.paper", "PET", "expected one of CT, Mammogram, MRI, MNIST, CIFAR-10, got 'PET'"),
        ("report.columns.mnist.kind", "digits", "expected one of medical, natural, got 'digits'"),
        ("datasets.mnist.preprocess.classes", ["3"], "expected `array` of length >= 2, got ['3']"),
        ("datasets.mnist.preprocess.classes", ["3", "8", "3"], "expected each class once, got 3, 8, 3"),
        ("run.datasets", ["mnist", "mnist"], "expected each data set once, got ['mnist', 'mnist']"),
        ("run.seeds", [1, 2, 1], "expected each seed once, got [1, 2, 1]"),
        (
            "run.seeds",
            [1, 0],
            "expected other seeds than `seed` 0, with which the run trains already, got [1, 0]",
        ),
        ("run.datasets", [], "expected `array` of length >= 1, got []"),
    ],
)
def test_impossible_values_are_refused(name: str, value: Any, message: str) -> None:
    assert refused(with_value(name, value)) == f"{name}: {message}"


def test_places_inside_lists_are_named() -> None:
    assert refused(with_value("attacks.table_epsilons", [0.1, 2])) == (
        "attacks.table_epsilons[1]: expected `float` <= 1.0, got 2"
    )
    assert refused(with_value("run.datasets", ["pet"])) == "run.datasets[0]: expected a key of datasets, got 'pet'"


def test_training_seeds_without_a_model_to_train_are_refused() -> None:
    content = with_value("run.datasets", ["mnist"]) | {"acquire": {}}
    content["run"]["seeds"] = [3]
    content["datasets"]["mnist"] |= {"model": OWN | {"fine_tune": False}, "harden": None}
    expected = "run.seeds: expected [], because no data set of run.datasets trains a model, got [3]"
    assert refused(content) == expected
    content["datasets"]["mnist"]["model"] = OWN
    assert parse_params(content).run.seeds == (3,)
    content["run"]["seeds"] = [-1]
    assert refused(content) == "run.seeds[0]: expected `int` >= 0, got -1"


def test_names_that_do_not_fit_together_are_refused() -> None:
    content = copy.deepcopy(DEMO)
    content["acquire"]["slices"] = {"source": "download"}
    assert refused(content) == "acquire.slices: expected a data set of run.datasets, got 'slices'"
    content = copy.deepcopy(DEMO)
    content["report"]["columns"] = {}
    assert refused(content) == "report.columns.lidc: expected a title for each data set of run.datasets, got none"
    content = copy.deepcopy(DEMO)
    content["acquire"]["mnist"] = content["acquire"]["lidc"]
    assert refused(content) == (
        "acquire.mnist.source: expected phantom only for format cifar10, lidc, cbis_ddsm, brain_mets, got format mnist"
    )
    content = copy.deepcopy(DEMO)
    content["acquire"]["brain_mets"]["annotations"] = "dicom"
    assert refused(content) == (
        "acquire.brain_mets.annotations: expected dicom only for format lidc, got format brain_mets"
    )
    content = copy.deepcopy(DEMO)
    content["datasets"]["Mnist-2"] = content["datasets"]["mnist"]
    assert refused(content).startswith(
        "datasets.Mnist-2: expected a name of lower-case letters, digits and underscores"
    )


SGD_WITHOUT_MOMENTUM = {"name": "sgd", "learning_rate": 0.1, "decay": 0, "momentum": 0, "weight_decay": 0}
OWN = {"source": "path", "path": "models/own.keras", "input_range": [0, 255], "fine_tune": True}
NOISE = {"name": "noise", "sigma": 0.1, "noise": "tied", "copies": 2}
RESNET = {"source": "application", "architecture": "ResNet50", "weights": "none", "dropout": 0.2}


@pytest.mark.parametrize(
    ("subtree", "value", "message"),
    [
        (
            "train.optimizer",
            SGD_WITHOUT_MOMENTUM | {"nesterov": True},
            "nesterov: expected false if momentum is 0, got true",
        ),
        (
            "harden.schedule",
            {"name": "warm_up", "epochs": 9},
            "epochs: expected at most harden.epochs 8, because epsilon is never reached otherwise, got 9",
        ),
        (
            "harden.schedule",
            {"name": "stages", "first_epsilon": 0.02, "epochs": 8},
            "epochs: expected less than harden.epochs 8, because the second stage never starts otherwise, got 8",
        ),
        (
            "harden.schedule",
            {"name": "stages", "first_epsilon": 0.05, "epochs": 4},
            "first_epsilon: expected less than epsilon 0.05, got 0.05",
        ),
        (
            "harden.schedule",
            {"name": "constant", "epochs": 4},
            "epochs: expected a known key, got 'epochs' (known: name)",
        ),
        ("harden.loss", {"name": "trades"}, "beta: expected a value, got none"),
        ("harden.loss", {"name": "trades", "beta": 0}, "beta: expected `float` > 0.0, got 0"),
        ("harden.loss", NOISE | {"sigma": 0}, "sigma: expected `float` > 0.0, got 0"),
        ("harden.loss", NOISE | {"sigma": -0.1}, "sigma: expected `float` > 0.0, got -0.1"),
        ("harden.loss", NOISE | {"copies": 0}, "copies: expected `int` >= 1, got 0"),
        ("harden.loss", NOISE | {"noise": "grey"}, "noise: expected one of tied, untied, got 'grey'"),
        (
            "harden.loss",
            NOISE | {"name": "noise_adversarial", "copies": 1, "consistency": 5},
            "copies: expected at least 2 for a consistency above 0, because one copy is its own mean, got 1",
        ),
        ("model", OWN | {"path": "models/own.h5"}, "path: expected a .keras file, got 'models/own.h5'"),
        ("model", OWN | {"path": "/own.keras"}, "path: expected a path inside the repository, got '/own.keras'"),
        ("model", OWN | {"path": "../own.keras"}, "path: expected a path inside the repository, got '../own.keras'"),
        (
            "model",
            OWN | {"path": "models/mnist/clean.keras"},
            "path: expected a file that no stage writes, got 'models/mnist/clean.keras'",
        ),
        ("model", OWN | {"input_range": [255, 0]}, "input_range: expected low < high, got [255.0, 0.0]"),
        ("model", OWN | {"input_range": [0]}, "input_range: expected `array` of length 2, got [0]"),
        (
            "model",
            RESNET | {"architecture": "ResNet18"},
            "architecture: expected one of ResNet50, DenseNet121, EfficientNetB0, got 'ResNet18'",
        ),
    ],
)
def test_a_member_of_a_union_is_refused_by_its_own_keys(subtree: str, value: dict[str, Any], message: str) -> None:
    content = with_value("datasets.mnist.harden.epochs", 8)
    content["datasets"]["mnist"]["harden"]["schedule"] = {"name": "constant"}
    parent, key = parent_of(content, f"datasets.mnist.{subtree}")
    parent[key] = value
    assert refused(content) == f"datasets.mnist.{subtree}.{message}"


def test_the_model_for_certificates_is_trained_under_noise_and_its_keys_are_named() -> None:
    content = with_value("datasets.mnist.harden.epochs", 8)
    block = content["datasets"]["mnist"]
    block["smooth"] = block["harden"] | {"schedule": {"name": "constant"}}
    assert refused(content) == "datasets.mnist.smooth.loss.name: expected noise or noise_adversarial, got mixture"
    block["smooth"]["loss"] = NOISE | {"name": "noise_adversarial"}
    block["smooth"]["schedule"] = {"name": "warm_up", "epochs": 9}
    assert refused(content).startswith(
        "datasets.mnist.smooth.schedule.epochs: expected at most smooth.epochs 8, because"
    )
    block["smooth"]["schedule"] = {"name": "constant"}
    settings = parse_params(content).datasets["mnist"]
    assert settings.models == ("clean", "adversarial")
    assert settings.trained_models == ("clean", "adversarial", "noise")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"loss": {"name": "trades", "beta": 6}, "num_random_init": 0},
            "num_random_init: expected 1 for trades, whose loss has no gradient at the image itself, got 0",
        ),
        (
            {"keep": "last", "max_drop": 0.3},
            "max_drop: expected null if keep is last, because the weights after the drop would be kept, got 0.3",
        ),
        (
            {"keep": "validation_noise_accuracy"},
            "keep: expected a loss with noise for validation_noise_accuracy, got the loss mixture",
        ),
        (
            {"loss": NOISE, "schedule": {"name": "warm_up", "epochs": 2}},
            "schedule: expected constant for the loss noise, which trains at no epsilon, got warm_up",
        ),
    ],
)
def test_ways_of_hardening_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    content = with_value("datasets.mnist.harden.epochs", 8)
    content["datasets"]["mnist"]["harden"] |= changes
    assert refused(content) == f"datasets.mnist.harden.{message}"


def test_only_a_model_of_ones_own_takes_images_below_32_pixels() -> None:
    content = with_value("datasets.mnist.preprocess.size", 28)
    content["datasets"]["mnist"]["model"] = OWN
    assert parse_params(content).datasets["mnist"].preprocess.size == 28
    content["datasets"]["mnist"]["model"] = RESNET
    assert refused(content) == (
        "datasets.mnist.preprocess.size: expected at least 32 for model.source application, "
        "which halves the image five times, got 28"
    )


def test_the_fast_mode_is_accepted() -> None:
    content = with_value("datasets.mnist.harden.max_iter", 1)
    content["datasets"]["mnist"]["harden"]["rel_eps_step"] = 1
    assert parse_params(content).datasets["mnist"].harden.max_iter == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 0\nseed: 1\n", "params.yaml: line 1: key 'seed' occurs twice (expected once)"),
        ("seed: [\n", "params.yaml: while parsing"),
        ("", "params.yaml: the file: expected `object`, got `null`"),
        ("- 1\n", "params.yaml: the file: expected `object`, got `array`"),
    ],
)
def test_a_file_that_is_no_parameter_file_is_refused_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_params(path)
    assert message in str(caught.value)


def test_an_absent_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.yaml"):
        load_params(tmp_path / "absent.yaml")


def test_overrides_are_refused() -> None:
    path = REPOSITORY / "presets" / "demo.yaml"
    check_overrides(DEMO, path)
    with pytest.raises(
        InputError, match=r"`datasets` from --config or --configfile differs from .*demo.yaml, .*: edit .*demo.yaml"
    ):
        check_overrides(with_value("datasets.mnist.train.epochs", 99), path)
    with pytest.raises(InputError, match=r"`extra` from --config"):
        check_overrides({**DEMO, "extra": 1}, path)


PAPER = load_params(REPOSITORY / "presets" / "paper.yaml")
COLUMNS = ["CT", "Mammogram", "MRI", "MNIST", "CIFAR-10"]


def dataset_of(params: Params, column: str) -> Dataset:
    (name,) = (name for name, shown in params.report.columns.items() if shown.paper == column)
    return params.datasets[name]


def test_the_paper_preset_has_the_columns_of_table_1() -> None:
    assert [PAPER.report.columns[name].paper for name in PAPER.run.datasets] == COLUMNS


def test_the_paper_preset_has_the_attacks_of_table_s1() -> None:
    with (REPOSITORY / "tests" / "paper_tables" / "table_s1.csv").open(encoding="utf-8") as stream:
        rows = {row["attack"]: row for row in csv.DictReader(stream)}
    for attack, settings in (("BIM", PAPER.attacks.bim), ("PGD", PAPER.attacks.pgd)):
        assert settings.max_iter == int(rows[attack]["perturbation_steps"])
        assert settings.rel_eps_step == 1 / int(rows[attack]["step_size_divisor"])


@pytest.mark.parametrize("column", COLUMNS)
def test_the_paper_preset_has_the_grids_of_the_figures_and_of_the_sensitivity_script(column: str) -> None:
    with (REPOSITORY / "tests" / "paper_tables" / "grids.csv").open(encoding="utf-8") as stream:
        grids = {
            (row["column"], row["use"]): list(map(float, row["epsilons"].split())) for row in csv.DictReader(stream)
        }
    figures, adds = grids[column, "figures"], grids[column, "sensitivity adds"]
    dataset = dataset_of(PAPER, column)
    assert list(dataset.attack.epsilons) == figures
    assert list(dataset.rank.epsilons) == sorted({*figures, *adds})
    assert dataset.rank.num_random_init == 20
    assert dataset.rank.exclude_share == 0.2


@pytest.mark.parametrize("column", COLUMNS)
def test_the_paper_preset_has_the_augmentation_of_the_text(column: str) -> None:
    dataset = dataset_of(PAPER, column)
    copies = {"CT": 10, "Mammogram": 10, "MRI": 4}.get(column, 0)
    assert dataset.augment.copies == copies
    assert dataset.augment.max_rotation_degrees == (20 if copies else 0)
    assert dataset.augment.horizontal_flip == dataset.augment.vertical_flip == (copies > 0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("brats", "labels: expected one of brats_mets, brats_mets_2025, brats_2017_to_2021, msd_brain, binary, got"),
        ({"other": {"oedema": 2}}, r"labels.metastasis: expected a value, got none"),
        ({"metastasis": {}}, r"labels.metastasis: .* length >= 1"),
        ({"metastasis": {"core": 0}}, r"labels.metastasis: expected `int` >= 1"),
        ({"metastasis": {"a|b": 1}}, r"labels.metastasis: expected `str` matching regex"),
        ({"metastasis": {"core": 1, "rim": 1}}, "labels: expected each value once, got 1, 1"),
        ({"metastasis": {"core": 1}, "other": {"core": 2}}, "labels: expected each name once, got core, core"),
    ],
)
def test_labels_of_segmentations(labels: object, message: str) -> None:
    content = copy.deepcopy(DEMO)
    content["datasets"]["brain_mets"]["preprocess"]["format"]["labels"] = labels
    with pytest.raises(InputError, match=f"datasets.brain_mets.preprocess.format.{message}"):
        parse_params(content)
    content["datasets"]["brain_mets"]["preprocess"]["format"]["labels"] = {"metastasis": {"core": 1, "rim": 255}}
    parse_params(content)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sigmas", [0], "sigmas[0]: expected `float` > 0.0, got 0"),
        ("sigmas", [-0.1], "sigmas[0]: expected `float` > 0.0, got -0.1"),
        ("sigmas", [], "sigmas: expected `array` of length >= 1, got []"),
        ("sigmas", [0.2, 0.1], "sigmas: expected strictly increasing sigmas, got 0.2 before 0.1"),
        (
            "sigmas",
            [0.1, 0.2],
            "validation_images: expected at least 1, because one of 2 sigmas is chosen on validation images, got 0",
        ),
        ("alpha", 0.6, "alpha: expected `float` <= 0.5, got 0.6"),
        ("alpha", 0, "alpha: expected `float` > 0.0, got 0"),
        ("noise", "free", "noise: expected one of tied, untied, lesion, got 'free'"),
        ("alpha_of", "run", "alpha_of: expected one of image, table, got 'run'"),
        (
            "n_samples",
            9,
            "n_samples: expected at least 10, because alpha 0.001 certifies nothing with fewer, even if all samples "
            "agree, got 9",
        ),
    ],
)
def test_settings_that_certify_nothing_are_refused(name: str, value: Any, message: str) -> None:
    assert refused(with_value(f"{CERTIFIED}.{name}", value)) == f"{CERTIFIED}.{message}"


def test_the_smallest_number_of_samples_is_one_that_certifies() -> None:
    for n_samples, certifies in ((9, False), (10, True)):
        assert (0.001 ** (1 / n_samples) > 0.5) == certifies
    parse_params(with_value(f"{CERTIFIED}.n_samples", 10))
    shared = with_value(f"{CERTIFIED}.alpha_of", "table")  # by 12 images
    shared["datasets"]["brain_mets"]["certify"]["n_samples"] = 13
    told = "n_samples: expected at least 14, because alpha 0.001, shared by 12 images, certifies nothing with fewer"
    assert refused(shared).startswith(f"{CERTIFIED}.{told}")


def test_tied_noise_for_images_in_colour_is_refused() -> None:
    told = refused(with_value("datasets.brain_mets.preprocess.channels", "colour"))
    assert told == (
        f"{CERTIFIED}.noise: expected untied with preprocess.channels colour, because tied noise certifies only "
        "changes that are equal in all channels, got 'tied'"
    )


def test_without_certify_a_data_set_has_no_certificates() -> None:
    content = copy.deepcopy(DEMO)
    assert parse_params(content).certified == {"brain_mets": ("clean", "adversarial")}
    del content["datasets"]["brain_mets"]["certify"]
    assert parse_params(content).certified == {}
