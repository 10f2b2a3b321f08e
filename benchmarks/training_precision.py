"""Time adversarial training in mixed precision against float32, and compare the models that come out.

For each seed, both precisions train the same clean model of the pipeline (`make demo`) with the same batches and random
starts: 50/50 PGD-7 with the demo's other settings of `harden`. Validation is in float32 on both sides, and its time is
part of an epoch, as in the pipeline. The sides take turns; the first epoch, which traces, is left out of the times.

Prints float32 / mixed of the time of an epoch (aims: at least 2 at 32 px, 3 at 116 px), and, for each precision, clean
and robust validation accuracy after the last epoch over the seeds (aim: means that differ by no more than the spread
between seeds).

Run: python benchmarks/training_precision.py [--seeds 3] [--epochs 4] [--dataset lidc]
"""

import argparse
import time
from pathlib import Path

import msgspec
import numpy as np
from subject import PRESETS

from oncorobust.backend.runtime import prepare
from oncorobust.data.dataset import load
from oncorobust.models.vgg16 import load_classifier
from oncorobust.settings.load import load_params
from oncorobust.training.recipes import harden

PRECISIONS = ("float32", "mixed")


class Clock:
    """A listener of training that notes when each epoch ended: with the line that tells its scores."""

    def __init__(self) -> None:
        """Note nothing yet."""
        self.lines: list[str] = []
        self.wall_s: list[float] = []
        self.processor_s: list[float] = []

    def begin(self, done: int) -> None:
        """Nothing is resumed."""

    def update(self, done: int, total: int, text: str) -> None:
        """Progress is not shown."""

    def say(self, text: str) -> None:
        """Keep the line and note the time."""
        self.lines.append(text)
        self.wall_s.append(time.perf_counter())
        self.processor_s.append(time.process_time())

    def warn(self, text: str) -> None:
        """Show a warning."""
        print(text)


def main() -> None:
    """Train with each seed in both precisions, and print times and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="lidc", help="a data set of the pipeline with its clean model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    prepare(threads=options.threads, seed=0)
    data = load(Path("data/processed") / options.dataset)
    params = load_params(PRESETS / "demo.yaml").datasets[options.dataset]
    if params.harden is None:
        raise SystemExit(f"{options.dataset} has no settings of harden in presets/demo.yaml")
    settings = msgspec.structs.replace(
        params.harden, epochs=options.epochs, max_iter=7, rel_eps_step=0.25, keep="last", patience=None, max_drop=None
    )
    times: dict[str, list[tuple[float, float]]] = {one: [] for one in PRECISIONS}
    scores: dict[str, list[tuple[float, float]]] = {one: [] for one in PRECISIONS}
    for seed in range(options.seeds):
        for precision in PRECISIONS:
            clock = Clock()
            model = load_classifier(
                Path("models") / options.dataset / "clean.keras",
                image_shape=data.image_shape,
                n_classes=len(data.class_names),
            )
            trained = harden(
                model,
                data.select("train"),
                data.select("validation"),
                settings=msgspec.structs.replace(settings, precision=precision),
                augment_settings=params.augment,
                seed=seed,
                checkpoint=None,
                listener=clock,
            )
            steady = slice(-options.epochs, None)
            times[precision] += zip(np.diff(clock.wall_s[steady]), np.diff(clock.processor_s[steady]), strict=True)
            last = trained.history.iloc[-1]
            scores[precision].append((last["validation_accuracy"], last["validation_robust_accuracy"]))
            print(
                f"seed {seed}, {precision}: clean {scores[precision][-1][0]:.3f}, robust {scores[precision][-1][1]:.3f}"
            )
    wall = {one: np.median([time_s[0] for time_s in times[one]]) for one in PRECISIONS}
    processor = {one: np.median([time_s[1] for time_s in times[one]]) for one in PRECISIONS}
    for one in PRECISIONS:
        print(f"{one:7}  {wall[one]:.2f} s an epoch (processor {processor[one]:.2f} s), {len(times[one])} epochs")
    ratio = [kind["float32"] / kind["mixed"] for kind in (wall, processor)]
    print(f"float32 / mixed {ratio[0]:.2f}  (processor {ratio[1]:.2f})")
    for place, name in enumerate(("clean", "robust")):
        for one in PRECISIONS:
            found = np.array([score[place] for score in scores[one]])
            print(
                f"{name} validation accuracy, {one:7}: mean {found.mean():.3f}, {found.min():.3f} to {found.max():.3f}"
            )


if __name__ == "__main__":
    main()
