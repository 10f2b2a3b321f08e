"""Networks of timm and MONAI by name under the engine: the native network's numbers, and each refusal's message."""

import functools
import json
import re
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import on_torch, passes_on
from torch_modules import MEAN, STD, natively, nn, torch

from oncorobust.backend.functions import compile_gradient, compile_logits, selected_logits
from oncorobust.base.errors import InputError
from oncorobust.models.monai_bundles import read_bundle
from oncorobust.models.named_networks import Preprocessing, monai_network, timm_network, timm_preprocessing
from oncorobust.models.torch_module import torch_classifier
from oncorobust.models.weight_files import load_weights

timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")
nets = pytest.importorskip("monai.networks.nets", reason="MONAI is not installed: pip install monai")
save_file = pytest.importorskip("safetensors.torch", reason="pip install safetensors").save_file

needs_einops = pytest.mark.skipif(find_spec("einops") is None, reason="MONAI's ViT needs einops: pip install einops")
SMALL_VIT = {"img_size": 32, "patch_size": 8, "hidden_size": 24, "mlp_dim": 32, "num_layers": 2, "num_heads": 2}


@pytest.mark.slow
def test_other_backends_run_these_tests_on_torch() -> None:
    assert "skipped" not in passes_on("torch", __file__)


def as_trained(module: nn.Module, *, variance: tuple[float, float] = (0.5, 2.0)) -> nn.Module:
    """A module in evaluation mode with seeded weights, and with statistics that keep its signal at a usual size."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1 * variance[0] ** 0.5, generator=generator)
                layer.running_var.uniform_(*variance, generator=generator)
    return module.eval()


def vit_logits(**arguments: Any) -> nn.Module:
    module = nets.ViT(3, classification=True, num_classes=4, spatial_dims=2, **arguments)
    module.register_forward_hook(lambda _module, _inputs, outputs: outputs[0])
    return module


USUAL = (0.5, 2.0)
CASES = [
    pytest.param(
        timm_network, "convnext_atto", {}, lambda: timm.create_model("convnext_atto", num_classes=4), USUAL, id="cn"
    ),
    pytest.param(
        timm_network, "resnet10t", {}, lambda: timm.create_model("resnet10t", num_classes=4), (0.1, 0.5), id="rn"
    ),
    pytest.param(
        timm_network,
        "vit_tiny_patch16_224.augreg_in21k",
        {"img_size": 32, "patch_size": 8, "depth": 3},
        lambda: timm.create_model("vit_tiny_patch16_224", num_classes=4, img_size=32, patch_size=8, depth=3),
        USUAL,
        id="timm-vit",
    ),
    pytest.param(
        monai_network,
        "densenet121",
        {"dropout_prob": 0.2},
        lambda: nets.DenseNet121(2, 3, 4, dropout_prob=0.2),
        USUAL,
        id="dn",
    ),
    pytest.param(
        monai_network,
        "resnet18",
        {"conv1_t_stride": [2, 2]},
        lambda: nets.resnet18(spatial_dims=2, n_input_channels=3, num_classes=4, conv1_t_stride=2),
        USUAL,
        id="monai-rn",
    ),
    pytest.param(
        monai_network,
        "SEResNet50",
        {"layers": [1, 1, 1, 1]},
        lambda: nets.SEResNet50(layers=(1, 1, 1, 1), spatial_dims=2, in_channels=3, num_classes=4),
        USUAL,
        id="se",
    ),
    pytest.param(
        monai_network,
        "EfficientNetBN",
        {"model_name": "efficientnet-b0"},
        lambda: nets.EfficientNetBN("efficientnet-b0", pretrained=False, num_classes=4),
        (0.08, 0.2),
        id="en",
    ),
    pytest.param(
        monai_network,
        "ViT",
        SMALL_VIT | {"post_activation": ""},
        lambda: vit_logits(**SMALL_VIT, post_activation=""),
        USUAL,
        id="monai-vit",
        marks=needs_einops,
    ),
]


@on_torch
@pytest.mark.parametrize(("build", "architecture", "arguments", "native", "variance"), CASES)
def test_logits_and_gradients_are_the_native_networks(build, architecture, arguments, native, variance, tmp_path):
    torch.manual_seed(0)
    module = as_trained(native(), variance=variance)
    save_file(module.state_dict(), tmp_path / "a.safetensors")
    torch.manual_seed(2)
    ours = build(architecture, arguments=arguments, channels=3, n_classes=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(ours, tmp_path / "a.safetensors")
    found = torch_classifier(ours, image_shape=(32, 32, 3), n_classes=4, mean=MEAN, std=STD)

    x = np.random.default_rng(0).uniform(0.1, 0.9, (3, 32, 32, 3)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[[0, 1, 3]]
    images = torch.from_numpy(x).requires_grad_(True)
    logits = module(natively(images))
    (gradient,) = torch.autograd.grad((logits * torch.from_numpy(targets)).sum(), images)
    largest = np.abs(gradient.numpy()).max()
    assert 1e-3 < largest < 3
    np.testing.assert_allclose(compile_logits(found)(x), logits.detach().numpy(), rtol=0, atol=1e-5)
    given = compile_gradient(found, selected_logits)(x, targets)
    np.testing.assert_allclose(given, gradient.numpy(), rtol=0, atol=min(1e-4, 0.01 * largest))


@on_torch
@pytest.mark.parametrize(
    ("build", "architecture", "arguments"),
    [(timm_network, "resnet10t", {"num_classes": 1}), (monai_network, "resnet10", {"num_classes": 1})],
)
def test_one_unit_for_two_classes_and_grey_images(build, architecture, arguments):
    module = build(architecture, arguments=arguments, channels=1, n_classes=2)
    found = torch_classifier(module, image_shape=(32, 32, 1), n_classes=2)
    x = np.random.default_rng(0).random((2, 32, 32, 1), dtype=np.float32)
    with torch.no_grad():
        unit = module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(compile_logits(found)(x), np.concatenate([0 * unit, unit], axis=1), atol=1e-5)


def test_a_bundle_becomes_a_network_with_its_weights(tmp_path):
    (tmp_path / "inference.yaml").write_text(
        "classes: 4\nnetwork_def: {_target_: DenseNet121, spatial_dims: 2, in_channels: 3, out_channels: '@classes'}\n"
    )
    module = as_trained(nets.DenseNet121(2, 3, 4))
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    architecture, arguments = read_bundle(tmp_path / "inference.yaml")
    ours = monai_network(architecture, arguments=arguments, channels=3, n_classes=4).eval()
    load_weights(ours, tmp_path / "model.safetensors")
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours(x), module(x))


@on_torch
def test_the_python_of_the_documentation_runs(tmp_path, monkeypatch):
    own, described = tmp_path / "own", {"_target_": "resnet10", "num_classes": 2}
    (own / "bundle" / "configs").mkdir(parents=True)
    (own / "bundle" / "models").mkdir()
    (own / "bundle" / "configs" / "inference.json").write_text(json.dumps({"network_def": described}))
    module = timm.create_model("resnet10t", num_classes=2)
    save_file(module.state_dict(), own / "resnet10t.safetensors")
    from_bundle = nets.resnet10(spatial_dims=2, num_classes=2)
    save_file(from_bundle.state_dict(), own / "bundle" / "models" / "model.safetensors")
    torch.save({"state_dict": from_bundle.state_dict()}, tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "pytorch_models.md").read_text(encoding="utf-8")
    namespace: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        exec(block, namespace)
    assert namespace["model"].std == timm_preprocessing("resnet10t").std
    assert torch.equal(namespace["module"].fc.weight, from_bundle.fc.weight)
    load_weights(namespace["module"], "model.safetensors")


@needs_einops
def test_vit_ends_in_a_tanh_by_default_and_says_so():
    with pytest.warns(UserWarning, match="MONAI's ViT ends in a Tanh by default, so its logits lie between -1 and 1"):
        module = monai_network("vit", arguments=SMALL_VIT, channels=3, n_classes=4).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = monai_network("ViT", arguments=SMALL_VIT | {"post_activation": "Tanh"}, channels=3, n_classes=4).eval()
        without = monai_network("ViT", arguments=SMALL_VIT | {"post_activation": ""}, channels=3, n_classes=4).eval()
    told.load_state_dict(module.state_dict())
    names = {name.replace("head.0.", "head."): one for name, one in module.state_dict().items()}
    without.load_state_dict(names)
    x = 100 * torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(told(x), module(x), rtol=0, atol=0)
    torch.testing.assert_close(without(x).tanh(), module(x))


def test_shortcuts_that_monai_cuts_are_in_the_gradient():
    """The derivative along a direction is that of finite differences in float64; MONAI's own is not."""
    torch.manual_seed(0)
    settings = {"shortcut_type": "A", "conv1_t_stride": 1}
    module = as_trained(nets.resnet10(spatial_dims=2, n_input_channels=3, num_classes=2, **settings)).double()
    with pytest.warns(UserWarning, match="MONAI's resnet10 with shortcut_type A leaves its shortcuts out of the grad"):
        ours = monai_network("resnet10", arguments=settings, channels=3, n_classes=2).eval().double()
    ours.load_state_dict(module.state_dict())
    images = torch.rand(1, 3, 33, 33, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(images)
    step = 1e-8 * direction
    with torch.no_grad():
        assert torch.equal(ours(images), module(images))
        expected = (module(images + step) - module(images - step))[0, 0].item() / 2e-8

    def along(network: nn.Module) -> float:
        (gradient,) = torch.autograd.grad(network(images)[0, 0], images)
        return (gradient * direction).sum().item()

    assert along(ours) == pytest.approx(expected, rel=1e-4)
    assert along(module) != pytest.approx(expected, rel=0.05)


def test_preprocessing_is_that_of_the_tag():
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert timm_preprocessing("resnet10t") == Preprocessing(*imagenet, (176, 176, 3))
    assert timm_preprocessing("vit_tiny_patch16_224").mean == (0.5, 0.5, 0.5)
    assert timm_preprocessing("efficientnet_b0.ra_in1k").std == imagenet[1]
    model = timm.create_model("convnext_atto")
    config = timm.data.resolve_model_data_config(model)
    found = timm_preprocessing("convnext_atto")
    assert (found.mean, found.std) == (config["mean"], config["std"])
    assert (found.image_shape[2], *found.image_shape[:2]) == config["input_size"]


def refused(build: Callable[..., Any], architecture: str, **arguments: Any) -> str:
    with pytest.raises(InputError) as error:
        build(architecture, arguments=arguments, channels=3, n_classes=4)
    return str(error.value)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "hf_hub:a/b", "timm/resnet18", "local-dir:x", "..\\resnet18"])
def test_names_of_a_hub_or_a_folder_are_refused(name):
    assert "nothing is fetched from a hub or read from a folder" in refused(timm_network, name)
    with pytest.raises(InputError, match="nothing is fetched from a hub"):
        timm_preprocessing(name)


@pytest.mark.parametrize(
    ("architecture", "arguments", "says"),
    [
        ("resnet18t", {}, "got 'resnet18t' (nearest: resnet18, resnet18d, "),
        ("qqqq", {}, "got 'qqqq' (timm.list_models() names all)"),
        ("resnet10t.c4", {}, "expected a tag of weights of timm's resnet10t, got 'c4' (nearest: resnet10t.c3_in1k)"),
        (
            "resnet10t",
            {"pretrained": True},
            "expected pretrained False (weights come from a .safetensors file), got Tr",
        ),
        (
            "resnet10t",
            {"pretrained_cfg": {"file": "x"}},
            "argument 'pretrained_cfg' is not accepted: weights come from",
        ),
        ("resnet10t", {"checkpoint_path": "x.pth"}, "argument 'checkpoint_path' is not accepted: weights come from a"),
        ("resnet10t", {"features_only": True}, "expected features_only False (the network must classify), got True"),
        ("resnet10t", {"num_classes": 7}, "expected num_classes 4 (the classes of the data), got 7"),
        ("resnet10t", {"num_classes": 1}, "expected num_classes 4 (the classes of the data), got 1"),
        ("resnet10t", {"in_chans": 1}, "expected in_chans 3 (the channels of the images), got 1"),
        ("resnet10t", {"width": 3}, "with the arguments {'width': 3}: TypeError: ResNet.__init__() got an unexpected"),
        ("resnet10t", {"act_layer": nn.ReLU}, "argument 'act_layer': expected a number, text, a boolean or a list, g"),
    ],
)
def test_bad_names_and_arguments_of_timm(architecture, arguments, says):
    assert says in refused(timm_network, architecture, **arguments)


@pytest.mark.parametrize(
    ("architecture", "arguments", "says"),
    [
        ("DenseNet122", {}, "got 'DenseNet122' (nearest: DenseNet121, "),
        ("TorchVisionFCModel", {}, "got 'TorchVisionFCModel' (known: DenseNet, DenseNet121, "),
        ("DenseNet121", {"dropout": 0.1}, "MONAI's DenseNet121 has no argument 'dropout' (nearest: dropout_prob)"),
        ("seresnet50", {"pretrained": True}, "MONAI's SEResNet50: expected pretrained False (weights come from a "),
        ("DenseNet121", {"pretrained": True}, "expected pretrained False (weights come from a .safetensors file)"),
        (
            "resnet18",
            {"pretrained": "weights.pth"},
            "expected pretrained False (weights come from a .safetensors file)",
        ),
        ("resnet18", {"spatial_dims": 3}, "expected spatial_dims 2 (images are two-dimensional), got 3"),
        ("resnet18", {"feed_forward": False}, "expected feed_forward True (the network must classify), got False"),
        ("resnet18", {"block": "basic"}, "MONAI's resnet18 has no argument 'block' ("),
        ("ViT", {"classification": False}, "expected classification True (the network must classify), got False"),
        ("ViT", {"img_size": 32}, "MONAI's ViT needs the argument 'patch_size'"),
        ("EfficientNetBN", {}, "MONAI's EfficientNetBN needs the argument 'model_name'"),
        ("EfficientNetBN", {"model_name": "b0"}, "cannot be built with the arguments {'model_name': 'b0'}: ValueError"),
        ("DenseNet121", {"out_channels": 2}, "expected out_channels 4 (the classes of the data), got 2"),
        ("DenseNet121", {"in_channels": 1}, "expected in_channels 3 (the channels of the images), got 1"),
        ("DenseNet121", {"act": nn.ReLU}, "argument 'act': expected a number, text, a boolean or a list, got type"),
        ("DenseNet121", {"norm": ["group", {3: 4}]}, "argument 'norm': expected names as keys, got 3"),
    ],
)
def test_bad_names_and_arguments_of_monai(architecture, arguments, says):
    assert says in refused(monai_network, architecture, **arguments)


@pytest.mark.parametrize(
    ("package", "needs"),
    [
        ("timm", functools.partial(timm_network, "resnet10t", arguments={}, channels=3, n_classes=4)),
        ("timm", functools.partial(timm_preprocessing, "resnet10t")),
        ("monai", functools.partial(monai_network, "resnet10", arguments={}, channels=3, n_classes=4)),
    ],
)
def test_a_missing_package_is_named(package, needs, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(package), *sys.meta_path])
    with pytest.raises(InputError, match=f"the package {package} is not installed: pip install {package}$"):
        needs()


class Without:
    """An importer that does not find one package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.package)


def test_a_package_that_a_network_lacks_is_named(monkeypatch):
    def lacking(
        n_input_channels: int,
        num_classes: int,
        spatial_dims: int = 3,
        feed_forward: bool = True,
        pretrained: bool = False,
    ) -> None:
        raise ImportError("from einops.layers.torch import Rearrange (No module named 'einops').\n\nFor details")

    monkeypatch.setattr(nets, "resnet10", lacking)
    assert refused(monai_network, "resnet10") == "MONAI's resnet10 needs the package einops: pip install einops"
