"""Small PyTorch modules with the layers of real ones, of fixed random weights; skips its tests without PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'oncorobust[torch]'")
nn = torch.nn

SHAPE = (8, 8, 3)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


class Convolutional(nn.Module):
    """Batch normalisation, group convolution, dropout, adaptive pooling, and `view`, which wants channels first."""

    def __init__(self, n_classes: int = 3, *, views: bool = True) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=4),
            nn.BatchNorm2d(8),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d((2, 3)),
        )
        self.head = nn.Linear(48, n_classes)
        self.register_buffer("order", torch.arange(48).flip(0))  # integers
        self.views = views

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = x.view(len(x), -1) if self.views else x.flatten(1)
        return self.head(x[:, self.order])


class Attention(nn.Module):
    """Patches, a position embedding, one block of attention, a head on a class token."""

    def __init__(self, n_classes: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.position = nn.Parameter(torch.randn(1, 5, 16))
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True, dropout=0.3)
        self.before, self.after = nn.LayerNorm(16), nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.position
        y = self.before(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head((x + self.mlp(self.after(x)))[:, 0])


def seeded(kind: type[nn.Module], *args: object, **settings: object) -> nn.Module:
    """Build a module of random weights, and of statistics as after training."""
    torch.manual_seed(0)
    module = kind(*args, **settings)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    return module


def flat(*layers: nn.Module, units: int = 2) -> nn.Sequential:
    """A linear network with layers after it."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(SHAPE)), units), *layers)


def natively(images: torch.Tensor) -> torch.Tensor:
    """Images (n, h, w, c) as the module gets them, by PyTorch alone."""
    mean, std = torch.tensor(MEAN).reshape(1, 3, 1, 1), torch.tensor(STD).reshape(1, 3, 1, 1)
    return (images.permute(0, 3, 1, 2).contiguous() - mean) / std
