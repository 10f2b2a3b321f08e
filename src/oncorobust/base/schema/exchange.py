"""Schema of the points that `dvc plots show` draws. results.json has a JSON schema of its own: results.schema.json."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, FRACTION, NO_UNIT, Column, Table

_MARKED = Column("data_set", "string", NO_UNIT, "Title of the data set, marked where its images are synthetic.")
_MODEL = Column("model", "string", NO_UNIT, "Model: clean or adversarial.")
_MEASURE = Column("measure", "string", NO_UNIT, "How the accuracy was measured.")

ROBUST_POINTS = Table(
    layout.ROBUST_POINTS,
    "one model at one epsilon; epsilon 0 is without attack",
    (
        _MARKED,
        _MODEL,
        _MEASURE,
        Column("epsilon", "number", EPSILON, "Epsilon of the attack."),
        Column("accuracy", "number", FRACTION, "Accuracy on the attacked test images."),
    ),
)

TRAINING_POINTS = Table(
    layout.TRAINING_POINTS,
    "one model after one epoch; epoch 0 is the model before training",
    (
        _MARKED,
        _MODEL,
        _MEASURE,
        Column("epoch", "integer", "epochs", "Number of the epoch, from 0."),
        Column("accuracy", "number", FRACTION, "Accuracy on the validation images."),
    ),
)
