"""Attacks on rules that accept an image by a score of certainty: the most certain wrong answers inside a ball.

A rule fails where an image is misclassified and accepted. Two attacks look for wrong answers within epsilon of each
test image, and the largest score of any of them is kept, for every score:

    pgd         knows no rule: PGD away from the true label, from the image and from a random point; the first wrong
                iterate and the last one
    adaptive    knows the rules: goes on beyond the boundary and climbs the margin of a wrong class, which is monotone
                in confidence and entropy for two classes, of single classes for more; then its mean over copies, noise
                and dropout, for the scores that average over these

The minimal epsilon of a wrong answer is searched by the score's own procedure, at the deepest one found: that of
largest margin. Adaptive attacks start from what PGD found, and a wrong answer to the unchanged image counts for both,
so that no attack is below the one before it. A threshold can be applied later: an image is accepted and wrong if its
largest score is above the threshold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from oncorobust.attacks.finite import checked_result
from oncorobust.attacks.goals import certainty_loss, cross_entropy_loss, leave
from oncorobust.attacks.linf import Ball
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images, Labels, PerImage
from oncorobust.base.seeds import child_rng, child_seed
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import Block
from oncorobust.evaluation.certain_errors import CertainErrors
from oncorobust.evaluation.certainty_gradients import (
    Gradient,
    climb,
    of_margin,
    over_copies,
    over_dropout,
    over_noise,
)
from oncorobust.evaluation.certainty_scores import Scorer, ScoreSettings, block_seed
from oncorobust.evaluation.minimal_epsilon_searches import Search
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.scored_rows import ROW_COLUMNS, wrong_column
from oncorobust.models.dropout import dropout_model
from oncorobust.settings.attacks import IterativeAttack


@dataclass(frozen=True)
class RuleAttack:
    """Settings of the attacks.

    epsilon: l_inf radius in [0, 1] units. n_targets: with more than two classes, how many of the likeliest wrong ones
    are climbed. scores: of the scores under attack.
    """

    epsilon: float
    pgd: IterativeAttack
    n_targets: int
    scores: ScoreSettings


def rule_attack_rows(
    model: keras.Model,
    data: LabelledImages,
    scored: pd.DataFrame,
    blocks: Sequence[Block],
    *,
    attack: RuleAttack,
    searches: Mapping[str, Search],
    seed: int,
    resumable: ResumableRows,
) -> pd.DataFrame:
    """Attack the images of the blocks; return one row per image.

    scored: the images' rows with scores, computed with the same seed. searches: of the minimal epsilons among the
    scores. Columns: image_id, patient_id, label, predicted (clean), then two columns per score
    (`scored_rows.wrong_column`): the largest score of a wrong answer, -inf where none was found.
    """
    attacker = _Attacker(model, attack)
    by_image = scored.set_index("image_id", drop=False)

    def rows(at: Block) -> pd.DataFrame:
        known = by_image.loc[data.rows["image_id"].iloc[at]].reset_index(drop=True)
        errors = CertainErrors.of_clean(data.images(at), data.labels[at], known, searched=tuple(searches))
        run = _Run(attacker, errors, known["image_id"].tolist(), searches, block_seed(seed, at))
        found: dict[str, PerImage] = {}
        for name, candidates in (("pgd", run.usual), ("adaptive", run.adaptive)):
            for x_adv in candidates():
                run.add(x_adv)
            run.search()
            found |= {wrong_column(score, name): values.copy() for score, values in errors.scores.items()}
        return known[ROW_COLUMNS[1:]].assign(**found)

    return resumable.rows("images attacked with the rules known", blocks, rows)


class _Attacker:
    """A model with the losses and scores that the attacks need."""

    def __init__(self, model: keras.Model, attack: RuleAttack) -> None:
        self.attack, self.scorer = attack, Scorer(model, attack.scores)
        self.usual, self.certain = Target(model, loss=cross_entropy_loss), Target(model, loss=certainty_loss)
        self.dropout = dropout_model(model)
        self.certain_dropout = Target(self.dropout.model, loss=certainty_loss) if self.dropout else None

    def averaged(self, wanted: Labels, names: Sequence[str], seed: int) -> Iterator[Gradient]:
        """Yield the gradient of each score that averages over views, towards a class for each image."""
        scores, goal = self.attack.scores, leave(wanted, n_classes=self.certain.n_classes, names=names)
        yield over_copies(self.certain, goal, max_shift=scores.max_shift)
        yield over_noise(self.certain, goal, epsilon=scores.noise_epsilon, seed=child_seed(seed, "views"))
        if self.dropout and self.certain_dropout:
            yield over_dropout(self.certain_dropout, goal, dropout=self.dropout, seed=child_seed(seed, "views"))


@dataclass(frozen=True)
class _Run:
    """The attacks on one block of images."""

    attacker: _Attacker
    errors: CertainErrors
    names: list[str]
    searches: Mapping[str, Search]
    seed: int

    def usual(self) -> Iterator[Images]:
        """Yield what PGD finds away from the true label."""
        ball, attack = self._ball(), self.attacker.attack
        for start in (ball.x, ball.random_points(child_rng(self.seed, "start"))):
            step = attack.pgd.rel_eps_step * ball.epsilon
            walked = self.attacker.usual.walk(
                start, ball.x, ball.goal, radius=ball.radius, eps_step=step, n_steps=attack.pgd.max_iter
            )
            yield from (walked.x_best, walked.x_last)

    def adaptive(self) -> Iterator[Images]:
        """Yield what climbs the margin of wrong classes, then its means over views; each starts at what is known."""
        target = self.attacker.certain
        likeliest = self._likeliest_wrong()
        for wrong in likeliest.T[: self.attacker.attack.n_targets]:
            goal = leave(wrong, n_classes=target.n_classes, names=self.names)
            for start in (self.errors.x, self.errors.deepest.copy()):
                yield self._climb(of_margin(target, goal), start)
        wanted = np.where(self.errors.any, self.errors.answers, likeliest[:, 0])
        for gradient in self.attacker.averaged(wanted, self.names, self.seed):
            yield self._climb(gradient, self.errors.deepest.copy())

    def add(self, x_adv: Images) -> None:
        """Count images as candidates. Raises ArithmeticError where one is outside its ball or box."""
        x_adv = checked_result(x_adv, self.errors.x, self.attacker.attack.epsilon, stage="rule attack")
        self.errors.add(x_adv, *self.attacker.scorer.scores(x_adv, names=self.names, seed=self.seed))

    def search(self) -> None:
        """Search the minimal epsilons of the deepest wrong answers that were not searched before."""
        at = np.flatnonzero(self.errors.fresh)
        if len(at):
            deepest, answers, names = self.errors.deepest[at], self.errors.answers[at], [self.names[i] for i in at]
            for score, search in self.searches.items():
                self.errors.add_searched(score, at, search(deepest, answers, names, child_seed(self.seed, score)))
        self.errors.fresh[:] = False

    def _climb(self, gradient: Gradient, start: Images) -> Images:
        pgd = self.attacker.attack.pgd
        return climb(gradient, self._ball(), start, rel_eps_step=pgd.rel_eps_step, max_iter=pgd.max_iter)

    def _ball(self) -> Ball:
        """Return the balls of the images, with the goal of leaving the true labels."""
        goal = leave(self.errors.labels, n_classes=self.attacker.usual.n_classes, names=self.names)
        return Ball(self.errors.x, np.full(len(self.names), self.attacker.attack.epsilon), goal)

    def _likeliest_wrong(self) -> np.ndarray:
        """Return the wrong classes of each image, (n, classes - 1), the likeliest first."""
        logits = self.attacker.usual.logits(self.errors.x).astype(np.float64)
        logits[np.arange(len(logits)), self.errors.labels] = -np.inf
        return np.argsort(-logits, axis=1, kind="stable")[:, :-1]
