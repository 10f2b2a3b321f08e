"""Certified epsilons of a small network itself, by interval bound propagation.

Every pixel's interval [x - epsilon, x + epsilon], cut to [0, 1], is carried through the layers:

    Dense, Conv2D                              centre c -> W c + b, radius r -> |W| r
    BatchNormalization, Rescaling, ...         a value times a constant: both ends, in order of size
    ReLU, pooling, flattening, padding, ...    layers that never fall in any input: both ends as they are

and the last layer is joined with the difference of two logits. Where the lower bound of the margin stays above 0, no
change within epsilon alters the answer. The bound is exact for one linear layer and grows loose with depth: for a deep
network such as VGG16 it certifies nothing at the epsilons of this field, which the result then shows as 0. Bounds are
computed in float32 and not rounded outwards, so that they hold up to its rounding.
Source: Gowal 2018, "On the effectiveness of interval bound propagation for training verifiably robust models".
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from oncorobust.base.arrays import Images, Labels, PerImage
from oncorobust.base.errors import InputError
from oncorobust.certificates.inputs import check_classes, check_images

_MONOTONE_LAYERS = (
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling2D,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
)
_SCALING_LAYERS = (keras.layers.BatchNormalization, keras.layers.Normalization, keras.layers.Rescaling)
_WITH_TRAINING = (keras.layers.BatchNormalization, keras.layers.Dropout, keras.layers.SpatialDropout2D)
_MONOTONE_ACTIVATIONS = ("linear", "relu", "leaky_relu", "sigmoid", "softplus", "tanh")
_HALVINGS = 16
_ROUNDING = 1e-3


class Interval(NamedTuple):
    """Lower and upper end of each value."""

    lower: Any
    upper: Any


def interval_certified_epsilon(model: keras.Model, x: Images, labels: Labels, *, largest: float) -> PerImage:
    """Return (n,) the largest epsilon certified by intervals, at most `largest`; 0 where nothing is certified.

    model: a chain of the layers above that returns logits; images (n, h, w, c) in [0, 1]. An image that the model
    answers with another class than its label has 0. Raises InputError naming a layer of another kind, for images
    outside [0, 1] and for a model with one output.
    """
    check_images(x)
    layers = _chain(model, x[:1])
    certified, refused = np.zeros(len(x)), np.full(len(x), largest)
    epsilon = np.full(len(x), largest)
    for _ in range(_HALVINGS):
        holds = _margins(layers, x, labels, epsilon) > 0
        certified, refused = np.where(holds, epsilon, certified), np.where(holds, refused, epsilon)
        epsilon = (certified + refused) / 2
    return certified


def margins_within(model: keras.Model, x: Images, labels: Labels, *, epsilon: PerImage) -> PerImage:
    """Return (n,) a lower bound of the label's logit minus the largest other one, for all changes within epsilon (n,).

    Raises InputError naming a layer of another kind, for a model that is no chain of its layers or has one output, and
    for images outside [0, 1].
    """
    check_images(x)
    return _margins(_chain(model, x[:1]), x, labels, epsilon)


def _margins(layers: list[Any], x: Images, labels: Labels, epsilon: PerImage) -> PerImage:
    radius = epsilon.astype(np.float32).reshape(-1, 1, 1, 1)
    *hidden, last = layers
    bounds = Interval(ops.maximum(x - radius, 0.0), ops.minimum(x + radius, 1.0))
    for layer in hidden:
        bounds = _through(layer, bounds)
    if isinstance(last, keras.layers.Dense) and _activation(last) == "linear":
        return _joined_margins(last, bounds, labels)
    bounds = _through(last, bounds)
    lower, upper = (np.array(ops.convert_to_numpy(end)) for end in bounds)
    rows = np.arange(len(labels))
    own = lower[rows, labels]
    upper[rows, labels] = -np.inf
    return np.asarray(own - upper.max(axis=1))


def _joined_margins(last: keras.layers.Dense, bounds: Interval, labels: Labels) -> PerImage:
    """Return the lower bounds of the margins through a last layer without activation, exact in its inputs."""
    lower, upper = (ops.convert_to_numpy(end).astype(np.float64) for end in bounds)
    weights, *rest = (one.astype(np.float64) for one in last.get_weights())
    bias = rest[0] if rest else np.zeros(weights.shape[1])
    # (n, features, rivals): the label's weights minus those of each class.
    difference = weights[:, labels].T[:, :, None] - weights[None]
    centre, radius = (upper + lower) / 2, (upper - lower) / 2
    margin = np.einsum("nf,nfc->nc", centre, difference) - np.einsum("nf,nfc->nc", radius, np.abs(difference))
    margin += bias[labels][:, None] - bias
    margin[np.arange(len(labels)), labels] = np.inf
    return np.asarray(margin.min(axis=1))


def _leaves(layer: Any) -> Iterator[Any]:
    """Yield the layers of a model in order, those of models inside it in place, without input layers."""
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _leaves(inner)
    elif not isinstance(layer, keras.layers.InputLayer):
        yield layer


def _chain(model: keras.Model, x: Images) -> list[Any]:
    """Return the layers of a model whose logits of x are those of its layers one after another.

    Raises InputError for another model, such as one with shortcuts, and for a layer without bounds.
    """
    layers = list(_leaves(model))
    try:
        found = Interval(ops.convert_to_tensor(x), ops.convert_to_tensor(x))
        for layer in layers:
            found = _through(layer, found)
        middle, logits = ops.convert_to_numpy(found.lower), ops.convert_to_numpy(model(x, training=False))
        follows = bool(np.allclose(middle, logits, rtol=_ROUNDING, atol=_ROUNDING))
    except InputError:
        raise
    except (ValueError, TypeError, RuntimeError):  # shapes that do not fit each other
        follows = False
    if not follows:
        raise InputError(
            f"interval bounds: expected a chain of layers, got {model.name!r}, whose logits differ from those of its "
            "layers one after another"
        )
    check_classes(logits, len(x))
    return layers


def _through(layer: Any, bounds: Interval) -> Interval:
    """Return bounds of a layer's outputs. Raises InputError naming a layer without bounds."""
    if isinstance(layer, _MONOTONE_LAYERS) or _is_monotone_activation(layer):
        return Interval(*(_called(layer, end) for end in bounds))
    if isinstance(layer, _SCALING_LAYERS):
        ends = [_called(layer, end) for end in bounds]
        return Interval(ops.minimum(*ends), ops.maximum(*ends))
    if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D) and _activation(layer) in _MONOTONE_ACTIVATIONS:
        product = _convolved if isinstance(layer, keras.layers.Conv2D) else _multiplied
        centre = product(layer, (bounds.lower + bounds.upper) / 2, layer.kernel)
        centre = centre + layer.bias if layer.use_bias else centre
        radius = product(layer, (bounds.upper - bounds.lower) / 2, ops.abs(layer.kernel))
        return Interval(layer.activation(centre - radius), layer.activation(centre + radius))
    detail = "" if _activation(layer) == "linear" else f" with activation {_activation(layer)}"
    raise InputError(
        f"interval bounds: expected layers such as Dense, Conv2D, ReLU and pooling, got {type(layer).__name__} "
        f"{layer.name!r}{detail}"
    )


def _called(layer: Any, values: Any) -> Any:
    """Return a layer's outputs in inference."""
    return layer(values, training=False) if isinstance(layer, _WITH_TRAINING) else layer(values)


def _is_monotone_activation(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Activation) and _activation(layer) in _MONOTONE_ACTIVATIONS


def _multiplied(_: Any, values: Any, kernel: Any) -> Any:
    return ops.matmul(values, kernel)


def _convolved(layer: Any, values: Any, kernel: Any) -> Any:
    return ops.conv(
        values,
        kernel,
        strides=list(layer.strides),
        padding=layer.padding,
        data_format=layer.data_format,
        dilation_rate=layer.dilation_rate,
    )


def _activation(layer: Any) -> str:
    return str(getattr(getattr(layer, "activation", keras.activations.linear), "__name__", "unknown"))
