"""Set up Keras's backend for a stage: threads, seeds, determinism and full float32, on TensorFlow, PyTorch and JAX.

Epsilons go down to 0.00001. TF32 keeps 10 bits of mantissa and bfloat16 7, so the first convolution would round such a
perturbation away. GPUs use TF32 by default; this module switches it off on every backend and allows it only inside
`tf32_allowed`, for a search whose findings are confirmed in full float32. The number of threads decides the order of
floating-point sums, so it is set explicitly.

`KERAS_BACKEND` chooses the backend (default tensorflow), as everywhere in Keras.
"""

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from oncorobust.base.errors import missing_backend


def prepare(*, threads: int, seed: int) -> str:
    """Configure the backend and return its name; call this before anything else imports Keras.

    threads: processor threads per operation. seed: seeds Keras's, NumPy's and Python's global generators. Raises
    InputError when the backend's package is not installed.
    """
    os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # XLA and PyTorch read this at import, when they create their thread pools.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if os.environ["KERAS_BACKEND"] == "jax":
        # XLA reads this when it starts; without it, the order of sums on a GPU varies.
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    if importlib.util.find_spec(os.environ["KERAS_BACKEND"]) is None:
        raise missing_backend(os.environ["KERAS_BACKEND"])
    import keras

    backend: str = keras.backend.backend()
    match backend:
        case "tensorflow":
            _prepare_tensorflow(threads)
        case "torch":
            _prepare_torch(threads)
        case "jax":
            _prepare_jax()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(seed)
    return backend


def backend_version(backend: str) -> str:
    """Return the version of an installed backend's package, `tensorflow`, `torch` or `jax`."""
    return str(importlib.import_module(backend).__version__)


def torch_device() -> str:
    """Return where PyTorch's modules compute: a GPU if PyTorch finds one, else the processor."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _prepare_tensorflow(threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)


def _prepare_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    # cuBLAS is deterministic only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Else PyTorch also fills all memory that it allocates, in a tenth of a gradient's time, and changes nothing by it.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def _prepare_jax() -> None:
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")


def tf32_allowed() -> AbstractContextManager[None]:
    """Allow TF32 for float32 products inside the block, where the device has it; restore the setting afterwards.

    Raises ValueError for an unknown backend.
    """
    import keras

    match keras.backend.backend():
        case "tensorflow":
            return _tensorflow_tf32()
        case "torch":
            return _torch_tf32()
        case "jax":
            return _jax_tf32()
        case other:
            raise ValueError(f"expected backend tensorflow, torch or jax, got {other}")


@contextmanager
def _tensorflow_tf32() -> Iterator[None]:
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(True)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@contextmanager
def _torch_tf32() -> Iterator[None]:
    import torch

    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [one.allow_tf32 for one in flags]
    for one in flags:
        one.allow_tf32 = True
    try:
        yield
    finally:
        for one, value in zip(flags, before, strict=True):
            one.allow_tf32 = value


@contextmanager
def _jax_tf32() -> Iterator[None]:
    import jax

    # This is part of JAX's cache key, so one function is compiled once per precision.
    with jax.default_matmul_precision("tensorfloat32"):
        yield
