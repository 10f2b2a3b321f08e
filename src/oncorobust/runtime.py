"""Set up Keras's backend for a stage: threads, seeds, determinism and full float32, on TensorFlow, PyTorch and JAX.

Epsilons here go down to 0.00001. TF32 keeps 10 bits of mantissa and bfloat16 7, which rounds such a perturbation away
in the first convolution, and GPUs use TF32 unless told not to: it is switched off in every backend. The number of
threads decides the order of floating-point sums, so it is set, not left to the machine.

`KERAS_BACKEND` chooses the backend (default tensorflow), as everywhere in Keras.
"""

import os


def prepare(*, threads: int, seed: int) -> str:
    """Configure the backend; call it before anything else imports Keras. Returns the backend's name.

    threads: processor threads of one operation. seed: of Keras's, NumPy's and Python's global generators.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Read by XLA's and PyTorch's own thread pools when they are made, at import.
    os.environ["OMP_NUM_THREADS"] = str(threads)
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
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def _prepare_jax() -> None:
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
