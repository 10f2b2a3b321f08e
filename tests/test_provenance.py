"""From every cell of every table back to its inputs, on made-up results recorded in dvc.lock."""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from results_fixture import DATASETS, REPOSITORY, TABLE_EPSILONS, params_content, write_results

from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import SCHEMA_VERSION
from oncorobust.cli import trace as trace_command
from oncorobust.pipeline.code_digest import content_digest, file_digest
from oncorobust.pipeline.dvc_lock import parse_lock, producer, way_back
from oncorobust.report.tables.build import build_tables
from oncorobust.report.tables.cell import tables_from_json, tables_to_json
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.paired_tests import with_tests
from oncorobust.report.tables.render import to_frame
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.load import parse_params
from oncorobust.trace.find import find_cells, find_table
from oncorobust.trace.follow import trace_all, trace_cell, trace_path
from oncorobust.trace.repository import State
from oncorobust.trace.text import path_text, trace_text, whole_text

OPENED = None
"""Counts the files of the repository that are opened, while it is a Counter."""

MODELS = ("clean", "adversarial")
RAW_FILES = 12
CODE = "workflow/code/attack.txt"
MODULES = (
    "src/oncorobust/report/tables/cell.py",
    "src/oncorobust/report/tables/common.py",
    "workflow/scripts/attack.py",
)


def record(path, root):
    """A file or directory as dvc.lock has it."""
    place = root / path
    if place.is_dir():
        files = [one for one in place.rglob("*") if one.is_file()]
        size = sum(one.stat().st_size for one in files)
        return {"path": path, "md5": "0" * 32 + ".dir", "size": size, "nfiles": len(files)}
    content = place.read_bytes()
    return {"path": path, "hash": "md5", "md5": hashlib.md5(content).hexdigest(), "size": len(content)}


def write_tables(root):
    params = parse_params(params_content(DATASETS))
    attack, rank = (
        {
            key: {one: json.loads((root / f"reports/{key}/{one}/{name}").read_text()) for one in MODELS}
            for key in DATASETS
        }
        for name in ("attack.json", "rank.json")
    )
    built = build_tables(attack, rank, report=params.report, table_epsilons=TABLE_EPSILONS)
    rows = {file: read_rows(root / file) for file in row_files(built)}
    tables = with_tests(with_intervals(built, rows, seed=0, n_draws=60), rows)
    (root / "reports/tables").mkdir()
    for table in tables:
        to_frame(table).to_csv(root / table.file, index=False)
    content = {"schema_version": SCHEMA_VERSION} | tables_to_json(tables)
    (root / "reports/tables/cells.json").write_text(json.dumps(content))


def write_lock(root):
    """A dvc.lock with the stages of the made-up results; raw trees have no stage, as where they are the user's."""
    stages = {}

    def add(name, outputs, inputs, params):
        stages[name] = {
            "cmd": f"python workflow/scripts/{name.partition('@')[0]}.py",
            "deps": [record(path, root) for path in inputs],
            "params": {"params.yaml": params},
            "outs": [record(path, root) for path in outputs],
        }

    write_code(root)
    for key in DATASETS:
        summary = f"data/processed/{key}/summary.json"
        add(f"preprocess@{key}", [summary], [f"data/raw/{key}", CODE], {"seed": 0})
        for model in MODELS:
            keras, folder = f"models/{key}/{model}.keras", f"reports/{key}/{model}"
            add(f"{'train' if model == 'clean' else 'harden'}@{key}", [keras], [summary, CODE], {"seed": 0})
            outputs = [
                f"{folder}/{name}" for name in ("predictions.csv", "intervals.csv", "threats.csv", "attack.json")
            ]
            add(f"attack@{key}-{model}", outputs, [summary, keras, CODE], {"attacks": {"batch_size": 64}})
            outputs = [f"{folder}/sensitivity.csv", f"{folder}/rank.json"]
            add(f"rank@{key}-{model}", outputs, [summary, keras, CODE], {"seed": 0})
    metrics = [f"reports/{key}/{one}/{name}.json" for key in DATASETS for one in MODELS for name in ("attack", "rank")]
    tables = [
        *(f"reports/tables/{name}.csv" for name in ("table1", "table2", "table_s5", "gap", "threats")),
        "reports/tables/cells.json",
    ]
    add("tabulate", tables, metrics, {"run.datasets": list(DATASETS)})
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def write_code(root):
    """The digests of a stage of one script and two modules, as `oncorobust graph` writes them."""
    lines = ["# Digests", *(f"{content_digest(path, (root / path).read_bytes())}  {path}" for path in MODULES)]
    (root / CODE).parent.mkdir(parents=True, exist_ok=True)
    (root / CODE).write_text("\n".join(lines) + "\n")


def make_repository(root):
    write_results(root)
    write_tables(root)
    for key in DATASETS:
        (root / "data/raw" / key).mkdir(parents=True)
        for number in range(RAW_FILES):
            (root / "data/raw" / key / f"{number:02d}.png").write_bytes(b"image %d" % number)
        (root / "data/raw" / key / ".snakemake_timestamp").touch()
        (root / "models" / key).mkdir(parents=True, exist_ok=True)
        for model in MODELS:
            (root / "models" / key / f"{model}.keras").write_bytes(f"{key} {model}".encode())
    for path in (
        "src/oncorobust/report/tables/paper",
        *MODULES,
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (REPOSITORY / path).is_dir() else shutil.copy)(REPOSITORY / path, root / path)
    for key in DATASETS:
        (root / "data/raw" / key / ".snakemake_timestamp").unlink()
    write_lock(root)
    for key in DATASETS:
        (root / "data/raw" / key / ".snakemake_timestamp").touch()
    return root


def count_opened(event, arguments):
    if OPENED is not None and event == "open" and isinstance(arguments[0], str | Path):
        parts = Path(arguments[0]).parts
        found = next((number for number, part in enumerate(parts) if part.startswith("repository")), None)
        if found is not None:
            OPENED["/".join(parts[found + 1 :])] += 1


sys.addaudithook(count_opened)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    return make_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def root(unchanged, tmp_path):
    shutil.copytree(unchanged, tmp_path / "copy")
    return tmp_path / "copy"


def trace(root, table="Table 1", row="PGD:0.002", column="lidc", field=None, rev=None):
    return trace_cell(State(root, rev), table=table, row=row, column=column, field=field)


def test_every_cell_of_every_table_agrees(unchanged):
    tables = tables_from_json(json.loads((unchanged / "reports/tables/cells.json").read_text()))
    result = trace_all(State(unchanged, None))
    assert result.sound, whole_text(result)
    assert [(table.name, [one.cell for one in checks]) for table, checks in result.checks] == [
        (table.name, list(table.cells)) for table in tables
    ]
    assert sum(len(checks) for _, checks in result.checks) > 350
    lines = whole_text(result).splitlines()
    assert f"  AGREES     Table 1: {len(tables[0].cells)} cells" in lines and lines[-1] == "AGREES"


def test_one_cell_is_checked_as_all_are(unchanged):
    of_all = [one for _, checks in trace_all(State(unchanged, None)).checks for one in checks]
    for words in (("Table 1", "PGD:0.002"), ("S5", "ALL"), ("2", "lidc"), ("T", "lesion:0.004")):
        assert all(check in of_all for check in trace(unchanged, *words).checks)


def test_all_cells_name_the_table_and_the_cell_that_differ(root):
    path = root / "reports/lidc/clean/threats.csv"
    frame = pd.read_csv(path)
    robust = (frame.threat == "lesion") & (frame.epsilon == 0.001) & (frame.label == frame.predicted) & ~frame.flipped
    frame.loc[frame.index[robust][0], "flipped"] = True
    frame.to_csv(path, index=False)
    result = trace_all(State(root, None))
    wrong = [one.cell for _, checks in result.checks for one in checks if not one.agrees]
    assert [(one.table, one.row, one.column, one.field) for one in wrong] == [
        ("Table T", "lesion:0.001", "lidc", "original")
    ]
    text = whole_text(result)
    assert "cells, 1 of them differ from their sources\n" in text
    assert "row lesion:0.001, column lidc, field original" in text
    assert "  reports/lidc/clean/threats.csv  md5 " in text.partition("Differs from dvc.lock\n")[2]
    assert text.splitlines()[-1].startswith("DISAGREES") and not result.sound


def test_all_cells_read_and_hash_each_file_once(unchanged, monkeypatch):
    opened = Counter()
    monkeypatch.setattr(sys.modules[__name__], "OPENED", opened)
    trace_all(State(unchanged, None))
    monkeypatch.setattr(sys.modules[__name__], "OPENED", None)
    data = {path: count for path, count in opened.items() if path.startswith(("reports/", "models/", "dvc.lock"))}
    assert len(data) > 30 and set(data.values()) == {1}, data


def test_the_way_back_reaches_model_data_scripts_modules_and_raw_files(unchanged):
    result = trace(unchanged)
    assert [stage.name for stage in result.way.stages] == [
        "tabulate",
        "attack@lidc-clean",
        "train@lidc",
        "preprocess@lidc",
    ]
    text = trace_text(result)
    model = hashlib.md5(b"lidc clean").hexdigest()
    assert f"read       models/lidc/clean.keras  md5 {model}, 10 bytes" in text
    assert 'parameter  attacks = {"batch_size": 64}' in text
    assert f"code       {CODE}  md5 {hashlib.md5((unchanged / CODE).read_bytes()).hexdigest()}, " in text
    assert f"script     {MODULES[2]}  digest {file_digest(unchanged / MODULES[2])}\n" in text
    assert f"library    {MODULES[0]}  digest {file_digest(unchanged / MODULES[0])}\n" in text
    assert f"data/raw/lidc/00.png  md5 {hashlib.md5(b'image 0').hexdigest()}" in text
    assert "and 2 more files" in text
    assert "predictions.csv where attack = pgd, epsilon = 0.002, attacked_label = predicted" in text
    assert text.splitlines()[-1] == "AGREES"


def test_the_raw_files_are_those_of_the_images_behind_the_cell(root):
    rows = pd.read_csv(root / "reports/lidc/clean/predictions.csv", dtype={"image_id": str})
    images = sorted(set(rows["image_id"]))[:2]
    index = {"image_id": [*images, "another"], "source": ["11.png", "07.png", "00.png"]}
    pd.DataFrame(index).to_csv(root / "data/processed/lidc/index.csv", index=False)
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    lock["stages"]["preprocess@lidc"]["outs"].append(record("data/processed/lidc/index.csv", root))
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    lines = trace_text(trace(root)).splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("    data/raw/lidc/")]
    assert listed == ["data/raw/lidc/11.png", "data/raw/lidc/07.png"]
    assert any(line.endswith("12 files, 2 of them with images of this cell") for line in lines)


def test_a_strict_cell_is_counted_from_the_intervals(unchanged):
    text = trace_text(trace(unchanged, row="ALL:0.002", field="accuracy_strict"))
    assert "+ reports/lidc/clean/attack.json /strict/robust_accuracy/paper/eps_0_002" in text
    assert "+ robust_accuracy at epsilon 0.002 of reports/lidc/clean/intervals.csv where attack = paper" in text
    text = trace_text(trace(unchanged, "Table 2", "lidc", "threshold_epsilon_strict"))
    assert "+ reports/lidc/clean/rank.json /strict/threshold_epsilon" in text
    assert "+ threshold_strict of reports/lidc/clean/sensitivity.csv" in text


def test_a_part_of_the_gap_is_two_numbers_of_both_protocols(unchanged):
    text = trace_text(trace(unchanged, "Table G", "0.002", "lidc", "restarts"))
    assert "+ reports/lidc/clean/attack.json /strict/robust_accuracy/pgd/eps_0_002" in text
    assert "- reports/lidc/clean/attack.json /robust_accuracy/true/pgd/eps_0_002" in text
    assert "+ robust_accuracy at epsilon 0.002 of reports/lidc/clean/intervals.csv where attack = pgd" in text
    assert "- accuracy of reports/lidc/clean/predictions.csv where attack = pgd, epsilon = 0.002" in text
    assert text.splitlines()[-1] == "AGREES"


def test_a_cell_under_a_threat_model_is_counted_from_its_rows(unchanged):
    text = trace_text(trace(unchanged, "Table T", "Lesion:0.004", "lidc", "original"))
    assert "+ reports/lidc/clean/attack.json /threats/lesion/robust_accuracy/eps_0_004" in text
    assert "+ robust_accuracy_threat of reports/lidc/clean/threats.csv where threat = lesion, epsilon = 0.004" in text
    assert text.splitlines()[-1] == "AGREES"


def test_one_altered_flip_disagrees(root):
    path = root / "reports/lidc/clean/threats.csv"
    frame = pd.read_csv(path)
    robust = (frame.threat == "lesion") & (frame.epsilon == 0.001) & (frame.label == frame.predicted) & ~frame.flipped
    frame.loc[frame.index[robust][0], "flipped"] = True
    frame.to_csv(path, index=False)
    by_field = {check.cell.field: check for check in trace(root, "t", "lesion:0.001").checks}
    altered = by_field.pop("original")
    assert altered.cell.value - altered.values["rows"] == pytest.approx(1 / 32)
    assert not altered.agrees and len(by_field) == 4 and all(check.agrees for check in by_field.values())


def test_one_altered_interval_disagrees(root):
    path = root / "reports/lidc/clean/intervals.csv"
    frame = pd.read_csv(path)
    robust = (frame.attack == "bim") & (frame.label == frame.predicted) & (frame.first_flipped > 0.002)
    frame.loc[frame.index[robust][0], "first_flipped"] = 0.002
    frame.to_csv(path, index=False)
    altered, other = (trace(root, row=row, field="accuracy_strict").checks[0] for row in ("BIM:0.002", "PGD:0.002"))
    assert altered.cell.value - altered.values["rows"] == pytest.approx(1 / 40)
    assert not altered.agrees and other.agrees


def alter_cells(root, change):
    path = root / "reports/tables/cells.json"
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if (cell["table"], cell["row"], cell["column"]) == ("Table S5", "ALL", "lidc"):
            change(cell)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("part", "key"), [("interval", "low"), ("interval", "high"), ("test", "p_value")])
def test_an_altered_end_of_an_interval_or_p_value_disagrees(root, part, key):
    def change(cell):
        if cell["field"] == "difference_strict":
            cell[part][key] += 0.001

    alter_cells(root, change)
    checks = {one.cell.field: one for one in trace(root, table="S5", row="ALL").checks}
    assert [field for field, check in checks.items() if not check.agrees] == ["difference_strict"]


def test_the_text_gives_the_interval_twice_and_why_there_is_none(unchanged):
    text = trace_text(trace(unchanged, table="S5", row="ALL", field="difference_strict"))
    interval = trace(unchanged, table="S5", row="ALL", field="difference_strict").checks[0].cell.interval
    ends = f"{interval.low!r} to {interval.high!r}"
    assert f"; 95 % interval: cells.json {ends}, rows {ends} ({interval.method}, " in text
    assert "60 samples, seed " in text
    assert "; no interval: a count" in trace_text(trace(unchanged, table="T", row="lesion:0.004", field="n_images"))


def test_a_table_that_was_not_made_says_why(tmp_path):
    write_results(tmp_path, protocols=("paper",))
    write_tables(tmp_path)
    shutil.copytree(REPOSITORY / "src/oncorobust/report/tables/paper", tmp_path / "src/oncorobust/report/tables/paper")
    with pytest.raises(InputError, match=r"Table G has no rows\. .* was not run"):
        trace(tmp_path, "Table G", "0.002")
    assert all(check.agrees for check in trace(tmp_path).checks)


def test_both_models_stand_behind_table_s5(unchanged):
    names = [stage.name for stage in trace(unchanged, "Table S5", "PGD", "mnist").way.stages]
    assert {"attack@mnist-clean", "attack@mnist-adversarial", "train@mnist", "harden@mnist"} < set(names)
    assert names.index("attack@mnist-adversarial") < names.index("harden@mnist") < names.index("preprocess@mnist")


def test_one_altered_row_disagrees(root):
    path = root / "reports/lidc/clean/predictions.csv"
    frame = pd.read_csv(path)
    hit = frame.index[(frame.attack == "pgd") & (frame.epsilon == 0.002) & (frame.attacked_label == "predicted")][0]
    frame.loc[hit, "predicted"] = 1 - frame.loc[hit, "predicted"]
    frame.to_csv(path, index=False)
    result = trace(root)
    by_field = {check.cell.field: check for check in result.checks}
    assert not by_field["accuracy"].agrees
    assert by_field["accuracy_true_labels"].agrees and by_field["paper"].agrees
    assert abs(by_field["accuracy"].values["rows"] - by_field["accuracy"].cell.value) == pytest.approx(1 / 40)
    assert "reports/lidc/clean/predictions.csv" in result.way.not_recorded
    text = trace_text(result)
    assert "predictions.csv is not recorded: run `oncorobust record`" in text
    assert text.splitlines()[-1].startswith("DISAGREES")
    assert not result.sound


def test_an_altered_metric_table_or_paper_number_disagrees(root):
    metrics = root / "reports/lidc/clean/rank.json"
    content = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(content | {"coverage": 0.5}))
    assert [one.cell.field for one in trace(root, "Table 2", "lidc", None).checks if not one.agrees] == ["coverage"]
    table = root / "reports/tables/table1.csv"
    frame = pd.read_csv(table)
    frame.loc[frame.row == "PGD:0.002", "mnist.accuracy"] += 0.01
    frame.to_csv(table, index=False)
    assert [one.cell.field for one in trace(root, column="mnist").checks if not one.agrees] == ["accuracy"]
    paper = root / "src/oncorobust/report/tables/paper/table1.csv"
    paper.write_text(paper.read_text().replace("26.92", "26.93"))
    assert [one.cell.field for one in trace(root).checks if not one.agrees] == ["paper"]


def test_without_dvc_lock_the_numbers_are_checked_but_not_recorded(root):
    (root / "dvc.lock").unlink()
    result = trace(root)
    assert all(check.agrees for check in result.checks)
    assert not result.sound
    text = trace_text(result)
    assert "No stages in dvc.lock: not recorded: run `oncorobust record`" in text
    assert text.splitlines()[-1] == "AGREES, but not recorded: run `oncorobust record`"


def test_inputs_changed_since_are_marked(root):
    (root / "models/lidc/clean.keras").write_bytes(b"another model")
    (root / "data/raw/lidc/new.png").write_bytes(b"image")
    text = trace_text(trace(root))
    assert next(line for line in text.splitlines() if "read       models/lidc/clean.keras" in line).endswith(
        "CHANGED SINCE"
    )
    assert "CHANGED SINCE: 13 files" in text
    shutil.rmtree(root / "data/raw/lidc")
    assert "12 files  (not in this tree)" in trace_text(trace(root))


def lines_of(text, name):
    """How the lines of a trace that name a file end."""
    lines = [line for line in text.splitlines() if f" {name}  " in line]
    assert lines
    return {line.partition("digest ")[2][32:] if "digest " in line else line.partition(" bytes")[2] for line in lines}


def test_code_changed_since_is_marked_module_by_module(root):
    for number, addition in ((0, b"# comment\n"), (1, b"ADDED = 1\n")):
        with (root / MODULES[number]).open("ab") as module:
            module.write(addition)
    (root / MODULES[2]).unlink()
    text = trace_text(trace(root))
    assert lines_of(text, CODE) == {""}
    assert lines_of(text, MODULES[0]) == {""}, "a comment is no change"
    assert lines_of(text, MODULES[1]) == {"  CHANGED SINCE"}
    assert lines_of(text, MODULES[2]) == {"  (not in this tree)"}


def test_the_recorded_modules_are_found_in_an_earlier_commit(root):
    recorded = file_digest(root / MODULES[0])
    git(root, "init", "-q")
    git(root, "add", "workflow", "src", "reports/tables", "reports/lidc", "dvc.lock")
    git(root, "commit", "-q", "-m", "results")
    (root / MODULES[0]).write_text("x = 1\n")
    write_code(root)
    text = trace_text(trace(root))
    assert lines_of(text, CODE) == {"  CHANGED SINCE"}
    assert f"library    {MODULES[0]}  digest {recorded}  CHANGED SINCE\n" in text
    assert lines_of(text, MODULES[1]) == {""}
    git(root, "commit", "-q", "-a", "-m", "other code")
    assert trace_text(trace(root)).splitlines()[1:] == text.splitlines()[1:]
    assert lines_of(trace_text(trace(root, rev="HEAD")), MODULES[0]) == {"  CHANGED SINCE"}
    text = trace_text(trace(root, rev="HEAD~1"))
    assert lines_of(text, CODE) == lines_of(text, MODULES[0]) == {""}


def test_digests_that_no_commit_has_are_not_listed(root):
    (root / CODE).write_text("# Digests\n")
    text = trace_text(trace(root))
    assert "modules unknown: no commit has this version of the file" in text
    assert "library" not in text


def git(root, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    finished = subprocess.run(["git", *identity, *arguments], cwd=root, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("table", "row", "column", "fields"),
    [
        ("table 1", "pgd:0.002", "LIDC", 4),
        ("1", "Baseline", "ct", 4),
        ("TABLE_S5", "pgd", "MRI", 9),
        ("S5", "PGD", "mn", 9),
        ("S5", "all", "mn", 3),
        ("g", "0.002", "lidc", 8),
        ("t", "stored 8:0.1", "mnist", 5),
        ("Table 2", "mnist", None, 9),
        ("Table 2", None, "MNIST", 9),
        ("Table 2", "mnist", "coverage", 1),
        ("Table 2", "lidc", "paper accuracy all", 1),
    ],
)
def test_words_that_find_cells(unchanged, table, row, column, fields):
    tables = tables_from_json(json.loads((unchanged / "reports/tables/cells.json").read_text()))
    assert len(find_cells(find_table(tables, table), row=row, column=column, field=None)) == fields


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"table": "Table 3"}, r"expected a table or figure \(Table 1, Table 2, .*Table T.*\), got 'Table 3'"),
        ({"row": "PGD:0.003"}, r"--row of Table 1 to be one of PGD:0.00\d, .*, Baseline.*, got PGD:0.003"),
        ({"row": None}, r"expected --row of Table 1 to be one of Baseline, .*, got None"),
        ({"column": "CIFAR"}, r"to name one of .*lidc \(LIDC\).*, got CIFAR"),
        ({"column": "m"}, r"expected --column to name one of .*, got m"),
        ({"column": None}, r"expected --column to name one of .*, got None"),
        (
            {"field": "precision"},
            r"--field of Table 1 to be one of paper, accuracy_strict, accuracy_true_labels, accuracy, got precision",
        ),
        (
            {"table": "Table T", "row": "full:0.001", "column": "mnist"},
            r"no value at full:0.001, mnist, None \(rows with a value for mnist: tied:0.1, ",
        ),
        ({"column": "phantom", "field": "paper"}, r"no value at PGD:0.002, phantom, paper"),
    ],
)
def test_words_that_find_nothing_list_what_there_is(unchanged, words, message):
    with pytest.raises(InputError, match=message):
        trace(unchanged, **words)


def test_command_prints_and_returns_the_verdict(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    parser = argparse.ArgumentParser()
    trace_command.add_arguments(parser)
    words = ["Table 1", "--row", "PGD:0.002", "--column", "LIDC", "--field", "accuracy"]
    assert trace_command.run(parser.parse_args(words)) == 0
    assert capsys.readouterr().out.endswith("AGREES\n")
    (root / "dvc.lock").unlink()
    assert trace_command.run(parser.parse_args(words)) == 1


def of_path(root, path, rev=None):
    return trace_path(State(root, rev), str(root / path))


def test_an_output_is_traced_to_its_stage_and_all_before_it(unchanged):
    result = of_path(unchanged, "reports/lidc/adversarial/attack.json")
    names = [stage.name for stage in result.way.stages]
    assert names == ["attack@lidc-adversarial", "harden@lidc", "preprocess@lidc"]
    assert result.maker.name == names[0] and result.readers == ("tabulate",) and result.sound
    md5 = hashlib.md5((unchanged / "reports/lidc/adversarial/attack.json").read_bytes()).hexdigest()
    lines = path_text(result).splitlines()
    assert lines[:5] == [
        "reports/lidc/adversarial/attack.json; work tree without a commit",
        f"  present    md5 {md5}",
        f"  dvc.lock   md5 {md5}",
        "  written by attack@lidc-adversarial",
        "  read by    tabulate",
    ]
    assert lines[lines.index("Make it again") + 1 :][:3] == [
        "  snakemake --cores all reports/lidc/adversarial/attack.json",
        "  dvc repro attack@lidc-adversarial    # or",
        "  python workflow/scripts/attack.py    # or the stage alone",
    ]
    assert lines[-1] == "AS RECORDED"


@pytest.mark.parametrize("path", ["models/lidc/clean.keras", "reports/tables/table1.csv", "data/raw/lidc/00.png"])
def test_other_paths_are_traced(unchanged, path):
    result = of_path(unchanged, path)
    assert (result.maker is None) == path.startswith("data/raw")
    assert result.sound and path_text(result).splitlines()[-1] in (
        "AS RECORDED",
        "NO STAGE writes it: it is an input of the pipeline",
    )


def test_a_tampered_file_of_the_way_is_named(root):
    recorded = hashlib.md5(b"lidc clean").hexdigest()
    (root / "models/lidc/clean.keras").write_bytes(b"another model")
    found = hashlib.md5(b"another model").hexdigest()
    difference = f"  models/lidc/clean.keras  md5 {found}, in dvc.lock {recorded}"
    for text, verdict in (
        (trace_text(trace(root)), "AGREES"),
        (path_text(of_path(root, "reports/lidc/clean/attack.json")), "NOT AS RECORDED"),
        (whole_text(trace_all(State(root, None))), "AGREES"),
    ):
        assert difference in text.splitlines()
        assert text.count(difference) == 1
        assert text.splitlines()[-1] == (
            f"{verdict}, but models/lidc/clean.keras has changed since: run `snakemake --cores all`"
        )
    assert not trace(root).sound and not of_path(root, "models/lidc/clean.keras").sound


def test_a_file_in_a_folder_that_a_stage_wrote_is_made_with_the_folder(unchanged):
    result = of_path(unchanged, "reports/lidc/adversarial/attack.json")
    folder = replace(result.maker.outputs[0], path="reports/lidc")
    way = replace(result.way, stages=(replace(result.maker, outputs=(folder,)),))
    assert "  snakemake --cores all reports/lidc\n" in path_text(replace(result, way=way))
    other = replace(result.way, stages=(replace(result.maker, outputs=()),))
    again = path_text(replace(result, way=other)).partition("Make it again")[2]
    assert "dvc repro" not in again, "the last known stage does not make the file"


def test_missing_cells_are_named_with_the_command_that_makes_them(root, monkeypatch):
    monkeypatch.chdir(root)
    (root / "reports/tables/cells.json").unlink()
    with pytest.raises(InputError, match=r"`snakemake --cores all reports/tables/cells\.json` makes it"):
        trace_all(State(Path(), None))


def test_an_unknown_path_lists_the_most_similar_ones(unchanged, tmp_path):
    message = (
        r"no stage of dvc\.lock \(work tree without a commit\) wrote or read reports/lidc/clean/attak\.json; it has "
        r"the paths reports/lidc/clean/attack\.json, .* and \d+ more, and the stages .*preprocess@lidc, .*tabulate"
    )
    with pytest.raises(InputError, match=message):
        of_path(unchanged, "reports/lidc/clean/attak.json")
    with pytest.raises(InputError, match=r"expected a path in the repository .*, got .*elsewhere"):
        trace_path(State(unchanged, None), str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match=r"work tree without a commit has no dvc\.lock.*run `oncorobust record`"):
        of_path(tmp_path, "reports/x.json")


def test_a_revision_without_the_stage_or_the_table_says_so(root):
    git(root, "init", "-q")
    git(root, "add", "dvc.lock")
    git(root, "commit", "-q", "-m", "before the tables")
    with pytest.raises(InputError, match=r"commit [0-9a-f]{40} has no file reports/tables/cells\.json"):
        trace(root, rev="HEAD")
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    del lock["stages"]["tabulate"]
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    git(root, "commit", "-q", "-a", "-m", "without tabulate")
    assert of_path(root, "reports/tables/table1.csv", rev="HEAD~1").maker.name == "tabulate"
    with pytest.raises(InputError, match=r"no stage of dvc\.lock \(commit .*\) wrote or read reports/tables/table1"):
        of_path(root, "reports/tables/table1.csv", rev="HEAD")
    with pytest.raises(InputError, match=r"expected --rev to be a git revision of this repository, got v9"):
        of_path(root, "reports/tables/table1.csv", rev="v9")


@pytest.mark.parametrize(
    ("words", "kind", "keys"),
    [
        (["S5", "--row", "ALL", "--column", "mnist"], "cell", {"checks", "table"}),
        (["models/lidc/clean.keras"], "path", {"path", "written_by", "read_by", "recorded_md5", "present_md5"}),
        (["--all"], "all", {"tables"}),
    ],
)
def test_json_has_the_facts_of_the_text(unchanged, monkeypatch, capsys, words, kind, keys):
    monkeypatch.chdir(unchanged)
    parser = argparse.ArgumentParser()
    trace_command.add_arguments(parser)
    assert trace_command.run(parser.parse_args([*words, "--json"])) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["traced"] == kind and content["sound"] and keys < set(content)
    assert content["differs_from_lock"] == [] and content["stages"][0]["command"].startswith("python workflow/")
    assert content["stages"][-1]["code"][MODULES[2]] == file_digest(unchanged / MODULES[2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"expected a table, a figure or a path, or --all"),
        (["Table 1", "--all"], r"expected a table, a figure or a path, or --all"),
        (["--all", "--row", "PGD"], r"--row, --series, --column and --field belong to a table or a figure"),
        (["models/lidc/clean.keras", "--column", "lidc"], r"--row, --series, --column and --field belong to a table"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused(unchanged, monkeypatch, words, message):
    monkeypatch.chdir(unchanged)
    parser = argparse.ArgumentParser()
    trace_command.add_arguments(parser)
    with pytest.raises(InputError, match=message):
        trace_command.run(parser.parse_args(words))


def test_missing_tables_are_named(tmp_path):
    with pytest.raises(InputError, match=r"expected a file, got .*reports/tables/cells\.json"):
        trace(tmp_path)


def test_way_back_puts_readers_before_writers():
    lock = parse_lock(
        yaml.safe_dump(
            {
                "stages": {
                    "a": {"cmd": "a", "outs": [{"path": "d", "md5": "1.dir", "size": 1, "nfiles": 2}]},
                    "b": {
                        "cmd": "b",
                        "deps": [{"path": "d/x", "md5": "2", "size": 1}],
                        "outs": [{"path": "m", "md5": "3", "size": 1}],
                    },
                    "c": {
                        "cmd": "c",
                        "deps": [{"path": "d", "md5": "1.dir", "size": 1}, {"path": "m", "md5": "3", "size": 1}],
                        "outs": [{"path": "r", "md5": "4", "size": 1}],
                    },
                }
            }
        )
    )
    assert [stage.name for stage in way_back(lock, ["r"])] == ["c", "b", "a"]
    assert producer(lock, "dx") is None


def test_a_broken_lock_is_named():
    with pytest.raises(InputError, match=r"expected stages with cmd, deps and outs, got .* in dvc\.lock"):
        parse_lock("stages: [1]")


@pytest.mark.slow
def test_an_earlier_revision_comes_out_of_git_and_dvc(root):
    """Rows live in DVC's cache only; the work tree has moved on."""

    def call(*command):
        finished = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr

    rows, intervals = (f"reports/lidc/clean/{name}.csv" for name in ("predictions", "intervals"))
    (root / "dvc.lock").unlink()
    call("git", "init", "-q")
    call(sys.executable, "-m", "dvc", "init", "-q")
    stages = {
        "attack": {
            "cmd": "true",
            "deps": ["models/lidc/clean.keras"],
            "outs": [rows, intervals, {"reports/lidc/clean/attack.json": {"cache": False}}],
        },
        "tabulate": {
            "cmd": "true",
            "deps": ["reports/lidc/clean/attack.json"],
            "outs": [{f"reports/tables/{name}": {"cache": False}} for name in ("table1.csv", "cells.json")],
        },
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    call(sys.executable, "-m", "dvc", "commit", "-q", "-f")
    call("git", "add", "dvc.yaml", "dvc.lock", "reports/tables", "reports/lidc/clean/attack.json", "src", ".dvc")
    call("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "results")
    assert subprocess.run(["git", "cat-file", "-e", f"HEAD:{rows}"], cwd=root, capture_output=True).returncode != 0
    (root / rows).unlink()
    assert trace(root).sound  # out of the cache
    (root / rows).write_text("label,predicted\n0,1\n")
    (root / "reports/tables/cells.json").write_text("{}")
    result = trace(root, rev="HEAD")
    assert result.sound, trace_text(result)
    assert [stage.name for stage in result.way.stages] == ["tabulate", "attack"]
    assert result.way.state.startswith("commit ")
    with pytest.raises(InputError, match=r"expected --rev to be a git revision of this repository, got nowhere"):
        trace(root, rev="nowhere")
    shutil.rmtree(root / ".dvc/cache")
    with pytest.raises(
        InputError, match=r"cannot get reports/lidc/clean/predictions.csv from the work tree, DVC's cache or its remote"
    ):
        trace(root, rev="HEAD")
