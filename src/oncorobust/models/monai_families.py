"""MONAI's networks that classify 2D images, and where their constructors differ.

Each was decided by reading its source (MONAI 1.6). Left out: networks that return maps, features or one critic's value;
`TorchVisionFCModel`, which downloads weights of torchvision; `Classifier`, whose input has a fixed size and holds its
channels; `MILModel`, `NaViT` and `TorchVisionFullyConvModel`, which take other inputs.
"""

import functools
import inspect
from typing import Any, NamedTuple

from oncorobust.base.errors import InputError
from oncorobust.models.network_arguments import nearest


class Family(NamedTuple):
    """Names that networks of one kind share.

    channels, classes: arguments for the channels of the images and the number of logits. base: the class that takes the
    arguments which a constructor passes on. inner: arguments of the base that the constructor gives itself. head: the
    argument, true or false, for a classifying head. tanh: whether the head ends in a Tanh unless told otherwise, and
    the module returns hidden states beside the logits, as ViT does.
    """

    channels: str
    classes: str
    base: str
    inner: tuple[str, ...] = ()
    head: str = ""
    tanh: bool = False


_DENSENET = Family("in_channels", "out_channels", "DenseNet")
_RESNET = Family("n_input_channels", "num_classes", "ResNet", ("block", "layers", "block_inplanes"), "feed_forward")
_SENET = Family("in_channels", "num_classes", "SENet", ("block",))

FAMILIES = {
    **dict.fromkeys(("DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264"), _DENSENET),
    **dict.fromkeys(("ResNet", *(f"resnet{depth}" for depth in (10, 18, 34, 50, 101, 152, 200))), _RESNET),
    **dict.fromkeys(("SENet", "SENet154", "SEResNet50", "SEResNet101", "SEResNet152"), _SENET),
    **dict.fromkeys(("SEResNext50", "SEResNext101"), _SENET),
    "EfficientNetBN": Family("in_channels", "num_classes", "EfficientNetBN"),
    "ViT": Family("in_channels", "num_classes", "ViT", head="classification", tanh=True),
}
"""Each accepted network, by MONAI's name; other spellings of MONAI differ in case only."""

_BY_LOWER_CASE = {name.lower(): name for name in FAMILIES}


def find_family(architecture: str) -> tuple[str, Family]:
    """Return MONAI's name of a network and its family. Raises InputError for a network that is not accepted."""
    name = _BY_LOWER_CASE.get(architecture.lower())
    if name is None:
        found = nearest(architecture, [*FAMILIES], otherwise=f"known: {', '.join(FAMILIES)}")
        raise InputError(f"expected a classification network of MONAI for 2D images, got {architecture!r} ({found})")
    return name, FAMILIES[name]


def family_arguments(nets: Any, name: str) -> dict[str, bool]:
    """Return the arguments of a network's constructor, and whether each is required. nets: monai.networks.nets."""
    family = FAMILIES[name]
    own = inspect.signature(getattr(nets, name)).parameters.values()
    passed_on = any(one.kind is one.VAR_KEYWORD for one in own)
    base = inspect.signature(getattr(nets, family.base)).parameters.values() if passed_on else ()
    known = {one.name: one for one in base if one.name not in family.inner} | {one.name: one for one in own}
    return {one.name: one.default is one.empty for one in known.values() if one.kind is not one.VAR_KEYWORD}


def logits_alone(vit: type) -> type:
    """Return ViT as a class whose modules return the logits, without the hidden states; weights have the same names."""

    def forward(self: Any, x: Any) -> Any:
        return vit.forward(self, x)[0]  # type: ignore[attr-defined]

    return type(vit.__name__, (vit,), {"forward": forward})


def gradient_through_shortcuts(module: Any) -> bool:
    """Replace shortcuts that MONAI's ResNet leaves out of the gradient by equal ones; say whether there were any.

    With `shortcut_type="A"` the shortcut of a block that halves the image returns `out.data`, without a gradient.
    """
    found = [layer for layer in module.modules() if isinstance(getattr(layer, "downsample", None), functools.partial)]
    for layer in found:
        planes, stride = layer.downsample.keywords["planes"], layer.downsample.keywords["stride"]
        layer.downsample = functools.partial(_padded, planes=planes, stride=stride)
    return bool(found)


def _padded(x: Any, *, planes: int, stride: int) -> Any:
    """Return every `stride`-th pixel of features (n, c, h, w), with channels of zeros up to `planes`."""
    kept = x[:, :, ::stride, ::stride]
    padded = kept.new_zeros((len(kept), planes, *kept.shape[2:]))
    padded[:, : kept.shape[1]] = kept
    return padded
