"""Tables S2, S3 and S4 against what is built and run from presets/paper.yaml, not against what the file says.

The tables are transcribed in tests/paper_tables/. The optimiser is asked for its updates, the model for its layers; the
attack of adversarial training is read off the images that reach a model which writes down what it is shown. In the same
way each key that docs/how-to/training.md names for the released code is switched and its effect looked at.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import pytest
import yaml
from models import images_in_memory

from oncorobust.data.split import split_images
from oncorobust.models.vgg16 import build_vgg16
from oncorobust.settings.load import parse_params
from oncorobust.settings.pipeline import Dataset
from oncorobust.settings.training import Harden, Train
from oncorobust.training.loop import Trained, best_epoch, how_ended
from oncorobust.training.optimizers import make_optimizer
from oncorobust.training.recipes import harden, train
from oncorobust.training.schedule import epsilon_at

REPOSITORY = Path(__file__).resolve().parent.parent
PRESET = (REPOSITORY / "presets" / "paper.yaml").read_text(encoding="utf-8")
NAMES = {"CT": "lidc", "Mammogram": "cbis_ddsm", "MRI": "brain_mets", "MNIST": "mnist", "CIFAR-10": "cifar10"}
COPIES = {"CT": 10, "Mammogram": 10, "MRI": 4, "MNIST": 0, "CIFAR-10": 0}  # text and code
GREY = 0.5
SHAPE = (8, 8, 3)


def paper(column: str, **changes: Any) -> Dataset:
    """A data set of the preset, some of its keys changed: `harden__epochs=2` for harden.epochs."""
    content = yaml.safe_load(PRESET)
    for name, value in changes.items():
        *above, last = name.split("__")
        reduce(lambda tree, key: tree[key], above, content["datasets"][NAMES[column]])[last] = value
    return parse_params(content).datasets[NAMES[column]]


def rows_of(name: str) -> list[dict[str, str]]:
    with (REPOSITORY / "tests" / "paper_tables" / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def stated(name: str, parameter: str, column: str) -> str:
    (found,) = (row[column] for row in rows_of(name) if row["parameter"] == parameter)
    return found


each_column = pytest.mark.parametrize("column", NAMES)


@cache
def vgg16() -> keras.Model:
    settings = paper("CT").model
    assert settings.weights == "imagenet"
    return build_vgg16(msgspec.structs.replace(settings, weights="none"), size=224, n_classes=2, seed=0)


def test_the_model_is_table_s2_layer_by_layer() -> None:
    built = [
        {
            "layer": layer.name,
            "type": type(layer).__name__,
            "output_shape": " x ".join(map(str, layer.output.shape[1:])),
            "parameters": str(layer.count_params()),
        }
        for layer in vgg16().layers
    ]
    assert built == rows_of("table_s2")
    assert vgg16().count_params() == 121_676_610


def test_the_layers_have_what_the_table_leaves_out() -> None:
    layers = {layer.name: layer for layer in vgg16().layers}
    assert [layers[name].rate for name in ("dropout", "dropout_1")] == [0.5, 0.5]
    for name, layer in layers.items():
        if isinstance(layer, keras.layers.Conv2D):
            assert (layer.kernel_size, layer.activation) == ((3, 3), keras.activations.relu)
        if name in ("fc1", "fc2"):
            assert (layer.kernel_constraint.max_value, layer.activation) == (2.0, keras.activations.relu)
    assert layers["predictions"].kernel_constraint is None
    assert layers["predictions"].activation is keras.activations.linear  # logits: the softmax is in the loss


def test_all_five_data_sets_have_this_model() -> None:
    assert len({paper(column).model for column in NAMES}) == 1


@each_column
@pytest.mark.parametrize("stage", ["train", "harden"])
def test_the_optimizer_makes_the_updates_of_table_s3(column: str, stage: str) -> None:
    """Table S4 names no optimiser of its own."""
    optimizer = make_optimizer(getattr(paper(column), stage).optimizer)
    rate = float(stated("table_s3", "Initial Learning Rate", column))
    decay = float(stated("table_s3", "Learning rate decay", column))
    momentum = float(stated("table_s3", "Momentum", column))
    assert (type(optimizer).__name__, optimizer.weight_decay) == (stated("table_s3", "Optimizer", column), None)

    weight, gradient = keras.Variable(np.zeros(1)), np.ones(1, dtype=np.float32)
    optimizer.build([weight])
    expected = velocity = 0.0
    for updates in (0, 1, 1000):
        optimizer.iterations.assign(updates)
        assert float(optimizer.learning_rate) == pytest.approx(rate / (1 + decay * updates), rel=1e-6)
        # Old Keras's SGD with Nesterov momentum: the velocity's next step is taken at once.
        velocity = momentum * velocity - rate / (1 + decay * updates)
        expected += momentum * velocity - rate / (1 + decay * updates)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        assert float(weight.numpy()[0]) == pytest.approx(expected, rel=1e-6)


@each_column
def test_the_images_have_the_size_of_table_s3(column: str) -> None:
    size = paper(column).preprocess.size
    assert f"{size} x {size}" == stated("table_s3", "Input Image Size", column)


@each_column
def test_training_ends_with_the_epochs_and_the_patience_of_table_s3(column: str) -> None:
    settings = paper(column).train
    epochs = int(stated("table_s3", "Max Epochs", column))
    assert ending(settings, [1 / epoch for epoch in range(1, 1000)]) == (epochs, "all epochs")
    patience = int(stated("table_s3", "Patience", column))
    # Old Keras stops at the first epoch without improvement for a patience of 0 as for one of 1.
    assert ending(settings, [1.0] * 1000) == (1 + max(patience, 1), "patience")


def ending(settings: Train | Harden, losses: list[float]) -> tuple[int, str]:
    """The epoch after which training is over when validation gives these losses, and why."""
    rows = history(losses)
    told = [(epoch, how_ended(rows[: epoch + 1], settings)) for epoch in range(1, len(rows))]
    return next((epoch, why) for epoch, why in told if why)


def history(losses: list[float]) -> list[dict[str, Any]]:
    told = {"validation_accuracy": 0.8, "validation_floor": 0.6, "collapsed": False, "validation_robust_accuracy": 0.5}
    return [{"epoch": epoch, "validation_loss": loss} | told for epoch, loss in enumerate([9.0, *losses])]


@each_column
def test_the_weights_of_the_smallest_validation_loss_are_kept(column: str) -> None:
    for settings in (paper(column).train, paper(column).harden):
        assert best_epoch(history([0.5, 0.3, 0.4]), settings) == 2


@each_column
def test_an_epoch_of_training_is_all_copies_in_batches_of_table_s3(column: str) -> None:
    shown = batches_of_training(column)
    assert sum(map(len, shown)) == 128 * (1 + COPIES[column])
    assert {len(batch) for batch in shown[:-1]} | {max(map(len, shown))} == {
        int(stated("table_s3", "Batch Size", column))
    }


class Probe(keras.layers.Layer):
    """Passes images on and writes them down, with whether the model is being trained on them or attacked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, np.ndarray]] = []

    def call(self, x: Any, training: bool = False) -> Any:
        def note(images: Any) -> None:
            self.seen.append((bool(training), np.array(images)))

        match keras.backend.backend():
            case "tensorflow":
                import tensorflow as tf

                tf.py_function(note, [x], [])
            case "jax":
                import jax

                jax.debug.callback(note, x, ordered=True)
            case "torch":
                if x.device.type != "meta":
                    note(x.detach().numpy())
        return x


def probed_model(max_norm: float | None = None) -> tuple[keras.Model, Probe]:
    """A linear model behind a probe: sign(gradient) is known, and the same everywhere."""
    probe = Probe()
    constraint = None if max_norm is None else keras.constraints.MaxNorm(max_norm)
    logits = keras.layers.Dense(2, kernel_constraint=constraint)
    model = keras.Sequential([keras.Input(SHAPE), probe, keras.layers.Flatten(), logits])
    logits.kernel.assign(np.random.default_rng(0).normal(size=logits.kernel.shape))
    return model, probe


class Quiet:
    def begin(self, done: int) -> None:
        pass

    def update(self, done: int, total: int, text: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass


def run(recipe: Callable[..., Trained], model: keras.Model, settings: Train | Harden, dataset: Dataset) -> Trained:
    """A run on 128 grey images; 6 judge."""
    training, validation = (
        images_in_memory(np.full((n, *SHAPE), GREY, dtype=np.float32), np.arange(n) % 2) for n in (128, 6)
    )
    return recipe(
        model,
        training,
        validation,
        settings=settings,
        augment_settings=dataset.augment,
        seed=0,
        checkpoint=None,
        listener=Quiet(),
    )


def batches_of_training(column: str) -> list[np.ndarray]:
    dataset = paper(column, train__epochs=1)
    model, probe = probed_model()
    run(train, model, dataset.train, dataset)
    return [images for training, images in probe.seen if training]


@each_column
def test_the_loss_is_that_of_table_s3_on_softmax(column: str) -> None:
    dataset = paper(column, train__epochs=1, train__batch_size=128, augment__copies=0)
    model, _ = probed_model()
    kernel = model.layers[-1].kernel.numpy().astype(np.float64)
    one_hot = np.eye(2)
    shares = np.exp(np.full(kernel.shape[0], GREY) @ kernel)
    shares /= shares.sum()
    losses = {
        "Binary cross-entropy": -np.mean(one_hot * np.log(shares) + (1 - one_hot) * np.log(1 - shares)),
        "Categorical cross-entropy": -np.mean((one_hot * np.log(shares)).sum(axis=1)),
    }
    told = run(train, model, dataset.train, dataset).history
    assert told["loss"].iloc[-1] == pytest.approx(losses[stated("table_s3", "Loss", column)], rel=1e-5)


@dataclass(frozen=True)
class Attack:
    """What one update of adversarial training showed the model.

    iterates: the images at which the attack took a gradient, the start first. batch: what the update was made on.
    """

    iterates: list[np.ndarray]
    batch: np.ndarray

    @property
    def moved(self) -> np.ndarray:
        """Which images of the batch are not as they were."""
        return (self.batch != GREY).any(axis=(1, 2, 3))

    @property
    def epsilon(self) -> float:
        return float(abs(self.batch - GREY).max())

    @property
    def eps_steps(self) -> list[float]:
        """The longest move of a pixel in each step."""
        return [float(abs(step).max()) for step in np.diff([*self.iterates, self.batch[self.moved]], axis=0)]


def attacks(column: str, **changes: Any) -> list[Attack]:
    """The attack of each update of a run; validation's are left out, which are on fewer images."""
    dataset = paper(column, **changes)
    model, probe = probed_model()
    run(harden, model, dataset.harden, dataset)
    found: list[Attack] = []
    iterates: list[np.ndarray] = []
    for training, images in probe.seen:
        if training:
            found.append(Attack(iterates, images))
            iterates = []
        elif len(images) > 32:
            iterates.append(images)
    return found


def near(number: float) -> Any:
    return pytest.approx(number, abs=3e-7)  # pixels near 0.5 in float32


@each_column
def test_adversarial_training_runs_the_attack_of_table_s4(column: str) -> None:
    attack = attacks(column, harden__epochs=1)[0]
    assert len(attack.batch) == int(stated("table_s4", "Batch size", column))
    assert attack.moved.mean() == 0.5  # text
    assert attack.epsilon == near(float(stated("table_s4", "Epsilon", column)))
    assert len(attack.iterates) == int(stated("table_s4", "Max Iterations", column))
    assert attack.eps_steps == [near(float(stated("table_s4", "Epsilon step", column)))] * len(attack.iterates)
    # One random start, uniform in the ball: a second one would take max_iter gradients more.
    assert int(stated("table_s4", "# random initializations", column)) == 1
    start = (attack.iterates[0] - GREY) / attack.epsilon
    assert np.quantile(start, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=0.03)


@each_column
def test_adversarial_training_ends_with_the_epochs_of_table_s4(column: str) -> None:
    settings = paper(column).harden
    epochs = int(stated("table_s4", "Number of Epochs", column))
    assert ending(settings, [1.0] * 1000) == (epochs, "all epochs")
    assert {epsilon_at(settings, epoch) for epoch in range(1, epochs + 1)} == {settings.epsilon}


def test_max_norm_holds_after_an_update() -> None:
    dataset = paper("MNIST", train__epochs=1)
    model, _ = probed_model(max_norm=2.0)
    kernel = model.layers[-1].kernel
    assert np.linalg.norm(kernel.numpy(), axis=0).min() > 10
    run(train, model, dataset.train, dataset)
    norms = np.linalg.norm(kernel.numpy(), axis=0)
    assert ((norms > 1.9) & (norms < 2 + 1e-6)).all()  # the last update may shorten them


def test_the_released_code_attacks_whole_batches() -> None:
    attack = attacks("MRI", harden__epochs=1, harden__loss__adversarial_share=1.0)[0]
    assert len(attack.batch) == 128
    assert attack.moved.all()


STAGES = {  # adv_trainer.py, commit 994dc86: epochs and epsilon of its two stages
    "CT": [(150, 0.001), (50, 0.002)],
    "Mammogram": [(50, 0.0007), (50, 0.002)],
}


def in_stages(column: str) -> dict[str, Any]:
    (first_epochs, first_epsilon), (_, epsilon) = STAGES[column]
    schedule = {"name": "stages", "first_epsilon": first_epsilon, "epochs": first_epochs}
    return {"harden__epsilon": epsilon, "harden__schedule": schedule}


@pytest.mark.parametrize("column", STAGES)
def test_the_released_code_s_two_stages(column: str) -> None:
    settings = paper(column, **in_stages(column)).harden
    scheduled = [epsilon_at(settings, epoch) for epoch in range(1, settings.epochs + 1)]
    assert scheduled == [epsilon for epochs, epsilon in STAGES[column] for _ in range(epochs)]


def test_the_step_of_a_stage_is_a_quarter_of_its_epsilon() -> None:
    changes = in_stages("Mammogram") | {"harden__epochs": 2, "augment__copies": 0}
    changes["harden__schedule"]["epochs"] = 1
    first, second = attacks("Mammogram", **changes)
    assert (first.epsilon, second.epsilon) == (near(0.0007), near(0.002))
    assert first.eps_steps == [near(0.000175)] * 7
    assert second.eps_steps == [near(0.0005)] * 7


@pytest.mark.parametrize("stage", ["train", "harden"])
def test_the_released_code_keeps_the_last_epoch(stage: str) -> None:
    settings = getattr(paper("CT", **{f"{stage}__keep": "last"}), stage)
    assert best_epoch(history([0.5, 0.3, 0.4]), settings) == 3


def test_the_released_code_keeps_the_last_weights_when_patience_ends_training() -> None:
    settings = paper("MNIST", train__keep="last", train__patience=5).train
    losses = [0.5, 0.3, *[0.4] * 20]
    assert ending(settings, losses) == (7, "patience")
    assert best_epoch(history(losses[:7]), settings) == 7


@pytest.mark.parametrize(("unit", "divided"), [("patient", False), ("image", True)])
def test_the_released_code_splits_by_image(unit: str, divided: bool) -> None:
    settings = paper("CT", preprocess__split__unit=unit).preprocess.split
    two_a_patient = images_in_memory(np.zeros((240, *SHAPE), dtype=np.float32), np.arange(240) // 2 % 2).rows
    split = split_images(two_a_patient, settings, names=("benign", "malignant"), seed=0)
    assert split.groupby(two_a_patient["patient_id"]).nunique().max() == (2 if divided else 1)
    assert (split == "test").sum() == 80
