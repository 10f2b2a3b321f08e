"""An ART estimator for any Keras 3 model or other `Classifier`: compiled and batched, on TensorFlow, PyTorch or JAX.

ART 1.20 has two estimators that take a Keras 3 model, both on TensorFlow alone and both with eager gradients:

    TensorFlowV2Classifier  its `predict` ignores `batch_size`, and each `fit` traces anew
    KerasClassifier         needs a compiled model and uses its loss; it never reads its own argument `use_logits`, so a
                            loss for probabilities on a model with logits goes unnoticed

This estimator gives ART's attacks, unchanged, compiled predictions and gradients. It is a full ART neural-network
classifier: docs/reference/art-attacks.md lists which of ART's other attacks run on it, and why the rest does not.

The model gives logits; the loss is cross-entropy on logits (see `oncorobust.backend.functions`).
"""

from typing import Any

import keras
import numpy as np
from art.estimators.classification.classifier import ClassGradientsMixin, ClassifierMixin
from art.estimators.estimator import BaseEstimator, LossGradientsMixin, NeuralNetworkMixin

from oncorobust.attacks.finite import check_finite_images, finite_gradient
from oncorobust.backend.classifier import Model, classifier_of
from oncorobust.backend.functions import (
    LogitsFunction,
    compile_gradient,
    compile_logits,
    cross_entropy,
    selected_logits,
)
from oncorobust.base.errors import InputError


class KerasClassifier(ClassGradientsMixin, ClassifierMixin, LossGradientsMixin, NeuralNetworkMixin, BaseEstimator):
    """Present a model (images in [0, 1], channels last, logits out) to ART.

    A model that is not of Keras is attacked alike, but neither trains here nor shows its layers.

    batch_size: images per compiled call where ART gives no batch size, and in every gradient.
    """

    estimator_params = BaseEstimator.estimator_params + NeuralNetworkMixin.estimator_params + ["nb_classes"]

    def __init__(self, model: Model, *, batch_size: int = 128) -> None:
        """Compile the model's logits and the gradients of its loss and of its logits."""
        super().__init__(model=model, clip_values=(0.0, 1.0), channels_first=False)
        classifier = classifier_of(model)
        self.nb_classes, self._image_shape = classifier.n_classes, classifier.image_shape
        self._batch_size = batch_size
        self._layer_names = [layer.name for layer in model.layers] if isinstance(model, keras.Model) else []
        self._logits = compile_logits(model)
        self._activations: dict[str, LogitsFunction] = {}
        self._loss_gradient = compile_gradient(model, cross_entropy)
        self._class_gradient = compile_gradient(model, selected_logits)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image: (h, w, c)."""
        return self._image_shape

    def predict(self, x: np.ndarray, batch_size: int | None = None, **_: Any) -> np.ndarray:
        """Return logits (n, classes) of images (n, h, w, c), `batch_size` images at a time.

        Raises InputError naming the positions of images that are not finite.
        """
        x = np.asarray(x, dtype=np.float32)
        check_finite_images(x, stage="predict")
        if len(x) == 0:
            return np.empty((0, self.nb_classes), dtype=np.float32)
        size = batch_size or self._batch_size
        return np.concatenate([self._logits(x[start : start + size]) for start in range(0, len(x), size)])

    def loss_gradient(self, x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
        """Return the gradient (n, h, w, c) of each image's cross-entropy; y: one-hot (n, classes) or indices (n,)."""
        return self._in_batches(self._loss_gradient, x, self._one_hot(y))

    def has_finite_gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (n,) whether the gradient of each image's cross-entropy is finite at the image; y as above."""
        x, targets, size = np.asarray(x, dtype=np.float32), self._one_hot(y), self._batch_size
        parts = [self._loss_gradient(x[k : k + size], targets[k : k + size]) for k in range(0, len(x), size)]
        return np.concatenate([np.isfinite(part).all(axis=(1, 2, 3)) for part in parts])

    def class_gradient(self, x: np.ndarray, label: int | list[int] | np.ndarray | None = None, **_: Any) -> np.ndarray:
        """Return gradients (n, k, h, w, c) of logits: of all classes if label is None, else of one class per image."""
        if label is not None:
            chosen = np.broadcast_to(np.asarray(label, dtype=np.int64), (len(x),))
            return self._in_batches(self._class_gradient, x, self._one_hot(chosen))[:, np.newaxis]
        classes = [self._one_hot(np.full(len(x), one)) for one in range(self.nb_classes)]
        return np.stack([self._in_batches(self._class_gradient, x, targets) for targets in classes], axis=1)

    def compute_loss(self, x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
        """Return the cross-entropy (n,) of each image; y as in `loss_gradient`."""
        logits = self.predict(x).astype(np.float64)
        top = logits.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
        return log_sum - (logits * self._one_hot(y)).sum(axis=1)

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int = 128,
        nb_epochs: int = 20,
        verbose: bool = False,
        **kwargs: Any,
    ) -> None:
        """Train the model with its own optimiser, or Adam if it has none; later calls reuse the trace.

        Raises InputError for a model that is not of Keras.
        """
        if not isinstance(self.model, keras.Model):
            raise InputError(
                f"fit: expected a Keras model, got {type(self.model).__name__}: train it in its own framework"
            )
        if not self.model.compiled:
            self.model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
        images = np.asarray(x, dtype=np.float32)
        self.model.fit(
            images, self._one_hot(y), batch_size=batch_size, epochs=nb_epochs, verbose=int(verbose), **kwargs
        )

    def get_activations(
        self, x: np.ndarray, layer: int | str, batch_size: int = 128, framework: bool = False
    ) -> np.ndarray:
        """Return the output of a layer, by index or name, as an array (or, with `framework`, as a backend tensor)."""
        found = self.model.get_layer(layer) if isinstance(layer, str) else self.model.layers[layer]
        if framework:
            return keras.Model(self.model.inputs, found.output)(x, training=False)
        # Compiled once, because attacks that differentiate numerically ask thousands of times.
        if found.name not in self._activations:
            self._activations[found.name] = compile_logits(keras.Model(self.model.inputs, found.output))
        outputs = self._activations[found.name]
        x = np.asarray(x, dtype=np.float32)
        return np.concatenate([outputs(x[start : start + batch_size]) for start in range(0, len(x), batch_size)])

    def _one_hot(self, y: np.ndarray) -> np.ndarray:
        y = np.asarray(y)
        return (y if y.ndim == 2 else np.eye(self.nb_classes)[y]).astype(np.float32)

    def _in_batches(self, gradient: Any, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Compute gradients, beside an image where its own is not finite. Raises InputError as `finite_gradient`."""
        x, size = np.asarray(x, dtype=np.float32), self._batch_size
        check_finite_images(x, stage="gradients")
        parts = [gradient(x[at : at + size], targets[at : at + size]) for at in range(0, len(x), size)]

        def beside(positions: np.ndarray, points: np.ndarray) -> np.ndarray:
            at_most = range(0, len(points), size)
            return np.concatenate([gradient(points[k : k + size], targets[positions[k : k + size]]) for k in at_most])

        return finite_gradient(parts[0] if len(parts) == 1 else np.concatenate(parts), x, at=beside, stage="gradients")
