"""Scores of certainty of the test images and of validation images, for selective prediction: scores.csv.

The minimal epsilons of the test images come from the stages' tables. Those of the validation images, on which
thresholds are chosen, are searched here in the same way; so the strict score of a test image is that of the search
alone, without the examples of the paper's protocol, which does not attack validation images. Every image has the scores
that need the model alone. With an epsilon in `rank.reject_epsilon`, the test images are attacked by what knows the
rules too (`rule_attack`).
"""

from dataclasses import dataclass

import msgspec
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.coarse_target import target_of
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block, blocks_of
from oncorobust.evaluation.certainty_scores import ScoreSettings, score_rows
from oncorobust.evaluation.minimal_epsilon_searches import searches_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.rule_attack import RuleAttack, rule_attack_rows
from oncorobust.evaluation.scored_rows import ROW_COLUMNS, join_scores
from oncorobust.evaluation.sensitivity import sensitivity_rows
from oncorobust.evaluation.strict import interval_rows, of_search, smallest
from oncorobust.settings.attacks import Attacks, Rank

_PIXELS_A_SHIFT = 32
"""Width of an image for each pixel by which its copies are shifted."""


def scored_images(
    classifier: KerasClassifier,
    test: LabelledImages,
    validation: LabelledImages | None,
    ranked: pd.DataFrame,
    intervals: pd.DataFrame,
    *,
    rank: Rank,
    attacks: Attacks,
    epsilons: tuple[float, ...],
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Return one row per image of both splits: split, image_id, patient_id, label, predicted, and the scores.

    ranked, intervals: `protocols.rank_tables` of the test images, and their rows of the strict protocol. validation:
    None for no validation images. epsilons: the grid of the strict search. A score that no image has is left out:
    min_epsilon without the paper's protocol, min_epsilon_strict without the strict one, mc_dropout for a model without
    dropout. min_epsilon_strict is not a number for validation images that the strict search did not attack. The columns
    of attacks on the rules are not numbers for validation images, and absent without `rank.reject_epsilon`.
    """
    scoring = _Scoring(classifier, rank, attacks, epsilons, seed, resumable)
    scored = scoring.of_model(test)
    if "min_epsilon" in ranked:
        scored = join_scores(scored, ranked, ["min_epsilon"])
    if len(intervals):
        scored[_STRICT] = _first_flipped(scored, of_search(intervals))
    parts = [scoring.attacked(test, scored)]
    if validation is not None:
        found = scoring.of_model(validation)
        if "paper" in attacks.protocols:
            found = join_scores(found, scoring.sensitivity(validation), ["min_epsilon"])
        if "strict" in attacks.protocols and rank.strict_validation_images:
            bounds = scoring.bounds(validation.subset(rank.strict_validation_images, seed=seed))
            found[_STRICT] = _first_flipped(found, bounds)
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


_STRICT = "min_epsilon_strict"


def _first_flipped(images: pd.DataFrame, bounds: pd.DataFrame) -> pd.Series:
    return images["image_id"].map(bounds.set_index("image_id")["first_flipped"])


@dataclass(frozen=True)
class _Scoring:
    """A model, and the settings by which its images are scored and their minimal epsilons searched."""

    classifier: KerasClassifier
    rank: Rank
    attacks: Attacks
    epsilons: tuple[float, ...]
    seed: int
    resumable: ResumableRows

    def of_model(self, data: LabelledImages) -> pd.DataFrame:
        """Return the scores that need the model alone."""
        model, saved, settings = self.classifier.model, self._saved(data, ""), self._settings(data)
        return score_rows(model, data, self._blocks(data), settings=settings, seed=self.seed, resumable=saved)

    def attacked(self, data: LabelledImages, scored: pd.DataFrame) -> pd.DataFrame:
        """Add what attacks on the rules find; return the same rows without `rank.reject_epsilon`."""
        if self.rank.reject_epsilon is None:
            return scored
        targets = self.attacks.strict.apgd.n_targets
        found = rule_attack_rows(
            self.classifier.model,
            data,
            scored,
            self._blocks(data),
            attack=RuleAttack(self.rank.reject_epsilon, self.attacks.pgd, targets, self._settings(data)),
            searches=searches_of(self.classifier, rank=self.rank, attacks=self.attacks, epsilons=self.epsilons),
            seed=self.seed,
            resumable=self._saved(data, " rules"),
        )
        return join_scores(scored, found, found.columns.difference(ROW_COLUMNS, sort=False).tolist())

    def _settings(self, data: LabelledImages) -> ScoreSettings:
        return ScoreSettings(
            n_dropout=self.rank.score_passes,
            max_shift=max(1, data.image_shape[0] // _PIXELS_A_SHIFT),
            n_noise=self.rank.score_passes,
            noise_epsilon=self.rank.epsilons[-1],
        )

    def sensitivity(self, data: LabelledImages) -> pd.DataFrame:
        """Search minimal epsilons by the paper's protocol."""
        return sensitivity_rows(
            self.classifier,
            data,
            self._blocks(data),
            epsilons=self.rank.epsilons,
            pgd=msgspec.structs.replace(self.attacks.pgd, num_random_init=self.rank.num_random_init),
            seed=self.seed,
            resumable=self._saved(data, " paper"),
        )

    def bounds(self, data: LabelledImages) -> pd.DataFrame:
        """Search minimal epsilons by the strict protocol; return one row per image."""
        rows = interval_rows(
            target_of(self.classifier.model, precision=self.attacks.strict.search_precision),
            self.classifier,
            data,
            self._blocks(data),
            epsilons=self.epsilons,
            settings=self.attacks,
            seed=self.seed,
            resumable=self._saved(data, " strict"),
        )
        return smallest(rows)

    def _blocks(self, data: LabelledImages) -> list[Block]:
        return blocks_of(len(data), self.attacks.batch_size)

    def _saved(self, data: LabelledImages, search: str) -> ResumableRows:
        """Return the saved rows of these images' split and search."""
        return self.resumable.of_part(f"{data.rows['split'].iloc[0]}{search}")
