"""Settings of models that a person brings: what is taken, what the graphs read, and each mistake's message."""

import copy
from typing import Any

import pytest
from test_settings import DEMO, refused

from oncorobust.pipeline.dvc_yaml import own_files
from oncorobust.report.model_text import model_sentence
from oncorobust.settings.load import parse_params
from oncorobust.settings.own_models import Brought, Monai, Onnx, Timm, TorchExport

PLAIN = {"mean": [0.5], "std": [0.25]}
PT2 = {"source": "torch_export", "path": "own/net.pt2", "fine_tune": True, "preprocessing": PLAIN}
ONNX = PT2 | {"source": "onnx", "path": "own/net.onnx", "fine_tune": False}
TIMM = {"source": "timm", "architecture": "resnet18", "weights": "own/w.safetensors", "fine_tune": False}
TIMM = TIMM | {"preprocessing": PLAIN}
MONAI = TIMM | {"source": "monai", "architecture": "DenseNet121"}
BUNDLE = {key: value for key, value in MONAI.items() if key != "architecture"} | {"bundle": "own/b/inference.json"}


def with_model(model: dict[str, Any], **block: Any) -> dict[str, Any]:
    content = copy.deepcopy(DEMO)
    content["datasets"]["lidc"] |= {"model": model} | block
    return content


@pytest.mark.parametrize(
    ("model", "kind", "files"),
    [
        (PT2, TorchExport, {"own/net.pt2"}),
        (ONNX, Onnx, {"own/net.onnx"}),
        (TIMM, Timm, {"own/w.safetensors"}),
        (TIMM | {"weights": "none", "fine_tune": True, "arguments": {"drop_rate": 0.2}}, Timm, set()),
        (MONAI, Monai, {"own/w.safetensors"}),
        (BUNDLE, Monai, {"own/w.safetensors", "own/b/inference.json"}),
    ],
)
def test_a_brought_model_is_read_and_its_files_are_inputs_of_both_graphs(
    model: dict[str, Any], kind: type[Brought], files: set[str]
) -> None:
    content = with_model(model, harden=None)
    content["run"]["datasets"] = ["lidc"]
    assert set(own_files(content)) == files
    content["run"]["datasets"] = list(DEMO["run"]["datasets"])
    found = parse_params(content).datasets["lidc"].model
    assert isinstance(found, kind)
    assert found.expected_accuracy is None
    assert (found.preprocessing.channels, found.preprocessing.range, found.head) == ("rgb", (0.0, 1.0), "auto")


@pytest.mark.parametrize(
    ("model", "block", "message"),
    [
        (PT2 | {"path": "own/net.pt"}, {}, "model.path: expected a .pt2 file, got 'own/net.pt'"),
        (PT2 | {"path": "../net.pt2"}, {}, "model.path: expected a path inside the repository, got '../net.pt2'"),
        (ONNX | {"path": "own/net.pt2"}, {}, "model.path: expected a .onnx file, got 'own/net.pt2'"),
        (
            ONNX | {"fine_tune": True},
            {"harden": None},
            "model.fine_tune: expected false, because a network of an .onnx file is evaluated and never trained",
        ),
        (
            ONNX,
            {},
            "harden: expected null, because a network of an .onnx file is evaluated and never trained",
        ),
        (TIMM | {"weights": "own/w.pth"}, {}, "model.weights: expected a .safetensors file, got 'own/w.pth'"),
        (
            TIMM | {"weights": "none"},
            {},
            "model.weights: expected a .safetensors file where fine_tune is false, got none",
        ),
        (MONAI | {"bundle": "own/b.json"}, {}, "model: expected architecture or bundle, got both"),
        (MONAI | {"architecture": None}, {}, "model: expected architecture or bundle, got neither"),
        (
            BUNDLE | {"arguments": {"act": "relu"}},
            {},
            "model.arguments: expected none with bundle, which has them, got {'act': 'relu'}",
        ),
        (
            PT2 | {"preprocessing": {"mean": [0.5, 0.5], "std": [1]}},
            {},
            "model.preprocessing.mean: expected one number, or one per channel (3), got [0.5, 0.5]",
        ),
        (PT2 | {"preprocessing": {"mean": [0.5]}}, {}, "model.preprocessing.std: expected a value, got none"),
        (
            PT2 | {"preprocessing": PLAIN | {"range": [255, 0]}},
            {},
            "model.preprocessing.range: expected low < high, got [255.0, 0.0]",
        ),
        (
            PT2 | {"preprocessing": PLAIN | {"window": [-1350, 150]}},
            {},
            "model.preprocessing.window: expected a window inside preprocess.intensity_range [-1000.0, 400.0], because "
            "the images hold nothing outside it, got [-1350.0, 150.0]",
        ),
        (
            PT2 | {"expected_accuracy": {"value": 1.2, "tolerance": 0.1}},
            {},
            "model.expected_accuracy.value: expected `float` <= 1.0, got 1.2",
        ),
    ],
)
def test_each_mistake_is_refused_with_its_key(model: dict[str, Any], block: dict[str, Any], message: str) -> None:
    assert refused(with_model(model, **block)) == f"datasets.lidc.{message}"


def test_a_window_needs_limits_in_numbers() -> None:
    content = with_model(PT2 | {"preprocessing": PLAIN | {"window": [0, 100]}})
    content["datasets"]["lidc"]["preprocess"]["intensity_range"] = "format"
    expected = "datasets.lidc.model.preprocessing.window: expected preprocess.intensity_range in numbers"
    assert refused(content).startswith(expected)


def test_the_page_names_the_network_and_compares_its_accuracy_with_the_expected_one() -> None:
    training = {"source": "timm", "architecture": "resnet18", "weights": "own/w.safetensors", "epochs_run": 0}
    assert model_sentence(training) == (
        "Model: resnet18 of timm, own/w.safetensors, evaluated without further training."
    )
    training |= {"epochs_run": 3, "accuracy_as_brought": 0.91, "expected_accuracy": 0.9}
    assert model_sentence(training).startswith(
        "Model: resnet18 of timm, own/w.safetensors, fine-tuned on the training images. As it was brought, it is right "
    )
