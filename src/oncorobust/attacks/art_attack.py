"""The engine's PGD as an ART attack: a drop-in for ART's `ProjectedGradientDescent` under the l_inf norm.

    attack = LinfPGD(classifier, eps=0.004, eps_step=0.001, max_iter=10, num_random_init=5)
    x_adv = attack.generate(x)

Names, order, defaults and checks of the arguments are ART's, and so is the meaning of y: the labels to move away from
(the model's own predictions if none are given), or the labels to reach if `targeted`. The differences make it stronger
or faster: the attack also starts from the image itself, not only from random points; it keeps the first adversarial
iterate, not the last; it stops attacking an image that is already adversarial, so that each restart costs only the
undecided images; it climbs the margin of the logits, whose gradient does not vanish where the model is confident; `eps`
may hold one value per image. FGSM is `eps_step=eps, max_iter=1`. Source: Madry 2018; ART 1.20.
"""

import warnings
from typing import ClassVar

import keras
import numpy as np

from oncorobust.attacks.finite import checked_result
from oncorobust.attacks.goals import Goal, Loss, cross_entropy_loss, leave, margin_loss
from oncorobust.attacks.linf import Ball, pgd
from oncorobust.attacks.target import Target, Walk
from oncorobust.backend.classifier import Model
from oncorobust.base.arrays import Images, PerImage
from oncorobust.base.seeds import child_rng

with warnings.catch_warnings():
    # ART warns at import that PyTorch, which only its certification needs, is missing.
    warnings.simplefilter("ignore", UserWarning)
    from art.attacks.attack import EvasionAttack
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.estimator import BaseEstimator
    from art.utils import check_and_transform_label_format

    from oncorobust.attacks.art_classifier import KerasClassifier

LOSSES: dict[str, Loss] = {"margin": margin_loss, "cross_entropy": cross_entropy_loss}
"""What `LinfPGD` can climb."""


class LinfPGD(EvasionAttack):
    """Run PGD in the l_inf ball with the compiled engine, as an ART attack.

    eps, eps_step: l_inf radius and step in [0, 1] units; two numbers, or two arrays with one value per image, (n,) or
        (n, 1, 1, 1), all of one ratio. max_iter: steps from each start. num_random_init: random restarts after the
        run from the image itself.
    batch_size: images attacked at a time. verbose: show a progress bar. loss: `margin` or `cross_entropy`.
    seed: seeds the random starts; every call of `generate` draws the same ones.
    norm, decay, random_eps, summary_writer: accepted for compatibility with ART; only ART's defaults are allowed.
    """

    attack_params: ClassVar[list[str]] = [*ProjectedGradientDescent.attack_params, "loss", "seed"]
    _estimator_requirements = (KerasClassifier,)

    def __init__(
        self,
        estimator: BaseEstimator,
        norm: float | str = np.inf,
        eps: float | np.ndarray = 0.3,
        eps_step: float | np.ndarray = 0.1,
        decay: None = None,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 0,
        batch_size: int = 32,
        random_eps: bool = False,
        summary_writer: bool = False,
        verbose: bool = True,
        *,
        loss: str = "margin",
        seed: int = 0,
    ) -> None:
        """Check the arguments. Raises ValueError or TypeError, and ART's EstimatorError for a wrong estimator."""
        super().__init__(estimator=estimator, summary_writer=summary_writer)
        self.norm, self.decay, self.random_eps = norm, decay, random_eps
        self.eps, self.eps_step, self.max_iter, self.num_random_init = eps, eps_step, max_iter, num_random_init
        self.targeted, self.batch_size, self.verbose = targeted, batch_size, verbose
        self.loss, self.seed = loss, seed
        self._compiled: dict[tuple[str, bool], Target] = {}
        self._check_params()

    def generate(self, x: np.ndarray, y: np.ndarray | None = None, mask: np.ndarray | None = None) -> Images:
        """Return adversarial examples (n, h, w, c) of images in [0, 1]; where none was found, the closest attempt.

        y: (n,) class indices or (n, classes) one-hot. mask: broadcasts to the images; pixels where it is 0 stay fixed.
        Raises ValueError for a targeted attack without y, or an eps that does not fit the images.
        """
        x = np.asarray(x, dtype=np.float32)
        target, goal = self._target(), leave(self._labels(x, y), n_classes=self.estimator.nb_classes)
        reach = None if mask is None else np.broadcast_to(np.asarray(mask) != 0, x.shape)
        ball = Ball(x, self._epsilon(len(x)), goal, reach)
        progress = keras.utils.Progbar(len(x), verbose=int(self.verbose), unit_name="image")
        x_adv = x.copy()
        for start in range(0, len(x), self.batch_size):
            at = np.arange(start, min(start + self.batch_size, len(x)))
            x_adv[at] = self._attack(target, ball.at(at), start)
            progress.update(int(at[-1]) + 1)
        return x_adv

    def _attack(self, target: Target, ball: Ball, start: int) -> Images:
        found = pgd(
            target,
            ball,
            rel_eps_step=self._rel_eps_step(),
            max_iter=self.max_iter,
            num_random_init=self.num_random_init,
            rng=child_rng(self.seed, "pgd", start),
        )
        return checked_result(found.x_adv, ball.x, ball.radius, stage="pgd", names=ball.goal.names)

    def _target(self) -> Target:
        """Return the compiled model, built once per loss and direction."""
        key = (self.loss, self.targeted)
        if key not in self._compiled:
            kind = _Reached if self.targeted else Target
            self._compiled[key] = kind(self.estimator.model, loss=LOSSES[self.loss])
        return self._compiled[key]

    def _labels(self, x: Images, y: np.ndarray | None) -> np.ndarray:
        if y is not None:
            return check_and_transform_label_format(y, nb_classes=self.estimator.nb_classes).argmax(axis=1)
        if self.targeted:
            raise ValueError("expected target labels y for a targeted attack, got none")
        return self.estimator.predict(x, batch_size=self.batch_size).argmax(axis=1)

    def _epsilon(self, n: int) -> PerImage:
        if np.size(self.eps) not in (1, n):
            raise ValueError(f"expected one eps, or one for each of {n} images, got {np.size(self.eps)}")
        return np.broadcast_to(np.ravel(self.eps).astype(np.float64), (n,))

    def _rel_eps_step(self) -> float:
        """Return the one ratio of eps_step to eps; where eps is 0 the step does not matter."""
        eps, eps_step = np.ravel(self.eps), np.ravel(self.eps_step)
        ratios = eps_step[eps > 0] / eps[eps > 0]
        if not np.allclose(ratios, ratios[:1]):
            raise ValueError(f"expected one ratio of eps_step to eps, got {ratios.min()} to {ratios.max()}")
        return float(ratios[0]) if len(ratios) else 1.0

    def _check_params(self) -> None:
        ProjectedGradientDescent._check_params(self)
        if self.norm not in (np.inf, "inf"):
            raise ValueError(f"expected norm inf, got {self.norm}")
        if self.random_eps or self.decay is not None or self._summary_writer_arg is not False:
            raise ValueError("random_eps, decay and summary_writer are not supported (expected False, None and False)")
        if self.loss not in LOSSES:
            raise ValueError(f"expected loss {' or '.join(LOSSES)}, got {self.loss!r}")
        self._rel_eps_step()


class _Reached(Target):
    """A target for targeted attacks: an image is adversarial once it *has* the goal's answer."""

    def __init__(self, model: Model, *, loss: Loss) -> None:
        super().__init__(model, loss=lambda logits, own, rivals: -loss(logits, own, rivals))

    def margins(self, x: Images, goal: Goal) -> PerImage:
        return -super().margins(x, goal)

    def walk(
        self, start: Images, x: Images, goal: Goal, *, radius: np.ndarray, eps_step: PerImage, n_steps: int
    ) -> Walk:
        found = super().walk(start, x, goal, radius=radius, eps_step=eps_step, n_steps=n_steps)
        # After one step x_best is the start, whatever its margin; after more it would be the point farthest away.
        return found._replace(margin=-found.margin)
