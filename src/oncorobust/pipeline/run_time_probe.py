"""Measure how fast this machine trains and attacks the model of a data set: a process of its own.

    python -m oncorobust.pipeline.run_time_probe params.yaml NAME N_CLASSES

`oncorobust add` starts it, so that the command itself imports no framework. The model is built as stage `train` builds
it, on random images of the size, batch sizes and threads of params.yaml. Time in which other programs had the processor
does not count. One line of JSON on standard output, the
fields of `run_time.Pace`; what libraries print goes to standard error. An InputError, such as that of a model's file
that does not fit, is a line `error: ...` there, and status 1.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.pipeline.run_time import Pace
from oncorobust.settings.load import load_params
from oncorobust.settings.own_models import Onnx, TorchModel
from oncorobust.settings.pipeline import Dataset, Params

_LEAST_SECONDS = 2.0
_MOST_REPEATS = 20
_PIXELS = 500_000
"""Pixels of a measured batch: it is smaller than that of the attacks where images are large, to take a minute."""
_FEWEST_IMAGES = 4


@dataclass(frozen=True)
class Clock:
    """Seconds: of the wall, of the processor in all threads, and those that threads waited for a processor."""

    wall: float
    used: float
    waited: float

    @classmethod
    def now(cls) -> "Clock":
        """Return the present readings."""
        return cls(time.perf_counter(), time.process_time(), _waited())

    def alone(self, later: "Clock", *, threads: int) -> float:
        """Return the seconds until `later` without waiting, at least those that the threads computed."""
        wall, waited = later.wall - self.wall, (later.waited - self.waited) / threads
        return min(wall, max(wall - waited, (later.used - self.used) / threads))


def measure(params: Params, name: str, *, n_classes: int, began: Clock) -> Pace:
    """Build the model of a data set and time its passes. began: clock at the start of the process.

    Raises InputError where the model does not fit the data.
    """
    from oncorobust.attacks.goals import leave
    from oncorobust.attacks.target import Target
    from oncorobust.backend.runtime import prepare
    from oncorobust.models.build import build_model
    from oncorobust.pipeline.machine_precision import decided

    settings, rng, threads = params.datasets[name], np.random.default_rng(0), params.run.threads
    prepare(threads=threads, seed=0)
    size = settings.preprocess.size
    model = build_model(settings.model, size=size, n_classes=n_classes, seed=0)
    n = max(_FEWEST_IMAGES, min(params.attacks.batch_size, _PIXELS // size**2))
    x = rng.random((n, size, size, 3), dtype=np.float32)
    started = began.alone(Clock.now(), threads=1)
    precision = decided(params.attacks, threads=threads).strict.search_precision
    target = Target(model, precision="float32" if precision == "auto" else precision)
    goal = leave(np.zeros(len(x), dtype=np.int64), n_classes=n_classes)
    forward, first_forward = _seconds(lambda: target.logits(x), threads=threads)
    gradient, first_gradient = _seconds(lambda: target.margin_gradient(x, goal), threads=threads)
    trained = _train_image(model, settings, threads, n_classes) if settings.is_trained_on else (0.0, 0.0)
    return Pace(
        start=started,
        compile=max(first_forward, first_gradient, trained[1]),
        forward=forward / len(x),
        gradient=gradient / len(x),
        train=trained[0],
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _train_image(model: Any, settings: Dataset, threads: int, n_classes: int) -> tuple[float, float]:
    """Return the seconds of an update per image, and those that the first update takes longer."""
    from oncorobust.pipeline.machine_precision import decided_training
    from oncorobust.settings.training import Train
    from oncorobust.training.step import compile_clean_step, make_trainee

    recipe = decided_training(settings.train, threads=threads)
    assert isinstance(recipe, Train)
    size, rng = settings.preprocess.size, np.random.default_rng(1)
    n = max(1, min(recipe.batch_size, _PIXELS // size**2))
    step = compile_clean_step(make_trainee(model, recipe), recipe)
    x, labels = rng.random((n, size, size, 3), dtype=np.float32), np.arange(n) % n_classes
    one_hot = np.eye(n_classes, dtype=np.float32)[labels]
    seconds, first = _seconds(lambda: [float(value) for value in step(x, one_hot)], threads=threads)
    return seconds / n, first


def _seconds(call: Callable[[], Any], *, threads: int) -> tuple[float, float]:
    """Return the usual seconds of a call once it is compiled, and those that its first call takes longer."""
    first, taken = _timed(call, threads), list[float]()
    while len(taken) < 2 or (sum(taken) < _LEAST_SECONDS and len(taken) < _MOST_REPEATS):
        taken.append(_timed(call, threads))
    usual = float(np.median(taken))
    return usual, max(0.0, first - usual)


def _timed(call: Callable[[], Any], threads: int) -> float:
    """Return the seconds of a call on a machine that does nothing else."""
    begun = Clock.now()
    call()
    return begun.alone(Clock.now(), threads=threads)


def _waited() -> float:
    """Return the seconds that the threads of this process could run but had no processor; 0 where Linux does not tell.

    Source: Linux, Documentation/scheduler/sched-stats.rst: the second number is time on the run queue, nanoseconds.
    """
    total = 0
    for file in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):  # a thread may have ended
            total += int(file.read_text().split()[1])
    return total / 1e9


def main(words: list[str]) -> int:
    """Measure and print one line of JSON. words: file of the parameters, data set, number of classes."""
    began = Clock.now()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        params = load_params(words[0])
        model = params.datasets[words[1]].model
        if isinstance(model, TorchModel | Onnx):
            os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is first imported
        pace = measure(params, words[1], n_classes=int(words[2]), began=began)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with answer:
        print(json.dumps(asdict(pace)), file=answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
