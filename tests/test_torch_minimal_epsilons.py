"""Minimal epsilons of a network of timm, confirmed by PyTorch alone and challenged by its own FMN and PGD."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from backends import on_torch, passes_on
from test_paper_attacks import TABLE_S1
from torch_modules import nn, torch

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.goals import leave
from oncorobust.attacks.minimal_epsilon import Intervals, search
from oncorobust.attacks.target import Target
from oncorobust.models.torch_module import torch_classifier

timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")

N_CLASSES, N_STEPS, LARGEST_EPSILON = 4, 40, 0.5
MEAN, STD = 0.5, 0.25
STAGES = ("fgsm", "bim", "pgd", "fmn")
Native = Callable[[torch.Tensor], torch.Tensor]


@pytest.mark.slow
def test_other_backends_run_these_tests_on_torch() -> None:
    assert "skipped" not in passes_on("torch", __file__)


def network() -> nn.Module:
    """A resnet10t of seeded weights, with the statistics of its own signal."""
    torch.manual_seed(0)
    module = timm.create_model("resnet10t", num_classes=N_CLASSES, zero_init_last=False)
    with torch.no_grad():
        module.train()
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # the mean over all batches
        for _ in range(3):
            module(torch.randn(32, 3, 32, 32))
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def searched() -> tuple[Native, np.ndarray, Intervals]:
    """The native network on images in [0, 1], images, and what the search found."""
    module = network()
    x = np.random.default_rng(0).uniform(0.2, 0.8, (6, 32, 32, 3)).astype(np.float32)
    model = torch_classifier(module, image_shape=x.shape[1:], n_classes=N_CLASSES, mean=MEAN, std=STD)
    target = Target(model)
    goal = leave(target.logits(x).argmax(axis=1), n_classes=N_CLASSES)
    stages = [one for one in cascade(KerasClassifier(model), settings=TABLE_S1, seed=0) if one.name in STAGES]
    *_, (_, found) = search(target, x, goal, stages=stages, epsilons=(LARGEST_EPSILON,), relative_width=0.02)
    return lambda images: module((images - MEAN) / STD), x, found


def natively(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


def margin_and_gradient(native: Native, x: torch.Tensor, answers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer's logit minus the largest other one, and its gradient."""
    given = x.detach().requires_grad_(True)
    logits = native(given)
    own = logits.gather(1, answers[:, None])[:, 0]
    margin = own - logits.scatter(1, answers[:, None], -math.inf).amax(dim=1)
    return margin.detach(), torch.autograd.grad(margin.sum(), given)[0]


def native_fmn(native: Native, x: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """The smallest l_inf distance that FMN (Pintor et al. 2021) finds for each image, infinite where it finds none."""
    best, epsilon = torch.full((len(x),), math.inf), torch.zeros(len(x))
    x_adv = x
    for step in range(N_STEPS):
        cosine = (1 + math.cos(math.pi * step / N_STEPS)) / 2
        margin, gradient = margin_and_gradient(native, x_adv, answers)
        distance = (x_adv - x).abs().amax(dim=(1, 2, 3))
        best = torch.where((margin < 0) & (distance < best), distance, best)
        gamma = 0.001 + 0.049 * cosine
        further = distance + margin.abs() / gradient.abs().sum(dim=(1, 2, 3))
        outside = torch.where(torch.isfinite(best), epsilon * (1 + gamma), further)
        epsilon = torch.where(margin < 0, torch.minimum(best, epsilon * (1 - gamma)), outside)
        length = gradient.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        radius = epsilon.reshape(-1, 1, 1, 1)
        moved = x_adv - (0.01 + 0.99 * cosine) * gradient / length
        x_adv = torch.clamp(torch.clamp(moved, x - radius, x + radius), 0, 1)
    return best


def native_pgd(native: Native, x: torch.Tensor, answers: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """Whether PGD's sign steps change each answer within its epsilon."""
    radius, x_adv = epsilon.reshape(-1, 1, 1, 1), x
    flipped = torch.zeros(len(x), dtype=torch.bool)
    for _ in range(N_STEPS):
        _, gradient = margin_and_gradient(native, x_adv, answers)
        x_adv = torch.clamp(torch.clamp(x_adv - 0.1 * radius * gradient.sign(), x - radius, x + radius), 0, 1)
        flipped |= native(x_adv).argmax(dim=1) != answers
    return flipped


@on_torch
def test_the_native_network_confirms_each_example_and_its_distance(searched):
    native, x, found = searched
    assert (found.first_flipped > 0).all()
    assert (found.first_flipped < LARGEST_EPSILON).all()
    answers = native(natively(x)).argmax(dim=1)
    assert (native(natively(found.x_flipped)).argmax(dim=1) != answers).all()
    distance = np.abs(found.x_flipped.astype(np.float64) - x).max(axis=(1, 2, 3))
    assert (distance <= found.first_flipped + 1e-7).all()
    assert found.x_flipped.min() >= 0
    assert found.x_flipped.max() <= 1


@on_torch
def test_native_attacks_find_no_smaller_epsilons_in_the_median(searched):
    native, x, found = searched
    images = natively(x)
    answers = native(images).argmax(dim=1)
    by_fmn = native_fmn(native, images, answers).numpy()
    assert np.isfinite(by_fmn).all()
    assert np.median(by_fmn / found.first_flipped) >= 0.95
    below, above = (torch.from_numpy(share * found.first_flipped).float() for share in (0.95, 1.5))
    assert native_pgd(native, images, answers, above).float().mean() > 0.5  # an attack that works
    assert native_pgd(native, images, answers, below).float().mean() <= 0.5
