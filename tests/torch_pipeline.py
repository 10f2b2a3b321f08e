"""The pipeline with PyTorch networks, in the environment of `make test-torch`: both runners, trained and only measured.

Two data sets of real digits: `mnist` trains and hardens a network of timm, `digits` measures an exported program.
"""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy_pipeline as toy
import yaml
from PIL import Image
from torch_modules import nn, torch

from oncorobust.backend.functions import compile_logits
from oncorobust.models.vgg16 import load_classifier

SIZE = 32
PLAIN = {"mean": [0.5], "std": [0.25]}


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 10)]
    return nn.Sequential(*layers).eval()


def params() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((toy.REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    block = content["datasets"]["mnist"]
    block["preprocess"] |= {"max_images": 200, "size": SIZE}
    block["train"]["epochs"] = block["harden"]["epochs"] = 1
    block["harden"] |= {
        "max_iter": 1,
        "validation_max_iter": 1,
        "keep": "last",
        "max_drop": None,
        "schedule": {"name": "constant"},
    }
    block["attack"] |= {"epsilons": [0.05], "threat_epsilons": [0.05], "example_epsilon": 0.05, "max_images": 6}
    block["rank"] |= {"epsilons": [0.05, 0.1], "validation_images": 6, "score_passes": 2}
    measured = copy.deepcopy(block) | {"harden": None}
    common = {"preprocessing": PLAIN}
    block["model"] = common | {"source": "timm", "architecture": "resnet10t", "weights": "none", "fine_tune": True}
    measured["model"] = common | {"source": "torch_export", "path": "own/network.pt2", "fine_tune": False}
    measured["model"]["allow_chance"] = True
    content["datasets"] = {"mnist": block, "digits": measured}
    content["run"]["datasets"] = ["mnist", "digits"]
    content["acquire"] = {name: {"source": "packaged"} for name in content["datasets"]}
    content["report"]["columns"] = {name: {"title": name.title(), "paper": None} for name in content["datasets"]}
    content["attacks"]["protocols"] = ["strict"]
    return content


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clean clone in which the pipeline has run."""
    folder = tmp_path_factory.mktemp("torch") / "clone"
    toy.run(toy.REPOSITORY, f"git clone --quiet . {folder}")
    (folder / "own").mkdir()
    program = torch.export.export(
        network(), (torch.rand(4, 3, SIZE, SIZE),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    for name in ("network", "kept"):
        torch.export.save(program, folder / "own" / f"{name}.pt2")
    toy.write_params(folder, params())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        toy.run(folder, "oncorobust graph")
        toy.run(folder, f"snakemake --cores {os.cpu_count()}")
        yield folder


def result(folder: Path, *parts: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.joinpath("reports", *parts).read_text(encoding="utf-8"))
    return found


def test_both_runners_hold_the_results_for_finished(clone: Path) -> None:
    assert "Nothing to be done" in toy.run(clone, "snakemake -n")
    toy.run(clone, "oncorobust record")
    assert "up to date" in toy.run(clone, "dvc status")
    (clone / "own" / "network.pt2").write_bytes(b"another file")
    assert "train@digits" in toy.run(clone, "dvc status")


def test_a_measured_program_has_the_native_networks_answers(clone: Path) -> None:
    images = np.load(clone / "data" / "processed" / "digits" / "images.npy")
    index = pd.read_csv(clone / "data" / "processed" / "digits" / "index.csv")
    rows = pd.read_csv(clone / "reports" / "digits" / "clean" / "predictions.csv")
    clean = rows[(rows["epsilon"] == 0) | rows["epsilon"].isna()].drop_duplicates("image_id").set_index("image_id")
    chosen = index[index["image_id"].isin(clean.index)]
    pixels = torch.from_numpy(images[chosen.index.to_numpy()].astype(np.float32))
    x = pixels / 255 if pixels.max() > 1 else pixels
    x = x.expand(-1, -1, -1, 3) if x.ndim == 4 else x[..., None].expand(-1, -1, -1, 3)
    expected = network()((x.permute(0, 3, 1, 2) - 0.5) / 0.25).argmax(1).numpy()
    assert (clean.loc[chosen["image_id"], "predicted"].to_numpy() == expected).all()
    training = result(clone, "digits", "clean", "training.json")
    assert (training["source"], training["backend"], training["ended"]) == ("torch_export", "torch", "not trained")


def test_a_trained_network_is_hardened_and_its_file_is_read_again(clone: Path) -> None:
    x = np.random.default_rng(0).random((3, SIZE, SIZE, 3), dtype=np.float32)
    logits = {}
    for model in ("clean", "adversarial"):
        file = clone / "models" / "mnist" / f"{model}.keras"
        logits[model] = compile_logits(load_classifier(file, image_shape=(SIZE, SIZE, 3), n_classes=10))(x)
        recorded = json.loads(file.with_suffix(".answers.json").read_text(encoding="utf-8"))
        assert recorded["backend"] == "torch"
    assert (logits["clean"] != logits["adversarial"]).any()
    assert result(clone, "mnist", "clean", "training.json")["architecture"] == "resnet10t"


def test_an_assessment_of_a_program_has_the_native_networks_accuracy(clone: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "files").mkdir()
    pixels = rng.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)
    answers = network()((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25).argmax(1).tolist()
    classes = sorted({f"c{answer}" for answer in answers} | {f"c{number}" for number in range(10)})
    rows = []
    for number, answer in enumerate(answers):
        Image.fromarray(pixels[number]).save(tmp_path / "files" / f"{number}.png")
        label = f"c{answer if number % 3 else (answer + 1) % 10}"  # right on 8 of 12
        rows.append(f"i{number},files/{number}.png,{label},p{number}")
    (tmp_path / "list.csv").write_text("\n".join(["image_id,path,label,patient_id", *rows]), encoding="utf-8")
    options = "--mean 0.5 --std 0.25 --epsilons 0.01 0.02 --max-images 4 --threads 1"
    program, names = clone / "own" / "kept.pt2", " ".join(classes)
    told = toy.run(
        tmp_path, f"oncorobust assess --model {program} --manifest list.csv --out out --classes {names} {options}"
    )
    attacked = result(tmp_path / "out", "images", "clean", "attack.json")
    rows_of = pd.read_csv(tmp_path / "out" / "reports" / "images" / "clean" / "intervals.csv")
    assert len(rows_of) >= 4
    assert "out/reports/index.html" in told
    assert attacked["synthetic"] is False
    index = pd.read_csv(tmp_path / "out" / "data" / "processed" / "images" / "index.csv").set_index("image_id")
    for row in rows_of.itertuples():
        assert row.predicted == answers[int(row.image_id[1:])], index.loc[row.image_id]


def test_the_page_names_the_networks(clone: Path) -> None:
    page = (clone / "reports" / "index.html").read_text(encoding="utf-8")
    assert "resnet10t of timm, random initial weights, fine-tuned on the training images" in page
    assert "own/network.pt2, evaluated without further training" in page


def test_another_backend_is_refused_before_anything_is_computed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    told = toy.run(clone, "python workflow/scripts/attack.py --dataset digits --model clean", status=1)
    assert "KERAS_BACKEND=torch" in told
