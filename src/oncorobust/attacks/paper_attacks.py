"""The paper's l_inf attacks: FGSM, BIM and PGD with the settings of Table S1, to the byte as ART runs them.

All three repeat one step inside the ball of radius epsilon around the image x and the box [0, 1]:

    x_adv <- clip(x_adv + eps_step sign(d/dx CE(f(x_adv), y)), max(x - epsilon, 0), min(x + epsilon, 1))

FGSM takes one step of epsilon; BIM 10 steps of epsilon / 10 from x; PGD 10 steps of epsilon / 4 from random points of
the ball. The attack moves away from label y: the model's own prediction in the paper, the true label when strict.

Steps, projection and random draws are those of ART 1.20.1, in its order of operations, and tests compare the examples
with ART's byte by byte. Work whose outcome ART does not use is left out:

    at the images     FGSM at every epsilon and the first step of BIM share one gradient
    restarts of PGD   ART keeps the last one that changes an image's answer, or else the first; so they run from the
                      last to the first, each on the images that no later one has changed
    predictions       ART predicts the clean images again after each restart and attack, for a line of its log

Sources: Goodfellow 2015 (FGSM), Kurakin 2017 (BIM), Madry 2018 (PGD); ART 1.20.
"""

import warnings
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from oncorobust.attacks.finite import checked_result
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.base.arrays import Flags, Images, Labels
from oncorobust.base.seeds import child_seed
from oncorobust.settings.attacks import Attacks, IterativeAttack

with warnings.catch_warnings():
    # ART warns at import that PyTorch, which only its certification needs, is missing.
    warnings.simplefilter("ignore", UserWarning)
    from art.utils import projection, random_sphere

    from oncorobust.attacks.art_classifier import KerasClassifier


class PaperAttacks:
    """The attacks on one batch of images, at any epsilon.

    x: (n, h, w, c) in [0, 1]. one_hot: (n, classes), the labels to move away from. answers: (n,) the model's answers to
    x. seed: seeds the random starts, which are drawn from NumPy's global generator as ART draws them.
    """

    def __init__(
        self, classifier: KerasClassifier, x: Images, one_hot: np.ndarray, answers: Labels, *, seed: int
    ) -> None:
        """Attack nothing yet."""
        self._classifier, self._x, self._one_hot, self._answers = classifier, x, one_hot, answers
        self._seed = seed

    def examples(self, attack: str, *, epsilon: float, settings: Attacks, at: np.ndarray | None = None) -> Images:
        """Return adversarial examples by one of the attacks, within epsilon of x and in [0, 1].

        at: positions of the images to attack; None for all. An image's random start is the same among fewer images, and
        its example too, as far as the backend computes the same gradient in a smaller batch. Raises ValueError for an
        unknown attack.
        """
        at = np.arange(len(self._x)) if at is None else at
        match attack:
            case "fgsm":
                made = self._from_images(at, epsilon, eps_step=epsilon, max_iter=1)
            case "bim":
                step = epsilon * settings.bim.rel_eps_step
                made = self._from_images(at, epsilon, eps_step=step, max_iter=settings.bim.max_iter)
            case "pgd":
                made = self._pgd(at, epsilon, settings.pgd)
            case _:
                raise ValueError(f"expected one of {', '.join(PAPER_ATTACKS)}, got {attack!r}")
        return checked_result(made, self._x[at], epsilon, stage=attack)

    def pgd(self, *, epsilon: float, settings: IterativeAttack) -> Images:
        """Return adversarial examples by PGD, within epsilon of x and in [0, 1]."""
        made = self._pgd(np.arange(len(self._x)), epsilon, settings)
        return checked_result(made, self._x, epsilon, stage="pgd")

    def _pgd(self, at: np.ndarray, epsilon: float, settings: IterativeAttack) -> Images:
        np.random.seed(child_seed(self._seed, "pgd", epsilon))
        eps_step = epsilon * settings.rel_eps_step
        if settings.num_random_init == 0:
            return self._from_images(at, epsilon, eps_step=eps_step, max_iter=settings.max_iter)
        made, left = self._x.copy(), at
        for is_first, start in self._starts_in_reverse(epsilon, settings.num_random_init):
            found = self._steps(start[left], left, epsilon, eps_step=eps_step, n_steps=settings.max_iter)
            kept = np.ones(len(left), dtype=bool) if is_first else self._changed(found, left)
            made[left[kept]] = found[kept]
            left = left[~kept]
            if len(left) == 0:
                break
        return made[at]

    def _starts_in_reverse(self, epsilon: float, n: int) -> Iterator[tuple[bool, Images]]:
        """Yield n draws of random points, the last one first, and whether it is the first draw; hold one at a time."""
        states = [np.random.get_state()]
        while len(states) < n:
            self._random_points(epsilon)
            states.append(np.random.get_state())
        for place in reversed(range(n)):
            np.random.set_state(states[place])
            yield place == 0, self._random_points(epsilon)

    def _changed(self, x_adv: Images, at: Labels) -> Flags:
        return self._classifier.predict(x_adv).argmax(axis=1) != self._answers[at]

    def _random_points(self, epsilon: float) -> Images:
        n, *shape = self._x.shape
        move = random_sphere(n, int(np.prod(shape)), epsilon, np.inf).reshape(self._x.shape).astype(np.float32)
        return np.clip(self._x + move, 0, 1)

    @cached_property
    def _direction(self) -> Images:
        """Sign of the loss's gradient at the images."""
        return np.sign(self._classifier.loss_gradient(self._x, self._one_hot))

    def _from_images(self, at: np.ndarray, epsilon: float, *, eps_step: float, max_iter: int) -> Images:
        first = self._step(self._x[at], self._direction[at], at, epsilon, eps_step)
        return self._steps(first, at, epsilon, eps_step=eps_step, n_steps=max_iter - 1)

    def _steps(self, x_adv: Images, at: Labels, epsilon: float, *, eps_step: float, n_steps: int) -> Images:
        """Take steps from points of the balls around the images at some positions."""
        for _ in range(n_steps):
            direction = np.sign(self._classifier.loss_gradient(x_adv, self._one_hot[at]))
            x_adv = self._step(x_adv, direction, at, epsilon, eps_step)
        return x_adv

    def _step(self, x_adv: Images, direction: Images, at: Labels, epsilon: float, eps_step: float) -> Images:
        ahead = np.clip(x_adv + eps_step * direction, 0, 1)
        return self._x[at] + projection(ahead - self._x[at], epsilon, np.inf)
