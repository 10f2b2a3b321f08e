"""The examination of a model: a sound one is green, and each planted defect of a model turns the gate red."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers, ops
from models import SHAPE, WEIGHTS, images_in_memory, linear_model, small_convolutional_net
from test_paper_attacks import TABLE_S1
from validity_rows import judged, sound_evidence

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.model_validity import examine_model
from oncorobust.evaluation.paper import share_without_gradient
from oncorobust.evaluation.protocols import attack_metrics, attack_tables, in_published_order
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.validity import red_names


@pytest.fixture(scope="module")
def data() -> LabelledImages:
    """Images as a file of 8 bits holds them."""
    levels = np.random.default_rng(0).integers(60, 190, (40, *SHAPE))
    return images_in_memory((levels / 255).astype(np.float32), np.arange(40) % 2)


@keras.saving.register_keras_serializable("test")
class _AlwaysDropping(layers.Dropout):
    """Dropout that somebody left on at inference."""

    def call(self, inputs: Any, **_: Any) -> Any:
        return super().call(inputs, training=True)


def examine(
    model: keras.Model, data: LabelledImages, intervals: pd.DataFrame | None = None, other: keras.Model | None = None
) -> dict[str, Any]:
    """The measurements as attack.json holds them, and the share without gradient beside them."""
    classifier = KerasClassifier(model, batch_size=32)
    rows = pd.DataFrame({"image_id": [], "last_safe": []}) if intervals is None else intervals
    found = examine_model(classifier, data, rows, settings=TABLE_S1.pgd, seed=0, other=other)
    json.dumps(found, allow_nan=False)
    return {"share_without_gradient": share_without_gradient(classifier, data), "validity": found}


def red(found: dict[str, Any]) -> set[str]:
    sound = sound_evidence()
    return set(red_names(judged(replace(sound, metrics={**sound.metrics, **found})).values()))


def in_front(layer: Callable[[Any], Any], model: keras.Model) -> keras.Model:
    images = keras.Input(SHAPE)
    return keras.Model(images, model(layer(images)))


def test_sound_models_are_green(data: LabelledImages) -> None:
    for model in (linear_model(WEIGHTS), small_convolutional_net()):
        found = examine(model, data)
        assert red(found) == set()
        assert found["validity"]["response"]["median_ratio"] == pytest.approx(1, abs=0.01)
        assert found["validity"]["share_saturated"] == 0
        assert found["validity"]["unbounded"] == {"epsilon": 0.5, "n_images": 5, "unchanged": []}


def test_saturated_logits_mask_the_gradient(data: LabelledImages) -> None:
    found = examine(linear_model(1e4 * WEIGHTS), data)
    assert "gradients" in red(found)
    assert found["validity"]["share_saturated"] > 0.9
    assert found["share_without_gradient"] > 0.9


def test_a_quantised_input_has_no_gradient_and_stays_under_an_unbounded_attack(data: LabelledImages) -> None:
    found = examine(in_front(lambda x: ops.round(x * 255) / 255, linear_model(WEIGHTS)), data)
    assert {"gradients", "response to the gradient"} <= red(found)


def test_a_quantised_input_whose_gradient_pretends_not_to_be_is_a_staircase(data: LabelledImages) -> None:
    """The straight-through gradient of `attacks.input_layers` is not zero, but small steps change nothing."""

    def rounded(x: Any) -> Any:
        return x + ops.stop_gradient(ops.round(x * 255) / 255 - x)

    found = examine(in_front(rounded, linear_model(WEIGHTS)), data)
    assert red(found) == {"response to the gradient"}
    assert found["validity"]["response"]["share_off"] > 0.9


def test_a_random_layer_gives_other_answers(data: LabelledImages) -> None:
    found = examine(in_front(_AlwaysDropping(0.3, seed=1), linear_model(WEIGHTS)), data)
    assert "deterministic answers" in red(found)


def test_an_answer_that_depends_on_the_batch_is_not_deterministic(data: LabelledImages) -> None:
    """As batch normalisation left in training mode."""
    found = examine(in_front(lambda x: x - ops.mean(x, axis=0, keepdims=True) + 0.5, linear_model(WEIGHTS)), data)
    assert "deterministic answers" in red(found)
    assert found["validity"]["repeat_difference"] == 0


def test_probabilities_are_not_logits(data: LabelledImages) -> None:
    images = keras.Input(SHAPE)
    found = examine(keras.Model(images, layers.Softmax()(linear_model(WEIGHTS)(images))), data)
    assert "logits" in red(found)


def test_a_model_below_float32_is_red(data: LabelledImages) -> None:
    images = keras.Input(SHAPE)
    half = layers.Dense(2, dtype="bfloat16")(layers.Flatten()(images))
    found = examine(keras.Model(images, layers.Activation("linear", dtype="float32")(half)), data)
    assert "float32" in red(found)
    assert "bfloat16" in found["validity"]["precision"]


def test_a_search_that_calls_too_much_safe_is_contradicted_by_restarts(data: LabelledImages) -> None:
    exact = np.abs((data.images() * WEIGHTS).sum(axis=(1, 2, 3))) / np.abs(WEIGHTS).sum()
    sound = pd.DataFrame({"image_id": data.image_ids, "last_safe": 0.99 * exact})
    found = examine(linear_model(WEIGHTS), data, sound)
    assert red(found) == set()
    assert found["validity"]["restarts"] == {"n_images": 5, "share_of_last_safe": 0.8, "changed": []}
    found = examine(linear_model(WEIGHTS), data, sound.assign(last_safe=2 * exact))
    assert red(found) == {"more restarts"}
    assert len(found["validity"]["restarts"]["changed"]) == 5


def exact_epsilons(data: LabelledImages) -> np.ndarray:
    return np.abs((data.images() * WEIGHTS).sum(axis=(1, 2, 3))) / np.abs(WEIGHTS).sum()


def test_examples_of_another_model_contradict_a_search_that_a_masked_gradient_deceived(data: LabelledImages) -> None:
    """The model answers as the other one does, on rounded images, so that its own gradient is zero."""
    masked = in_front(lambda x: ops.round(x * 65535) / 65535, linear_model(WEIGHTS))
    deceived = pd.DataFrame({"image_id": data.image_ids, "last_safe": 2 * exact_epsilons(data)})
    found = examine(masked, data, deceived, other=linear_model(WEIGHTS))
    assert found["validity"]["restarts"]["changed"] == []
    assert len(found["validity"]["transfer"]["changed"]) == 5
    assert {"transfer attacks", "gradients"} <= red(found)


@pytest.mark.parametrize(("share", "n_changed"), [(0.98, 0), (1.02, 5)])
def test_examples_of_another_model_reach_the_edge_of_the_ball(
    data: LabelledImages, share: float, n_changed: int
) -> None:
    """At a share of the exact minimal epsilon of a linear model, the same for both models."""
    rows = pd.DataFrame({"image_id": data.image_ids, "last_safe": share / 0.8 * exact_epsilons(data)})
    found = examine(linear_model(WEIGHTS), data, rows, other=linear_model(WEIGHTS))["validity"]["transfer"]
    assert (found["n_images"], found["share_of_last_safe"], len(found["changed"])) == (5, 0.8, n_changed)


def test_images_without_a_safe_epsilon_are_not_attacked_again(data: LabelledImages) -> None:
    none = pd.DataFrame({"image_id": data.image_ids, "last_safe": 0.0})
    restarts = examine(linear_model(WEIGHTS), data, none)["validity"]["restarts"]
    assert (restarts["n_images"], restarts["changed"]) == (0, [])


def test_a_few_images_suffice(data: LabelledImages) -> None:
    found = examine(linear_model(WEIGHTS), data.take(np.arange(2)))
    assert found["validity"]["n_images"] == 2


@pytest.mark.parametrize(("scale", "expected"), [(1.0, []), (1e4, ["gradients", "response to the gradient"])])
def test_the_gate_of_an_attacked_model(data: LabelledImages, scale: float, expected: list[str]) -> None:
    """From the model to the gate, through the rows of both protocols: a sound one, and one with saturated logits."""
    classifier, images = KerasClassifier(linear_model(scale * WEIGHTS), batch_size=16), data.take(np.arange(12))
    tables = in_published_order(
        attack_tables(
            classifier,
            images,
            blocks_of(12, 12),
            epsilons=(0.002, 0.01, 0.03),
            threat_epsilons=(0.01,),
            settings=TABLE_S1,
            seed=0,
            resumable=ResumableRows(lambda *_: None),
        )
    )
    metrics = attack_metrics(
        classifier, images, images, tables, epsilons=(0.002, 0.01, 0.03), settings=TABLE_S1, seed=0
    )
    evidence = replace(
        sound_evidence(), index=images.rows.assign(split="test"), metrics=metrics, kept_by="last", **tables
    )
    found = judged(evidence)
    assert red_names(found.values()) == expected
    assert {name for name, one in found.items() if one.status == "not done"} == {"transfer attacks", "rounding"}
