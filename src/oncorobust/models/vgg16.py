"""Build, save and load VGG16 of Table S2: images in [0, 1] in, logits out, any scaling inside the model.

    input 224 x 224 x 3 - 13 convolutions in 5 blocks - dropout - flatten - fc1 4096 - dropout - fc2 1024 - predictions

With two classes at 224 pixels that is 121,676,610 parameters. `input_scaling: caffe` subtracts, in the model's first
layer, the means with which the pretrained convolutions were trained (x 255 - 103.939, 116.779, 123.68 for blue, green,
red) and reverses the first kernel's input channels, so that images stay in the order red, green, blue.
"""

import json
import re
import zipfile
from pathlib import Path

import keras
from keras import layers

from oncorobust.base.seeds import child_seed
from oncorobust.models.answers import check_answers
from oncorobust.models.checks import check_model
from oncorobust.models.keras_files import read_model
from oncorobust.models.pretrained_weights import VGG16_CONVOLUTIONS, find_weights, read_convolutions
from oncorobust.settings.training import Vgg16

CAFFE_MEANS_RGB = (123.68, 116.779, 103.939)
"""Mean red, green and blue of ImageNet in grey levels, as Caffe's VGG16 subtracts them."""

_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def build_vgg16(settings: Vgg16, *, size: int, n_classes: int, seed: int) -> keras.Model:
    """Build a VGG16 for images (size, size, 3) with `n_classes` logits and the convolutions of `settings.weights`.

    Raises InputError when the weights cannot be found or do not fit.
    """
    inputs = keras.Input((size, size, 3), name="input_1")
    x = inputs
    if settings.input_scaling == "caffe":
        x = caffe_scaling()(x)
    x = _convolutions(x, seed)
    if settings.feature_scale != 1:
        x = layers.Rescaling(settings.feature_scale, name="feature_scale")(x)
    x = layers.Dropout(settings.dropout, seed=layer_seed(seed, "dropout"), name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = _dense(x, "fc1", settings.hidden_units[0], settings.max_norm, seed)
    x = layers.Dropout(settings.dropout, seed=layer_seed(seed, "dropout_1"), name="dropout_1")(x)
    x = _dense(x, "fc2", settings.hidden_units[1], settings.max_norm, seed)
    initial = keras.initializers.GlorotUniform(seed=layer_seed(seed, "predictions"))
    logits = layers.Dense(n_classes, kernel_initializer=initial, name="predictions")(x)
    model = keras.Model(inputs, logits, name="vgg16")
    _load_convolutions(model, settings)
    return model


def _convolutions(x: keras.KerasTensor, seed: int) -> keras.KerasTensor:
    for name, (_, filters) in VGG16_CONVOLUTIONS.items():
        initial = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        convolution = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer=initial, name=name
        )
        x = convolution(x)
        block, _, position = name.partition("_conv")
        if f"{block}_conv{int(position) + 1}" not in VGG16_CONVOLUTIONS:
            x = layers.MaxPooling2D(2, name=f"{block}_pool")(x)
    return x


def _dense(x: keras.KerasTensor, name: str, units: int, max_norm: float | None, seed: int) -> keras.KerasTensor:
    return layers.Dense(
        units,
        activation="relu",
        kernel_initializer=keras.initializers.GlorotUniform(seed=layer_seed(seed, name)),
        kernel_constraint=None if max_norm is None else keras.constraints.MaxNorm(max_norm),
        name=name,
    )(x)


def _load_convolutions(model: keras.Model, settings: Vgg16) -> None:
    path = find_weights(settings.weights)
    if path is None:
        return
    for name, (kernel, bias) in read_convolutions(path).items():
        turned = name == "block1_conv1" and settings.input_scaling == "caffe"
        model.get_layer(name).set_weights([kernel[:, :, ::-1] if turned else kernel, bias])


def caffe_scaling() -> layers.Layer:
    """Scale [0, 1] to grey levels minus Caffe's means, red first; the next kernel's channels must be reversed."""
    return layers.Normalization(
        mean=[mean / 255 for mean in CAFFE_MEANS_RGB], variance=[1 / 255**2] * 3, name="caffe_scaling"
    )


def layer_seed(seed: int, *names: str) -> int:
    """Return the seed of a layer's random choice; below 2**31, because Keras keeps it in an int32 on PyTorch."""
    return child_seed(seed, *names) % 2**31


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write a .keras file whose bytes depend only on the model.

    DVC identifies a checkpoint by its bytes; Keras writes the time of saving into them, and memory addresses as ids.
    """
    path = Path(path)
    # A fixed name, not a random one, so that the next process overwrites and removes what a killed one left.
    dated = path.with_name(f".{path.stem}.part.keras")
    try:
        keras.saving.save_model(model, dated)
        with zipfile.ZipFile(dated) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
            for entry in sorted(source.namelist()):
                content = source.read(entry)
                if entry == "metadata.json":
                    content = json.dumps(json.loads(content) | {"date_saved": "1980-01-01@00:00:00"}).encode()
                elif entry == "config.json":
                    content = _number_shared_objects(content.decode()).encode()
                target.writestr(zipfile.ZipInfo(entry, _EPOCH_OF_ZIP), content)
    finally:
        dated.unlink(missing_ok=True)


def _number_shared_objects(config: str) -> str:
    """Renumber Keras's ids of objects that layers share, from 0 in order of first mention."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)', lambda match: f"{match[1]}{numbers.setdefault(match[2], len(numbers))}", config
    )


def load_classifier(path: str | Path, *, image_shape: tuple[int, ...], n_classes: int) -> keras.Model:
    """Read a .keras file in safe mode and check that it takes these images and gives these logits.

    On another backend or version than the one that made the model, its answers are compared with those recorded beside
    it, if there are any (`oncorobust.models.answers`). Raises InputError naming the file.
    """
    model = read_model(path)
    check_model(model, image_shape=image_shape, n_classes=n_classes, where=str(path))
    check_answers(model, path)
    return model
