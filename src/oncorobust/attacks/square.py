"""The Square attack, through ART: squares of +-epsilon at random places, kept where they lower the margin.

It uses logits only, so it works where gradients are masked; if it beats the white-box attacks, gradients are masked.
ART's `SquareAttack` takes one epsilon for all images, draws the first stripes per image from NumPy's global generator,
and (1.20.1) never places a square on the last row or column, nor runs where its first square fills the image. This
module therefore gives it a canvas instead of images: a direction in [-1, 1] for each pixel, one row and one column
larger than the image, and a model that computes the logits of

    clip(x + radius direction, 0, 1)

Each image then has its own epsilon (and reach), every pixel can be part of a square, and ART's search is the published
one: a square of +-1 in the canvas is a square of +-epsilon in the image. Random draws depend only on the seed and the
round, so an image's outcome does not depend on the others. (Within a round ART tries one place for all images.)

Cost: at most `max_queries` forward passes per image, until it is adversarial. ART requests three per round, two of them
for directions already evaluated; the canvas remembers those.
Source: Andriushchenko 2020; ART 1.20.1, `art/attacks/evasion/square_attack.py`.
"""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from oncorobust.attacks.finite import check_finite_margins
from oncorobust.attacks.linf import Ball, Found
from oncorobust.base.arrays import Images, Labels, PerImage
from oncorobust.base.seeds import child_rng, child_seed

with warnings.catch_warnings():
    # ART warns at import that PyTorch, which only its certification needs, is missing.
    warnings.simplefilter("ignore", UserWarning)
    from art.attacks.evasion import SquareAttack
    from art.estimators.estimator import BaseEstimator, NeuralNetworkMixin

    from oncorobust.attacks.art_classifier import KerasClassifier

Directions = Float[np.ndarray, "n rows columns c"]
"""What each pixel of the canvas does, in [-1, 1]: a row and a column more than the image has."""

_FIRST_SHARE = 0.8
"""Share of the image that the first square covers, as in the source."""


def square(classifier: KerasClassifier, ball: Ball, *, max_queries: int, seed: int) -> Found:
    """Run the Square attack; return adversarial images, or the attempts of least margin.

    max_queries: forward passes per image, 2 or more; the first evaluates the initial stripes. Images move away from the
    labels of the ball's goal to any other class. Raises ValueError for fewer queries.
    """
    if max_queries < 2:
        raise ValueError(f"expected max_queries of 2 or more, got {max_queries}")
    canvas = _Canvas(classifier, ball, seed)
    _, height, width, _ = canvas.least.shape
    art_attack = SquareAttack(
        canvas,
        adv_criterion=lambda margins, _: margins < 0,
        loss=canvas.margins,
        max_iter=max_queries - 1,
        eps=2.0,  # from any direction in [-1, 1] to any other
        p_init=min(_FIRST_SHARE, (min(height, width) - 1) ** 2 / (height * width)),
        batch_size=max(len(ball.x), 1),
        verbose=False,
    )
    positions = np.arange(len(ball.x))
    directions = art_attack.generate(canvas.least.copy(), positions)
    return Found(canvas.images(directions, positions), canvas.margins(directions, positions))


class _Canvas(NeuralNetworkMixin, BaseEstimator):
    """Present the model to ART as a function of directions that "predicts" margins.

    least, margin: per image, the direction of least margin evaluated so far, and that margin. ART keeps the same ones.
    Not an ART classifier, so that ART passes the rows' positions to the loss in place of labels.
    """

    def __init__(self, classifier: KerasClassifier, ball: Ball, seed: int) -> None:
        """Start from stripes, the same for all images."""
        super().__init__(model=classifier.model, clip_values=(-1.0, 1.0), channels_first=False)
        self._classifier, self._ball, self._seed, self._round = classifier, ball, seed, 0
        n, height, width, channels = ball.x.shape
        stripes = child_rng(seed, "square").choice([-1.0, 1.0], size=(1, 1, width + 1, channels))
        self.least = np.broadcast_to(stripes.astype(np.float32), (n, height + 1, width + 1, channels)).copy()
        self.margin = self._look(self.least, np.arange(n))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one direction: (h + 1, w + 1, c)."""
        return tuple(self.least.shape[1:])

    def predict(self, x: np.ndarray, **_: Any) -> np.ndarray:
        """Return (n,) margins of all images' directions; ART calls this at the start of each round."""
        self._round += 1
        np.random.seed(child_seed(self._seed, "square", self._round))
        return self.margins(x, np.arange(len(x)))

    def margins(self, directions: Directions, positions: Labels) -> PerImage:
        """Return (n,) margins of some images' directions; only new directions cost a forward pass."""
        margins = self.margin[positions]
        new = np.flatnonzero((directions != self.least[positions]).any(axis=(1, 2, 3)))
        # In the first round ART proposes stripes that depend on an image's place in the batch: report no improvement.
        if self._round > 1 and len(new):
            margins[new] = self._look(directions[new], positions[new])
            better = new[margins[new] < self.margin[positions[new]]]
            self.least[positions[better]], self.margin[positions[better]] = directions[better], margins[better]
        return margins

    def images(self, directions: Directions, positions: Labels) -> Images:
        """Return the images that directions lead to, inside ball and box."""
        ball = self._ball.at(positions)
        return ball.project(ball.x + ball.radius * directions[:, :-1, :-1])

    def _look(self, directions: Directions, positions: Labels) -> PerImage:
        logits = self._classifier.predict(self.images(directions, positions))
        own = self._ball.goal.own[positions]
        with np.errstate(invalid="ignore"):
            found = (logits * own).sum(axis=1) - np.where(own > 0, -np.inf, logits).max(axis=1)
        found = np.where(np.isfinite(logits).all(axis=1), found, np.float32(np.nan))
        check_finite_margins(found, stage="square", names=self._ball.goal.names[positions])
        return found

    def fit(self, x: np.ndarray, y: np.ndarray, **_: Any) -> None:
        """Refuse: a canvas cannot be trained."""
        raise NotImplementedError("a canvas answers queries only")

    def get_activations(self, x: np.ndarray, layer: int | str, batch_size: int, framework: bool = False) -> np.ndarray:
        """Refuse: a canvas has no layers."""
        raise NotImplementedError("a canvas answers queries only")
