"""A plain PyTorch module under the engine: the native module's numbers, closed forms, and each bad input's message."""

import re
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import on_torch, passes_on
from models import images_in_memory
from msgspec.structs import replace
from test_paper_attacks import TABLE_S1
from torch_modules import MEAN, SHAPE, STD, Attention, Convolutional, flat, natively, nn, seeded, torch

from oncorobust.attacks.art_attack import LinfPGD
from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.coarse_target import CoarseTarget, target_of
from oncorobust.attacks.goals import leave
from oncorobust.attacks.input_layers import stored_bit_depth, tied_channels
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.attacks.target import Target
from oncorobust.backend.functions import compile_function, compile_gradient, compile_logits, selected_logits
from oncorobust.backend.precision import check_full_float32
from oncorobust.backend.torch_classifier import TorchClassifier
from oncorobust.base.errors import InputError
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.protocols import attack_tables
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.models.torch_module import torch_classifier

X = np.random.default_rng(0).uniform(0.2, 0.8, (6, *SHAPE)).astype(np.float32)


@pytest.mark.slow
def test_other_backends_run_these_tests_on_torch() -> None:
    assert "skipped" not in passes_on("torch", __file__)


def classifier_of(module: nn.Module, n_classes: int = 3, **settings: Any) -> TorchClassifier:
    settings = {"mean": MEAN, "std": STD} | settings
    return torch_classifier(module, image_shape=SHAPE, n_classes=n_classes, **settings)


@on_torch
@pytest.mark.parametrize(
    ("kind", "settings", "channels_last"),
    [(Convolutional, {}, False), (Convolutional, {"views": False}, True), (Attention, {}, True)],
)
def test_logits_and_gradients_are_the_native_modules(kind, settings, channels_last):
    module = seeded(kind, **settings)
    found = classifier_of(module)
    assert found.layers.channels_last is channels_last
    assert not module.training
    images = torch.from_numpy(X).requires_grad_(True)
    logits = module(natively(images))
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 1, 0]]
    (gradient,) = torch.autograd.grad((logits * torch.from_numpy(targets)).sum(), images)
    np.testing.assert_allclose(compile_logits(found)(X), logits.detach().numpy(), rtol=0, atol=1e-5)
    ours = compile_gradient(found, selected_logits)(X, targets)
    assert np.abs(gradient.numpy()).max() > 0.01
    np.testing.assert_allclose(ours, gradient.numpy(), rtol=0, atol=1e-5)
    assert all(weight.grad is None for weight in module.parameters())


@on_torch
def test_the_module_stays_in_evaluation_and_its_weights_are_read_at_each_call():
    module = seeded(Convolutional)
    logits = compile_logits(classifier_of(module))
    before, statistics = logits(X), module.features[1].running_mean.clone()
    module.train()
    np.testing.assert_array_equal(logits(X), before)
    assert not module.features[6].training
    assert torch.equal(module.features[1].running_mean, statistics)
    with torch.no_grad():
        module.head.bias += 1
    np.testing.assert_allclose(logits(X), before + 1, atol=1e-6)


def linear(weights: np.ndarray) -> nn.Sequential:
    """Two logits whose difference is weights . x, with weights (h, w, c)."""
    module = flat()
    with torch.no_grad():
        module[1].weight[0], module[1].bias[:] = 0, 0
        module[1].weight[1] = torch.from_numpy(weights.transpose(2, 0, 1).ravel().astype(np.float32))
    return module


def interior(n: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images that no epsilon up to 0.2 brings to the box, and their distances from the boundary."""
    x = np.random.default_rng(2).uniform(0.3, 0.7, (n, *SHAPE)).astype(np.float32)
    return x, np.abs((x.astype(np.float64) * weights).sum(axis=(1, 2, 3))) / np.abs(weights).sum()


def balanced() -> np.ndarray:
    weights = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32).astype(np.float64)
    weights -= weights.mean()
    return weights / np.abs(weights).sum()


def searched(target: Target, classifier: KerasClassifier, x: np.ndarray, *, stages: int, width: float = 0.01) -> Any:
    goal = leave(target.logits(x).argmax(axis=1), n_classes=target.n_classes)
    some = cascade(classifier, settings=TABLE_S1, seed=0)[:stages]
    *_, (_, found) = search(target, x, goal, stages=some, epsilons=(0.05, 0.2), relative_width=width)
    return found


@on_torch
def test_the_minimal_epsilon_of_a_linear_module_is_the_closed_form():
    weights = balanced()
    model = classifier_of(linear(weights), 2, mean=0.0, std=1.0)
    x, distances = interior(8, weights)
    target = Target(model)
    goal = leave(target.logits(x).argmax(axis=1), n_classes=2)
    margin, gradient = target.margin_gradient(x, goal)
    np.testing.assert_allclose(margin / np.abs(gradient).sum(axis=(1, 2, 3)), distances, rtol=0, atol=1e-6)
    found = searched(target, KerasClassifier(model), x, stages=3, width=1e-4)
    np.testing.assert_allclose(found.first_flipped, distances, rtol=1.1e-4, atol=1e-6)
    assert (found.last_safe <= distances + 1e-6).all()
    assert (found.first_flipped >= distances - 1e-6).all()


def in_keras(module: Convolutional) -> keras.Model:
    """The same network as `Convolutional`, with its weights."""
    first, norm, _, grouped, norm2, *_ = module.features
    layers = keras.layers
    images = keras.Input(SHAPE)
    x = (images - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    convolutions = [layers.Conv2D(8, 3, padding="same"), layers.Conv2D(8, 3, groups=4)]
    norms = [layers.BatchNormalization(epsilon=1e-5), layers.BatchNormalization(epsilon=1e-5)]
    x = layers.ReLU()(norms[0](convolutions[0](x)))
    x = keras.activations.gelu(norms[1](convolutions[1](x)), approximate=False)
    x = keras.ops.mean(keras.ops.reshape(x, (-1, 2, 3, 3, 2, 8)), axis=(2, 4))  # 6 x 6 to 2 x 3
    head = layers.Dense(3)
    model = keras.Model(images, head(layers.Flatten()(x)))
    for ours, theirs in zip(convolutions, (first, grouped), strict=True):
        ours.set_weights([theirs.weight.detach().numpy().transpose(2, 3, 1, 0), theirs.bias.detach().numpy()])
    for ours, theirs in zip(norms, (norm, norm2), strict=True):
        ours.set_weights([one.detach().numpy() for one in theirs.state_dict().values() if one.ndim])
    kernel = torch.zeros_like(module.head.weight)
    kernel[:, module.order] = module.head.weight.detach()
    head.set_weights(
        [kernel.reshape(3, 8, 6).permute(2, 1, 0).reshape(48, 3).numpy(), module.head.bias.detach().numpy()]
    )
    return model


@on_torch
def test_the_strict_search_finds_what_it_finds_for_the_same_network_in_keras():
    module = seeded(Convolutional)
    ours, theirs = classifier_of(module), in_keras(module)
    np.testing.assert_allclose(compile_logits(ours)(X), compile_logits(theirs)(X), rtol=0, atol=1e-5)
    one, other = (searched(Target(model), KerasClassifier(model), X[:2], stages=4) for model in (ours, theirs))
    assert np.isfinite(other.first_flipped).all()
    np.testing.assert_allclose(one.first_flipped, other.first_flipped, rtol=0.011)
    np.testing.assert_allclose(one.last_safe, other.last_safe, rtol=0.011)


@on_torch
def test_both_protocols_and_the_threat_models_take_a_module():
    module = seeded(Convolutional, 2)
    model = classifier_of(module, 2)
    grey = X[..., :1]
    answers = compile_logits(model)(np.repeat(grey, 3, axis=-1)).argmax(axis=1)
    data = images_in_memory(grey[:4], answers[:4])
    tables = attack_tables(
        KerasClassifier(model, batch_size=4),
        data,
        blocks_of(len(data), 4),
        epsilons=(0.01, 0.1),
        threat_epsilons=(0.05,),
        settings=replace(TABLE_S1, strict=replace(TABLE_S1.strict, threats=("full", "tied", "stored_8", "noise"))),
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )
    last = tables["intervals"].groupby("image_id").tail(1)
    assert (last["last_safe"] <= last["first_flipped"]).all()
    assert (last["label"] == last["predicted"]).all()
    threats = tables["threats"].groupby("threat")["flipped"].sum()
    assert threats["tied"] <= threats["full"]
    assert set(threats.index) == {"full", "tied", "stored_8", "noise"}


@on_torch
def test_fronts_tie_channels_and_round_with_a_straight_gradient():
    model = classifier_of(seeded(Attention))
    grey, targets = X[..., :1], np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    coloured = np.repeat(grey, 3, axis=-1)
    tied = tied_channels(model)
    np.testing.assert_allclose(compile_logits(tied)(grey), compile_logits(model)(coloured), atol=1e-6)
    whole = compile_gradient(model, selected_logits)(coloured, targets)
    gradient = compile_gradient(tied, selected_logits)(grey, targets)
    np.testing.assert_allclose(gradient, whole.sum(axis=-1, keepdims=True), atol=1e-5)
    both = stored_bit_depth(tied, bits=4)
    rounded = (np.round(grey * 15) / 15).astype(np.float32)
    assert Target(both).image_shape == (8, 8, 1)
    np.testing.assert_allclose(compile_logits(both)(grey), compile_logits(tied)(rounded), atol=1e-6)
    straight = compile_gradient(tied, selected_logits)(rounded, targets)
    np.testing.assert_allclose(compile_gradient(both, selected_logits)(grey, targets), straight, atol=1e-5)


@on_torch
@pytest.mark.parametrize("kind", [Convolutional, Attention])
def test_mixed_precision_leaves_first_and_last_kernel_in_float32(kind):
    module = seeded(kind)
    model = classifier_of(module)
    first, last = model.layers.kernels
    assert (first, last) == (module.features[0] if kind is Convolutional else module.patches, module.head)
    seen = {}
    inner = module.features[3] if kind is Convolutional else module.mlp[0]
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: seen.update({layer: (inputs[0].dtype, output.dtype)}))
        for layer in (first, last, inner)
    ]
    coarse, exact = (
        compile_function(model, lambda network, x: network.logits(x), precision=one) for one in ("mixed", "float32")
    )
    close = coarse(X)
    assert seen[first] == seen[last] == (torch.float32, torch.float32)
    assert seen[inner][1] == torch.bfloat16
    exactly = exact(X)
    assert seen[inner][1] == torch.float32
    for hook in hooks:
        hook.remove()
    assert 1e-6 < np.abs(close - exactly).max() < 0.05
    assert not torch.is_autocast_enabled("cpu")


@on_torch
def test_every_flip_of_a_search_in_bfloat16_is_confirmed_in_float32():
    module = seeded(Convolutional)
    model, rng = classifier_of(module), np.random.default_rng(3)
    x = X[0] + rng.uniform(-1e-3, 1e-3, (100, *SHAPE)).astype(np.float32)
    logits = compile_logits(model)(x)
    with torch.no_grad():
        module.head.bias -= torch.from_numpy(np.median(logits, axis=0))
    exact, coarse = Target(model), CoarseTarget(model, precision="bfloat16")
    goal = leave(exact.logits(x).argmax(axis=1), n_classes=3)
    within = {"radius": np.zeros((100, 1, 1, 1)), "eps_step": np.zeros(100), "n_steps": 1}
    assert (Target.walk(coarse, x, x, goal, **within).margin < 0).sum() > 5, "false flips"
    assert (coarse.walk(x, x, goal, **within).margin >= 0).all()
    few = x[:6]
    found = searched(target_of(model, precision="bfloat16"), KerasClassifier(model), few, stages=3, width=0.05)
    assert np.isfinite(found.first_flipped).all()
    assert (exact.margins(found.x_flipped, goal.at(np.arange(6))) < 0).all()


@on_torch
def test_a_module_is_checked_for_full_float32():
    module = seeded(Convolutional)
    model = classifier_of(module)
    check_full_float32(model)
    module.head.bfloat16()
    with pytest.raises(InputError, match=r"expected a float32 model, got torch.bfloat16 in 'head.weight'"):
        check_full_float32(model)


@on_torch
def test_arts_interface_and_our_pgd_take_a_module():
    model = classifier_of(seeded(Convolutional))
    classifier = KerasClassifier(model)
    assert (classifier.nb_classes, classifier.input_shape) == (3, SHAPE)
    clean = classifier.predict(X).argmax(axis=1)
    x_adv = LinfPGD(classifier, eps=0.3, eps_step=0.05, max_iter=10, verbose=False).generate(X)
    assert (classifier.predict(x_adv).argmax(axis=1) != clean).any()
    with pytest.raises(InputError, match="fit: expected a Keras model, got TorchClassifier"):
        classifier.fit(X, clean)


@on_torch
def test_the_readme_goes_from_a_module_to_intervals(capsys):
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "torch_classifier" in one)
    weights = balanced()
    x, distances = interior(24, weights)
    y = ((x.astype(np.float64) * weights).sum(axis=(1, 2, 3)) > 0).astype(np.int64)
    y[:4] = 1 - y[:4]  # answered wrong
    block = block.replace("threads=2", "threads=1").replace(
        "max_iter=40", "max_iter=10"
    )  # a linear module needs no more
    exec(block, {"module": linear(weights), "x": x, "y": y, "patients": [f"p{i // 2}" for i in range(24)]})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for line, epsilon in zip(lines, (0.0, 0.01, 0.1), strict=True):
        value, low, high = map(
            float, re.fullmatch(rf"robust accuracy at {epsilon}: (\S+) \[(\S+), (\S+)\]", line).groups()
        )
        assert value == pytest.approx((distances[4:] > epsilon).sum() / 24, abs=0.005)
        assert low <= value <= high


class Sized(nn.Module):
    """A linear net whose forward ends as told."""

    def __init__(self, end: Any, units: int = 2) -> None:
        super().__init__()
        self.net, self.end, self.softmax = flat(units=units), end, nn.Softmax(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self, self.net(x))


@on_torch
@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (lambda: flat(nn.Softmax(dim=1)), lambda z: z),
        (lambda: nn.Sequential(flat(), nn.Sequential(nn.LogSoftmax(dim=1))), lambda z: z),
        (lambda: flat(nn.Sigmoid()), lambda z: z),
        (lambda: Sized(lambda self, z: self.softmax(z)), lambda z: z),
        (lambda: flat(units=1), lambda z: np.concatenate([0 * z, z], axis=1)),
        (lambda: flat(nn.Sigmoid(), units=1), lambda z: np.concatenate([0 * z, z], axis=1)),
        (lambda: flat(nn.Sigmoid(), nn.Flatten(0), units=1), lambda z: np.concatenate([0 * z, z], axis=1)),
    ],
    ids=["softmax", "nested log-softmax", "two sigmoids", "attribute", "one logit", "one sigmoid", "flat sigmoid"],
)
def test_heads_become_logits_exactly(module, expected):
    made = module()
    inner = next(layer for layer in made.modules() if isinstance(layer, nn.Linear))
    images = natively(torch.from_numpy(X)).reshape(len(X), -1)
    logits = (images @ inner.weight.T + inner.bias).detach().numpy()
    before = made(natively(torch.from_numpy(X))).detach()
    np.testing.assert_allclose(compile_logits(classifier_of(made, 2))(X), expected(logits), rtol=0, atol=1e-5)
    assert torch.equal(made(natively(torch.from_numpy(X))), before), "the module itself keeps its last layer"


def refused(module: nn.Module, **settings: Any) -> str:
    with pytest.raises(InputError) as error:
        classifier_of(module, **({"n_classes": 2} | settings))
    return str(error.value)


@on_torch
@pytest.mark.parametrize(
    ("end", "says"),
    [
        (
            lambda _, z: torch.softmax(z, dim=1),
            r"got the output of a softmax that is no layer at the end of the mod",
        ),
        (lambda _, z: torch.sigmoid(z).float(), r"got the output of a sigmoid that is no layer at the end"),
        (
            lambda self, z: self.softmax(self.softmax(z)),
            r"got the output of a softmax whose layer the module also calls",
        ),
        (lambda self, z: self.softmax(z)[:, :1], r"got the output of a softmax that is no layer"),
        (
            lambda _, z: torch.cat([1 - z[:, 1:].sigmoid(), z[:, 1:].sigmoid()], 1),
            r"got probabilities \(rows sum to",
        ),
        (lambda _, z: (z, z), r"expected a module that returns one tensor of logits \(n, 2\), got tuple: wrap it"),
        (lambda _, z: z / 0, r"expected finite logits, got \[.*\] for image 0 of noise in the module"),
        (
            lambda _, z: z * 0 + 3,
            r"expected a module that responds to images, got the same logits for all: \[3.0, 3.0",
        ),
        (
            lambda _, z: nn.functional.dropout(z),
            r"expected the same logits in every pass, got differences up to \S+ from the module itself \(Sized\): look",
        ),
        (
            lambda _, z: z - z.mean(dim=0),
            r"do not depend on the other images of a batch, got .*: one that could not",
        ),
    ],
)
def test_a_module_that_gives_no_logits_is_refused(end, says):
    assert re.search(says, refused(Sized(end)))


class Awake(nn.Dropout):
    """Dropout that never sleeps."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.5)


@on_torch
def test_other_modules_are_refused_by_name():
    assert "expected logits of shape (4, 3), got (4, 2)" in refused(flat(), n_classes=3)
    with pytest.raises(
        InputError, match=r"takes images \(n, c, h, w\) of shape \(4, 1, 8, 8\), got RuntimeError: .*3 channels"
    ):
        torch_classifier(seeded(Convolutional), image_shape=(8, 8, 1), n_classes=3)
    assert "from 1.2 (Awake): look for" in refused(nn.Sequential(nn.Identity(), flat(Awake()), nn.Linear(2, 2)))
    unpooled = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(144, 2)
    )
    assert "uses the statistics of the batch: 1 (BatchNorm2d); give it running statistics" in refused(unpooled)
    assert "expected a single unit with a sigmoid or none, got a Softmax" in refused(flat(nn.Softmax(dim=1), units=1))
    with pytest.raises(InputError, match=r"expected a torch\.nn\.Module, got function"):
        classifier_of(lambda x: x)
    with pytest.raises(
        InputError, match=r"expected mean to be one number, or one for each of 3 channels, got \(0.1, 0.2\)"
    ):
        classifier_of(flat(), mean=(0.1, 0.2))
    with pytest.raises(InputError, match="expected std above 0, got 0"):
        classifier_of(flat(), std=0.0)
    with pytest.raises(
        InputError, match=r"expected image_shape \(h, w, c\) and at least 2 classes, got \(8, 8\) and 3"
    ):
        torch_classifier(flat(), image_shape=(8, 8), n_classes=3)
    with pytest.raises(InputError, match="the module cannot be moved to device 'cuda:99'"):
        classifier_of(flat(), 2, device="cuda:99")


@on_torch
def test_a_batch_of_fixed_size_is_refused():
    fixed = Sized(lambda _, z: z.reshape(4, 2))
    assert re.search(r"takes images \(n, c, h, w\) of shape \(1, 3, 8, 8\), got RuntimeError: ", refused(fixed))


@on_torch
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_weights_become_float32_with_a_warning(kind):
    module = flat().to(kind)
    with pytest.warns(UserWarning, match=f"the module's weights are converted from {kind} to float32"):
        found = classifier_of(module, 2)
    check_full_float32(found)
    assert compile_logits(found)(X).dtype == np.float32


@on_torch
def test_a_module_without_a_gradient_is_told_and_gets_zeros():
    module = Sized(lambda _, z: z.detach())
    with pytest.warns(UserWarning, match="the module gives no gradient, only Square attacks it"):
        found = classifier_of(module, 2)
    assert not compile_gradient(found, selected_logits)(X, np.eye(2, dtype=np.float32)[[0] * 6]).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        classifier_of(flat(), 2)
