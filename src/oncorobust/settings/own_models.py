"""Settings of a classifier that a person brings, from Keras, PyTorch, ONNX, timm or MONAI."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from oncorobust.settings.base import Count, Settings, Share


class ExpectedAccuracy(Settings, frozen=True, kw_only=True):
    """The accuracy that the person who brings a model knows from elsewhere."""

    value: Annotated[float, Meta(ge=0, le=1)]
    """Accuracy on the validation images, or on images like them. Unit: share of the images."""
    tolerance: Share
    """Largest accepted difference; with few validation images chance alone takes 0.1. Unit: share of the images."""


class Brought(Settings, frozen=True, kw_only=True):
    """What holds for every model that a person brings."""

    fine_tune: bool
    """Train the model further. With false, `train` only measures it on the validation images."""
    allow_chance: bool = False
    """With `fine_tune: false`, measure a model that does no better than chance on the validation images, instead of
    stopping."""
    expected_accuracy: ExpectedAccuracy | None = None
    """Accuracy that the model should have as it is brought, before any training: `train` stops where the validation
    images give another one. null compares nothing."""

    @property
    def named(self) -> str:
        """Return what messages call the model."""
        raise NotImplementedError

    @property
    def input_named(self) -> str:
        """Return what messages say of its input if it may be the cause of an error."""
        raise NotImplementedError


class OwnModel(Brought, frozen=True, kw_only=True, tag_field="source", tag="path"):
    """A classifier of your own in a .keras file, of any input size, with logits, softmax or one sigmoid at its end."""

    path: str
    """The .keras file, relative to the repository. No code is loaded from it."""
    input_range: tuple[float, float]
    """Input values of the model that stand for 0 and 1 of the pipeline's images, such as [0, 255]."""

    @property
    def named(self) -> str:
        """Return what messages call the model."""
        return self.path

    @property
    def input_named(self) -> str:
        """Return what messages say of its input if it may be the cause of an error."""
        return f"input_range {list(self.input_range)} is not the range of its inputs"


class Preprocessing(Settings, frozen=True, kw_only=True):
    """What a network expects of its images; it becomes part of the model.

    In this order: grey images from colour, size, window, range of values, order of the channels, mean and standard
    deviation.
    """

    mean: tuple[float, ...]
    """Mean that the network's training subtracted: one number, or one per channel. Unit: as `range`."""
    std: tuple[Annotated[float, Meta(gt=0)], ...]
    """Standard deviation by which it divided: one number, or one per channel. Unit: as `range`."""
    range: tuple[float, float] = (0.0, 1.0)
    """Values, before `mean` and `std`, that stand for black and white, such as [0, 255]."""
    channels: Literal["rgb", "bgr", "grey"] = "rgb"
    """Channels of the network: three in this order, or one, the mean of the three."""
    size: tuple[Count, Count] | None = None
    """Height and width of the network's images, to which the pipeline's are resized (bilinear); null for the size of
    `preprocess`. Unit: pixels."""
    window: tuple[float, float] | None = None
    """Window that was cut out of the images for the network, such as [-600, 1500]: values outside it are clipped. It
    needs `preprocess.intensity_range` in numbers. null for the whole range. Unit: as `preprocess.intensity_range`."""


class TorchModel(Brought, frozen=True, kw_only=True):
    """What holds for every network of PyTorch; it needs KERAS_BACKEND=torch."""

    preprocessing: Preprocessing
    """What the network expects of its images."""
    head: Literal["auto", "logits", "softmax", "sigmoid"] = "auto"
    """What the network gives: `auto` finds out, and another word is compared with what is found. A softmax or sigmoid
    at its end is taken off, because attacks need logits."""

    @property
    def input_named(self) -> str:
        """Return what messages say of its input if it may be the cause of an error."""
        return "model.preprocessing is not that of its training"


class TorchExport(TorchModel, frozen=True, kw_only=True, tag_field="source", tag="torch_export"):
    """A network in a .pt2 file of torch.export, with a batch of any length."""

    path: str
    """The .pt2 file, relative to the repository. No code and no pickle is loaded from it."""

    @property
    def named(self) -> str:
        """Return what messages call the model."""
        return self.path


class Onnx(TorchModel, frozen=True, kw_only=True, tag_field="source", tag="onnx"):
    """A network in an .onnx file, converted to PyTorch for its gradients; it is evaluated and never trained."""

    path: str
    """The .onnx file, relative to the repository."""

    @property
    def named(self) -> str:
        """Return what messages call the model."""
        return self.path


class Timm(TorchModel, frozen=True, kw_only=True, tag_field="source", tag="timm"):
    """A network of timm by its name."""

    architecture: str
    """Name of the network in timm, such as resnet18."""
    weights: str
    """A .safetensors file of the network's weights, relative to the repository, or `none` for random ones, which need
    `fine_tune: true`."""
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    """Further arguments of timm.create_model: numbers, strings and booleans."""

    @property
    def named(self) -> str:
        """Return what messages call the model."""
        return f"{self.architecture} of timm with weights {self.weights}"


class Monai(TorchModel, frozen=True, kw_only=True, tag_field="source", tag="monai"):
    """A two-dimensional classification network of MONAI, by its name or from a bundle's configuration."""

    weights: str
    """A .safetensors file of the network's weights, relative to the repository, or `none` for random ones, which need
    `fine_tune: true`."""
    architecture: str | None = None
    """Name of the network in monai.networks.nets, such as DenseNet121; null with `bundle`."""
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    """Further arguments of the network: numbers, strings, booleans and lists; {} with `bundle`."""
    bundle: str | None = None
    """Configuration of a MONAI bundle, such as own/bundle/configs/inference.json, that names network and arguments;
    null with `architecture`."""

    @property
    def named(self) -> str:
        """Return what messages call the model."""
        return f"{self.architecture or self.bundle} of MONAI with weights {self.weights}"
