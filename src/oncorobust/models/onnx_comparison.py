"""Compare a converted module with what another implementation computes from the same ONNX graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from oncorobust.backend.onnx_modules import module_outputs
from oncorobust.base.errors import InputError
from oncorobust.models.onnx_checks import DYNAMIC_BATCH, images_of

_TOLERANCE = 1e-4
"""Largest accepted difference of an output, relative to the largest output. Rounding stays below a tenth."""

_BATCHES = (1, 3)
_SIZES = (64, 224, 32)
"""Of images, in the order in which they are tried, where the graph takes any height or width."""

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """What a module was compared with: `by` is "" where that was nothing, for the reason `why_not`.

    units: the length of the outputs' last axis.
    """

    by: str
    why_not: str
    units: int


def check_agreement(model: Any, module: Any) -> Agreement:
    """Compare the outputs of a module with those of its graph, on noise in batches of 1 and 3 images.

    Raises InputError with the largest difference above the tolerance, and for a graph or module that fails on a batch.
    """
    by, run, why_not = _implementation(model)
    images, expected = _reference(model, run or (lambda x: module_outputs(module, x)))
    units = expected[0].shape[-1]
    if run is None:
        return Agreement("", why_not, units)
    for one, outputs in zip(images, expected, strict=True):
        found = _of_batch(lambda x: module_outputs(module, x), one, "the converted module")
        _check_close(found, outputs, by)
    return Agreement(by, "", units)


def _implementation(model: Any) -> tuple[str, Run | None, str]:
    """Return the name of an implementation, a function from images to outputs, and why there is none."""
    name = images_of(model)[0].name
    try:
        return "ONNX Runtime", _runtime(model, name), ""
    except ModuleNotFoundError:
        why_not = "ONNX Runtime is not installed"
    except Exception as error:  # an opset or operator that this version lacks
        why_not = f"ONNX Runtime: {_first_line(error)}"
    try:
        return "the reference implementation of ONNX", _interpreter(model, name), ""
    except Exception as error:
        return "", None, f"{why_not}; the reference implementation of ONNX: {_first_line(error)}"


def _runtime(model: Any, name: str) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def _interpreter(model: Any, name: str) -> Run:
    from onnx.reference import ReferenceEvaluator

    run: Any = ReferenceEvaluator(model).run
    return lambda images: np.asarray(run(None, {name: images})[0])


def _reference(model: Any, run: Run) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return noise in batches and its outputs, for the first size of images that the graph takes."""
    _, channels, height, width = (axis.dim_value for axis in images_of(model)[0].type.tensor_type.shape.dim)
    sizes = _SIZES if not height or not width else (0,)
    rng = np.random.default_rng(0)
    for size in sizes:
        shape = (channels or 3, height or size, width or size)
        images = [rng.random((n, *shape), dtype=np.float32) for n in _BATCHES]
        try:
            return images, [_of_batch(run, one, "the graph") for one in images]
        except InputError:
            if size == sizes[-1]:
                raise
    raise AssertionError("no sizes")


def _of_batch(run: Run, images: np.ndarray, of: str) -> np.ndarray:
    try:
        outputs = run(images)
    except Exception as error:
        raise InputError(
            f"expected outputs for {len(images)} images of shape {images.shape[1:]}, got {type(error).__name__} from "
            f"{of}: {_first_line(error)}. If it holds a fixed batch size, {DYNAMIC_BATCH}"
        ) from error
    if outputs.ndim == 0 or len(outputs) != len(images):
        raise InputError(f"expected outputs for {len(images)} images, got shape {outputs.shape}: {DYNAMIC_BATCH}")
    return outputs


def _check_close(found: np.ndarray, expected: np.ndarray, by: str) -> None:
    """Refuse other outputs; what is not finite in both is left to the checks of logits."""
    if found.shape != expected.shape:
        raise InputError(f"expected outputs of shape {expected.shape}, as {by} gives, got {found.shape}")
    finite = np.isfinite(expected)
    if (finite != np.isfinite(found)).any():
        raise InputError(f"expected the outputs of {by}, got others that are not finite from the converted module")
    largest = float(np.abs(expected[finite]).max(initial=0))
    difference = float(np.abs(found - expected)[finite].max(initial=0))
    if difference > _TOLERANCE * largest:
        raise InputError(
            f"expected the outputs of {by}, got differences up to {difference:.3g} from the converted module (largest "
            f"output {largest:.3g}, tolerance {_TOLERANCE * largest:.3g}): export the model with torch.export.save"
        )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:240]
