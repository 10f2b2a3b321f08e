"""A finished model that does no better than chance is refused, with its confusion matrix and the likely causes."""

from dataclasses import replace

import numpy as np
import pytest
from models import images_in_memory

from oncorobust.base.errors import InputError
from oncorobust.settings.own_models import OwnModel
from oncorobust.training.chance import check_above_chance, confusion_matrix

OWN = OwnModel(path="own/mine.keras", input_range=(0.0, 255.0), fine_tune=False)


def check(labels: list[int], predicted: list[int], names: tuple[str, ...] = ("benign", "malignant")) -> None:
    """Check predictions for images of these labels; only the labels of the images matter."""
    data = images_in_memory(np.zeros((len(labels), 2, 2, 1), np.float32), np.zeros(len(labels), int))
    rows = data.rows.assign(label=labels, class_name=[names[label] for label in labels])
    check_above_chance(np.array(predicted), replace(data, rows=rows, class_names=names), OWN)


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    matrix = confusion_matrix(np.array([1, 1, 0, 2]), np.array([0, 1, 0, 1]), n_classes=3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_reversed_classes_are_refused_with_the_matrix_and_the_causes() -> None:
    labels = [0] * 10 + [1] * 5
    predicted = [1] * 9 + [0] + [0] * 5
    with pytest.raises(InputError) as refused:
        check(labels, predicted)
    # Mean recall (1/10 + 0/5) / 2; standard error sqrt(0.25 (1/10 + 1/5)) / 2.
    assert str(refused.value) == (
        "expected own/mine.keras to do better than chance on the 15 validation images of in memory, got a mean recall "
        "of 5.0% over the classes (chance 50.0%, standard error 13.7%). Predicted of 10 benign: 9 malignant, 1 benign; "
        "of 5 malignant: 5 benign. Likely causes: the outputs of the model are not in the order benign, malignant, or "
        "input_range [0.0, 255.0] is not the range of its inputs. To measure it all the same, set model.allow_chance: "
        "true"
    )


@pytest.mark.parametrize("answer", [0, 1])
def test_one_answer_for_all_is_refused_whatever_the_share_of_the_classes(answer: int) -> None:
    with pytest.raises(InputError, match=r"mean recall of 50\.0%"):
        check([0] * 90 + [1] * 10, [answer] * 100)


def test_a_model_for_a_rare_class_passes_below_the_accuracy_of_one_answer_for_all() -> None:
    # Accuracy 0.72 where always `benign` has 0.9, but recalls 0.7 and 0.9.
    check([0] * 90 + [1] * 10, [0] * 63 + [1] * 27 + [1] * 9 + [0])


def test_one_right_image_per_class_passes() -> None:
    check([0, 1], [0, 1])


def test_the_bound_is_chance_plus_one_standard_error() -> None:
    # 50 images of each class: standard error sqrt(0.25 (1/50 + 1/50)) / 2 = 0.05.
    labels = [0] * 50 + [1] * 50
    check(labels, [0] * 28 + [1] * 22 + [1] * 28 + [0] * 22)
    with pytest.raises(InputError, match=r"mean recall of 54\.0% .* standard error 5\.0%"):
        check(labels, [0] * 27 + [1] * 23 + [1] * 27 + [0] * 23)


def test_only_the_most_frequent_answers_of_many_classes_are_shown() -> None:
    names = ("a", "b", "c", "d", "e")
    with pytest.raises(InputError, match=r"Predicted of 8 a: 4 b, 2 c, 1 d, 1 others; of 1 b: 1 a; of 1 c: 1 a;"):
        check([0] * 8 + [1, 2, 3, 4], [1, 1, 1, 1, 2, 2, 3, 4, 0, 0, 0, 0], names)
