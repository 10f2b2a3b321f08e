"""A layer that counts what a model is asked for, so that two sides of a benchmark can be shown to do the same work.

It stands before the model, adds nothing to what it computes, and counts where the work is done, eagerly or inside
whatever graph and loop it is traced into: images on their way in, in training and in inference mode, and the images
whose gradient comes back. A gradient by the weights stops before the layer, so it is counted by its forward pass in
training mode.
"""

from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from subject import Subject


def counted(subject: Subject) -> tuple[Subject, "Counter"]:
    """The same model behind a counter, and the counter."""
    counter, inputs = Counter(), keras.Input(subject.data.image_shape)
    return replace(subject, model=keras.Model(inputs, subject.model(counter(inputs)))), counter


class Counter(keras.layers.Layer):
    """Hands images on, and counts them and their gradients, in whatever graph it stands."""

    def __init__(self) -> None:
        """All counts 0. Plain variables of TensorFlow: Keras does not save or restore them."""
        super().__init__()
        self.counts = {name: tf.Variable(0, trainable=False) for name in ("training", "inference", "gradients")}

    def call(self, x: Any, training: bool = False) -> Any:
        """The images; in training mode their gradient is not asked for, only that of the weights."""
        forwards = self.counts["training" if training else "inference"]

        @tf.custom_gradient
        def passed(images: Any) -> Any:
            forwards.assign_add(tf.shape(images)[0])

            def back(upstream: Any) -> Any:
                self.counts["gradients"].assign_add(tf.shape(upstream)[0])
                return upstream

            return tf.identity(images), back

        return passed(x)

    def take(self) -> str:
        """The counts in words; they begin again at 0."""
        training, inference, gradients = (int(count.numpy()) for count in self.counts.values())
        for count in self.counts.values():
            count.assign(0)
        return f"{gradients} gradients by images, {training} by the weights, {inference - gradients} forward passes"
