"""Measure the share of a strict search's time that its gradients and forward passes take.

Both sides run in one process with the same VGG16 and images. The search (all stages of the cascade, or the first ones
with --stages) records each call of the model: gradient or forward pass, and the number of images. A replay then makes
only these calls, with a compiled TensorFlow function of the model written here, on prepared tensors:

    total   the search
    bare    as many gradients and forward passes, in batches of the same sizes and in the same order

The forward pass of a gradient also gives the margin, so a step of the loop is one gradient. No time includes start-up,
reading files, tracing or warm-up. Search and replay take turns, and their medians are compared.

Prints bare / total (aim: at least 95 %), then the calls by kind and batch size.

Run: python benchmarks/engine_share.py [--images 64] [--preset real] [--stages 7] [--repeats 3]
"""

import statistics
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from subject import begin, options_of, preset, print_setting, search_rows, timed

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import Goal
from oncorobust.attacks.names import STRICT_ATTACKS
from oncorobust.attacks.target import Target, Walk
from oncorobust.base.arrays import Images, Logits, PerImage

Call = tuple[str, int]
"""gradient or forward, and the number of images."""


def main() -> None:
    """Measure, and print the share and the calls."""
    parser = options_of(__doc__, images=64)
    parser.add_argument("--batch-size", type=int, default=64, help="images per batch of the search")
    parser.add_argument("--preset", default="real", help="preset of steps, starts and queries: real, paper or demo")
    parser.add_argument("--stages", type=int, default=len(STRICT_ATTACKS), help="number of attacks of the cascade")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    subject = begin(options)
    settings, grid = preset(options.preset).attacks, preset("paper").datasets["lidc"].attack.epsilons
    print_setting(
        subject,
        options,
        "tensorflow",
        attacks=f"{', '.join(STRICT_ATTACKS[: options.stages])} of presets/{options.preset}.yaml, up to {grid[-1]:g}",
        batch_size=options.batch_size,
    )
    calls: list[Call] = []
    target = NotedTarget(subject.model, calls)
    classifier = NotedClassifier(subject.model, calls, batch_size=options.batch_size)
    replay = Replay(subject.model, subject.data.images())
    limits = {"n_stages": options.stages, "epsilons": grid, "batch_size": options.batch_size}
    search_rows(target, classifier, subject.first(4).data, settings, **limits)
    replay(calls)
    total, bare = [], []
    for _ in range(options.repeats):
        calls.clear()
        total.append(timed(lambda: search_rows(target, classifier, subject.data, settings, **limits)))
        bare.append(timed(lambda: replay(calls)))
    print_share("wall", [one.wall_s for one in bare], [one.wall_s for one in total])
    print_share("processor", [one.processor_s for one in bare], [one.processor_s for one in total])
    print_calls(calls, n_images=len(subject.data))


class NotedTarget(Target):
    """A target that records each call of the model."""

    def __init__(self, model: keras.Model, calls: list[Call]) -> None:
        """Append to `calls`."""
        super().__init__(model)
        self.calls = calls

    def logits(self, x: Images) -> Logits:
        """Record one forward pass."""
        self.calls.append(("forward", len(x)))
        return super().logits(x)

    def margin_gradient(self, x: Images, goal: Goal) -> tuple[PerImage, Images]:
        """Record one gradient."""
        self.calls.append(("gradient", len(x)))
        return super().margin_gradient(x, goal)

    def walk(
        self, start: Images, x: Images, goal: Goal, *, radius: np.ndarray, eps_step: PerImage, n_steps: int
    ) -> Walk:
        """Record a gradient for each step."""
        self.calls += [("gradient", len(x))] * n_steps
        return super().walk(start, x, goal, radius=radius, eps_step=eps_step, n_steps=n_steps)


class NotedClassifier(KerasClassifier):
    """The classifier that ART's Square calls, which records each call."""

    def __init__(self, model: keras.Model, calls: list[Call], *, batch_size: int) -> None:
        """Append to `calls`. batch_size: that of a block, so that each prediction is one forward pass."""
        super().__init__(model, batch_size=batch_size)
        self.calls = calls

    def predict(self, x: np.ndarray, batch_size: int | None = None, **options: Any) -> np.ndarray:
        """Record one forward pass."""
        self.calls.append(("forward", len(x)))
        return super().predict(x, batch_size, **options)


class Replay:
    """The bare model, which repeats the recorded calls."""

    def __init__(self, model: keras.Model, x: Images) -> None:
        """Trace gradient and forward once, for any number of images."""
        images = tf.TensorSpec((None, *x.shape[1:]), tf.float32)

        @tf.function(input_signature=[images], autograph=False)
        def forward(batch: tf.Tensor) -> tf.Tensor:
            return model(batch, training=False)

        @tf.function(input_signature=[images], autograph=False)
        def gradient(batch: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(batch)
                logits = model(batch, training=False)
                difference = tf.reduce_sum(logits[:, 0] - logits[:, 1])
            return tape.gradient(difference, batch)

        self._functions = {"forward": forward, "gradient": gradient}
        self._ready = {n: tf.constant(x[:n]) for n in range(1, len(x) + 1)}

    def __call__(self, calls: list[Call]) -> None:
        """Make these calls one after the other."""
        for kind, n in calls:
            self._functions[kind](self._ready[n]).numpy()


def print_share(name: str, bare: list[float], total: list[float]) -> None:
    """Print both medians and their ratio."""
    few, all_of_it = statistics.median(bare), statistics.median(total)
    each = ", ".join(f"{one / other:.1%}" for one, other in zip(bare, total, strict=True))
    print(f"{name:9}  bare {few:.2f} s, total {all_of_it:.2f} s, share {few / all_of_it:.1%} (turns {each})", end="")
    print("  (aim: at least 95 %)" if name == "wall" else "")


def print_calls(calls: list[Call], *, n_images: int) -> None:
    """Print the gradients and forward passes per image, and the number of calls by batch size."""
    least = (1, 2, 4, 8, 16, 32, 64)
    for kind in ("gradient", "forward"):
        sizes = np.array([n for one, n in calls if one == kind])
        counts = np.bincount(np.searchsorted(least, sizes, side="right") - 1, minlength=len(least))
        by_size = ", ".join(f"{low} or more: {count}" for low, count in zip(least, counts, strict=True))
        print(f"{kind}s: {sizes.sum() / n_images:.1f} per image, in {len(sizes)} calls; by batch size {by_size}")


if __name__ == "__main__":
    main()
