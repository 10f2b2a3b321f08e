"""A stage whose inputs change while it runs writes nothing, and says which one changed."""

import os
import sys
from pathlib import Path

import pytest

from oncorobust.base.errors import InputError
from oncorobust.base.files import whole_outputs
from oncorobust.base.watched_inputs import check_unchanged, watching


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_output(place: Path) -> None:
    with whole_outputs(place / "out.json") as (draft,):
        draft.write_text("{}")


def test_an_input_that_changes_after_it_was_read_leaves_no_output(place):
    with watching(place):
        assert Path("params.yaml").read_text() == "seed: 0\n"
        (place / "params.yaml").write_text("seed: 11\n")
        with pytest.raises(InputError, match=r"^params.yaml: changed while the stage ran, so its outputs are not"):
            write_output(place)
    assert sorted(path.name for path in place.iterdir()) == ["data", "params.yaml"]


def test_a_time_stamp_is_enough_and_a_missing_file_too(place):
    with watching(place):
        Path("params.yaml").read_text()
        os.utime("params.yaml", ns=(1, 1))
        with pytest.raises(InputError, match=r"params.yaml: changed"):
            check_unchanged()
        Path("params.yaml").unlink()
        with pytest.raises(InputError, match=r"params.yaml: changed"):
            check_unchanged()


def test_what_a_stage_does_not_read_may_change_and_what_it_writes(place):
    (place / "other.csv").write_text("1")
    with watching(place):
        Path("params.yaml").read_text()
        (place / "other.csv").write_text("2")
        write_output(place)
        write_output(place)
    (place / "params.yaml").write_text("seed: 2\n")
    check_unchanged()  # nobody reads any more


def test_what_only_saves_time_is_no_input(place):
    kept = place / ".cache" / "raw" / "case.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("1")
    with watching(place):
        kept.read_text()
        kept.write_text("22")
        check_unchanged()


def test_files_of_a_linked_raw_tree_are_inputs(place, tmp_path_factory):
    tree = tmp_path_factory.mktemp("hospital")
    (tree / "1.dcm").write_text("pixels")
    (place / "data" / "raw" / "lidc").symlink_to(tree)
    with watching(place):
        (tree / "1.dcm").read_text()  # a reader may have resolved the link
        (tree / "1.dcm").write_text("other pixels")
        with pytest.raises(InputError, match=r"1\.dcm: changed"):
            check_unchanged()


def test_the_source_of_a_loaded_module_is_an_input(place, monkeypatch):
    source = Path(sys.modules["oncorobust.base.errors"].__file__)
    with watching(place):
        check_unchanged()
        stamp = source.stat()
        os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
        try:
            with pytest.raises(InputError, match=r"errors\.py: changed"):
                check_unchanged()
        finally:
            os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_numpy_pandas_and_pillow_open_files_where_they_are_seen(place):
    """The readers of the stages; a library that opened files behind Python's back would go unwatched."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    np.save("a.npy", np.zeros(3))
    pd.DataFrame({"a": [1]}).to_csv("b.csv")
    Image.new("L", (2, 2)).save("c.png")
    for name, read in (
        ("a.npy", lambda name: np.load(name, mmap_mode="r")),
        ("b.csv", pd.read_csv),
        ("c.png", Image.open),
    ):
        with watching(place):
            read(name)
            os.utime(name, ns=(1, 1))
            with pytest.raises(InputError, match=rf"{name}: changed"):
                check_unchanged()
