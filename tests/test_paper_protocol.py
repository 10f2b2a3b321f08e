"""The paper's protocol on a linear classifier, where every accuracy is known."""

import numpy as np
import pandas as pd
import pytest
from models import SHAPE, balanced_weights, images_in_memory, linear_model
from test_paper_attacks import TABLE_S1

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.errors import InputError
from oncorobust.evaluation import paper as evaluation
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.paper import (
    attack_rows,
    example_images,
    gradient_warning,
    in_order,
    margins,
    share_without_gradient,
    summarise_attack,
)
from oncorobust.evaluation.resumable_rows import ResumableRows

EPSILONS = (0.001, 0.01, 0.05, 0.25)


def silent() -> ResumableRows:
    return ResumableRows(lambda *_: None)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return balanced_weights()


@pytest.fixture(scope="module")
def data(weights):
    images = np.random.default_rng(0).uniform(0.3, 0.7, (40, *SHAPE)).astype(np.float32)
    labels = ((images * weights).sum(axis=(1, 2, 3)) > 0).astype(int)
    labels[::5] = 1 - labels[::5]  # one image in five is answered wrong
    return images_in_memory(images, labels)


@pytest.fixture(scope="module")
def rows(weights, data) -> pd.DataFrame:
    classifier = KerasClassifier(linear_model(weights))
    blocks = blocks_of(len(data), 16)
    return in_order(
        attack_rows(classifier, data, blocks, epsilons=EPSILONS, settings=TABLE_S1, seed=0, resumable=silent())
    )


def test_a_row_for_each_image_attack_epsilon_and_label(rows):
    assert len(rows) == 40 * (1 + 3 * 4 * 2)
    keys = ["image_id", "attack", "epsilon", "attacked_label"]
    assert not rows.duplicated(keys).any()
    assert rows.columns.tolist() == [
        "image_id", "patient_id", "label", "attack", "epsilon", "attacked_label", "predicted", "margin", "linf"
    ]  # fmt: skip
    assert rows["attack"].drop_duplicates().tolist() == ["none", "fgsm", "pgd", "bim"]


def test_accuracy_under_each_attack_is_the_closed_form(rows, weights, data):
    reach = np.abs(weights).sum()
    distance = (data.images(slice(None)) * weights).sum(axis=(1, 2, 3))
    right = (distance > 0) == (data.labels == 1)
    accuracy = summarise_attack(rows)["robust_accuracy"]
    for epsilon in EPSILONS:
        flips = np.abs(distance) < epsilon * reach
        assert (np.abs(np.abs(distance) - epsilon * reach) > 1e-4).all()
        for attack in ("fgsm", "bim", "pgd"):
            key = f"eps_{epsilon}".replace(".", "_")
            assert accuracy["true"][attack][key] == pytest.approx(np.mean(right & ~flips))
            assert accuracy["predicted"][attack][key] == pytest.approx(np.mean(right ^ flips))


def test_the_floor_is_one_minus_clean_accuracy_for_predicted_labels_and_zero_for_true(rows):
    summary = summarise_attack(rows)
    assert summary["clean_accuracy"] == pytest.approx(0.8)
    for attack in ("fgsm", "bim", "pgd"):
        assert summary["robust_accuracy"]["predicted"][attack]["eps_0_25"] == pytest.approx(0.2)
        assert summary["robust_accuracy"]["true"][attack]["eps_0_25"] == 0


def test_the_true_label_is_attacked_again_only_where_the_answer_was_wrong(weights, data, monkeypatch):
    sizes = []

    class Counted(PaperAttacks):
        def examples(self, *args, **chosen):
            made = super().examples(*args, **chosen)
            sizes.append(len(made))
            return made

    monkeypatch.setattr(evaluation, "PaperAttacks", Counted)
    classifier = KerasClassifier(linear_model(weights))
    attack_rows(
        classifier,
        data,
        blocks_of(len(data), 16),
        epsilons=(0.01,),
        settings=TABLE_S1,
        seed=0,
        resumable=silent(),
    )
    assert sum(sizes) == 3 * (40 + 8)


def test_the_change_of_pixels_is_the_epsilon(rows):
    attacked = rows[rows["attack"] != "none"]
    np.testing.assert_allclose(attacked["linf"], attacked["epsilon"], atol=1e-6)
    assert (rows.loc[rows["attack"] == "none", "linf"] == 0).all()


def test_images_that_no_attack_can_move_are_counted(data):
    dead = linear_model(np.zeros(SHAPE))
    assert share_without_gradient(KerasClassifier(dead), data) == 1
    assert share_without_gradient(KerasClassifier(linear_model(balanced_weights())), data) == 0


def test_accuracy_without_attack_is_the_share_of_right_answers(data, weights):
    assert evaluation.accuracy(KerasClassifier(linear_model(weights)), data) == pytest.approx(0.8)


def test_margin_is_the_labels_logit_minus_the_best_other():
    logits = np.array([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0], [3.0, 3.0, 0.0]])
    np.testing.assert_array_equal(margins(logits, np.array([1, 2, 0])), [2.0, -2.0, 0.0])


def test_the_summary_counts_images_patients_and_epsilons(rows):
    summary = summarise_attack(rows)
    assert (summary["n_images"], summary["n_patients"], summary["epsilons"]) == (40, 20, list(EPSILONS))


def test_examples_are_one_right_answer_a_class_with_probabilities(weights, data):
    classifier = KerasClassifier(linear_model(weights))
    found = example_images(classifier, data, epsilon=0.05, settings=TABLE_S1, seed=0)
    assert found["images"].shape == (2, *SHAPE)
    assert found["adversarial"].shape == (3, 2, *SHAPE)
    assert found["labels"].tolist() == [0, 1]
    assert found["probabilities_clean"].argmax(axis=1).tolist() == [0, 1]
    distance = (found["images"] * weights).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found["probabilities_clean"][:, 1], 1 / (1 + np.exp(-distance)), rtol=1e-4)
    np.testing.assert_allclose(found["probabilities"].sum(axis=2), 1)


def test_examples_of_a_model_that_is_always_wrong_are_one_image_a_class(weights, data):
    classifier = KerasClassifier(linear_model(weights))
    wrong = images_in_memory(data.pixels, 1 - classifier.predict(data.pixels).argmax(axis=1))
    found = example_images(classifier, wrong, epsilon=0.05, settings=TABLE_S1, seed=0)
    assert found["adversarial"].shape == (3, 2, *SHAPE)
    assert found["labels"].tolist() == [0, 1]
    assert found["probabilities_clean"].argmax(axis=1).tolist() == [1, 0]


def test_a_share_without_gradient_is_named_above_one_in_a_hundred():
    assert gradient_warning(0.01) is None
    assert "the gradient is zero for 1.5 % of the images, more than 1 %" in gradient_warning(0.015)


def test_answers_that_are_no_logits_are_refused_with_the_image(weights, data):
    model = linear_model(weights)
    kernel = model.layers[-1].get_weights()[0]
    model.layers[-1].set_weights([kernel, np.array([0, np.nan], dtype=np.float32)])
    with pytest.raises(InputError, match=r"expected finite logits, got \[.*nan\] for image image-0 in the answers to"):
        attack_rows(
            KerasClassifier(model),
            data,
            blocks_of(40, 16),
            epsilons=(),
            settings=TABLE_S1,
            seed=0,
            resumable=silent(),
        )
