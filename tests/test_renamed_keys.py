"""Keys that a version renamed: carried over as text; and unknown keys with the nearest known one."""

from typing import Any

import pytest
import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.renamed_keys import RENAMED, Renamed, carry_over
from oncorobust.settings.unknown_keys import nearest_key, unknown_keys

TEXT = """\
seed: 0
datasets:
  ct: # chest
    learn: {epochs: 4, warm: 2} # as in the paper
  mr:
    learn:
      # one long night
      epochs: 9 # nights
"""


def carried(*changes: Renamed, text: str = TEXT) -> tuple[str, dict[str, str]]:
    found = carry_over(text, yaml.safe_load(text), changes)
    assert yaml.safe_load(found.text) == found.content
    return found.text, dict(found.moved)


def test_a_key_of_each_data_set_moves_with_its_comment_and_an_unknown_empty_section_goes() -> None:
    text, moved = carried(Renamed("datasets.*.learn.epochs", "datasets.*.train.epochs", "2.0"))
    assert moved == {
        "datasets.ct.learn.epochs": "datasets.ct.train.epochs",
        "datasets.mr.learn.epochs": "datasets.mr.train.epochs",
    }
    assert text == (
        "seed: 0\ndatasets:\n  ct: # chest\n    learn: {warm: 2} # as in the paper\n    train:\n      epochs: 4\n"
        "  mr:\n    train:\n      # one long night\n      epochs: 9 # nights\n"
    )


def test_changes_follow_each_other_and_absent_keys_are_passed_over() -> None:
    text, moved = carried(
        Renamed("seed", "draws", "2.0"), Renamed("absent.key", "seed", "2.0"), Renamed("draws", "run.seed", "3.0")
    )
    assert moved == {"seed": "draws", "draws": "run.seed"}
    assert text.endswith("\nrun:\n  seed: 0\n") and "draws" not in text
    assert carried() == (TEXT, {})
    known, _ = carried(Renamed("run.threads", "threads", "2.0"), text="run:\n  threads: 1\n")
    assert known == "run: {}\nthreads: 1\n"  # the settings know run


def test_the_old_and_the_new_key_together_are_refused() -> None:
    expected = r"params.yaml: expected seed or run.seed, its name since version 2.0, got both: remove one"
    with pytest.raises(InputError, match=expected):
        carried(Renamed("seed", "run.seed", "2.0"), text="seed: 0\nrun: {seed: 1}\n")


def test_the_renames_of_the_package_lead_to_known_keys() -> None:
    for one in RENAMED:
        assert one.old.count("*") == one.new.count("*")
        assert nearest_key(tuple(one.new.split("."))) is not None


def test_unknown_keys_have_the_nearest_known_one() -> None:
    content: dict[str, Any] = {
        "sed": 0,
        "zzz": {"seed": 1},
        "datasets": {"ct": {"train": {"epoch": 1, "epochs": 2}, "harden": None}},
        "attacks": {"pgd": {"norm": 1}},
    }
    paths = [("sed",), ("zzz",), ("datasets", "ct", "train", "epoch"), ("attacks", "pgd", "norm")]
    assert unknown_keys(content) == paths
    assert nearest_key(("sed",)) == ("seed",)
    assert nearest_key(("zzz",)) is None
    assert nearest_key(paths[2]) == ("datasets", "ct", "train", "epochs")
    assert nearest_key(("train", "epochs")) == ("datasets", "NAME", "train", "epochs")
    assert unknown_keys(None) == []
