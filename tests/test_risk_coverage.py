"""Risk-coverage curves on cases worked out by hand, against sklearn, and over draws against one data set per draw."""

import tracemalloc

import numpy as np
import pytest
from scored_fixture import make_scored, random_scored
from sklearn.metrics import roc_auc_score

from oncorobust.base.errors import InputError
from oncorobust.evaluation.draw_intervals import risk_estimates
from oncorobust.evaluation.resampling import Draws, draw_patients
from oncorobust.evaluation.risk_coverage import (
    Scored,
    accept,
    accept_draws,
    augrc,
    aurc,
    auroc,
    last_group_within,
    nearest_group,
    over_draws,
    risk_at,
)
from oncorobust.evaluation.sensitivity import most_sensitive

INF = np.inf


@pytest.mark.parametrize(
    ("scores", "right", "expected"),
    [
        # Risks 0, 1/2, 1/3, 1/4 at coverages 1/4, 1/2, 3/4, 1; generalised risks 0, 1/4, 1/4, 1/4.
        ([4, 3, 2, 1], "rwrr", (23 / 96, 5 / 32, 1 / 3)),
        # Risks 1/3 and 2/5 at coverages 3/5 and 1. Of the 6 pairs (right, wrong), 2 are in order and 3 tie.
        ([INF, INF, INF, 0.1, 0.1], "rrwrw", (0.6 / 3 + 0.4 * 11 / 30, 0.18, 3.5 / 6)),
        ([7, 7, 7, 7], "rwrr", (1 / 4, 1 / 8, 1 / 2)),  # all equal: a random order
        ([INF, INF], "rw", (1 / 2, 1 / 4, 1 / 2)),  # all right-censored
        ([3, 2, 1], "rrr", (0, 0, None)),
        ([3, 2, 1], "www", (1, 1 / 2, None)),
        ([3, 2, 2, 1], "rrww", (0.25 * 0 + 0.5 * (0 + 1 / 3) / 2 + 0.25 * (1 / 3 + 1 / 2) / 2, 5 / 32, 7 / 8)),
        ([1], "w", (1, 1 / 2, None)),
        ([1], "r", (0, 0, None)),
    ],
)
def test_areas_by_hand(scores, right, expected):
    accepted = accept(make_scored(scores, right))
    assert aurc(accepted) == pytest.approx(expected[0])
    assert augrc(accepted) == pytest.approx(expected[1])
    if expected[2] is None:
        assert np.isnan(auroc(accepted)).all()
    else:
        assert auroc(accepted) == pytest.approx(expected[2])


def test_the_curve_has_one_point_per_distinct_score_and_is_linear_between_points():
    accepted = accept(make_scored([0.1, INF, 0.1, INF, INF], "rrwrw"))
    assert accepted.scores.tolist() == [INF, 0.1]
    assert accepted.coverages.tolist() == [[0.6, 1.0]]
    assert accepted.risks[0] == pytest.approx([1 / 3, 2 / 5])
    at = risk_at(accepted, [0.01, 0.3, 0.6, 0.8, 1.0])[0]
    assert at == pytest.approx([1 / 3, 1 / 3, 1 / 3, 11 / 30, 2 / 5])


def test_the_order_of_the_images_does_not_matter():
    images = random_scored(60, seed=1)
    order = np.random.default_rng(0).permutation(60)
    shuffled = make_scored(images.scores[order], images.correct[order])
    for measure in (aurc, augrc, auroc):
        np.testing.assert_array_equal(measure(accept(images)), measure(accept(shuffled)))


def test_positions_of_a_risk_and_of_an_excluded_share():
    accepted = accept(make_scored([4, 3, 2, 1], "rwrr"))  # risks 0, 1/2, 1/3, 1/4
    for risk, position in ((0.0, 0), (0.25, 3), (0.3, 3), (0.2, 0)):
        assert last_group_within(accepted, risk=risk).tolist() == [position]
    assert last_group_within(accept(make_scored([2, 1], "ww")), risk=0.5).tolist() == [-1]
    for share, position in ((0.0, 3), (0.125, 3), (0.2, 2), (0.4, 1), (0.99, 0)):
        assert nearest_group(accepted, exclude_share=share).tolist() == [position]


@pytest.mark.parametrize("seed", range(20))
def test_the_excluded_images_are_those_of_the_papers_ranking(seed):
    images = random_scored(37, seed=seed)
    accepted = accept(images)
    for share in (0.05, 0.2, 0.5, 0.7):
        lowest = accepted.scores[nearest_group(accepted, exclude_share=share)[0]]
        np.testing.assert_array_equal(images.scores < lowest, most_sensitive(images.scores, share))


@pytest.mark.parametrize("seed", range(5))
def test_augrc_follows_from_auroc_and_accuracy(seed):
    images = random_scored(100, seed=seed)
    accepted, wrong = accept(images), 1 - images.correct.mean()
    # Traub et al. 2024, equation 6: exact for linear interpolation of the generalised risk.
    expected = (1 - auroc(accepted)) * wrong * (1 - wrong) + wrong**2 / 2
    assert augrc(accepted) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_that_of_sklearn(seed):
    images = random_scored(100, seed=seed)
    assert auroc(accept(images)) == pytest.approx(roc_auc_score(images.correct, np.minimum(images.scores, 100)))


def _measures(accepted):
    columns = [aurc(accepted), augrc(accepted), auroc(accepted), *risk_at(accepted, [0.1, 0.5, 0.8, 1.0]).T]
    return np.stack(columns, axis=1)


def test_every_draw_is_the_data_set_of_its_patients():
    images = random_scored(40, seed=2, per_patient=4)
    draws = draw_patients(images.patient_ids, n_draws=50, seed=0)
    drawn = over_draws(images, draws, _measures)
    for row, counts in zip(drawn, draws.counts, strict=True):
        times = counts[np.searchsorted(draws.patients, images.patient_ids)].astype(int)
        repeated = make_scored(np.repeat(images.scores, times), np.repeat(images.correct, times))
        np.testing.assert_allclose(row, _measures(accept(repeated))[0], rtol=1e-12)


def test_a_draw_without_the_most_certain_image_starts_at_the_next_one():
    images = make_scored([3, 2, 1], "wrw", ["a", "b", "c"])
    draws = Draws(np.array(["a", "b", "c"], dtype=object), np.array([[0, 2, 1]], np.float32))
    (accepted,) = accept_draws(images, draws)
    # Points (2/3, 0) and (1, 1/3): areas 1/3 * 1/6, both.
    assert aurc(accepted) == pytest.approx(1 / 18)
    assert augrc(accepted) == pytest.approx(1 / 18)
    assert risk_at(accepted, [0.2, 2 / 3, 1.0])[0] == pytest.approx([0, 0, 1 / 3])
    assert nearest_group(accepted, exclude_share=0.95).tolist() == [1]


def test_the_chunks_of_draws_bound_memory_and_change_nothing(monkeypatch):
    images = random_scored(600, seed=3)
    draws = draw_patients(images.patient_ids, n_draws=3000, seed=0)
    whole = over_draws(images, draws, _measures)
    monkeypatch.setattr("oncorobust.evaluation.risk_coverage._AT_ONCE_BYTES", 2e6)
    tracemalloc.start()
    parts = over_draws(images, draws, _measures)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(parts, whole)
    assert peak < 4e6


def test_the_band_holds_the_curve_and_narrows_with_patients():
    widths = []
    for n in (240, 3840):
        images = random_scored(n, seed=4)
        draws = draw_patients(images.patient_ids, n_draws=400, seed=0)
        band = risk_estimates(images, draws, coverages=(0.5, 0.8, 1.0), level=0.95)
        assert len(band) == 3
        assert all(one.low < one.value < one.high for one in band)
        widths.append(np.mean([one.high - one.low for one in band]))
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.3)


@pytest.mark.parametrize(("right", "patients"), [("rwr", ["a", "a", "a"]), ("rrr", ["a", "b", "c"])])
def test_one_patient_or_agreeing_draws_give_no_band(right, patients):
    images = make_scored([3, 2, 1], right, patients)
    draws = draw_patients(patients, n_draws=20, seed=0)
    band = risk_estimates(images, draws, coverages=(0.5, 1.0), level=0.95)
    assert [(one.low, one.high) for one in band] == [(None, None)] * 2
    assert all(one.value is not None for one in band)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_scored([1, np.nan, np.nan], "rrr"), r"score margin: .*got nan for image i1 \(2 of 3 images\)"),
        (lambda: make_scored([1, -INF], "rr"), r"score margin: .*got -inf for image i1 \(1 of 2 images\)"),
        (lambda: make_scored([], np.zeros(0, dtype=bool)), "score margin: expected at least one image, got none"),
        (
            lambda: Scored("margin", np.ones(2), np.ones(2, dtype=bool), ["i7", "i7"], ["a", "b"]),
            "score margin: expected one row per image, got two or more for image i7",
        ),
        (lambda: risk_at(accept(make_scored([1], "r")), [0.0]), r"expected coverages in \(0, 1\], got \[0.0\]"),
        (
            lambda: list(accept_draws(make_scored([1], "r", ["x"]), draw_patients(["a"], n_draws=2, seed=0))),
            "patients were not drawn from",
        ),
    ],
)
def test_unusable_scores_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
