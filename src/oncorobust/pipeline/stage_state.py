"""Saved state of a long stage, with a fingerprint that decides whether a later run may resume from it.

A state belongs to one run: its settings, seed, input bytes, digests of the loaded code and versions of the numerical
packages. If any of these differs, the state belongs to another run and the stage starts from the beginning. Comments
and docstrings are not part of a digest.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from oncorobust.base import layout
from oncorobust.base.run_state import RunState, fingerprint
from oncorobust.base.watched_inputs import running_code
from oncorobust.pipeline.code_digest import file_digest

_COMPUTE = ("numpy", "keras", "adversarial-robustness-toolbox")


def stage_state(path: str | Path, *, dataset: str, decided_by: Any, starts_from: Sequence[Path]) -> RunState:
    """Return a `RunState` in the file `path`, where a stage saves its state until its outputs are written.

    decided_by: settings, seeds and other JSON values that determine the results. The processed images of `dataset`,
    digests of the loaded code and versions of the numerical packages are added. starts_from: further files that
    determine the results. Raises InputError when a file cannot be read.
    """
    data = Path(layout.processed(dataset))
    files = [data / "images.npy", data / "index.csv", *starts_from]
    versions = {package: version(package) for package in (*_COMPUTE, keras.backend.backend())}
    code = {path.as_posix(): file_digest(path) for path in running_code()}
    return RunState(Path(path), fingerprint=fingerprint([decided_by, versions, code], files))
