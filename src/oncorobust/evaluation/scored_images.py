"""Scores of certainty of the test images and of validation images, for selective prediction: scores.csv.

The minimal epsilons of the test images come from the ranking. Those of the validation images, on which thresholds are
chosen, are searched here in the same way. Every image has the scores that need the model alone.
"""

import msgspec
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.tf32_target import TARGETS
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.certainty_scores import ScoreSettings, score_rows
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.scored_rows import join_scores
from oncorobust.evaluation.sensitivity import sensitivity_rows
from oncorobust.evaluation.strict import interval_rows, smallest
from oncorobust.settings.attacks import Attacks, Rank

_PIXELS_A_SHIFT = 32
"""Width of an image for each pixel by which its copies are shifted."""


def scored_images(
    classifier: KerasClassifier,
    test: LabelledImages,
    validation: LabelledImages | None,
    ranked: pd.DataFrame,
    *,
    rank: Rank,
    attacks: Attacks,
    epsilons: tuple[float, ...],
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Return one row per image of both splits: split, image_id, patient_id, label, predicted, and the scores.

    ranked: `protocols.rank_tables` of the test images. validation: None for no validation images. epsilons: the grid of
    the strict search. A score that no image has is left out: min_epsilon without the paper's protocol,
    min_epsilon_strict without the strict one, mc_dropout for a model without dropout. min_epsilon_strict is not a
    number for validation images that the strict search did not attack.
    """
    columns = [one for one in _RANKED if one in ranked]
    of_test = _model_scores(classifier, test, rank=rank, attacks=attacks, seed=seed, resumable=resumable)
    parts = [join_scores(of_test, ranked, columns).rename(columns=_RANKED)]
    if validation is not None:
        found = _model_scores(classifier, validation, rank=rank, attacks=attacks, seed=seed, resumable=resumable)
        if "paper" in attacks.protocols:
            grid = _paper(classifier, validation, rank=rank, attacks=attacks, seed=seed, resumable=resumable)
            found = join_scores(found, grid, ["min_epsilon"])
        if "strict" in attacks.protocols and rank.strict_validation_images:
            some = validation.subset(rank.strict_validation_images, seed=seed)
            bounds = _strict(classifier, some, epsilons, attacks=attacks, seed=seed, resumable=resumable)
            found["first_flipped"] = found["image_id"].map(bounds.set_index("image_id")["first_flipped"])
        parts.append(found.rename(columns=_RANKED))
    return pd.concat(parts, ignore_index=True)


_RANKED = {"min_epsilon": "min_epsilon", "first_flipped": "min_epsilon_strict"}
"""Scores of the ranking, by their column there."""


def _model_scores(
    classifier: KerasClassifier,
    data: LabelledImages,
    *,
    rank: Rank,
    attacks: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    settings = ScoreSettings(
        n_dropout=rank.score_passes,
        max_shift=max(1, data.image_shape[0] // _PIXELS_A_SHIFT),
        n_noise=rank.score_passes,
        noise_epsilon=rank.epsilons[-1],
    )
    blocks = blocks_of(len(data), attacks.batch_size)
    part = resumable.of_part(_split(data))
    return score_rows(classifier.model, data, blocks, settings=settings, seed=seed, resumable=part)


def _paper(
    classifier: KerasClassifier,
    data: LabelledImages,
    *,
    rank: Rank,
    attacks: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    pgd = msgspec.structs.replace(attacks.pgd, num_random_init=rank.num_random_init)
    blocks = blocks_of(len(data), attacks.batch_size)
    part = resumable.of_part(f"{_split(data)} paper")
    return sensitivity_rows(classifier, data, blocks, epsilons=rank.epsilons, pgd=pgd, seed=seed, resumable=part)


def _strict(
    classifier: KerasClassifier,
    data: LabelledImages,
    epsilons: tuple[float, ...],
    *,
    attacks: Attacks,
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    target = TARGETS[attacks.strict.search_precision](classifier.model)
    blocks = blocks_of(len(data), attacks.batch_size)
    part = resumable.of_part(f"{_split(data)} strict")
    rows = interval_rows(
        target, classifier, data, blocks, epsilons=epsilons, settings=attacks, seed=seed, resumable=part
    )
    return smallest(rows)


def _split(data: LabelledImages) -> str:
    return str(data.rows["split"].iloc[0])
