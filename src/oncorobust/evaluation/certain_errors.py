"""The most certain wrong answers found for a block of images, by each score of certainty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Flags, Images, Labels, PerImage
from oncorobust.evaluation.scored_rows import score_names


@dataclass(frozen=True)
class CertainErrors:
    """What was found so far; `add` changes the arrays in place.

    x: (n, h, w, c) the unchanged images. labels: (n,). scores: by name, (n,), the largest score of a wrong answer, -inf
    where none was found. deepest: (n, h, w, c) the wrong answer of largest margin, or the unchanged image. answers:
    (n,) the model's answers to it. margin: (n,) of it, -inf where none was found. fresh: (n,) whether it was found
    since the last search of minimal epsilons. own: scores that an attack does not change, the random one.
    """

    x: Images
    labels: Labels
    scores: dict[str, PerImage]
    deepest: Images
    answers: Labels
    margin: PerImage
    fresh: Flags
    own: Mapping[str, PerImage]

    @classmethod
    def of_clean(cls, x: Images, labels: Labels, known: pd.DataFrame, *, searched: Sequence[str]) -> "CertainErrors":
        """Begin with the wrong answers to the unchanged images.

        known: the images' rows with scores. searched: the minimal epsilons that are searched; others are left out.
        """
        names = [one for one in score_names(known) if not one.startswith("min_epsilon") or one in searched]
        answers = known["predicted"].to_numpy(np.int64)
        wrong = answers != labels
        scores = {name: np.where(wrong, known[name].to_numpy(np.float64), -np.inf) for name in names}
        own = {"random": known["random"].to_numpy(np.float64)}
        return cls(x, labels, scores, x.copy(), answers.copy(), scores["margin"].copy(), np.zeros(len(x), bool), own)

    @property
    def any(self) -> Flags:
        """Return (n,) whether a wrong answer was found."""
        return self.margin > -np.inf

    def add(self, x_adv: Images, answers: Labels, scores: Mapping[str, PerImage]) -> None:
        """Count candidates, one per image, with the model's answers and their scores."""
        wrong = answers != self.labels
        for name, values in {**scores, **self.own}.items():
            np.maximum(self.scores[name], np.where(wrong, values, -np.inf), out=self.scores[name])
        deeper = wrong & (scores["margin"] > self.margin)
        self.deepest[deeper], self.answers[deeper] = x_adv[deeper], answers[deeper]
        self.margin[deeper], self.fresh[deeper] = scores["margin"][deeper], True

    def add_searched(self, score: str, at: np.ndarray, values: PerImage) -> None:
        """Count the minimal epsilons of the deepest wrong answers at some positions."""
        self.scores[score][at] = np.maximum(self.scores[score][at], values)
