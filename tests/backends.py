"""Run a test file again on another backend, whose closed forms are the same."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

BACKEND = keras.backend.backend()
BACKENDS = ("tensorflow", "torch", "jax")

on_torch = pytest.mark.skipif(BACKEND != "torch", reason="Keras runs on another backend: KERAS_BACKEND=torch")
"""Marks a test of PyTorch modules, which need Keras on PyTorch."""


def passes_on(backend: str, file: str) -> str:
    """What pytest printed when all tests of a file but its `other_backends` passed there.

    Skips the calling test on the present backend and where the other one is not installed.
    """
    if backend == BACKEND:
        pytest.skip("the present backend: the other tests of this file are it")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Small products gain nothing from threads, and lose much where several test runs share the processor.
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file, "-k", "not other_backends"]
    done = subprocess.run(command, env=environment, cwd=Path(file).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    return done.stdout
