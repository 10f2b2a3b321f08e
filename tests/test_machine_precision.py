"""The precision that `auto` means on a machine: measured once, kept, the same in all later stages."""

import json
from pathlib import Path

import msgspec
import pytest
from recipes import TRAIN
from test_paper_attacks import TABLE_S1

from oncorobust.base import layout
from oncorobust.pipeline import machine_precision
from oncorobust.pipeline.machine_precision import decided, decided_training
from oncorobust.settings.attacks import Attacks


def with_precision(name: str, protocols: tuple[str, ...] = ("paper", "strict")) -> Attacks:
    strict = msgspec.structs.replace(TABLE_S1.strict, search_precision=name)
    return msgspec.structs.replace(TABLE_S1, strict=strict, protocols=protocols)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A folder without a measurement, and the measurements that follow: bfloat16 at first, then float32."""
    monkeypatch.chdir(tmp_path)
    made: list[str] = []

    def measure() -> str:
        made.append("float32" if made else "bfloat16")
        return made[-1]

    monkeypatch.setattr(machine_precision, "fastest_precision", measure)
    return made


def test_auto_is_measured_once_and_then_kept(measured: list[str]) -> None:
    for _ in range(2):
        assert decided(with_precision("auto"), threads=1).strict.search_precision == "bfloat16"
    assert measured == ["bfloat16"]
    assert list(Path(layout.CACHE).iterdir()) == [Path(layout.PRECISIONS)]


def test_other_threads_are_measured_on_their_own(measured: list[str]) -> None:
    assert decided(with_precision("auto"), threads=1).strict.search_precision == "bfloat16"
    assert decided(with_precision("auto"), threads=2).strict.search_precision == "float32"
    assert decided(with_precision("auto"), threads=1).strict.search_precision == "bfloat16"


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_a_file_that_was_cut_short_or_holds_another_word_is_measured_again(
    measured: list[str], content: str | None
) -> None:
    decided(with_precision("auto"), threads=1)
    file = Path(layout.PRECISIONS)
    (machine,) = json.loads(file.read_text())
    file.write_text(json.dumps({machine: "fast"}) if content is None else content)
    assert decided(with_precision("auto"), threads=1).strict.search_precision == "float32"
    assert len(measured) == 2


@pytest.mark.parametrize("attacks", [with_precision("float32"), with_precision("auto", protocols=("paper",))])
def test_nothing_is_measured_where_nothing_depends_on_it(measured: list[str], attacks: Attacks) -> None:
    assert decided(attacks, threads=1) is attacks
    assert measured == []


def test_training_is_mixed_where_bfloat16_is_the_fastest(measured: list[str]) -> None:
    auto = msgspec.structs.replace(TRAIN, precision="auto")
    assert decided_training(auto, threads=1).precision == "mixed"
    assert decided_training(auto, threads=2).precision == "float32"
    assert decided_training(TRAIN, threads=3) is TRAIN
    assert measured == ["bfloat16", "float32"]
    assert decided(with_precision("auto"), threads=1).strict.search_precision == "bfloat16", "one measurement for both"
