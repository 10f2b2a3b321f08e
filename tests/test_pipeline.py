"""The real pipeline, end to end, at a size of seconds: through Snakemake in one clone and through DVC in another.

In `make test` the model is a small one of the user's own. In `make test-long` it is VGG16, Snakemake attacks and ranks
in two shards, while DVC always does so in one job, and both train with two further seeds.

A hundred and twenty small images with a pattern that either model can learn stand in for a data set; they say that they
are synthetic.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from recipes import in_float32
from schema_check import problems_below
from toy_pipeline import COPIED, REPOSITORY, run, write_params

from oncorobust.base.files import read_json
from oncorobust.base.layout import CODE_STAMPS, hashes_file
from oncorobust.base.schema.acceptance import ACCEPTANCE, DECLARATION
from oncorobust.base.schema.attack import REPEATED_INTERVALS, REPEATED_PREDICTIONS
from oncorobust.base.schema.files import DOCUMENTS, TABLES
from oncorobust.base.schema.front import FRONT
from oncorobust.pipeline.code_record import is_code_path, parse_digests
from oncorobust.trace.follow import trace_all, trace_cell
from oncorobust.trace.repository import State

pytestmark = pytest.mark.slow
FEW = [0.01, 0.1, 0.5]


OWN_MODEL = "own/classifier.keras"
WRITE_OWN_MODEL = f"""
import keras

keras.utils.set_random_seed(0)
layers = [keras.Input((32, 32, 3))]
layers += [keras.layers.Conv2D(width, 5, strides=2, activation="relu", padding="same") for width in (8, 16)]
layers += [keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(2)]
keras.Sequential(layers).save("{OWN_MODEL}")
"""


def small_params(*, vgg16: bool) -> dict:
    content = in_float32(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))
    block = content["datasets"].pop("mnist")
    block["preprocess"] |= {"format": {"name": "manifest"}, "max_images": None}
    block["augment"] |= {"copies": 1, "horizontal_flip": True, "max_rotation_degrees": 20}
    if vgg16:
        block["model"] |= {"hidden_units": [16, 8], "dropout": 0.1}
    else:
        block["model"] = {"source": "path", "path": OWN_MODEL, "input_range": [-1, 1], "fine_tune": True}
    block["train"] |= {"epochs": 3 if vgg16 else 12, "batch_size": 16}
    learning_rate = 0.0003 if vgg16 else 0.003
    block["train"]["optimizer"] = {"name": "adam", "learning_rate": learning_rate, "weight_decay": 0}
    block["harden"] |= {"epochs": 1, "max_iter": 2, "batch_size": 16, "epsilon": 0.03, "rel_eps_step": 0.5}
    block["harden"]["schedule"] = {"name": "constant"}
    block["attack"] |= {"epsilons": FEW, "max_images": 8}
    block["rank"] |= {"epsilons": FEW, "validation_images": 6, "score_passes": 2}
    block["certify"] = content["datasets"]["brain_mets"]["certify"] | {"sigmas": [0.05, 0.1], "validation_images": 4}
    block["certify"] |= {"n_selection": 8, "n_samples": 16, "alpha": 0.05, "max_images": 6}
    block["certify"] |= {"attack": {"max_iter": 1, "n_draws": 1}}
    block["acquisition"] = {"changes": {"rotation": [5.0, 10.0], "jpeg": "literature"}, "max_images": 4}
    # Blocks of four, so that there is something to share out.
    content["attacks"] |= {"table_epsilons": [0.002, 0.006], "batch_size": 4}
    content["attacks"]["bim"]["max_iter"] = content["attacks"]["pgd"]["max_iter"] = 4
    content["attacks"]["strict"]["threats"] = ["tied", "noise"]
    content["attacks"]["strict"]["converged"]["max_iter"] = 5
    content["datasets"] = {"slices": block}
    content["report"]["columns"] = {"slices": {"title": "Slices", "paper": "CT"}}
    return content | {"acquire": {}, "run": {"datasets": ["slices"], "threads": 1}}


def write_raw_tree(folder: Path) -> None:
    """Sixty patients with two images each: a bright disc is malignant, a bright square benign."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40]
    manifest = []
    (folder / "images").mkdir(parents=True)
    for number in range(120):
        label = ["benign", "malignant"][number // 2 % 2]
        row, column = rng.integers(14, 26, size=2)
        far = np.hypot(rows - row, columns - column) if number // 2 % 2 else abs(rows - row) + abs(columns - column) / 9
        values = 60 + 120 * (far < 9) + rng.normal(0, 12, (40, 40))
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        manifest.append([f"i{number}", f"images/{number}.png", label, f"p{number // 2}"])
    frame = pd.DataFrame(manifest, columns=["image_id", "path", "label", "patient_id"])
    frame.to_csv(folder / "manifest.csv", index=False)
    (folder / "SYNTHETIC.txt").write_text("Discs and squares, made by a test.\n")


def write_own_model(folder: Path) -> None:
    """Write an untrained model of a thousand weights for images of 32 pixels."""
    (folder / OWN_MODEL).parent.mkdir()
    run(folder, f"{sys.executable} -c '{WRITE_OWN_MODEL}'")


@pytest.fixture(scope="module", params=["", pytest.param("--set-scatter test_images=2", marks=pytest.mark.long)])
def shards(request) -> str:
    """How Snakemake divides the test images: one job for each model, or two shards."""
    return request.param


@pytest.fixture(scope="module")
def runs(tmp_path_factory, shards) -> dict[str, Path]:
    """Two clones of one commit with the same raw tree: one run by Snakemake and recorded, one by DVC and watched."""
    base = tmp_path_factory.mktemp("pipeline")
    made = {"snakemake": base / "snakemake", "dvc": base / "dvc", "audit": base / "audit"}
    for name in COPIED:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        (made["snakemake"] / name).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / name, made["snakemake"] / name)
    content = small_params(vgg16=bool(shards))
    content["run"]["seeds"] = [1, 2] if shards else []
    write_params(made["snakemake"], content)
    run(made["snakemake"], "oncorobust graph && git init -q && git add -A && git commit -q -m start")
    run(base, f"git clone -q {made['snakemake']} {made['dvc']}")
    for clone in ("snakemake", "dvc"):
        write_raw_tree(made[clone] / "data" / "raw" / "slices")
    write_own_model(made["snakemake"])
    shutil.copytree(made["snakemake"] / "own", made["dvc"] / "own")  # a second .keras file would hold another time
    made["audit"].mkdir()
    record = f"oncorobust record{' --shards 2' if shards else ''}"
    run(made["snakemake"], f"snakemake --cores 2 {shards} && {record} && git add -A && git commit -q -m results")
    watched = f"AUDIT_FOLDER={made['audit']} PYTHONPATH={REPOSITORY / 'tests' / 'audit'}:{made['dvc'] / 'src'}"
    run(made["dvc"], f"{watched} dvc repro")
    return made


def _files(folder: Path, *patterns: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
    }


def test_both_runners_give_the_same_bytes(runs):
    patterns = ("dvc.lock", "reports/**/*.*", "models/**/*.keras", "data/processed/**/*.*")
    first, second = (_files(runs[clone], *patterns) for clone in ("snakemake", "dvc"))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert len(first) > 30


def test_afterwards_neither_runner_has_anything_to_do(runs, shards):
    assert "up to date" in run(runs["snakemake"], "dvc status")
    assert "didn't change, skipping" in run(runs["snakemake"], "dvc repro")
    assert "Nothing to be done" in run(runs["snakemake"], f"snakemake --cores 1 -n {shards}")
    run(runs["dvc"], "oncorobust sync")
    assert "Nothing to be done" in run(runs["dvc"], "snakemake --cores 1 -n")


def test_every_written_file_fits_its_schema(runs, shards):
    problems, seen = problems_below(runs["snakemake"])
    assert problems == []
    repeated = {REPEATED_PREDICTIONS.file, REPEATED_INTERVALS.file}
    unwritten = {FRONT.file, ACCEPTANCE.file, DECLARATION.file} | (set() if shards else repeated)
    assert {one.file for one in (*TABLES, *DOCUMENTS)} - seen == unwritten


def test_a_stage_reads_only_what_it_declares(runs):
    stages = yaml.safe_load((runs["dvc"] / "dvc.lock").read_text())["stages"]
    watched = [json.loads(path.read_text()) for path in runs["audit"].glob("*.json")]
    assert len(watched) == len(stages)
    # Read to save time only:
    kept = {hashes_file(path.name) for path in (runs["dvc"] / "data" / "processed").iterdir()}
    kept |= {path.relative_to(runs["dvc"]).as_posix() for path in (runs["dvc"] / CODE_STAMPS).iterdir()}
    for one in watched:
        command = f"python {' '.join(one['argv'])}"
        stage = next(stage for stage in stages.values() if stage["cmd"] == command)
        depends_on = [dep["path"] for dep in stage["deps"]]
        (own,) = (path for path in depends_on if is_code_path(path) and Path(path).stem in one["argv"][0])
        code = parse_digests((runs["dvc"] / own).read_bytes())
        declared = [*depends_on, *code, "params.yaml", *(out["path"] for out in stage["outs"])]
        undeclared = {
            path
            for path in one["read"]
            if not any(path == entry or path.startswith(entry + "/") for entry in declared)
            and "/__pycache__/" not in path
            and (runs["dvc"] / path).is_file()  # not a draft of its own outputs
            and path not in kept
        }
        assert undeclared == set(), command


def test_every_cell_and_every_point_traces_to_its_rows(runs):
    state = State(runs["snakemake"], "HEAD")
    whole = trace_all(state)
    disagree = [(table.name, one.cell) for table, checks in whole.checks for one in checks if not one.agrees]
    assert disagree == []
    assert whole.sound
    held = [(table, one.cell) for table, checks in whole.checks for one in checks if table.name.startswith("Table")]
    assert len(held) > 300
    for table, cell in held[::60]:
        trace = trace_cell(state, table=table.name, row=cell.row, column=cell.column, field=cell.field)
        assert trace.sound, (table.name, cell.row, cell.column, cell.field)


def test_the_command_line_traces_a_cell_to_raw_files_and_commit(runs):
    root = runs["snakemake"]
    commit = run(root, "git rev-parse HEAD").strip()
    told = run(root, 'oncorobust trace "Table 1" --row PGD:0.002 --column Slices --rev HEAD')
    for word in (
        "AGREES",
        commit,
        "data/raw/slices",
        "src/oncorobust/attacks/paper_attacks.py",
        "workflow/scripts/train.py",
        "seed",
    ):
        assert word in told, word


def test_synthetic_data_says_so_wherever_it_shows(runs):
    root = runs["dvc"]
    metrics = [*root.glob("reports/*/*/*.json"), root / "data/processed/slices/summary.json"]
    assert len(metrics) == 13
    assert all(read_json(path)["synthetic"] is True for path in metrics)
    empty = {"medical_against_natural", "training_seeds"}  # one data set and one seed
    tables = [path for path in root.glob("reports/tables/*.md") if path.stem not in empty]
    assert len(tables) == 12
    for path in [*tables, *root.glob("reports/figures/*.svg"), root / "reports/index.html"]:
        assert "synthetic" in path.read_text(encoding="utf-8").lower(), path


def test_the_model_learns_and_the_attacks_behave_as_theory_says(runs):
    metrics = read_json(runs["dvc"] / "reports/slices/clean/attack.json")
    clean = metrics["clean_accuracy"]
    assert clean > 0.75
    for attack in ("fgsm", "bim", "pgd"):
        true = list(metrics["robust_accuracy"]["true"][attack].values())
        predicted = metrics["robust_accuracy"]["predicted"][attack]
        assert max(true) <= clean
        assert min(predicted.values()) >= 1 - clean - 1e-9
        strict = list(metrics["strict"]["robust_accuracy"][attack].values())
        assert all(one <= other for one, other in zip(strict, true, strict=True))
        assert strict == sorted(strict, reverse=True)
    # One large step of FGSM may overshoot what many small ones find.
    assert min(metrics["strict"]["robust_accuracy"]["converged"].values()) < clean - 0.2


def test_metrics_and_params_can_be_compared_and_values_tried(runs):
    root = runs["dvc"]
    run(root, "git add -A && git commit -q -m results")
    run(root, "dvc exp run -S report.columns.slices.title=Discs")
    assert "Discs" in run(root, "dvc params diff")
    assert "Discs" in (root / "reports/tables/table1.md").read_text()
    told = json.loads(run(root, "dvc metrics show --json"))
    assert "clean_accuracy" in json.dumps(told)
    run(root, "git checkout -q . && dvc checkout -q")
    assert "Discs" not in (root / "reports/tables/table1.md").read_text()
