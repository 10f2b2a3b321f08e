"""Samples of patients and sums per patient."""

import numpy as np
import pandas as pd
import pytest

from oncorobust.base.errors import InputError
from oncorobust.evaluation.resampling import draw_patients, patient_index, patient_sums


def test_a_draw_has_as_many_patients_as_there_are() -> None:
    draws = draw_patients(["b", "a", "c", "a"], n_draws=500, seed=0)
    assert draws.patients.tolist() == ["a", "b", "c"]
    assert draws.counts.shape == (500, 3)
    assert draws.counts.dtype == np.float32
    assert set(draws.counts.sum(axis=1)) == {3.0}


def test_counts_have_the_moments_of_a_multinomial() -> None:
    counts = draw_patients([str(number) for number in range(20)], n_draws=40_000, seed=1).counts.astype(float)
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.03)
    assert counts.var(axis=0) == pytest.approx(19 / 20, abs=0.05)
    assert np.cov(counts[:, 0], counts[:, 1])[0, 1] == pytest.approx(-1 / 20, abs=0.03)


def test_the_same_patients_and_seed_give_the_same_draws_in_any_order() -> None:
    first = draw_patients(pd.Series(["b", "a", "b"]), n_draws=50, seed=3)
    second = draw_patients(iter(["a", "b"]), n_draws=50, seed=3)
    assert np.array_equal(first.counts, second.counts)
    assert not np.array_equal(first.counts, draw_patients(["a", "b"], n_draws=50, seed=4).counts)


def test_one_patient_is_in_every_draw() -> None:
    assert set(draw_patients(["a"], n_draws=9, seed=0).counts.ravel()) == {1.0}


def test_sums_are_per_patient_and_0_without_images() -> None:
    draws = draw_patients(["a", "b", "c"], n_draws=1, seed=0)
    assert patient_sums(np.array([True, True, False]), ["c", "a", "c"], draws).tolist() == [1, 0, 1]
    assert patient_sums(np.array([0.5, 2.0]), pd.Series(["b", "b"], index=[7, 7]), draws).tolist() == [0, 2.5, 0]
    assert patient_index(["c", "a"], draws).tolist() == [2, 0]


def test_unknown_patients_are_named() -> None:
    draws = draw_patients(["a"], n_draws=1, seed=0)
    with pytest.raises(InputError, match=r"2 patients were not drawn from, for example \['x', 'y'\]"):
        patient_sums(np.ones(3), ["y", "a", "x"], draws)


def test_values_that_are_not_finite_are_named() -> None:
    draws = draw_patients(["a", "b"], n_draws=1, seed=0)
    with pytest.raises(InputError, match=r"1 values are not finite, for example of patients \['b'\]"):
        patient_sums(np.array([1.0, np.nan]), ["a", "b"], draws)


@pytest.mark.parametrize(("patients", "n_draws"), [([], 10), (["a"], 0)])
def test_nothing_to_draw_is_an_error(patients: list[str], n_draws: int) -> None:
    with pytest.raises(InputError, match="expected at least one patient and one draw"):
        draw_patients(patients, n_draws=n_draws, seed=0)
