"""Read the user's own classifier from a .keras file, as a model that takes our images and returns logits.

    images (size, size, 3) in [0, 1] - as the network takes them (`models.fitting`) - network - two logits?

Two logits are made only of one. The network is the file's, without its last activation, because attacks need logits
(`oncorobust.models.checks`):

    softmax(z)    -> z          the same probabilities, and gradients that do not vanish
    sigmoid(z)    -> (0, z)     softmax((0, z)) = (1 - sigmoid(z), sigmoid(z)): a single unit is the second class
    one unit z    -> (0, z)
    k units z     -> z

Mixed precision becomes float32, which an evaluation requires; weights of another type are refused. Layers are trainable
if the file says so.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from oncorobust.backend.precision import check_model_is_float32
from oncorobust.base.errors import InputError
from oncorobust.models.checks import check_logits
from oncorobust.models.fitting import fit_images
from oncorobust.models.keras_files import read_model
from oncorobust.settings.own_models import Brought, OwnModel

_CUT_OFF = ("softmax", "log_softmax", "logsoftmax", "sigmoid")
"""Last activations that are removed, by the names of Keras's functions and operations."""


def build_own_model(settings: OwnModel, *, size: int, n_classes: int) -> keras.Model:
    """Read the model in `settings.path` for images (size, size, 3) in [0, 1], with `n_classes` logits.

    Raises InputError naming the file if it is not a Keras 3 model or contains code, or if the model does not classify
    single images into these classes.
    """
    try:
        return _fitted(settings, size, n_classes)
    except InputError as error:
        named = settings.path in str(error)
        raise error if named else InputError(f"{settings.path}: {error}") from error


def read_input_size(path: str, *, n_classes: int) -> tuple[int | None, int | None]:
    """Return height and width of the images that the model in a file takes, None for any. Unit: pixels.

    Raises InputError as `build_own_model` does for the file, its input and its number of classes.
    """
    network = read_model(path)
    try:
        height, width, _ = _image_shape(network)
        network, end = _cut(network, "network")
        _check_classes(network.output_shape[-1], n_classes, end)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return height, width


def check_class_order(settings: Brought, class_names: Sequence[str], *, order: str, tree: str) -> None:
    """Refuse more than two classes whose order was only sorted: the model's outputs may be in another order.

    order: `class_order` of summary.json. tree: folder of the raw images, for the message. Raises InputError.
    """
    if order == "sorted" and len(class_names) > 2:
        raise InputError(
            f"expected the order of the outputs of {settings.named}, got {len(class_names)} classes that were only "
            f"sorted ({', '.join(class_names)}): write their names in the order of the model's outputs, one per line, "
            f"into {tree}/classes.txt"
        )


def _fitted(settings: OwnModel, size: int, n_classes: int) -> keras.Model:
    network = read_model(settings.path)
    _to_float32(network)
    shape = _image_shape(network)
    network, end = _cut(network, "network")
    _check_classes(network.output_shape[-1], n_classes, end)
    inputs = keras.Input((size, size, 3), name="images")
    height, width = shape[0] or size, shape[1] or size
    images = fit_images(inputs, height=height, width=width, channels=shape[2], input_range=settings.input_range)
    logits = network(images)
    model = keras.Model(inputs, _two_logits(logits) if logits.shape[-1] == 1 else logits, name="own_model")
    check_model_is_float32(model)
    noise = np.random.default_rng(0).random((4, size, size, 3), dtype=np.float32)
    logits_of_noise = keras.ops.convert_to_numpy(model(noise, training=False))
    check_logits(logits_of_noise, image_ids=[f"{number} of noise" for number in range(4)], where=settings.path)
    return model


def _to_float32(model: keras.Model) -> None:
    """Make layers that compute in half precision with float32 weights compute in float32."""
    for layer in model._flatten_layers():
        if layer.dtype_policy.name in ("mixed_float16", "mixed_bfloat16"):
            layer.dtype_policy = "float32"


def _image_shape(model: keras.Model) -> tuple[int | None, int | None, int]:
    """Return height, width (None: any) and channels of the model's one input. Raises InputError."""
    # A Sequential without input has None; other classes of models lack the attribute.
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise InputError("the model has no defined input (add a keras.Input, or call the model once before saving it)")
    if (len(inputs), len(outputs)) != (1, 1):
        raise InputError(f"expected a model with one input and one output, got {len(inputs)} and {len(outputs)}")
    shape, kind = tuple(inputs[0].shape), keras.backend.standardize_dtype(inputs[0].dtype)
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(f"expected an input of images (number, height, width, 1 or 3 channels), got {shape}")
    if not keras.backend.is_float_dtype(kind):
        raise InputError(f"expected an input of floating-point images, got {kind}, which has no gradient")
    if len(outputs[0].shape) != 2:
        raise InputError(f"expected one row of outputs per image, got outputs of shape {tuple(outputs[0].shape)}")
    return shape[1], shape[2], shape[3]


def _cut(model: keras.Model, name: str) -> tuple[keras.Model, str]:
    """Return the model without its last activation, and the name of that activation or of the last layer."""
    answers, end = _before_activation(model.outputs[0])
    return keras.Model(model.inputs[0], answers, name=name), end


def _before_activation(answers: keras.KerasTensor) -> tuple[keras.KerasTensor, str]:
    history = answers._keras_history
    last = history.operation
    before = last._inbound_nodes[history.node_index].input_tensors[0]
    end = _activation(last)
    match last:
        case keras.Model():
            inner, end = _cut(last, last.name)
            return inner(before), end
        case layers.Activation() if end == "linear":
            return _before_activation(before)
        case layers.Dense() if end in _CUT_OFF:
            return _without_activation(last, before), end
    return (before if end in _CUT_OFF else answers), end


def _activation(operation: keras.Operation) -> str:
    if isinstance(operation, layers.Dense | layers.Activation):
        return str(operation.activation.__name__)
    return type(operation).__name__.lower()


def _without_activation(layer: layers.Dense, before: keras.KerasTensor) -> keras.KerasTensor:
    linear = layers.Dense.from_config(layer.get_config() | {"activation": "linear"})
    logits = linear(before)
    linear.set_weights(layer.get_weights())
    return logits


def _check_classes(units: int, n_classes: int, end: str) -> None:
    if units == 1 and n_classes == 2:
        if end not in ("sigmoid", "linear"):
            raise InputError(f"expected a single unit with a sigmoid or a linear dense layer, got {end}")
    elif units != n_classes:
        raise InputError(f"expected a model with {n_classes} classes, got {units}")
    elif end == "sigmoid":
        raise InputError("expected logits or one softmax over the classes, got a sigmoid for each class")


def _two_logits(logit: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Concatenate(name="two_logits")([layers.Rescaling(0.0, name="zero")(logit), logit])
