"""Examples for the gallery: which images are chosen, and what the attacks on them find on a linear classifier."""

import keras
import numpy as np
import pandas as pd
import pytest
from models import SHAPE, balanced_weights, images_in_memory, linear_model
from msgspec.structs import replace
from test_paper_attacks import TABLE_S1

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.base.progress import Stopped
from oncorobust.evaluation import gallery
from oncorobust.evaluation.gallery import choose_images, gallery_arrays
from oncorobust.evaluation.image_epsilons import minimal_epsilons

WEIGHTS = balanced_weights()
EPSILONS = (0.002, 0.01, 0.02)
N = 18
IDS = [f"image-{number}" for number in range(N)]


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(3).uniform(0.3, 0.7, (N, *SHAPE)).astype(np.float32)
    labels = (margins(images) > 0).astype(int)
    labels[::6] = 1 - labels[::6]
    return images_in_memory(images, labels)


@pytest.fixture(scope="module")
def classifier():
    return KerasClassifier(linear_model(WEIGHTS), batch_size=8)


def margins(images):
    return (images.astype(np.float64) * WEIGHTS).sum(axis=(1, 2, 3))


def tables_of(data, first_flipped, won_by="pgd"):
    """Tables of stage attack: clean rows, and intervals after one attack."""
    signed = margins(data.images()) * np.where(data.labels == 1, 1, -1)
    rows = data.rows[["image_id", "patient_id", "label"]].assign(predicted=(margins(data.images()) > 0).astype(int))
    clean = rows.assign(attack="none", epsilon=0.0, attacked_label="none", margin=signed, linf=0.0)
    found = rows.assign(attack="converged", last_safe=0.99 * first_flipped, first_flipped=first_flipped, won_by=won_by)
    return {"predictions": clean, "intervals": found}


def exact_tables(data):
    distance = np.abs(margins(data.images())) / np.abs(WEIGHTS).sum()
    return tables_of(data, np.where(distance <= EPSILONS[-1], distance, np.inf))


def made(classifier, data, tables, notify=lambda *_: None, settings=TABLE_S1):
    return gallery_arrays(classifier, data, tables, epsilons=EPSILONS, settings=settings, seed=0, notify=notify)


@pytest.fixture(scope="module")
def arrays(classifier, data):
    return made(classifier, data, exact_tables(data))


def test_images_are_chosen_by_hand():
    first = np.array([0.5, 0.1, np.inf, 0.2, 0.3, np.inf, 0.4, 0.05])
    margin = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1.0, -1.0])
    chosen = choose_images(first, margin, largest=0.45, at_most=6)
    # Order: 7 1 3 4 6 0 2 5. Right and flipped: 1 3 4 6; the middle is between 3 and 4, of which 3 comes first.
    assert [(one.position, one.reason) for one in chosen] == [
        (7, "most sensitive"),
        (1, "most sensitive"),
        (3, "flips"),
        (4, "flips"),
        (2, "least sensitive"),
        (5, "least sensitive"),
    ]
    few = choose_images(first, margin, largest=0.45, at_most=4)
    assert [(one.position, one.reason) for one in few] == [
        (7, "most sensitive"),
        (1, "most sensitive"),
        (3, "flips"),
        (5, "least sensitive"),
    ]


def test_ties_are_ordered_by_the_size_of_the_margin_then_by_position():
    first, margin = np.full(8, np.inf), np.array([2.0, 1.0, 1.0, 5.0, -4.0, 3.0, 3.0, 5.0])
    chosen = choose_images(first, margin, largest=0.1, at_most=6)
    assert [one.position for one in chosen] == [1, 2, 3, 7]
    assert choose_images(first[:1], margin[:1], largest=0.1, at_most=6)[0].position == 0
    assert len(choose_images(first[:3], margin[:3], largest=0.1, at_most=6)) == 3


def test_minimal_epsilons_of_the_papers_protocol_lie_on_its_grid():
    def rows(attack, epsilon, label, predicted):
        return pd.DataFrame({"image_id": ["a", "b", "c"], "predicted": predicted}).assign(
            attack=attack, epsilon=epsilon, attacked_label=label
        )

    predictions = pd.concat(
        [
            rows("none", 0.0, "none", [0, 1, 1]),
            rows("fgsm", 0.1, "predicted", [0, 1, 1]),
            rows("fgsm", 0.2, "predicted", [0, 1, 0]),
            rows("pgd", 0.1, "predicted", [1, 1, 1]),
            rows("pgd", 0.2, "predicted", [1, 1, 1]),
            rows("pgd", 0.1, "true", [0, 0, 0]),
        ]
    )
    found = minimal_epsilons({"predictions": predictions, "intervals": pd.DataFrame()})
    assert found.loc[["a", "b", "c"], "first_flipped"].tolist() == [0.1, np.inf, 0.2]
    assert found.loc[["a", "b", "c"], "last_safe"].tolist() == [0.0, 0.2, 0.1]


def test_examples_reach_the_corner_of_the_ball(data, arrays):
    # Of a linear model: a ball of radius epsilon lowers the margin by epsilon times the l1 norm of the weights.
    at = [IDS.index(one) for one in arrays["gallery_image_ids"]]
    clean = np.abs(margins(data.images(np.array(at))))
    for epsilon, logits in zip(EPSILONS, arrays["gallery_logits"], strict=True):
        own = (margins(data.images(np.array(at))) > 0).astype(int)
        margin = logits[np.arange(len(at)), own] - logits[np.arange(len(at)), 1 - own]
        np.testing.assert_allclose(margin, clean - epsilon * np.abs(WEIGHTS).sum(), atol=1e-4)
    assert arrays["gallery_logits_clean"].shape == (len(at), 2)


def test_examples_stay_in_ball_and_box_and_are_float32(arrays):
    change = np.abs(arrays["gallery_adversarial"] - arrays["gallery_images"][None])
    assert (change.max(axis=(1, 2, 3, 4)) <= np.array(EPSILONS) + 1e-6).all()
    assert (change.max(axis=(1, 2, 3, 4)) >= np.array(EPSILONS) - 1e-6).all()
    for name in ("gallery_images", "gallery_adversarial", "gallery_logits", "gallery_logits_clean"):
        assert arrays[name].dtype == np.float32, name
    assert all(one.dtype != object for one in arrays.values())


def test_logits_are_those_of_the_stored_images(classifier, arrays):
    for x_adv, logits in zip(arrays["gallery_adversarial"], arrays["gallery_logits"], strict=True):
        np.testing.assert_array_equal(classifier.predict(x_adv), logits)


def test_every_kind_of_image_is_there_with_its_label(data, arrays):
    assert set(arrays["gallery_reasons"]) == {"most sensitive", "flips", "least sensitive"}
    assert len(arrays["gallery_image_ids"]) == len(set(arrays["gallery_image_ids"])) <= 6
    labels = {one: label for one, label in zip(data.image_ids, data.labels, strict=True)}
    assert arrays["gallery_labels"].tolist() == [labels[one] for one in arrays["gallery_image_ids"]]


def test_the_same_run_gives_the_same_arrays(classifier, data, arrays):
    again = made(classifier, data, exact_tables(data))
    for name, one in arrays.items():
        np.testing.assert_array_equal(again[name], one)


def test_a_cascade_goes_where_gradients_show_nothing(data):
    """Rounding makes every gradient zero; Square, which needs none, flips what the rows say flips."""
    inputs = keras.Input(SHAPE)
    rounded = keras.layers.Lambda(lambda x: keras.ops.round(x * 2000) / 2000)(inputs)
    model = keras.Model(inputs, linear_model(WEIGHTS)(rounded))
    masked = KerasClassifier(model, batch_size=8)
    apgd = replace(TABLE_S1.strict.apgd, num_random_init=0)
    settings = replace(
        TABLE_S1, pgd=replace(TABLE_S1.pgd, num_random_init=0), strict=replace(TABLE_S1.strict, apgd=apgd)
    )
    found = made(masked, data, tables_of(data, np.full(N, EPSILONS[0]), won_by="square"), settings=settings)
    own = found["gallery_logits_clean"].argmax(axis=1)
    flipped = found["gallery_logits"][-1].argmax(axis=1) != own
    assert flipped.any()
    assert "square" in found["gallery_attacks"]
    without = made(masked, data, tables_of(data, np.full(N, np.inf)), settings=settings)
    assert (without["gallery_logits"].argmax(axis=2) == without["gallery_logits_clean"].argmax(axis=1)).all()


def test_large_images_are_fewer(classifier, data, monkeypatch):
    one_image = int(np.prod(SHAPE)) * 4 * (1 + len(EPSILONS))
    monkeypatch.setattr(gallery, "MOST_BYTES", 2 * one_image)
    assert len(made(classifier, data, exact_tables(data))["gallery_labels"]) == 2
    monkeypatch.setattr(gallery, "MOST_BYTES", 1)
    assert len(made(classifier, data, exact_tables(data))["gallery_labels"]) == 1


def test_a_run_that_is_asked_to_stop_ends_between_two_epsilons(classifier, data):
    seen = []

    def notify(done, total, text):
        seen.append((done, total, text))
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        made(classifier, data, exact_tables(data), notify=notify)
    assert seen == [(1, 3, "epsilons of the gallery"), (2, 3, "epsilons of the gallery")]
