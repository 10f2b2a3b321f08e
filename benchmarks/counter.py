"""A layer that counts forward passes and gradients, to show that two sides of a benchmark do the same work.

The layer stands before the model and does not change its result. It counts eagerly and inside any graph or loop that it
is traced into: images in training mode, images in inference mode, and images whose gradient is computed. A gradient
with respect to the weights does not reach the layer, so it is counted by its forward pass in training mode.
"""

from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from subject import Subject


def counted(subject: Subject) -> tuple[Subject, "Counter"]:
    """Return the same model behind a counter, and the counter."""
    counter, inputs = Counter(), keras.Input(subject.data.image_shape)
    return replace(subject, model=keras.Model(inputs, subject.model(counter(inputs)))), counter


class Counter(keras.layers.Layer):
    """A layer that passes images on, and counts them and their gradients in any graph."""

    def __init__(self) -> None:
        """Set all counts to 0, in plain variables of TensorFlow, which Keras neither saves nor restores."""
        super().__init__()
        self.counts = {name: tf.Variable(0, trainable=False) for name in ("training", "inference", "gradients")}

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the images; in training mode only the gradient with respect to the weights is computed."""
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
        """Return the counts as text, and set them to 0."""
        training, inference, gradients = (int(count.numpy()) for count in self.counts.values())
        for count in self.counts.values():
            count.assign(0)
        return f"{gradients} gradients by images, {training} by the weights, {inference - gradients} forward passes"
