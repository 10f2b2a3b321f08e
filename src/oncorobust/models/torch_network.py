"""A person's PyTorch network as a layer of a .keras file that holds no code.

The file has the network's description (source, name, arguments, shape of its images, mean, standard deviation) and its
weights; for a network that came as a program (.pt2, .onnx), the bytes of that program, too. Reading the file builds the
network again, by the checks with which it was first read. It needs Keras on PyTorch and the package of the source.
"""

from collections.abc import Mapping
from typing import Any, no_type_check

import keras
import numpy as np

from oncorobust.backend.torch_layer import TorchLayer
from oncorobust.base.errors import InputError
from oncorobust.models.torch_descriptions import check_description
from oncorobust.models.torch_sources import network_of

_PROGRAM = "program"


@keras.saving.register_keras_serializable(package="oncorobust")
class TorchNetwork(TorchLayer):
    """Images (n, h, w, c), as the network's own preprocessing expects them, to logits (n, classes)."""

    network: dict[str, Any]
    _program: bytes | None

    @no_type_check  # as in TorchLayer
    def __init__(self, *, network: Mapping[str, Any], seed: int, **settings: Any) -> None:
        """network: description of `torch_sources.described`. seed: of the random numbers in training."""
        check_description(network)
        super().__init__(n_classes=network["n_classes"], seed=seed, **settings)
        if self.compute_dtype != "float32":
            raise InputError(f"expected a PyTorch network that computes in float32, got {self.compute_dtype}")
        self.network = dict(network)
        self._program = None

    def open(self, program: bytes | None, *, where: str, weights: str | None = None) -> None:
        """Build the network, with the weights in a file, and hold it. Raises InputError naming `where`.

        program: of a source that is one.
        """
        self._program = program
        self.hold(network_of(self.network, program, where=where, weights=weights))

    @property
    def program(self) -> bytes | None:
        """Return the program that the network came as; None for a network by name."""
        return self._program

    def state(self) -> dict[str, Any]:
        """Return parameters and buffers by their names in PyTorch."""
        return dict(self.held.module.state_dict())

    def get_config(self) -> dict[str, Any]:
        """Return the description."""
        return {**super().get_config(), "network": self.network, "seed": self.seed}

    def save_own_variables(self, store: Any) -> None:
        """Write the weights and buffers, and the program."""
        super().save_own_variables(store)
        if self._program is not None:
            store[_PROGRAM] = np.frombuffer(self._program, dtype=np.uint8)

    def load_own_variables(self, store: Any) -> None:
        """Build the network, and read its weights and buffers. Raises InputError for one that does not fit."""
        program = _bytes_of(store[_PROGRAM]) if _PROGRAM in store else None
        self.open(program, where=self.name)
        variables = [*self._trainable_variables, *self._non_trainable_variables]
        found = [key for key in store.keys() if key != _PROGRAM]  # noqa: SIM118 Keras's stores cannot be iterated
        if len(found) != len(variables):
            raise InputError(f"expected {len(variables)} weights of {self.network['source']}, got {len(found)}")
        for number, variable in enumerate(variables):
            variable.assign(store[str(number)])


def _bytes_of(numbers: Any) -> bytes:
    """Return the bytes of a program. Raises InputError for an array of another type, before it is read."""
    if numbers.dtype != np.uint8 or numbers.ndim != 1:
        raise InputError(f"expected a program as bytes, got {numbers.dtype} of shape {numbers.shape}")
    return np.asarray(numbers).tobytes()
