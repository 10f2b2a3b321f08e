"""The three ways in which accuracy under attack is measured: away from predicted labels, from true labels, strictly."""

from dataclasses import dataclass
from typing import Literal

from oncorobust.settings.attacks import Protocol


@dataclass(frozen=True)
class Measure:
    """One way to measure accuracy under attack.

    ending: of the names of its fields. attacked_label: the label that the attack moves away from, None under the strict
    protocol, which moves away from the model's own prediction of the clean image.
    """

    heading: str
    ending: str
    protocol: Protocol
    attacked_label: Literal["predicted", "true"] | None


PREDICTED = Measure("predicted labels", "", "paper", "predicted")
TRUE = Measure("true labels", "_true_labels", "paper", "true")
STRICT = Measure("strict", "_strict", "strict", None)

MEASURES = (PREDICTED, TRUE, STRICT)
"""In the order in which tables and figures show them."""


def measures_of(protocols: frozenset[Protocol]) -> tuple[Measure, ...]:
    """Return the measures of some protocols, in order."""
    return tuple(one for one in MEASURES if one.protocol in protocols)
