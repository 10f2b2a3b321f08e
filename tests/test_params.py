"""Parameters: every preset loads, the paper's preset is the paper's tables, every mistake is refused with its path.

The paper's tables are transcribed from the publication in tests/paper_tables/, apart from the preset they are compared
with; the epsilon grids are the axes of its figures and the grids of its sensitivity script.
"""

import copy
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oncorobust.errors import InputError
from oncorobust.params import check_overrides, load_params, parse_params
from oncorobust.settings.pipeline import Dataset, Params
from oncorobust.settings.training import SGD

REPOSITORY = Path(__file__).resolve().parent.parent
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))
DEMO = yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
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


@pytest.mark.parametrize("name", [name for name in NAMES if name.rpartition(".")[0] not in OPEN_KEYS])
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
    assert refused(with_value(name, {"a": 1})).startswith(f"{name}: expected `")
    if not isinstance(parent_of(DEMO, name)[0][name.rpartition(".")[2]], bool):
        assert refused(with_value(name, True)).startswith(f"{name}: expected `")


NUMBERS = [name for name in LEAVES if type(parent_of(DEMO, name)[0][name.rpartition(".")[2]]) in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_out_of_range_are_refused_with_their_path(name: str) -> None:
    assert re.match(rf"{name}: expected `(int|float)` >=? -?[0-9.]+, got -1$", refused(with_value(name, -1)))
    for value in (float("nan"), float("inf")):
        assert refused(with_value(name, value)) == f"{name}: expected a finite number, got {value}"
    message = refused(with_value(name, "1e-3"))
    assert re.fullmatch(rf"{name}: expected `.*`, got the text '1e-3': YAML wants 0.001", message)


def test_every_number_of_the_demo_is_covered() -> None:
    assert len(NUMBERS) > 25
    assert len(LEAVES) > 50


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("datasets.mnist.train.epochs", 0, "expected `int` >= 1, got 0"),
        ("datasets.mnist.train.epochs", 2.5, "expected `int`, got `float`"),
        ("datasets.mnist.preprocess.size", 31, "expected `int` >= 32, got 31"),
        (
            "datasets.mnist.preprocess.format.name",
            "minst",
            "expected one of mnist, cifar10, manifest, lidc, cbis_ddsm, brain_mets, got 'minst'",
        ),
        ("datasets.mnist.preprocess.split.unit", "slice", "expected one of patient, image, got 'slice'"),
        ("datasets.mnist.preprocess.intensity_range", "mean", "expected one of format, training, got 'mean'"),
        ("datasets.mnist.preprocess.intensity_range", [400, -1000], "expected low < high, got [400.0, -1000.0]"),
        ("datasets.mnist.train.optimizer.name", "rmsprop", "expected one of sgd, adam, got 'rmsprop'"),
        ("datasets.mnist.model.dropout", 1.0, "expected `float` < 1.0, got 1.0"),
        ("datasets.mnist.harden.eps_step", 0.2, "expected at most epsilon 0.1, got 0.2"),
        ("datasets.mnist.rank.exclude_share", 1.0, "expected `float` < 1.0, got 1.0"),
        ("datasets.mnist.rank.epsilons", [0.1, 0.1], "expected strictly increasing epsilons, got 0.1 before 0.1"),
        ("datasets.mnist.attack.epsilons", [], "expected `array` of length >= 1, got []"),
        ("attacks.table_epsilons", [0.002, 0.001], "expected strictly increasing epsilons, got 0.002 before 0.001"),
        ("attacks.bim.num_random_init", 1, "expected 0 (BIM starts at the image itself), got 1"),
        ("report.adversarial_training_epsilon", 0.003, "expected one of attacks.table_epsilons, got 0.003"),
        ("report.columns.mnist.paper", "PET", "expected one of CT, Mammogram, MRI, MNIST, CIFAR-10, got 'PET'"),
        ("run.datasets", ["mnist", "mnist"], "expected each data set once, got ['mnist', 'mnist']"),
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
        "acquire.mnist.source: expected phantom for a format of cifar10, lidc, cbis_ddsm, brain_mets alone, "
        "got format mnist"
    )
    content = copy.deepcopy(DEMO)
    content["datasets"]["Mnist-2"] = content["datasets"]["mnist"]
    assert refused(content).startswith(
        "datasets.Mnist-2: expected a name of lower-case letters, digits and underscores"
    )
    content = copy.deepcopy(DEMO)
    sgd = {"name": "sgd", "learning_rate": 0.1, "decay": 0, "momentum": 0, "nesterov": True}
    content["datasets"]["mnist"]["train"]["optimizer"] = sgd
    assert refused(content) == ("datasets.mnist.train.optimizer.nesterov: expected false where momentum is 0, got true")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 0\nseed: 1\n", "params.yaml: expected each key once, got 'seed' twice in line 1"),
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
    with pytest.raises(InputError, match=r"got another `datasets` from --config or --configfile: edit .*demo.yaml"):
        check_overrides(with_value("datasets.mnist.train.epochs", 99), path)
    with pytest.raises(InputError, match=r"got another `extra`"):
        check_overrides({**DEMO, "extra": 1}, path)


PAPER = load_params(REPOSITORY / "presets" / "paper.yaml")
COLUMNS = ["CT", "Mammogram", "MRI", "MNIST", "CIFAR-10"]


def table(name: str) -> dict[str, dict[str, str]]:
    with (REPOSITORY / "tests" / "paper_tables" / f"{name}.csv").open(encoding="utf-8") as stream:
        return {row.pop("parameter"): row for row in csv.DictReader(stream)}


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
def test_the_paper_preset_has_the_training_of_table_s3(column: str) -> None:
    rows = table("table_s3")
    dataset = dataset_of(PAPER, column)
    optimizer = dataset.train.optimizer
    assert isinstance(optimizer, SGD)
    assert f"{dataset.preprocess.size} x {dataset.preprocess.size}" == rows["Input Image Size"][column]
    assert dataset.train.batch_size == int(rows["Batch Size"][column])
    assert dataset.train.epochs == int(rows["Max Epochs"][column])
    assert dataset.train.patience == int(rows["Patience"][column])
    assert optimizer.learning_rate == float(rows["Initial Learning Rate"][column])
    assert optimizer.decay == float(rows["Learning rate decay"][column])
    assert optimizer.momentum == float(rows["Momentum"][column])
    assert optimizer.nesterov == (optimizer.momentum > 0)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_paper_preset_has_the_adversarial_training_of_table_s4(column: str) -> None:
    rows = table("table_s4")
    harden = dataset_of(PAPER, column).harden
    assert harden.epsilon == float(rows["Epsilon"][column])
    assert harden.eps_step == float(rows["Epsilon step"][column])
    assert harden.max_iter == int(rows["Max Iterations"][column])
    assert harden.num_random_init == int(rows["# random initializations"][column])
    assert harden.epochs == int(rows["Number of Epochs"][column])
    assert harden.batch_size == int(rows["Batch size"][column])
    assert harden.adversarial_share == 0.5


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
def test_the_paper_preset_has_the_model_of_table_s2_and_the_augmentation_of_the_text(column: str) -> None:
    dataset = dataset_of(PAPER, column)
    assert (dataset.model.hidden_units, dataset.model.dropout, dataset.model.max_norm) == ((4096, 1024), 0.5, 2.0)
    assert (dataset.model.weights, dataset.model.input_scaling, dataset.model.feature_scale) == (
        "imagenet",
        "none",
        1.0,
    )
    copies = {"CT": 10, "Mammogram": 10, "MRI": 4}.get(column, 0)
    assert dataset.augment.copies == copies
    assert dataset.augment.max_rotation_degrees == (20 if copies else 0)
    assert dataset.augment.horizontal_flip == dataset.augment.vertical_flip == (copies > 0)
