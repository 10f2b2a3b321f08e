"""Outputs are whole or absent, and their bytes depend on nothing but their content."""

import pandas as pd
import pytest

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5, file_sha256, read_json, whole_outputs, write_csv, write_json


def test_outputs_appear_together_when_the_block_ends(tmp_path):
    outputs = [tmp_path / "a" / "one.json", tmp_path / "b" / "two.csv"]
    with whole_outputs(*outputs) as drafts:
        for draft in drafts:
            draft.write_text("whole")
        assert not any(output.exists() for output in outputs)
        assert [draft.suffix for draft in drafts] == [".json", ".csv"]
    assert [output.read_text() for output in outputs] == ["whole", "whole"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["one.json", "two.csv"]


def test_after_a_failure_nothing_is_left_also_nothing_old(tmp_path):
    outputs = [tmp_path / "one.json", tmp_path / "two.csv"]
    outputs[0].write_text("of an earlier run")
    with pytest.raises(RuntimeError, match="half way"), whole_outputs(*outputs) as drafts:
        drafts[0].write_text("half")
        raise RuntimeError("half way")
    assert list(tmp_path.iterdir()) == []


def test_json_is_sorted_and_refuses_what_json_has_no_word_for(tmp_path):
    write_json(tmp_path / "one.json", {"b": 1, "a": [0.1, "é"]})
    assert (tmp_path / "one.json").read_text(encoding="utf-8") == '{\n "a": [\n  0.1,\n  "é"\n ],\n "b": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "two.json", {"a": float("nan")})


def test_csv_gives_each_number_back(tmp_path):
    frame = pd.DataFrame({"image_id": ["007"], "epsilon": [0.1 + 0.2], "min_epsilon": [float("inf")]})
    write_csv(tmp_path / "one.csv", frame)
    assert (tmp_path / "one.csv").read_bytes() == b"image_id,epsilon,min_epsilon\n007,0.30000000000000004,inf\n"


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_reading_what_is_no_json_object_names_the_file(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(InputError, match=r"expected a JSON .*odd\.json"):
        read_json(tmp_path / "odd.json")
    with pytest.raises(InputError, match=r"absent\.json"):
        read_json(tmp_path / "absent.json")


def test_sums_are_the_published_ones(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_md5(tmp_path / "abc") == "900150983cd24fb0d6963f7d28e17f72"
    assert file_sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")
