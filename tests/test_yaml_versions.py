"""Plain values that YAML 1.1 and YAML 1.2 read differently: numbers with an exponent are read, others refused."""

import math
from pathlib import Path

import pytest

from oncorobust.base.errors import InputError
from oncorobust.settings.load import check_overrides, load_params, read_yaml

PARAMS = Path(__file__).parents[1] / "params.yaml"
LINE = "      optimizer: {name: adam, learning_rate: 0.0001, weight_decay: 0}\n"


def with_learning_rate(folder: Path, value: str) -> Path:
    """Write params.yaml with another learning rate in its first training block."""
    text = PARAMS.read_text(encoding="utf-8")
    assert LINE in text
    path = folder / "params.yaml"
    path.write_text(text.replace(LINE, LINE.replace("0.0001", value), 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 0.00001),
        ("1e-5", 0.00001),
        ("1E-5", 0.00001),
        ("1.0e-5", 0.00001),
        (".5e-3", 0.0005),
        ("1.e-3", 0.001),
    ],
)
def test_numbers_with_an_exponent_are_numbers(tmp_path: Path, text: str, value: float) -> None:
    path = with_learning_rate(tmp_path, text)
    name = next(iter(load_params(path).datasets))
    assert load_params(path).datasets[name].train.optimizer.learning_rate == value
    assert read_yaml(path)["datasets"][name]["train"]["optimizer"]["learning_rate"] == value


def test_dvc_reads_the_same_numbers(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    path = with_learning_rate(tmp_path, "1e-05")
    assert YAML(typ="safe").load(path.read_text(encoding="utf-8")) == read_yaml(path)


def test_the_configuration_of_snakemake_has_the_text_and_is_accepted(tmp_path: Path) -> None:
    from snakemake.common.configfile import load_configfile

    path = with_learning_rate(tmp_path, "1e-05")
    check_overrides(load_configfile(path), path)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("no", "false", "the text 'no'"),
        ("On", "true", "the text 'On'"),
        ("12:30:45", "the number 45045", "the text '12:30:45'"),
        ("010", "the number 8", "the number 10"),
        ("08", "the text '08'", "the number 8"),
        ("0o10", "the text '0o10'", "the number 8"),
        ("1_000", "the number 1000", "the text '1_000'"),
        ("2001-12-14", "the date 2001-12-14", "the text '2001-12-14'"),
    ],
)
def test_two_readings_are_refused(tmp_path: Path, text: str, old: str, new: str) -> None:
    path = with_learning_rate(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_params(path)
    line = path.read_text(encoding="utf-8").splitlines().index(LINE.replace("0.0001", text).rstrip()) + 1
    assert str(caught.value) == (
        f"{path}: line {line}: expected one reading, got {text}, which is {old} by YAML 1.1 and {new} by YAML 1.2: "
        "write the one you mean, with quotes if it is text"
    )


def test_a_key_with_two_readings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("datasets:\n  no: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: expected one reading, got no, which is false"):
        load_params(path)


@pytest.mark.parametrize("text", ["'no'", '"12:30:45"', "!!str no", "'1e-05'"])
def test_quoted_text_is_text(tmp_path: Path, text: str) -> None:
    path = with_learning_rate(tmp_path, text)
    with pytest.raises(InputError, match="learning_rate: expected `float`"):
        load_params(path)


@pytest.mark.parametrize("text", ["9" * 5000, "2001-13-45"])
def test_values_that_no_reader_can_hold_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: "):
        load_params(with_learning_rate(tmp_path, text))


@pytest.mark.parametrize("text", [".inf", "1e400"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=f"learning_rate: expected a finite number, got {math.inf}"):
        load_params(with_learning_rate(tmp_path, text))
