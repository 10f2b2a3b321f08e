"""Measure how fast this machine trains and attacks the model of a data set: a process of its own.

    python -m oncorobust.pipeline.run_time_probe params.yaml NAME N_CLASSES

`oncorobust add` starts it, so that the command itself imports no framework. The model is built as stage `train` builds
it, on random images of the size, batch sizes and threads of params.yaml. One line of JSON on standard output, the
fields of `run_time.Pace`; what libraries print goes to standard error. An InputError, such as that of a model's file
that does not fit, is a line `error: ...` there, and status 1.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
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


def measure(params: Params, name: str, *, n_classes: int, began: float) -> Pace:
    """Build the model of a data set and time its passes. began: time of the process's start, `time.perf_counter`.

    Raises InputError where the model does not fit the data.
    """
    from oncorobust.attacks.goals import leave
    from oncorobust.attacks.target import Target
    from oncorobust.backend.runtime import prepare
    from oncorobust.models.build import build_model
    from oncorobust.pipeline.machine_precision import decided

    settings, rng = params.datasets[name], np.random.default_rng(0)
    prepare(threads=params.run.threads, seed=0)
    size = settings.preprocess.size
    model = build_model(settings.model, size=size, n_classes=n_classes, seed=0)
    n = max(_FEWEST_IMAGES, min(params.attacks.batch_size, _PIXELS // size**2))
    x = rng.random((n, size, size, 3), dtype=np.float32)
    started = time.perf_counter() - began
    precision = decided(params.attacks, threads=params.run.threads).strict.search_precision
    target = Target(model, precision="float32" if precision == "auto" else precision)
    goal = leave(np.zeros(len(x), dtype=np.int64), n_classes=n_classes)
    forward, first_forward = _seconds(lambda: target.logits(x))
    gradient, first_gradient = _seconds(lambda: target.margin_gradient(x, goal))
    trained = _train_image(model, settings, params.run.threads, n_classes) if settings.is_trained_on else (0.0, 0.0)
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
    seconds, first = _seconds(lambda: [float(value) for value in step(x, one_hot)])
    return seconds / n, first


def _seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Return the least seconds of a call once it is compiled, and those that its first call takes longer."""
    begun = time.perf_counter()
    call()
    first, taken = time.perf_counter() - begun, list[float]()
    while len(taken) < 2 or (sum(taken) < _LEAST_SECONDS and len(taken) < _MOST_REPEATS):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    usual = float(np.median(taken))
    return usual, max(0.0, first - usual)


def main(words: list[str]) -> int:
    """Measure and print one line of JSON. words: file of the parameters, data set, number of classes."""
    began = time.perf_counter()
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
