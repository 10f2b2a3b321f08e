"""Schema of the points of `oncorobust front`."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, FRACTION, MARK, NO_UNIT, Column, Table

FRONT = Table(
    layout.front_file("<data set>", "csv"),
    "one run of adversarial training, or the clean model, as `oncorobust front` compares them",
    (
        Column("experiment", "string", NO_UNIT, "Name of the DVC experiment; empty for the clean model."),
        Column("label", "string", NO_UNIT, "Settings in which the run differs from the others."),
        Column("validation_accuracy", "number", FRACTION, "Clean accuracy on the validation images."),
        Column("validation_robust_accuracy", "number", FRACTION, "Robust accuracy on the validation images."),
        Column("on_front", "boolean", NO_UNIT, "Whether no other run is better in one and at least equal in both."),
        Column("epsilon", "number", EPSILON, "Epsilon at which validation attacks."),
        Column("synthetic", "boolean", NO_UNIT, MARK),
    ),
)
