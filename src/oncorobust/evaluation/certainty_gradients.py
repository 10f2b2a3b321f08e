"""Directions in which an image gains certainty in a class: gradients of the class's margin, at the image or over views.

A score that averages over views of an image (shifted copies, noise, dropout) is climbed by the mean gradient over the
views. Source: Athalye, Engstrom, Ilyas and Kwok 2018, expectation over transformation.
"""

from collections.abc import Callable

import numpy as np

from oncorobust.attacks.goals import Goal
from oncorobust.attacks.linf import Ball
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.certainty_scores import shifted_copies
from oncorobust.models.dropout import DropoutModel

Gradient = Callable[[Images], Images]
"""Images (n, h, w, c) -> a direction for each, of the same shape."""

_VIEWS = 4
"""Views with noise or dropout behind one step; every step draws new ones."""


def of_margin(target: Target, goal: Goal) -> Gradient:
    """Return the gradient at the image. target: with `goals.certainty_loss`. goal: of the class to gain, as its own."""
    return lambda x: target.margin_gradient(x, goal)[1]


def over_copies(target: Target, goal: Goal, *, max_shift: int) -> Gradient:
    """Return the mean gradient over the copies of the score `augmentation`: a copy's pixel pulls at its origin."""

    def gradient(x: Images) -> Images:
        n, height, width, channels = x.shape
        places = np.arange(height * width, dtype=np.float64).reshape(1, height, width, 1)
        total = np.zeros((height * width, n, channels), np.float32)
        copies = zip(shifted_copies(x, max_shift=max_shift), shifted_copies(places, max_shift=max_shift), strict=True)
        for copy, origins in copies:
            found = target.margin_gradient(copy, goal)[1].reshape(n, -1, channels)
            np.add.at(total, origins.astype(np.int64).ravel(), found.transpose(1, 0, 2))
        return total.transpose(1, 0, 2).reshape(x.shape)

    return gradient


def over_noise(target: Target, goal: Goal, *, epsilon: float, seed: int) -> Gradient:
    """Return the mean gradient over copies with noise of one l_inf norm, as of the score `noise_flips`."""
    rng = np.random.default_rng(seed)

    def gradient(x: Images) -> Images:
        ball = Ball(x, np.full(len(x), epsilon), goal)
        signs = rng.choice(np.array([-1, 1], np.float32), (_VIEWS, *x.shape))
        copies = (ball.project(x + np.float32(epsilon) * one) for one in signs)
        return np.mean([target.margin_gradient(copy, goal)[1] for copy in copies], axis=0)

    return gradient


def over_dropout(target: Target, goal: Goal, *, dropout: DropoutModel, seed: int) -> Gradient:
    """Return the mean gradient over passes with dropout. target: of the model whose dropout is active."""
    passes = iter(range(2**31))

    def gradient(x: Images) -> Images:
        found = []
        for _ in range(_VIEWS):
            dropout.reseed(child_seed(seed, "dropout", next(passes)))
            found.append(target.margin_gradient(x, goal)[1])
        return np.mean(found, axis=0)

    return gradient


def climb(gradient: Gradient, ball: Ball, start: Images, *, rel_eps_step: float, max_iter: int) -> Images:
    """Step along the sign of a gradient inside ball and box; return the last point of each image.

    `max_iter` steps of `rel_eps_step` x epsilon, then as many of a quarter of this size.
    """
    x_adv = ball.project(start)
    for share in (1.0, 0.25):
        eps_step = (share * rel_eps_step * ball.epsilon).astype(np.float32).reshape(-1, 1, 1, 1)
        for _ in range(max_iter):
            x_adv = ball.project(x_adv + eps_step * np.sign(gradient(x_adv)))
    return x_adv
