"""Time gradients of a plain PyTorch module through the engine against a loop of PyTorch alone.

All sides take the same sign steps on the margin of the same convolutional network, from the same images.

    wrapped                  the native loop around the engine's `logits_and_gradient`: what the wrapper costs
    walk                     `Target.walk`, which also keeps the best iterate and checks that gradients are finite
    native                   PyTorch alone, images with channels first in memory, as its users hold them
    native, channels last    PyTorch alone, images in memory as the engine holds them

The sides take turns in changing order; the first turn is a warm-up. Medians of processor seconds are compared, which
vary less than wall seconds on a machine with other load; on a GPU, give --wall.

Prints milliseconds per gradient of an image, and wrapped and walk divided by each side (aim: wrapped at most 1.03).

Run: KERAS_BACKEND=torch python benchmarks/torch_module.py [--images 16] [--size 32] [--steps 10] [--threads 2]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from oncorobust.attacks.goals import leave
from oncorobust.attacks.target import Target
from oncorobust.backend.functions import Network, compile_function
from oncorobust.backend.runtime import prepare
from oncorobust.models.torch_module import torch_classifier

MEAN, STD = 0.5, 0.25
EPSILON, EPS_STEP = 0.03, 0.003


def main() -> None:
    """Measure, and print a line for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--size", type=int, default=32, help="side of an image in pixels")
    parser.add_argument("--width", type=int, default=32, help="channels of the first block")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--wall", action="store_true", help="compare wall seconds")
    options = parser.parse_args()
    prepare(threads=options.threads, seed=0)
    clock = time.perf_counter if options.wall else time.process_time
    turns = in_turns(contenders(options), repeats=options.repeats, clock=clock)
    taken = {name: statistics.median(seconds) for name, seconds in turns.items()}
    for name, seconds in taken.items():
        each = 1000 * seconds / options.steps / options.images
        ratios = ", ".join(f"{ours} / this {taken[ours] / seconds:.3f}" for ours in ("wrapped", "walk"))
        print(f"{name:24} {each:8.3f} ms a gradient   {ratios}")


def contenders(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Return what each side does in one turn."""
    module = network(options.width).to(options.device)
    shape = (options.size, options.size, 3)
    x = np.random.default_rng(0).random((options.images, *shape), dtype=np.float32)
    model = torch_classifier(module, image_shape=shape, n_classes=2, mean=MEAN, std=STD, device=options.device)
    target = Target(model)
    answers = target.logits(x).argmax(axis=1)
    goal = leave(answers, n_classes=2)
    radius, eps_step = np.full((len(x), 1, 1, 1), EPSILON), np.full(len(x), EPS_STEP)
    images = torch.from_numpy(x).permute(0, 3, 1, 2).to(options.device)
    labels = torch.from_numpy(answers).to(options.device)

    def natively(images: torch.Tensor) -> torch.Tensor:
        given = images.detach().requires_grad_(True)
        loss = margin_loss(module((given - MEAN) / STD), labels)
        return torch.autograd.grad(loss, given)[0]

    def wrapped(network: Network, images: torch.Tensor) -> torch.Tensor:
        return steps(
            images, lambda x: network.logits_and_gradient(lambda z: margin_loss(z, labels), x)[1], options.steps
        )

    ours = compile_function(model, wrapped)
    first = images.contiguous()
    return {
        "wrapped": lambda: ours(x),
        "walk": lambda: target.walk(x, x, goal, radius=radius, eps_step=eps_step, n_steps=options.steps),
        "native": lambda: steps(first, natively, options.steps).cpu().numpy(),
        "native, channels last": lambda: steps(images, natively, options.steps).cpu().numpy(),
    }


def network(width: int) -> torch.nn.Module:
    """Return a network of four convolutions, random weights and two classes."""
    blocks: list[nn.Module] = []
    for before, after in ((3, width), (width, width), (width, 2 * width), (2 * width, 2 * width)):
        blocks += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    blocks.insert(6, nn.MaxPool2d(2))
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 2)).eval()


def margin_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the other logit minus that of the label, summed."""
    own = logits.gather(1, labels[:, None])[:, 0]
    return (logits.gather(1, 1 - labels[:, None])[:, 0] - own).sum()


def steps(x: torch.Tensor, gradient: Callable[[torch.Tensor], torch.Tensor], n_steps: int) -> torch.Tensor:
    """Take sign steps inside the ball around x."""
    lower, upper = (x - EPSILON).clamp(min=0), (x + EPSILON).clamp(max=1)
    x_adv = x
    for _ in range(n_steps):
        x_adv = torch.clamp(x_adv + EPS_STEP * gradient(x_adv).sign(), lower, upper)
    return x_adv


def in_turns(
    sides: dict[str, Callable[[], object]], *, repeats: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return each side's seconds of each turn but the first."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name in np.random.default_rng(turn).permutation(list(sides)):
            start = clock()
            sides[name]()
            if turn:
                taken[name].append(clock() - start)
    return taken


if __name__ == "__main__":
    main()
