"""Compare our strict search with adv-lib 0.2.8's minimum-norm attacks in l_inf on real networks of PyTorch.

The networks are torchvision's ResNet18, timm's convnext_atto and vit_tiny_patch16_224 (with four patches) and MONAI's
DenseNet121, trained on real digits (`digit_networks`).

Ours are searches with stages of presets/paper.yaml, through `torch_classifier`: fgsm, bim and pgd with intervals of at
most 5 %, as in the preset, and fgsm and fmn with intervals of at most 1 %. The peers attack the same network behind the
same normalisation, written in PyTorch, with the settings of AttackBench (Cinà et al. 2024) but fewer steps: FMN there
takes 1000 and PDPGD 500. All sides attack the network's own answers. A threshold is the l_inf distance of the example
found, checked by a forward pass of the native network; infinite where there is none.

Prints, for each network and side, gradients and forward passes per image, processor seconds per gradient (the forward
passes and the attack's own work included) and the median threshold. For each peer also, against each of ours,

    threshold    the peer's over ours, per image: median (aim: at least 1), and the images where ours is not more than
                 5 % above
    a gradient   the peer's processor seconds per gradient over ours (aim: at least 1). Ours attacks fewer images at a
                 time as they are decided, and small batches cost more per image
    in all       the peer's processor seconds over ours

and for one fixed batch, the sides in turns, the time of a gradient in `Target.walk`, in a loop of PyTorch alone as in
torchattacks' PGD, and in adv-lib's FMN.

Run: KERAS_BACKEND=torch python benchmarks/network_peers.py [--networks convnext_atto ...] [--images 8]
with torch, torchvision, timm, monai, mlxtend and adv-lib==0.2.8 installed beside oncorobust.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from adv_lib.attacks import fmn, pdpgd
from digit_networks import MEAN, N_CLASSES, NETWORKS, SIZE, STD, Normalised, trained
from subject import preset, timed
from torch import nn
from torch_module import in_turns, steps

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.goals import leave
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.attacks.target import Target
from oncorobust.backend.runtime import prepare
from oncorobust.backend.torch_classifier import TorchClassifier
from oncorobust.models.torch_module import torch_classifier

LARGEST_EPSILON = 0.5
OURS = {"ours, bim pgd": (("fgsm", "bim", "pgd"), 0.05), "ours, fmn": (("fgsm", "fmn"), 0.01)}
"""Stages and largest relative width of an interval."""

Attack = Callable[[], np.ndarray]
"""Returns attacked images (n, h, w, c)."""


@dataclass(frozen=True)
class Side:
    """What one attack found: thresholds (n,), and what it cost: per image, and processor seconds in all."""

    thresholds: np.ndarray
    gradients: float
    forwards: float
    seconds: float

    @property
    def gradient_s(self) -> float:
        """Return processor seconds per gradient of an image."""
        return self.seconds / self.gradients / len(self.thresholds)


class Counted(nn.Module):
    """A network that counts the images and the gradients that pass it."""

    def __init__(self, network: nn.Module) -> None:
        """Set both counts to 0."""
        super().__init__()
        self.network = network
        self.n_forwards = self.n_gradients = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits; the count of gradients grows when one reaches the images."""
        self.n_forwards += len(x)
        passed = x.view_as(x)
        if passed.requires_grad:
            passed.register_hook(self._counted)
        return self.network(passed)

    def _counted(self, gradient: torch.Tensor) -> None:
        self.n_gradients += len(gradient)


def main() -> None:
    """Train and attack each network, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--steps", type=int, default=200, help="of FMN and of PDPGD")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if keras.backend.backend() != "torch":
        raise SystemExit(f"expected KERAS_BACKEND=torch, got {keras.backend.backend()}")
    prepare(threads=options.threads, seed=0)
    print(f"{options.images} digits of {SIZE} px, torch {torch.__version__}, {options.threads} threads")
    for name in options.networks:
        network, x = trained(name, n_images=options.images)
        compare(network, x, n_steps=options.steps)


def compare(network: nn.Module, x: np.ndarray, *, n_steps: int) -> None:
    """Attack a network with every side, and print costs, thresholds and ratios."""
    counted = Counted(network)
    model = classifier_of(counted)
    native, images = Normalised(counted), torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    answers = native(images).argmax(dim=1)
    attacks: dict[str, Attack] = {
        name: partial(searched, model, x, answers.numpy(), names=names, width=width)
        for name, (names, width) in OURS.items()
    }
    infinity = float("inf")
    for name, attack in {
        f"FMN, {n_steps} steps": partial(fmn, norm=infinity, steps=n_steps, α_init=1, γ_init=0.05),
        f"PDPGD, {n_steps} steps": partial(pdpgd, norm=infinity, num_steps=n_steps),
    }.items():
        attacks[name] = partial(attacked, attack, native, images, answers)
    sides = {}
    for name, found in attacks.items():
        sides[name] = measured(found, counted, native, images, answers)
        print_costs(name, sides[name])
    print_ratios(sides)
    print_gradients(native, classifier_of(network), x, answers)


def classifier_of(network: nn.Module) -> TorchClassifier:
    """Return a network as the engine's model."""
    return torch_classifier(network, image_shape=(SIZE, SIZE, 3), n_classes=N_CLASSES, mean=MEAN, std=STD)


def searched(
    model: TorchClassifier, x: np.ndarray, answers: np.ndarray, *, names: tuple[str, ...], width: float
) -> np.ndarray:
    """Search with some stages of the cascade."""
    stages = cascade(KerasClassifier(model), settings=preset("paper").attacks, seed=0)
    some, goal = [one for one in stages if one.name in names], leave(answers, n_classes=N_CLASSES)
    *_, (_, found) = search(Target(model), x, goal, stages=some, epsilons=(LARGEST_EPSILON,), relative_width=width)
    return found.x_flipped


def attacked(attack: Any, native: nn.Module, images: torch.Tensor, answers: torch.Tensor) -> np.ndarray:
    """Attack with a peer."""
    torch.manual_seed(0)
    found = attack(native, images.clone(), answers.clone()).detach()
    return found.permute(0, 2, 3, 1).contiguous().numpy()


def measured(attack: Attack, counted: Counted, native: nn.Module, images: torch.Tensor, answers: torch.Tensor) -> Side:
    """Run an attack once, and check what it returns with the native network."""
    n = len(images)
    counted.n_forwards = counted.n_gradients = 0
    found = timed(attack)
    # A gradient has a forward pass of its own, which is not counted again.
    gradients, forwards = counted.n_gradients / n, (counted.n_forwards - counted.n_gradients) / n
    x_adv = torch.from_numpy(found.value).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        flipped = (native(x_adv).argmax(dim=1) != answers).numpy()
    distance = (x_adv.double() - images.double()).abs().amax(dim=(1, 2, 3)).numpy()
    return Side(np.where(flipped, distance, np.inf), gradients, forwards, found.processor_s)


def print_costs(name: str, side: Side) -> None:
    """Print one side's costs and thresholds."""
    print(
        f"  {name:18} {side.gradients:6.1f} gradients, {side.forwards:5.1f} forward passes an image, "
        f"{1000 * side.gradient_s:6.2f} ms a gradient, {side.seconds:6.1f} s, "
        f"median threshold {np.median(side.thresholds):.5f}, {int(np.isinf(side.thresholds).sum())} without",
        flush=True,
    )


def print_ratios(sides: dict[str, Side]) -> None:
    """Print the peers' thresholds and times as multiples of ours."""
    for our_name in OURS:
        our = sides[our_name]
        for name, side in sides.items():
            if name not in OURS:
                ratio = side.thresholds / our.thresholds
                print(
                    f"  {name} / {our_name}: threshold {np.median(ratio):.3f} ({ratio.min():.3f} to {ratio.max():.3f}),"
                    f" ours within 5 % or below {np.mean(our.thresholds <= 1.05 * side.thresholds):.0%}; "
                    f"a gradient {side.gradient_s / our.gradient_s:.2f}, in all {side.seconds / our.seconds:.1f} times"
                )


def print_gradients(native: nn.Module, model: TorchClassifier, x: np.ndarray, answers: torch.Tensor) -> None:
    """Print the time of a gradient in one fixed batch, the sides in turns."""
    n_steps, epsilon = 5, 0.03
    images, target = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), Target(model)
    goal, radius = leave(answers.numpy(), n_classes=N_CLASSES), np.full((len(x), 1, 1, 1), epsilon)

    def plain(x_adv: torch.Tensor) -> torch.Tensor:
        given = x_adv.detach().requires_grad_(True)
        return torch.autograd.grad(nn.functional.cross_entropy(native(given), answers), given)[0]

    eps_step = np.full(len(x), epsilon / 10)
    turns = in_turns(
        {
            "ours": lambda: target.walk(x, x, goal, radius=radius, eps_step=eps_step, n_steps=n_steps),
            "plain PyTorch": lambda: steps(images, plain, n_steps),
            "adv-lib FMN": lambda: fmn(native, images.clone(), answers, norm=float("inf"), steps=n_steps),
        },
        repeats=5,
        clock=time.process_time,
    )
    taken = {name: statistics.median(seconds) / n_steps / len(x) for name, seconds in turns.items()}
    print("  one batch: " + ", ".join(f"{k} {1000 * s:.2f} ms ({s / taken['ours']:.2f})" for k, s in taken.items()))


if __name__ == "__main__":
    main()
