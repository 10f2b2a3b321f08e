"""What the views of the page need to know of a data set, whatever else is read of it."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Described(Protocol):
    """A data set of the page: its key, summary.json, and training.json and attack.json by model."""

    @property
    def key(self) -> str:
        """Key of the data set in params.yaml."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """Content of summary.json."""

    @property
    def training(self) -> Mapping[str, Mapping[str, Any]]:
        """Contents of training.json by model."""

    @property
    def attack(self) -> Mapping[str, Mapping[str, Any]]:
        """Contents of attack.json by model."""
