"""Comparisons of two models on the same patients: exact tests, Holm, and rows that do not match."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from oncorobust.base.errors import InputError
from oncorobust.evaluation.comparisons import compare, exchange_test, holm, pair_rows
from oncorobust.evaluation.resampling import draw_patients


def flags(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both, only_first, only_second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_one_image_a_patient_is_exact_mcnemar() -> None:
    first, second = flags(10, 2, 9, 30)
    ids = [f"p{number:02}" for number in range(51)]
    found = compare(first, second, ids, draw_patients(ids, n_draws=10, seed=0), level=0.95)
    assert found.test == "exact McNemar"
    # statsmodels 0.15.0: mcnemar([[10, 2], [9, 30]], exact=True)
    assert found.p_value == pytest.approx(0.0654296875, rel=1e-12)
    assert (found.n_only_first, found.n_only_second, found.n_undecided) == (2, 9, 40)
    assert found.difference.value == pytest.approx(7 / 51)


@pytest.mark.parametrize(("fewer", "more"), [(0, 1), (0, 6), (3, 3), (4, 5), (40, 71)])
def test_differences_of_one_image_have_the_binomial_p_value(fewer: int, more: int) -> None:
    differences = np.repeat([-1, 1, 0], [fewer, more, 5])
    assert exchange_test(differences) == pytest.approx(binomtest(fewer, fewer + more).pvalue, rel=1e-9)


def test_no_discordant_image_gives_p_1_and_an_interval_around_0() -> None:
    first, second = flags(8, 0, 0, 4)
    ids = [f"p{number:02}" for number in range(12)]
    found = compare(first, second, ids, draw_patients(ids, n_draws=10, seed=0), level=0.95)
    assert found.p_value == 1.0
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.2646484694, 0.2646484694))


def test_several_images_a_patient_are_permuted_together() -> None:
    differences = np.array([3, -1, 2, 0, 4, 1, -2])
    signs = np.array(list(product([-1, 1], repeat=len(differences))))
    expected = np.mean(np.abs(signs @ differences) >= abs(differences.sum()))
    assert exchange_test(differences) == pytest.approx(expected, rel=1e-12)
    first, second = flags(0, 0, 4, 2)
    ids = ["a"] * 4 + ["b", "c"]
    found = compare(first, second, ids, draw_patients(ids, n_draws=10, seed=0), level=0.95)
    assert found.test == "exact permutation of the models by patient"
    assert found.p_value == 1.0, "one patient alone shows no difference, however many images"


def test_a_p_value_is_never_0() -> None:
    assert 0 < exchange_test(np.ones(3000)) < 1e-300


def test_p_values_hold_their_level_for_clustered_patients() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 7, (1000, 30))
    tendency = rng.normal(0, 1, (1000, 30))
    first, second = (rng.binomial(sizes, 1 / (1 + np.exp(-tendency))) for _ in range(2))
    p_values = np.array([exchange_test(row) for row in second - first])
    assert (p_values <= 0.05).mean() == pytest.approx(0.045, abs=0.02)


def test_holm_by_hand_and_statsmodels() -> None:
    # statsmodels 0.15.0: multipletests([0.01, 0.04, 0.03, 0.005, 0.04], method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005, 0.04]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.09])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def rows(ids: list[str], **columns: list[object]) -> pd.DataFrame:
    made = pd.DataFrame({"image_id": ids, "patient_id": [f"p{one}" for one in ids], "label": 0})
    return made.assign(**columns)


def test_rows_are_paired_by_image() -> None:
    paired = pair_rows(rows(["b", "a"]), rows(["a", "b"], score=[1, 2]), names=("clean", "hardened"))
    assert paired["image_id"].tolist() == ["b", "a"]
    assert paired["score"].tolist() == [2, 1]


def test_rows_of_two_models_mixed_are_named() -> None:
    message = r"hardened: expected one row per image, but 1 images have several rows, for example b: rows of two models"
    with pytest.raises(InputError, match=message):
        pair_rows(rows(["a", "b"]), rows(["a", "b", "b"]), names=("clean", "hardened"))


def test_different_images_are_named() -> None:
    message = r"but 1 images are only in clean \(a\) and 4 images are only in hardened \(c, d, e, \.\.\.\)"
    with pytest.raises(InputError, match=message):
        pair_rows(rows(["a", "b"]), rows(["b", "c", "d", "e", "f"]), names=("clean", "hardened"))


@pytest.mark.parametrize(("column", "value"), [("patient_id", "x"), ("label", 1)])
def test_another_patient_or_label_of_an_image_is_named(column: str, value: object) -> None:
    other = rows(["a", "b"])
    other.loc[1, column] = value
    with pytest.raises(InputError, match=rf"clean and hardened: 1 images have another {column}, for example b"):
        pair_rows(rows(["a", "b"]), other, names=("clean", "hardened"))
