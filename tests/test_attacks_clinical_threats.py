"""Threat models side by side: rows against closed forms on a linear classifier, nested, and cheap where nested."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from brain_trees import silent
from models import SHAPE, WEIGHTS, images_in_memory, linear_model, scores

from oncorobust.attacks.goals import leave
from oncorobust.attacks.input_layers import tied_channels
from oncorobust.attacks.regions import background_reach, lesion_reach
from oncorobust.attacks.stored import round_to_bits
from oncorobust.attacks.target import Target, Walk
from oncorobust.attacks.threat_search import Threat, search_threats
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.threats import THREAT_COLUMNS, ThreatSettings, threat_rows
from oncorobust.formats.lesion_boxes import LESION_BOX
from oncorobust.settings.attacks import IterativeAttack

PGD = IterativeAttack(max_iter=5, rel_eps_step=0.25, num_random_init=1)
ALL = ("full", "tied", "lesion", "background", "stored_8", "stored_12", "stored_16", "noise")
EPSILONS = (0.001, 0.004, 0.016, 0.064)
N = 24


def settings(**changes: Any) -> ThreatSettings:
    fields = {"threats": ALL, "epsilons": EPSILONS, "pgd": PGD, "noise": "sign"}
    return ThreatSettings(**{**fields, **changes})


def make_data(*, channels: int = 1, boxed: int = N - 4) -> LabelledImages:
    """Images that the box [0, 1] does not cut; the last ones have no lesion box."""
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0.2, 0.8, (N, *SHAPE[:2], channels)).astype(np.float32)
    data = images_in_memory(pixels, rng.integers(0, 2, N))
    for name, edge in zip(LESION_BOX, ("1.0", "1.5", "4.0", "4.5"), strict=True):
        data.rows[name] = [edge] * boxed + [""] * (N - boxed)
    return data


def rows_of(data: LabelledImages, *, size: int = 8, **changes: Any) -> pd.DataFrame:
    return threat_rows(
        linear_model(WEIGHTS),
        data,
        blocks_of(len(data), size),
        settings=settings(**changes),
        seed=0,
        resumable=ResumableRows(silent),
    )


def flipped(rows: pd.DataFrame, threat: str) -> pd.DataFrame:
    """Images by epsilons, of one threat."""
    chosen = rows[rows["threat"] == threat]
    return chosen.pivot(index="image_id", columns="epsilon", values="flipped")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return rows_of(make_data())


def test_columns_and_rows(rows: pd.DataFrame) -> None:
    names = ["image_id", "patient_id", "label", "predicted", "threat", "attack", "epsilon", "flipped"]
    assert rows.columns.tolist() == names
    assert rows["flipped"].dtype == bool
    counts = rows.groupby("threat").size() / len(EPSILONS)
    assert counts.to_dict() == {name: N - 4 if name in ("lesion", "background") else N for name in ALL}
    assert set(rows.loc[rows["threat"] == "noise", "attack"]) == {"sign"}
    assert set(rows.loc[rows["threat"] != "noise", "attack"]) == {"pgd"}
    data = make_data()
    expected = scores(data.images()) > 0
    assert rows.groupby("image_id")["predicted"].first()[data.image_ids].tolist() == expected.astype(int).tolist()


def test_flips_are_those_of_the_closed_forms(rows: pd.DataFrame) -> None:
    data = make_data()
    boxed = data.take(np.arange(N - 4))
    summed = np.abs(WEIGHTS.sum(axis=-1, keepdims=True))
    norms = {"full": (data, np.abs(WEIGHTS).sum()), "tied": (data, summed.sum())}
    for name, reach_of in (("lesion", lesion_reach), ("background", background_reach)):
        norms[name] = (boxed, (summed * reach_of(boxed.rows, SHAPE[:2])).sum(axis=(1, 2, 3)))
    for name, (images, norm) in norms.items():
        expected = np.abs(scores(images.images()))[:, None] < np.outer(np.broadcast_to(norm, len(images)), EPSILONS)
        np.testing.assert_array_equal(flipped(rows, name).loc[images.image_ids], expected)
        assert 0 < expected.mean() < 1


def test_stored_flips_are_whole_levels_from_the_stored_image(rows: pd.DataFrame) -> None:
    """A pixel moves to the grey level nearest to x ± epsilon; halves never occur with these epsilons."""
    data = make_data()
    signs = np.sign(WEIGHTS.sum(axis=-1, keepdims=True))
    for bits in (8, 12, 16):
        x = round_to_bits(data.images()[..., :1], bits=bits)
        side = np.sign(scores(data.images()))
        for epsilon in EPSILONS:
            x_adv = round_to_bits((x - epsilon * side[:, None, None, None] * signs).astype(np.float32), bits=bits)
            answer = np.sign(scores(x_adv))
            np.testing.assert_array_equal(flipped(rows, f"stored_{bits}").loc[data.image_ids, epsilon], answer != side)


def test_at_8_bits_the_smallest_epsilon_leaves_the_stored_image(rows: pd.DataFrame) -> None:
    data = make_data()
    x = data.images().astype(np.float64)
    stored = round_to_bits(data.images(), bits=8).astype(np.float64)
    changed = ((x * WEIGHTS).sum(axis=(1, 2, 3)) > 0) != ((stored * WEIGHTS).sum(axis=(1, 2, 3)) > 0)
    np.testing.assert_array_equal(flipped(rows, "stored_8").loc[data.image_ids, 0.001], changed)


def test_threats_and_epsilons_are_nested(rows: pd.DataFrame) -> None:
    for name in ALL[:-1]:
        assert (np.diff(flipped(rows, name).to_numpy().astype(int), axis=1) >= 0).all(), name
    for part, whole in (("lesion", "tied"), ("background", "tied"), ("tied", "full"), ("noise", "tied")):
        inner = flipped(rows, part)
        assert (inner <= flipped(rows, whole).loc[inner.index]).all(axis=None), (part, whole)
    assert flipped(rows, "noise").to_numpy().sum() < flipped(rows, "tied").to_numpy().sum()


def test_blocks_may_be_worked_on_apart() -> None:
    data, blocks = make_data(), blocks_of(N, 8)
    model, chosen = linear_model(WEIGHTS), settings(threats=("lesion", "tied", "noise"), noise="uniform")
    told: list[tuple[int, int, str]] = []
    resumable = ResumableRows(lambda *step: told.append(step))
    whole = threat_rows(model, data, blocks, settings=chosen, seed=3, resumable=resumable)
    assert told == [(int(block[-1]) + 1, N, "images under threat models") for block in blocks]
    parts = [
        threat_rows(model, data, [block], settings=chosen, seed=3, resumable=ResumableRows(silent)) for block in blocks
    ]
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))


def test_colour_has_no_tied_threat() -> None:
    data = make_data(channels=3)
    rows = rows_of(data, size=N, threats=("full", "tied", "lesion"))
    assert rows["threat"].unique().tolist() == ["lesion", "full"]
    boxed = data.take(np.arange(N - 4))
    norm = (np.abs(WEIGHTS) * lesion_reach(boxed.rows, SHAPE[:2])).sum(axis=(1, 2, 3))
    expected = np.abs(scores(boxed.images()))[:, None] < np.outer(norm, EPSILONS)
    np.testing.assert_array_equal(flipped(rows, "lesion").loc[boxed.image_ids], expected)


def test_a_flipped_part_costs_the_whole_one_gradient() -> None:
    model = linear_model(WEIGHTS)
    x = make_data().images()[..., :1]
    part, whole = (Target(tied_channels(model)) for _ in range(2))
    goal = leave(part.logits(x).argmax(axis=1), n_classes=2)
    everywhere = np.ones(N, dtype=bool)
    threats = [Threat("tied", part, x, everywhere), Threat("full", whole, x, everywhere, parts=("tied",))]
    rng = np.random.default_rng(0)
    found = search_threats(threats, goal, epsilons=(0.2, 0.3), settings=PGD, rng=rng)
    assert found["tied"].all()
    assert whole.cost.n_gradients == N
    part.cost.n_gradients = 0
    search_threats(threats, goal, epsilons=(1e-7, 2e-7), settings=PGD, rng=rng)
    walks = PGD.max_iter * ((1 + PGD.num_random_init) + (2 + PGD.num_random_init))
    assert part.cost.n_gradients == N * walks, "the second epsilon starts from the first one's tries too"


def test_what_cannot_be_asked() -> None:
    with pytest.raises(InputError, match=r"got 0\.01 at position 1 after 0\.02 in the threat"):
        rows_of(make_data(), epsilons=(0.02, 0.01))
    rows = rows_of(make_data(boxed=0), threats=("lesion", "background"))
    assert rows.empty
    assert rows.columns.tolist() == THREAT_COLUMNS


@pytest.mark.parametrize(("precision", "share"), [("bfloat16", 0.0), ("float32", 1.0)])
def test_a_flip_that_only_the_coarse_precision_sees_is_not_counted(
    precision: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that claims success wherever it stands stands for rounding; the images themselves are not adversarial."""

    def claims_success(_: Target, start: np.ndarray, x: np.ndarray, *__: Any, **___: Any) -> Walk:
        return Walk(start, x, np.full(len(x), -1, np.float32), np.zeros(len(x), np.float32))

    monkeypatch.setattr(Target, "walk", claims_success)
    rows = rows_of(make_data(), threats=("full", "tied", "lesion"), epsilons=(0.0001,), precision=precision)
    assert rows["flipped"].mean() == share
