"""Edits of params.yaml as text: the entry changes, and every other byte stays."""

import pytest
import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.params_text import (
    add_entry,
    add_keys,
    has_entry,
    move_entry,
    remove_entry,
    replace_entry,
    set_names,
)

TEXT = """\
# first
seed: 0 # of all draws

run:
  datasets: [a, b] # in order
  threads: 1

acquire: # made by the pipeline
  a: {source: phantom} # drawn
  # a comment of b
  b:
    source: packaged

datasets:
  a: # CT
    size: 32
    names:
      - one
      - two # the last

# about the report
report: {columns: {}}
"""


def test_an_entry_is_added_behind_the_last_one_and_before_the_comments_below() -> None:
    edited = add_entry(TEXT, ["datasets"], "\nc:\n  size: 64")
    assert edited == TEXT.replace("two # the last\n", "two # the last\n\n  c:\n    size: 64\n")


def test_removed_entries_leave_comments_and_an_empty_mapping() -> None:
    once = remove_entry(TEXT, ["acquire", "a"])
    assert once == TEXT.replace("  a: {source: phantom} # drawn\n", "")
    twice = remove_entry(once, ["acquire", "b"])
    assert "acquire: {} # made by the pipeline\n  # a comment of b\n\ndatasets:" in twice
    assert yaml.safe_load(twice)["acquire"] == {}
    assert yaml.safe_load(add_entry(twice, ["acquire"], "d: {source: x}"))["acquire"] == {"d": {"source": "x"}}


def test_an_entry_is_replaced_where_it_stands() -> None:
    edited = replace_entry(TEXT, ["datasets", "a"], "a:\n  size: 64\n")
    assert edited == TEXT[: TEXT.index("  a: # CT")] + "  a:\n    size: 64\n" + TEXT[TEXT.index("\n# about") :]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: [a, b] # why\n", "x: [b, c] # why\n"),
        ("x:\n  - a # first\n  - b\ny: 1\n", "x:\n  - b\n  - c\ny: 1\n"),
        ("x: []\n", "x: [b, c]\n"),
    ],
)
def test_a_list_of_names_keeps_its_style(before: str, after: str) -> None:
    assert set_names(before, ["x"], ["b", "c"]) == after


def test_windows_line_ends_and_a_missing_last_one_stay() -> None:
    assert add_entry("x:\r\n  a: 1\r\n", ["x"], "b: 2") == "x:\r\n  a: 1\r\n  b: 2\r\n"
    assert add_entry("x:\n  a: 1", ["x"], "b: 2") == "x:\n  a: 1\n  b: 2\n"


def test_a_block_of_text_ends_before_the_next_key() -> None:
    text = "x:\n  a: |\n    first\n    second\ny: 1\n"
    assert add_entry(text, ["x"], "b: 2") == "x:\n  a: |\n    first\n    second\n  b: 2\ny: 1\n"


def test_entries_in_braces_and_unknown_keys_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"^x: expected one key per line, got braces: write each key on its own line"):
        add_entry("x: {a: 1}\n", ["x"], "b:\n  c: 2")
    with pytest.raises(InputError, match=r"^x: expected one key per line, got braces"):
        add_entry("x: {a: 1}\n", ["x"], "b: 2 # why")
    with pytest.raises(InputError, match=r"^x: expected one key per line, got braces"):
        replace_entry("x: {a: 1, b: 2}\n", ["x", "a"], "a: 2")
    with pytest.raises(InputError, match=r"^datasets\.z: expected this key, got none"):
        remove_entry(TEXT, ["datasets", "z"])
    with pytest.raises(InputError, match=r"^run: expected a list, got another value"):
        set_names(TEXT, ["run"], ["a"])
    with pytest.raises(InputError, match=r"^run\.threads: expected a section, got another value"):
        add_entry(TEXT, ["run", "threads"], "b: 2")
    assert has_entry(TEXT, ["run", "threads"])
    assert not has_entry(TEXT, ["run", "threads", "more"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: {a: 1}\n", "x: {a: 1, b: 2}\n"),
        ("x: {y: {}, z: 1}\n", "x: {y: {}, z: 1, b: 2}\n"),
        ("x: {a: 1 # one\n  }\n", "x: {a: 1, b: 2 # one\n  }\n"),
        ("x: {} # why\n", "x: # why\n  b: 2\n"),
        ("x:\ny: 1\n", "x:\n  b: 2\ny: 1\n"),
        ("x: null # why\n", "x: # why\n  b: 2\n"),
    ],
)
def test_an_entry_of_one_line_is_added_to_every_form_of_mapping(before: str, after: str) -> None:
    assert add_entry(before, ["x"], "b: 2\n") == after


def test_entries_in_braces_are_removed_with_their_comma() -> None:
    assert remove_entry("x: {a: 1, b: 2, c: 3}\n", ["x", "b"]) == "x: {a: 1, c: 3}\n"
    assert remove_entry("x: {a: 1, b: 2}\n", ["x", "b"]) == "x: {a: 1}\n"
    assert remove_entry("x: {a: 1}\n", ["x", "a"]) == "x: {}\n"
    several = remove_entry("x: {a: 1, # one\n  b: 2}\n", ["x", "b"])
    assert yaml.safe_load(several) == {"x": {"a": 1}} and "# one" in several


def test_keys_are_added_to_every_form_of_mapping() -> None:
    text = "# head\na: # of a\n  # of b\n  b: 1\nc: {d: 2}\ne: {}\nf:\n    g: x # long\n    h: [1,\n      2]"
    added = {("a", "n"): [1, "two: #"], ("c", "n"): None, ("e", "n"): "no", ("f", "n"): {"k": 0.5}, ("top",): 1e-05}
    out = add_keys(text, added, comment="new")
    assert yaml.safe_load(out) == {
        "a": {"n": [1, "two: #"], "b": 1},
        "c": {"n": None, "d": 2},
        "e": {"n": "no"},
        "f": {"n": {"k": 0.5}, "g": "x", "h": [1, 2]},
        "top": 1e-05,
    }
    assert [line for line in text.splitlines() if "{" not in line] == [
        line for line in out.splitlines() if "{" not in line and "# new" not in line and line != "e:"
    ]
    assert add_keys("a:\n  b:\n    c: 1\n", {("a", "d"): 2, ("a", "b", "e"): 3, ("f",): 4}, comment="x") == (
        "a:\n  b:\n    c: 1\n    e: 3 # x\n  d: 2 # x\nf: 4 # x\n"
    )
    with pytest.raises(InputError, match=r"^x: expected this key, got none"):
        add_keys(text, {("x", "y"): 1}, comment="")
    with pytest.raises(InputError, match=r"^a\.b: expected a section, got another value"):
        add_keys(text, {("a", "b", "c"): 1}, comment="")


MOVES = """\
train:
  # how long
  epochs: 4 # short
  opt: # which
    name: sgd # why

    rate: 0.1
  z: {a: 1, b: 2}
other: {x: 1}

# at the end
last: 3
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("train.epochs", "train.n_epochs", MOVES.replace("epochs: 4", "n_epochs: 4")),
        ("train", "fit", MOVES.replace("train:", "fit:")),
        ("train.z.a", "other.w", MOVES.replace("{a: 1, b: 2}", "{b: 2}").replace("{x: 1}", "{x: 1, w: 1}")),
        ("train.z.b", "train.b", MOVES.replace("{a: 1, b: 2}", "{a: 1}\n  b: 2")),
        (
            "train.epochs",
            "fit.epochs",
            MOVES.replace("  # how long\n  epochs: 4 # short\n", "") + "fit:\n  # how long\n  epochs: 4 # short\n",
        ),
        (
            "train.opt",
            "fit.inner.optimizer",
            MOVES.replace("  opt: # which\n    name: sgd # why\n\n    rate: 0.1\n", "")
            + "fit:\n  inner:\n    optimizer: # which\n      name: sgd # why\n\n      rate: 0.1\n",
        ),
    ],
)
def test_an_entry_moves_with_its_value_and_comments(old: str, new: str, changed: str) -> None:
    assert move_entry(MOVES, old.split("."), new.split(".")) == changed


def test_an_entry_with_a_comment_does_not_move_into_braces() -> None:
    with pytest.raises(InputError, match=r"^other: expected one key per line, got braces: write each key on its own"):
        move_entry(MOVES, ["train", "epochs"], ["other", "epochs"])
