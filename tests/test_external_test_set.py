"""A finished model on an external test set: a tree with test images alone, through Snakemake and through DVC."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from schema_check import problems_below
from toy_pipeline import COPIED, REPOSITORY, run, write_params

from oncorobust.base.files import read_json
from oncorobust.report.tables.cell import tables_from_json
from oncorobust.trace.follow import trace_cell
from oncorobust.trace.repository import State

pytestmark = pytest.mark.slow
MODEL = "own/finished.keras"
N_IMAGES = 24


def params() -> dict:
    """One data set, which no stage trains on."""
    content = yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    block = content["datasets"]["mnist"]
    block["preprocess"] |= {"format": {"name": "manifest"}, "max_images": None, "size": 16, "balance": "none"}
    block["preprocess"]["split"]["use_given"] = True
    block["model"] = {"source": "path", "path": MODEL, "input_range": [0, 255], "fine_tune": False}
    block["harden"] = None
    block["attack"] |= {"epsilons": [0.01, 0.1], "max_images": 20}
    block["rank"] |= {"epsilons": [0.01, 0.05, 0.1]}
    content["attacks"] |= {"table_epsilons": [0.002, 0.006]}
    content["datasets"] = {"elsewhere": block}
    content["report"]["columns"] = {"elsewhere": {"title": "Elsewhere", "paper": None}}
    return content | {"acquire": {}, "run": {"datasets": ["elsewhere"], "threads": 1}}


def write_inputs(folder: Path) -> None:
    """Write a model that answers by brightness, wrong for every fourth image, and its external test set."""
    model = keras.Sequential(
        [keras.Input((16, 16, 1)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.layers[-1].set_weights([np.array([[0.1]], dtype=np.float32), np.array([-12.8], dtype=np.float32)])
    (folder / "own").mkdir()
    model.save(folder / MODEL)
    tree = folder / "data" / "raw" / "elsewhere"
    tree.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for number in range(N_IMAGES):
        bright = number // 2 % 2
        Image.fromarray(rng.integers(100 + 40 * bright, 120 + 40 * bright, (20, 20)).astype(np.uint8)).save(
            tree / f"{number}.png"
        )
        label = bright if number % 4 else 1 - bright
        rows.append([f"i{number}", f"{number}.png", ("benign", "malignant")[label], f"p{number // 2}", "test"])
    names = ["image_id", "path", "label", "patient_id", "split"]
    pd.DataFrame(rows, columns=names).to_csv(tree / "manifest.csv", index=False)


def make_repository(folder: Path, content: dict) -> None:
    """Write the repository with these parameters and commit it."""
    for name in COPIED:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / name, folder / name)
    write_params(folder, content)
    write_inputs(folder)
    run(folder, "oncorobust graph && git init -q && git add -A && git commit -q -m start")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository before a run."""
    folder = tmp_path_factory.mktemp("start") / "repository"
    make_repository(folder, params())
    return folder


@pytest.fixture(scope="module")
def ran(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, run by Snakemake and recorded."""
    folder = Path(shutil.copytree(start, tmp_path_factory.mktemp("snakemake") / "repository"))
    run(folder, "oncorobust check && snakemake --cores 2 && oncorobust record")
    run(folder, "git add -A && git commit -q -m results")
    return folder


@pytest.mark.long
def test_both_runners_give_the_same_bytes(start: Path, ran: Path, tmp_path: Path) -> None:
    by_dvc = Path(shutil.copytree(start, tmp_path / "dvc"))  # a model saved twice is not the same file
    run(by_dvc, "dvc repro")
    found = []
    for folder in (ran, by_dvc):
        paths = [path for top in ("reports", "models", "data/processed") for path in (folder / top).rglob("*.*")]
        found.append({str(path.relative_to(folder)): path.read_bytes() for path in (*paths, folder / "dvc.lock")})
    assert found[0].keys() == found[1].keys()
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []


def test_no_model_is_hardened_and_neither_runner_has_anything_left_to_do(ran: Path) -> None:
    assert not [path for top in ("reports", "models") for path in (ran / top).rglob("*adversarial*")]
    assert "up to date" in run(ran, "dvc status")
    assert "Nothing to be done" in run(ran, "snakemake --cores 1 -n")


def test_the_model_is_measured_on_the_test_images_alone(ran: Path) -> None:
    summary = read_json(ran / "data/processed/elsewhere/summary.json")
    assert summary["patients"] == {"train": 0, "validation": 0, "test": N_IMAGES // 2}
    training = read_json(ran / "reports/elsewhere/clean/training.json")
    assert (training["epochs_run"], training["ended"], training["best"]) == (0, "not trained", {"epoch": 0})
    attack = read_json(ran / "reports/elsewhere/clean/attack.json")
    assert (attack["n_test_images"], attack["n_images"], attack["test_accuracy"]) == (N_IMAGES, 20, 0.75)


def test_every_file_fits_its_schema_and_every_cell_traces(ran: Path) -> None:
    root = ran
    assert problems_below(root)[0] == []
    tables = tables_from_json(read_json(root / "reports/tables/cells.json"))
    state = State(root, "HEAD")
    traced = {table.name: 0 for table in tables}
    for cell in [one for table in tables for one in table.cells if table.name != "Table R" or one.field == "aurc"]:
        trace = trace_cell(state, table=cell.table, row=cell.row, column=cell.column, field=cell.field)
        assert trace.sound, (cell.table, cell.row, cell.field)
        traced[cell.table] += 1
    empty = ("Table S5", "Table N", "Table C", "Table A", "Table V")
    assert [traced.pop(name) for name in empty] == [0] * len(empty)
    assert all(traced.values())
    told = run(root, "oncorobust trace S5 --row PGD --column elsewhere", status=1)
    assert "Table S5 has no rows. Empty, because no data set has an adversarially trained model" in told


def test_the_page_does_not_speak_of_training(ran: Path) -> None:
    page = (ran / "reports/index.html").read_text(encoding="utf-8")
    assert "<li>Model: own/finished.keras, evaluated without further training.</li>" in page
    assert "of the 20 test images that were attacked); 18 of all 24 test images." in page
    for text in ("after adversarial training", "how adversarial training", "Figure 3", "harden.py", "by epoch"):
        assert text not in page, text
    assert '<th class="label" scope="row">train</th>' not in page


def test_dvc_shows_metrics_and_plots(ran: Path) -> None:
    told = json.loads(run(ran, "dvc metrics show --json"))
    assert "clean_accuracy" in json.dumps(told)
    run(ran, "dvc plots show")


def test_hardening_nothing_is_refused_with_its_key(ran: Path) -> None:
    told = run(ran, "python workflow/scripts/harden.py --dataset elsewhere", status=1)
    assert "expected settings of datasets.elsewhere.harden in params.yaml, got null" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"harden": yaml.safe_load((REPOSITORY / "presets/demo.yaml").read_text())["datasets"]["mnist"]["harden"]}, ""),
        ({"model": {"source": "path", "path": MODEL, "input_range": [0, 255], "fine_tune": True}}, ""),
        ({"preprocess": {"intensity_range": "training"}}, "expected two numbers as preprocess.intensity_range, got"),
    ],
    ids=["harden", "fine-tune", "training range"],
)
def test_what_needs_training_images_is_refused_first(ran: Path, tmp_path: Path, change: dict, told: str) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(ran, folder, ignore=shutil.ignore_patterns(".dvc", ".git"))
    content = params()
    for key, value in change.items():
        block = content["datasets"]["elsewhere"]
        block[key] = block[key] | value if key == "preprocess" else value
    write_params(folder, content)
    found = run(folder, "python workflow/scripts/preprocess.py --dataset elsewhere", status=1)
    assert (told or "expected training images, got none in the given split: to evaluate a finished model") in found
