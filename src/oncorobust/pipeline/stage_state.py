"""The state of a stage that runs long: where it is kept, and what decides whether it may be taken up.

A state belongs to one run: settings, seed, the bytes of every input, the digests of the code that is loaded and the
versions of what computes. Where any of them differs the state is another run's, and the stage starts anew; a comment or
docstring is not part of a digest.
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
    """The file `path`, in which a stage keeps its state until its outputs are written.

    decided_by: settings, seeds and other JSON values that decide what the run makes; the processed images of `dataset`,
    digests of the code that is loaded and the versions of what computes are added. starts_from: other files that do.
    Raises InputError where a file cannot be read.
    """
    data = Path(layout.processed(dataset))
    files = [data / "images.npy", data / "index.csv", *starts_from]
    versions = {package: version(package) for package in (*_COMPUTE, keras.backend.backend())}
    code = {path.as_posix(): file_digest(path) for path in running_code()}
    return RunState(Path(path), fingerprint=fingerprint([decided_by, versions, code], files))
