"""Time our l_inf loop on the torch backend against Foolbox's and torchattacks' PGD.

All sides run in one process with the same images and the same Keras VGG16, which on this backend is a torch module that
every side accepts (both peers accept images with channels last). At the chosen epsilon about half of the images flip.

    steps    n steps for every image: seconds per gradient
    attack   an attack that says which images flip: total seconds. Ours stops attacking an image at its first
             adversarial iterate; the peers take every step and classify the last iterate, with one forward pass

The peers are Foolbox LinfPGD (`run` for the steps, the call for the attack) and torchattacks PGD (for the attack, with
a forward pass of the model). They maximise the cross-entropy and ours the margin, from the image itself, without random
starts. Foolbox also backpropagates into the weights if they require gradients, as those of a Keras model do; for
`foolbox, frozen`, the faster peer, this is switched off. No time includes start-up, reading files or warm-up. The sides
take turns in changing order, steps before attacks; medians are compared. They share one process and its memory
allocator, whose state affects the sides differently, so differences of a few per cent per gradient are not only those
of the loops.

Prints, for each number of steps, peer / ours per gradient (aim: at least 1) and in total (aim: more than 1), and how
many images each side flips. A peer that cannot be imported is left out.

Run: KERAS_BACKEND=torch python benchmarks/torch_peers.py [--images 64] [--steps 40 10]
with torch, foolbox==3.3.4 and torchattacks installed beside oncorobust.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import keras
import numpy as np
import torch
from subject import Subject, Timed, begin, options_of, preset, print_setting, search_rows, timed

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, pgd
from oncorobust.attacks.target import Target

LEFT_OUT: dict[str, str] = {}
"""Peers that cannot be imported, and why."""


def imported(name: str) -> Any:
    """Return a peer, or None where it cannot be imported."""
    try:
        return import_module(name)
    except ImportError as error:
        LEFT_OUT[name] = str(error)
        return None


foolbox, torchattacks = imported("foolbox"), imported("torchattacks")
REL_EPS_STEP = 0.25


@dataclass(frozen=True)
class Side:
    """A compared attack. steps: takes n steps. attack: takes up to n steps and returns which images flipped."""

    steps: Callable[[int], object]
    attack: Callable[[int], np.ndarray]


def main() -> None:
    """Measure, and print a table for each number of steps."""
    parser = options_of(__doc__, images=64)
    parser.add_argument("--steps", type=int, nargs="+", default=[40, 10])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    subject = begin(options)
    if keras.backend.backend() != "torch":
        raise SystemExit(f"expected KERAS_BACKEND=torch, got {keras.backend.backend()}")
    subject.model.eval()
    target = Target(subject.model)
    epsilon = median_epsilon(target, subject)
    for name, why in LEFT_OUT.items():
        print(f"{name} is left out: {why}")
    packages = [name for name in ("foolbox", "torchattacks") if name not in LEFT_OUT]
    print_setting(subject, options, "torch", *packages, epsilon=f"{epsilon:.3g}", eps_step=f"epsilon x {REL_EPS_STEP}")
    x = subject.data.images()
    sides = contenders(subject.model, target, x, target.logits(x).argmax(axis=1), epsilon)
    for n_steps in options.steps:
        print(f"{n_steps} steps")
        print_times(sides, n_steps, n_images=len(subject.data), repeats=options.repeats)


def median_epsilon(target: Target, subject: Subject) -> float:
    """Return a coarse estimate of the epsilon at which half of the images flip."""
    classifier, settings = KerasClassifier(subject.model), preset("demo").attacks
    size = len(subject.data)
    rows = search_rows(target, classifier, subject.data, settings, n_stages=2, epsilons=(0.1,), batch_size=size)
    return float(np.median(rows["first_flipped"][rows["attack"] == "bim"]))


def contenders(model: Any, target: Target, x: np.ndarray, answers: np.ndarray, epsilon: float) -> dict[str, Side]:
    """Return all sides, ours first; each attacks the model's own answers, on the device of Keras's tensors."""
    tensors = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(answers)
    sides = {"ours": our_side(target, x, answers, epsilon)}
    if foolbox:
        loose = foolbox_side(model, *tensors, epsilon)
        sides["foolbox"] = loose
        sides["foolbox, frozen"] = Side(
            lambda n: in_frozen(model, loose.steps, n), lambda n: in_frozen(model, loose.attack, n)
        )
    if torchattacks:
        sides["torchattacks"] = torchattacks_side(model, *tensors, epsilon)
    return sides


def our_side(target: Target, x: np.ndarray, answers: np.ndarray, epsilon: float) -> Side:
    """Return our side: Target.walk for the steps, pgd without random starts for the attack."""
    ball = Ball(x, np.full(len(x), epsilon), leave(answers, n_classes=target.n_classes))
    rng = np.random.default_rng(0)
    return Side(
        lambda n: target.walk(x, x, ball.goal, radius=ball.radius, eps_step=REL_EPS_STEP * ball.epsilon, n_steps=n),
        lambda n: pgd(target, ball, rel_eps_step=REL_EPS_STEP, max_iter=n, num_random_init=0, rng=rng).flipped,
    )


def foolbox_side(model: Any, x: torch.Tensor, answers: torch.Tensor, epsilon: float) -> Side:
    """Return Foolbox's LinfPGD."""
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)
    criterion = foolbox.criteria.Misclassification(answers)

    def pgd_of(n: int) -> Any:
        return foolbox.attacks.LinfPGD(rel_stepsize=REL_EPS_STEP, steps=n, random_start=False)

    return Side(
        lambda n: pgd_of(n).run(wrapped, x, criterion, epsilon=epsilon),
        lambda n: pgd_of(n)(wrapped, x, criterion, epsilons=epsilon)[2].cpu().numpy(),
    )


def torchattacks_side(model: Any, x: torch.Tensor, answers: torch.Tensor, epsilon: float) -> Side:
    """Return torchattacks' PGD."""

    def adversarial(n: int) -> torch.Tensor:
        attack = torchattacks.PGD(model, eps=epsilon, alpha=REL_EPS_STEP * epsilon, steps=n, random_start=False)
        return attack(x, answers)

    def flipped(n: int) -> np.ndarray:
        x_adv = adversarial(n)
        with torch.no_grad():
            return (model(x_adv).argmax(dim=1) != answers).cpu().numpy()

    return Side(adversarial, flipped)


def in_frozen(model: Any, action: Callable[[int], Any], n: int) -> Any:
    """Run an action while the weights require no gradients."""
    with frozen(model):
        return action(n)


@contextmanager
def frozen(model: Any) -> Iterator[None]:
    """Switch the gradients of all parameters off inside the block."""
    wanting = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in wanting:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanting:
            parameter.requires_grad_(True)


def print_times(sides: dict[str, Side], n_steps: int, *, n_images: int, repeats: int) -> None:
    """Print one line for each side: its medians, their ratios to ours, and its number of flipped images."""
    steps = in_turns({name: partial(side.steps, n_steps) for name, side in sides.items()}, repeats=repeats)
    attacks = in_turns({name: partial(side.attack, n_steps) for name, side in sides.items()}, repeats=repeats)
    steps_s, attack_s = ({name: median_wall_s(turns) for name, turns in taken.items()} for taken in (steps, attacks))
    for name in sides:
        flips = int(attacks[name][-1].value.sum())
        print(
            f"{name:16} {1000 * steps_s[name] / n_steps / n_images:7.2f} ms a gradient "
            f"(x {steps_s[name] / steps_s['ours']:.2f})   attack {attack_s[name]:7.2f} s "
            f"(x {attack_s[name] / attack_s['ours']:.2f})   flips {flips} of {n_images}"
        )


def in_turns(actions: dict[str, Callable[[], Any]], *, repeats: int) -> dict[str, list[Timed[Any]]]:
    """Time the sides in turns, in a different order each time; the first turn is a warm-up and is not counted."""
    taken: dict[str, list[Timed[Any]]] = {name: [] for name in actions}
    for turn in range(repeats + 1):
        for name in np.random.default_rng(turn).permutation(list(actions)):
            one = timed(actions[name])
            if turn:
                taken[name].append(one)
    return taken


def median_wall_s(turns: list[Timed[Any]]) -> float:
    """Return the median of the turns' wall seconds."""
    return statistics.median(one.wall_s for one in turns)


if __name__ == "__main__":
    main()
