"""Edits of params.yaml as text: the entry changes, and every other byte stays."""

import pytest
import yaml

from oncorobust.base.errors import InputError
from oncorobust.settings.params_text import add_entry, has_entry, remove_entry, replace_entry, set_names

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
        add_entry("x: {a: 1}\n", ["x"], "b: 2")
    with pytest.raises(InputError, match=r"^x: expected one key per line, got braces"):
        replace_entry("x: {a: 1, b: 2}\n", ["x", "a"], "a: 2")
    with pytest.raises(InputError, match=r"^datasets\.z: expected this key, got none"):
        remove_entry(TEXT, ["datasets", "z"])
    with pytest.raises(InputError, match=r"^run: expected a list, got another value"):
        set_names(TEXT, ["run"], ["a"])
    assert has_entry(TEXT, ["run", "threads"])
    assert not has_entry(TEXT, ["run", "threads", "more"])
