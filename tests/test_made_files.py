"""Messages about files of earlier stages that are missing."""

from pathlib import Path

import pytest

from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.pipeline.made_files import check_made, way_to_make
from oncorobust.report.page.parts import read_image


def test_a_missing_file_of_a_stage_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as found:
        check_made("models/a/clean.keras")
    told = "expected models/a/clean.keras, got no such file; `snakemake --cores all models/a/clean.keras` makes it"
    assert str(found.value) == told


@pytest.mark.parametrize(
    ("file", "way"),
    [
        ("reports/lidc/clean/attack.json", "; `snakemake --cores all reports/lidc/clean/attack.json` makes it"),
        ("data/processed/my set/index.csv", "; `snakemake --cores all 'data/processed/my set/index.csv'` makes it"),
        ("workflow/code/train.txt", "; `oncorobust graph` makes it"),
        ("data/raw/lidc/manifest.csv", ""),
        ("own/model.keras", ""),
        ("/reports/x.json", ""),
    ],
)
def test_the_command_that_makes_what_is_missing(tmp_path, monkeypatch, file, way):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as found:
        Path(file).read_bytes()
    assert way_to_make(found.value) == way


def test_the_file_behind_an_error_of_ours_and_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for read, file in ((read_results, "reports/metrics.json"), (read_image, "reports/figures/figure1.png")):
        with pytest.raises(InputError) as found:
            read(file)
        assert way_to_make(found.value) == f"; `snakemake --cores all {file}` makes it"
    with pytest.raises(FileNotFoundError) as found:
        (tmp_path / "models" / "a.keras").read_bytes()
    assert way_to_make(found.value) == "; `snakemake --cores all models/a.keras` makes it"
    assert way_to_make(InputError("another")) == ""
