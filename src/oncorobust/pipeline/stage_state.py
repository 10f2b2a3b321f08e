"""The state of a stage that runs long: where it is kept, and what decides whether it may be taken up.

A state belongs to one run: settings, seed, the bytes of every input, the code that is loaded and the versions of what
computes. Where any of them differs the state is another run's, and the stage starts anew.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from oncorobust.base.run_state import Checkpoint, fingerprint
from oncorobust.base.watched_inputs import running_code

_COMPUTE = ("numpy", "keras", "adversarial-robustness-toolbox")


def stage_state(path: str | Path, *, dataset: str, decided_by: Any, starts_from: Sequence[Path]) -> Checkpoint:
    """The file `path`, in which a stage keeps its state until its outputs are written.

    decided_by: settings, seeds and other JSON values that decide what the run makes; the processed images of `dataset`,
    the code that is loaded and the versions of what computes are added. starts_from: other files that do. Raises
    InputError where a file cannot be read.
    """
    data = Path("data/processed", dataset)
    files = [*running_code(), data / "images.npy", data / "index.csv", *starts_from]
    versions = {package: version(package) for package in (*_COMPUTE, keras.backend.backend())}
    return Checkpoint(Path(path), fingerprint=fingerprint([decided_by, versions], files))
