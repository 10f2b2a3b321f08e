"""Layers that turn the pipeline's images into those that a person's network takes.

    images (size, size, 3) in [0, 1] - one channel? - its height and width? - its window? - its range? - network

Steps with a question mark are added only where the network needs them. All have gradients; values outside a window are
clipped, and changes there do not reach the network.
"""

import keras
from keras import layers


def fit_images(
    x: keras.KerasTensor,
    *,
    height: int,
    width: int,
    channels: int,
    input_range: tuple[float, float] = (0.0, 1.0),
    window: tuple[float, float] = (0.0, 1.0),
) -> keras.KerasTensor:
    """Average the channels of images (size, size, 3), resize them bilinearly, and stretch a window to a range.

    channels: 1 or 3. window: values in [0, 1] units that become 0 and 1 before `input_range`.
    """
    size = x.shape[1]
    if channels == 1:
        x = layers.Reshape((size * size, 3), name="pixels")(x)
        x = layers.GlobalAveragePooling1D(data_format="channels_first", name="grey")(x)
        x = layers.Reshape((size, size, 1), name="grey_image")(x)
    if (height, width) != (size, size):
        x = layers.Resizing(height, width, interpolation="bilinear", antialias=False, name="resize")(x)
    if window != (0, 1):
        low, high = window
        x = layers.Rescaling(1 / (high - low), offset=-low / (high - low), name="window")(x)
        x = layers.ReLU(max_value=1.0, name="window_limits")(x)
    low, high = input_range
    if (low, high) != (0, 1):
        x = layers.Rescaling(high - low, offset=low, name="input_range")(x)
    return x
