"""What the parts of the GPU benchmark share: the device, drawn images of two classes, a seeded VGG16, FLOPs, timing."""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import torch
from keras import layers
from subject import VGG16

from oncorobust.backend.runtime import prepare
from oncorobust.models.vgg16 import build_vgg16

N_CLASSES = 2
N_WAVES = 6


def prepared(options: argparse.Namespace) -> dict[str, Any]:
    """Set up Keras on PyTorch and return what the device is."""
    backend = prepare(threads=options.threads, seed=0)
    if backend != "torch":
        raise RuntimeError(f"expected KERAS_BACKEND=torch, got {backend}")
    found: dict[str, Any] = {"type": device_of(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    if device_of() == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "name": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def device_of() -> str:
    """Return `cuda` or `cpu`, where Keras puts its tensors."""
    return str(keras.ops.convert_to_tensor(np.zeros(1, np.float32)).device.type)


def synchronise() -> None:
    """Wait until the device has done everything asked of it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(action: Callable[[], object], *, repeats: int) -> float:
    """Return the median time of an action in seconds, the device's work included, after one run to warm up."""
    taken = []
    for _ in range(repeats + 1):
        synchronise()
        start = time.perf_counter()
        action()
        synchronise()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def draw(n: int, *, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images (n, size, size, 3) in [0, 1] with a disc or, for label 1, a ring, on waves and noise; and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, N_CLASSES, n)
    place = np.linspace(-1, 1, size, dtype=np.float32)
    frequency, phase = rng.uniform(1, 9, (2, n, N_WAVES, 1)), rng.uniform(0, 2 * math.pi, (2, n, N_WAVES, 1))
    waves = np.sin(frequency * place + phase).astype(np.float32)
    ground = np.einsum("nkx,nky->nxy", waves[0], waves[1]) / N_WAVES
    centre, radius = rng.uniform(-0.5, 0.5, (2, n, 1, 1)), rng.uniform(0.2, 0.4, (n, 1, 1))
    distance = np.hypot(place[:, np.newaxis] - centre[0], place - centre[1]) / radius
    inside = (distance < 1) & ((labels[:, np.newaxis, np.newaxis] == 0) | (distance > 0.6))
    grey = 0.4 + 0.15 * ground + 0.25 * inside + 0.03 * rng.standard_normal((n, size, size))
    return np.repeat(np.clip(grey, 0, 1).astype(np.float32)[..., np.newaxis], 3, axis=3), labels


def seeded_vgg16(size: int) -> keras.Model:
    """Build VGG16 with weights drawn so that signals keep their size through all layers (He), from a fixed seed."""
    settings = msgspec.structs.replace(VGG16, weights="none", input_scaling="none", feature_scale=1.0)
    model = build_vgg16(settings, size=size, n_classes=N_CLASSES, seed=0)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.weights
            spread = math.sqrt(2 / math.prod(kernel.shape[:-1]))
            layer.set_weights([spread * rng.standard_normal(kernel.shape, dtype=np.float32), np.zeros(bias.shape)])
    return model


def model_under_attack(options: argparse.Namespace) -> tuple[keras.Model, str]:
    """Return the VGG16 that the part `model` has trained, or an untrained one, and which of both it is."""
    model, path = seeded_vgg16(options.size), weights_file(options)
    if not path.exists():
        return model, "untrained"
    with np.load(path) as file:
        model.set_weights([file[name] for name in sorted(file.files, key=int)])
    return model, "trained"


def weights_file(options: argparse.Namespace) -> Path:
    """Return where the trained weights lie."""
    path: Path = options.folder / "vgg16.npz"
    return path


def forward_flops(model: keras.Model) -> int:
    """Return the floating-point operations of one image's forward pass: two for each multiplication of a kernel."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            positions = math.prod(layer.output.shape[1:-1])
            total += 2 * positions * math.prod(layer.kernel.shape)
    return total
