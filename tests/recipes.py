"""Recipes small enough for the nets of `models`, and precisions that no machine decides."""

from typing import Any

from oncorobust.settings.data import Augment
from oncorobust.settings.training import Adam, Constant, Harden, Mixture, Train

NO_COPIES = Augment(copies=0, horizontal_flip=False, vertical_flip=False, max_rotation_degrees=0)
TRAIN = Train(
    epochs=6,
    batch_size=8,
    patience=None,
    keep="validation_loss",
    average=None,
    precision="float32",
    optimizer=Adam(learning_rate=0.02, weight_decay=0.0),
)
HARDEN = Harden(
    epsilon=0.1,
    rel_eps_step=0.5,
    max_iter=3,
    num_random_init=1,
    schedule=Constant(),
    loss=Mixture(adversarial_share=0.5),
    weight_perturbation=None,
    epochs=8,
    batch_size=8,
    patience=None,
    validation_max_iter=5,
    keep="validation_loss",
    max_drop=None,
    average=None,
    precision="float32",
    optimizer=Adam(learning_rate=0.02, weight_decay=0.0),
)


def in_float32(params: dict[str, Any]) -> dict[str, Any]:
    """Replace precisions `auto` in the content of params.yaml, which two folders might measure differently."""
    params["attacks"]["strict"]["search_precision"] = "float32"
    for block in params["datasets"].values():
        for training in (block["train"], block["harden"] or {}):
            training["precision"] = "float32"
    return params
