"""`oncorobust add`: what it writes, prints and refuses, in a copy of the project without a measurement of the model."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.cli import add
from oncorobust.cli.main import main
from oncorobust.pipeline import new_dataset_files
from oncorobust.pipeline.dvc_yaml import out_of_step
from oncorobust.pipeline.run_time import Pace

REPOSITORY = Path(__file__).resolve().parent.parent
PACE = Pace(start=5.0, compile=1.0, forward=0.001, gradient=0.002, train=0.003, peak_mb=1000.0)
DEMO = ["lidc", "cbis_ddsm", "brain_mets", "mnist", "cifar10"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with the demo's parameters as the current folder; measuring gives PACE."""
    for name in ("Snakefile", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copy(REPOSITORY / "presets" / "demo.yaml", tmp_path / "params.yaml")
    (tmp_path / "src").symlink_to(REPOSITORY / "src")
    shutil.copytree(REPOSITORY / "workflow", tmp_path / "workflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(add, "measured_pace", lambda *_, **__: PACE)
    return tmp_path


def write_tree(root: Path, name: str = "brain", **columns: Any) -> Path:
    """Write 36 grey images of 48 x 64 pixels, of two classes in turn and a patient each; return the tree."""
    tree = root / "data" / "raw" / name
    tree.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(36):
        Image.fromarray(rng.integers(0, 255, (48, 64), dtype=np.uint8)).save(tree / f"{number}.png")
    frame = pd.DataFrame({"image_id": [f"i{n}" for n in range(36)], "path": [f"{n}.png" for n in range(36)]})
    frame["label"] = ["benign", "malignant"] * 18
    frame["patient_id"] = [f"p{n}" for n in range(36)]
    frame.assign(**columns).to_csv(tree / "manifest.csv", index=False)
    return tree


def params() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return found


def refused(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command, which changes nothing; return its error."""
    before = Path("params.yaml").read_bytes(), Path("dvc.yaml").read_bytes()
    capsys.readouterr()
    assert main(["add", *words.split()]) == 1
    assert (Path("params.yaml").read_bytes(), Path("dvc.yaml").read_bytes()) == before
    assert not Path(".params.part.yaml").exists()
    lines = capsys.readouterr().err.splitlines()
    return lines[-1]


def test_a_data_set_is_written_registered_checked_and_timed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tree(project)
    assert main(["add", "brain", "--title", "Brain MRI: T1"]) == 0
    printed = capsys.readouterr().out
    content = params()
    assert content["run"]["datasets"] == ["brain"]
    assert content["acquire"] == {}
    assert content["report"]["columns"]["brain"] == {"title": "Brain MRI: T1", "paper": None, "kind": "medical"}
    assert content["datasets"]["brain"]["preprocess"]["size"] == 32
    assert content["datasets"]["brain"]["preprocess"]["fit"] == "pad"
    assert content["datasets"]["brain"]["attack"]["max_images"] is None
    assert out_of_step(project) == []
    assert "brain: images 18 benign, 18 malignant; patients 18 benign, 18 malignant\n" in printed
    assert f"they are the demo's: {', '.join(DEMO)}; their blocks stay" in printed
    assert "Checked: params.yaml, dvc.yaml and the raw trees of brain are valid" in printed
    assert "\nTime: about " in printed
    assert printed.splitlines()[-1].startswith("Next: snakemake --cores all && oncorobust record")
    kept = json.loads((project / "logs" / "estimates" / "brain.json").read_text())
    assert {"preprocess", "train", "harden", "attack", "rank", "report"} <= set(kept)


def test_a_second_set_stands_beside_the_first(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tree(project)
    write_tree(project, "other")
    assert main(["add", "brain", "--no-measure"]) == 0
    assert "Time: not estimated" in capsys.readouterr().out
    assert main(["add", "other", "--kind", "natural", "--size", "40"]) == 0
    assert "the other data sets of run.datasets are not counted" in capsys.readouterr().out
    assert params()["run"]["datasets"] == ["brain", "other"]
    assert params()["datasets"]["other"]["preprocess"]["size"] == 40
    text = Path("params.yaml").read_text(encoding="utf-8")
    stated = 'brain: {title: "Mine", paper: null, kind: natural, positive: "benign", origin: "A, 2020"}'
    Path("params.yaml").write_text(text.replace('brain: {title: "brain", paper: null, kind: medical}', stated))
    assert main(["add", "brain", "--replace", "--max-images", "5", "--no-measure"]) == 0
    assert params()["datasets"]["brain"]["attack"]["max_images"] == 5
    assert f"    {stated}\n" in Path("params.yaml").read_text(encoding="utf-8")


def test_attacks_of_large_images_take_smaller_batches(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(add, "job_memory_mb", lambda: 4000.0)
    write_tree(project)
    assert main(["add", "brain", "--size", "224", "--no-measure"]) == 0
    told = "64 images of 224 pixels take about 6.8 GB, a job may take 4.0 GB"
    assert f"\n  attacks.batch_size: 8; {told}\n" in capsys.readouterr().out
    assert params()["attacks"]["batch_size"] == 8
    write_tree(project, "other")
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("  batch_size: 8\n", "  batch_size: 64\n", 1)
    )
    assert main(["add", "other", "--size", "224", "--no-measure"]) == 0
    assert f"\n  attacks.batch_size: 64; {told}; set it to 8, or" in capsys.readouterr().out
    assert params()["attacks"]["batch_size"] == 64


def test_the_same_files_give_the_same_bytes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tree(project)
    assert main(["add", "brain", "--no-measure"]) == 0
    first, printed = Path("params.yaml").read_bytes(), capsys.readouterr().out
    shutil.copy(REPOSITORY / "presets" / "demo.yaml", "params.yaml")
    assert main(["add", "brain", "--no-measure"]) == 0
    assert Path("params.yaml").read_bytes() == first
    assert capsys.readouterr().out == printed


def test_a_dry_run_prints_the_block_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tree(project)
    before = Path("params.yaml").read_bytes()
    assert main(["add", "brain", "--dry-run"]) == 0
    assert list(yaml.safe_load(capsys.readouterr().out)) == ["brain"]
    assert Path("params.yaml").read_bytes() == before


def test_a_given_split_is_used(project: Path) -> None:
    write_tree(project, split=["train"] * 20 + ["test"] * 16)
    assert main(["add", "brain", "--no-measure"]) == 0
    assert params()["datasets"]["brain"]["preprocess"]["split"]["use_given"] is True


@pytest.mark.parametrize("name", ["Brain", "1brain", "brain-mri", "../x", "a" * 65])
def test_unfit_names_are_refused(project: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    told = refused(name, capsys)
    assert told == f"oncorobust: NAME: expected a name of lower-case letters, digits and underscores, got {name!r}"


def test_what_is_there_or_missing_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "params.yaml has a data set mnist already: choose another name for the folder, or add --replace" in refused(
        "mnist", capsys
    )
    assert "data/raw/brain: expected a folder of images, got none: put or link it there" in refused("brain", capsys)
    (project / "data" / "raw" / "brain").mkdir(parents=True)
    assert "data/raw/brain: expected manifest.csv, or files named as in" in refused("brain", capsys)


def test_params_that_do_not_load_are_refused_by_place(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text("seed: 0\nseed: 1\n", encoding="utf-8")
    assert refused("brain", capsys) == "oncorobust: params.yaml: line 1: key 'seed' occurs twice (expected once)"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"label": "benign"},
            "expected images of at least two classes, got only benign in data/raw/brain/manifest.csv",
        ),
        (
            {"patient_id": [f"p{n if n % 2 == 0 else 1}" for n in range(36)]},
            "data/raw/brain: expected at least 3 patients of each class, one each to train, validate and test, got 18 "
            "benign, 1 malignant: add patients, or leave the class out of the manifest",
        ),
        (
            {"patient_id": [f"p{n % 4}" for n in range(36)]},
            "data/raw/brain: expected at least 3 patients of each class, one each to train, validate and test, got 2 "
            "benign, 2 malignant: add patients, or leave the class out of the manifest",
        ),
        (
            {"split": "test"},
            "data/raw/brain: column split: expected train and test, got 36 test: complete it, remove the column to "
            "draw a split, or state a finished model with --model",
        ),
    ],
)
def test_classes_and_patients_that_cannot_be_split_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str], columns: dict[str, Any], message: str
) -> None:
    write_tree(project, **columns)
    assert refused("brain", capsys) == f"oncorobust: {message}"


def test_an_image_of_one_pixel_and_a_size_of_one_are_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = write_tree(project)
    assert refused("brain --size 1", capsys) == (
        "oncorobust: params.yaml is unchanged, because the new block does not fit: "
        "datasets.brain.preprocess.size: expected `int` >= 8, got 1"
    )
    Image.new("L", (1, 1)).save(tree / "7.png")
    assert refused("brain", capsys) == "oncorobust: expected at least 2 x 2 pixels, got 1 x 1 in data/raw/brain/7.png"


def test_a_place_that_cannot_be_written_is_told(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(project)

    def denied(_: Path, __: bytes) -> int:
        raise PermissionError(13, "Permission denied", ".params.part.yaml")

    monkeypatch.setattr(Path, "write_bytes", denied)
    told = refused("brain", capsys)
    assert told == "oncorobust: .params.part.yaml: expected a file that can be written, got Permission denied"


def test_params_stay_where_the_graph_cannot_be_written(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(project)

    def fails(_: Path) -> bool:
        raise InputError("no graph")

    monkeypatch.setattr(new_dataset_files, "refresh", fails)
    assert refused("brain", capsys) == "oncorobust: no graph"


def test_a_finished_model_is_copied_and_its_set_is_a_test_set(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    write_tree(project)
    monkeypatch.setattr(add, "model_side", lambda *_, **__: 48)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.keras"
    elsewhere.write_bytes(b"a model")
    assert "--input-range: expected the values of own/mine.keras's input" in refused(
        f"brain --model {elsewhere}", capsys
    )
    assert not (project / "own" / "mine.keras").exists()
    assert main(["add", "brain", "--model", str(elsewhere), "--input-range", "0", "255", "--dry-run"]) == 0
    assert not (project / "own").exists()
    assert main(["add", "brain", "--model", str(elsewhere), "--input-range", "0", "255"]) == 0
    block = params()["datasets"]["brain"]
    assert block["model"]["path"] == "own/mine.keras"
    assert (project / "own" / "mine.keras").read_bytes() == b"a model"
    assert (block["harden"], block["preprocess"]["size"]) == (None, 48)
    assert block["preprocess"]["split"]["test_one_in"] == 1
    assert "`oncorobust assess` answers the same question for one model without a project" in capsys.readouterr().out
    elsewhere.write_bytes(b"another")
    assert "own/mine.keras is another file than" in refused(f"brain --replace --model {elsewhere}", capsys)
    assert "--model: expected a file, got none at gone.keras" in refused("brain --replace --model gone.keras", capsys)


def test_classes_of_a_model_have_a_stated_order(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(project, label=["a", "b", "c"] * 12)
    monkeypatch.setattr(add, "model_side", lambda *_, **__: None)
    Path("m.keras").write_bytes(b"a model")
    options = "brain --model m.keras --input-range 0 1"
    assert "--classes: expected the names of the 3 classes in the order of the model's outputs, got none" in refused(
        options, capsys
    )
    assert main(["add", *options.split(), "--classes", "c", "a", "b"]) == 0
    assert params()["datasets"]["brain"]["preprocess"]["format"]["classes"] == ["c", "a", "b"]
    assert "--positive: expected one of c, a, b, got d" in refused(
        f"{options} --replace --classes c a b --positive d", capsys
    )


def test_models_that_do_not_fit_are_refused_by_their_own_process(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree(project, label=["a", "b", "c"] * 12)
    program = "import keras; keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), "
    program += "keras.layers.Dense(2)]).save('two.keras')"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    told = refused("brain --model two.keras --input-range 0 1 --classes a b c", capsys)
    assert told == "oncorobust: two.keras: expected a model with 3 classes, got 2 (classes of the images: a, b, c)"


def test_the_command_imports_no_framework(project: Path) -> None:
    write_tree(project)
    program = "import sys; from oncorobust.cli.main import main; main(['add', 'brain', '--no-measure']); "
    program += "print(sorted({'tensorflow', 'keras', 'torch', 'jax', 'art'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.long
def test_a_measured_model_gives_a_pace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oncorobust.pipeline.run_time_record import measured_pace

    write_tree(project)
    monkeypatch.setattr(add, "measured_pace", measured_pace)
    program = "import keras; keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), "
    program += "keras.layers.Dense(2)]).save('two.keras')"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert main(["add", "brain", "--model", "two.keras", "--input-range", "0", "1"]) == 0
    assert params()["datasets"]["brain"]["preprocess"]["size"] == 48
    kept = json.loads(Path("logs/estimates/brain.json").read_text())
    assert kept["attack"] > 0
    assert "harden" not in kept
