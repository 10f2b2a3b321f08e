"""The settings of `oncorobust assess`: what a person asks for, as the content of params.yaml for one data set.

Settings that the person does not state are those of presets/real.yaml, with these differences: the strict protocol
alone runs, in float32, no attack looks for wrong answers that a score accepts, as many validation images as test images
are searched, and no model is trained, hardened or certified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.base import layout

DATASET = "images"
"""Name of the data set in params.yaml and in the paths of the results."""

EPSILONS = (0.001, 0.002, 0.004, 0.006)
"""Epsilons of the tables. Source: Table 1 of the paper."""
MAX_IMAGES = 80
"""Test images that are attacked: as in presets/real.yaml, for hours at most on a laptop."""

_TORCH_SOURCES = {".pt2": "torch_export", ".onnx": "onnx"}
_CURVE = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02)
_FEW_THREATS = 3
_STRICT = {
    "relative_width": 0.05,
    "search_precision": "float32",
    "apgd": {"max_iter": 30, "num_random_init": 1, "n_targets": 3},
    "fmn": {"max_iter": 30},
    "square": {"max_queries": 200},
    "converged": {"max_iter": 100, "rel_eps_step": 0.05},
    "threats": ["full", "tied", "lesion", "background", "stored_8", "stored_12", "stored_16", "noise"],
    "noise": "sign",
}
_WITHOUT_EFFECT = {
    "augment": {"copies": 0, "horizontal_flip": False, "vertical_flip": False, "max_rotation_degrees": 0},
    "train": {
        **{"epochs": 1, "batch_size": 32, "patience": None, "keep": "last", "average": None, "precision": "float32"},
        "optimizer": {"name": "adam", "learning_rate": 0.0001, "weight_decay": 0},
    },
    "harden": None,
    "smooth": None,
    "certify": None,
    "acquisition": None,
}
"""What a finished model does not use, but for `train.batch_size` on validation images."""


@dataclass(frozen=True)
class Request:
    """What a person asks for. model, manifest: absolute paths.

    classes: names in the order of the model's outputs; None takes classes.txt or sorts the labels. size: side of the
    images in pixels; None takes the model's own. max_images: None takes all test images. epsilons: None takes those of
    this module. intensity_range: stored values that become 0 and 1, or `format`. positive: class that a test should
    find; None takes the last one. allow_chance: assess a model that does no better than chance on validation images.
    mean, std, channels: of the images of a network of PyTorch or ONNX (`settings.own_models.Preprocessing`).
    """

    model: Path
    manifest: Path
    title: str
    classes: tuple[str, ...] | None
    input_range: tuple[float, float]
    size: int | None
    fit: str
    intensity_range: str | tuple[float, float]
    max_images: int | None
    epsilons: tuple[float, ...] | None
    positive: str | None
    allow_chance: bool
    seed: int
    threads: int
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str = "rgb"

    @property
    def torch_source(self) -> str | None:
        """Return the `model.source` of a network of PyTorch or ONNX; None for a Keras model."""
        return _TORCH_SOURCES.get(self.model.suffix)

    @property
    def model_link(self) -> str:
        """Return the place of the model in the folder of the assessment."""
        return f"{layout.OWN_MODELS_FOLDER}/{self.model.name}"


def params_content(request: Request, *, size: int, has_split: bool) -> dict[str, Any]:
    """Return the content of params.yaml. size: side of the images. has_split: whether the manifest states a split."""
    table = request.epsilons or EPSILONS
    block = {
        "preprocess": _preprocess(request, size=size, has_split=has_split),
        "model": _model(request) | {"fine_tune": False, "allow_chance": request.allow_chance},
        "attack": {
            "epsilons": list(request.epsilons or _CURVE),
            "threat_epsilons": list(table[:_FEW_THREATS]),
            "example_epsilon": _middle(table),
            "max_images": request.max_images,
        },
        "rank": _rank(request),
    }
    column = {"title": request.title, "paper": None, "positive": request.positive, "kind": None}
    return {
        "seed": request.seed,
        "run": {"datasets": [DATASET], "threads": request.threads, "seeds": []},
        "acquire": {},
        "attacks": _attacks(table),
        "datasets": {DATASET: block | _WITHOUT_EFFECT},
        "validity": {"on_failure": "watermark"},
        "report": {"columns": {DATASET: column}, "adversarial_training_epsilon": _middle(table)},
        "acceptance": [],
    }


def _model(request: Request) -> dict[str, Any]:
    if request.torch_source is None:
        return {"source": "path", "path": request.model_link, "input_range": list(request.input_range)}
    preprocessing = {"mean": list(request.mean or ()), "std": list(request.std or ()), "channels": request.channels}
    preprocessing |= {"range": list(request.input_range)}
    return {"source": request.torch_source, "path": request.model_link, "preprocessing": preprocessing}


def _preprocess(request: Request, *, size: int, has_split: bool) -> dict[str, Any]:
    stated, given = request.classes, request.intensity_range
    return {
        "format": {"name": "manifest", "file": request.manifest.name, "classes": list(stated) if stated else None},
        **{"crop_fraction": 1.0, "fit": request.fit, "channels": "auto", "size": size},
        "intensity_range": given if isinstance(given, str) else list(given),
        "balance": "none",
        "split": {"unit": "patient", "use_given": has_split, "test_one_in": 3 if has_split else 1}
        | {"validation_one_in": 6},
        **{"duplicates": "allow", "classes": None, "per_class": None, "max_images": None},
    }


def _attacks(table: Sequence[float]) -> dict[str, Any]:
    return {
        "protocols": ["strict"],
        "batch_size": 64,
        "table_epsilons": list(table),
        "bim": {"max_iter": 10, "rel_eps_step": 0.1, "num_random_init": 0},
        "pgd": {"max_iter": 10, "rel_eps_step": 0.25, "num_random_init": 1},
        "strict": _STRICT,
    }


def _rank(request: Request) -> dict[str, Any]:
    """Return the settings of the ranking; as many validation images as test images, where there are any."""
    validation = request.max_images or 10**6
    return {
        "epsilons": list(request.epsilons or _CURVE),
        **{"num_random_init": 1, "exclude_share": 0.2, "largest_risk": 0.1, "guarantee_confidence": 0.95},
        **{"reject_epsilon": None, "score_passes": 20},
        **{"validation_images": validation, "strict_validation_images": validation},
    }


def _middle(epsilons: Sequence[float]) -> float:
    return epsilons[(len(epsilons) - 1) // 2]
