"""Adversarial training on labelled images and on images without a label, as one compiled update.

    labelled     the loss `mixture`: CE(f(x'), y) on a share of the images, CE(f(x), y) on the others
    unlabelled   attack: KL(t || f(x'))      update: weight times the mean of KL(t || f(x'))
    targets t    online  softmax f(x), of the weights before the update, and not differentiated     (UAT-OT)
                 fixed   one-hot, the class that the model gives to x before hardening      (UAT-FT, pseudo-labels)
                 both    the mean of the two: half the sum of both losses, up to a constant          (UAT++)
    batch        n labelled images, in the order of the epoch, and unlabelled_ratio times as many without a label,
                 drawn at random with copy and start of the attack

With a one-hot target, KL(t || q) is the cross-entropy. AWP, optimiser and average are those of `training.step`; AWP's
worst weights are sought with the same targets.

Sources: Alayrac et al. 2019 (UAT-OT, UAT-FT, UAT++; the sum with weight lambda); Carmon et al. 2019 (robust
self-training: labels by the clean model, half of each batch labelled). Both papers combine their terms with a loss on
clean images (Carmon: TRADES); here the labelled images have the paper's mixture, and those without a label are all
attacked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from oncorobust.attacks.target import Target
from oncorobust.backend.functions import cross_entropy
from oncorobust.backend.updates import Forward, Learner
from oncorobust.base.arrays import Images
from oncorobust.data.augment import augment
from oncorobust.data.unlabelled import UnlabelledImages
from oncorobust.settings.data import Augment
from oncorobust.settings.training import Harden, Unlabelled
from oncorobust.training.losses import divergence_from, mean_cross_entropy
from oncorobust.training.step import Trainee, climb, compile_step, descend, n_right

_FIXED_SHARE = {"online": 0.0, "fixed": 1.0, "both": 0.5}
"""Share of the clean model's class in the target; the rest is the model's present answer."""


@dataclass(frozen=True)
class UnlabelledDraws:
    """Images without a label, with the classes that the clean model gives them.

    classes: (n, classes), one-hot. ratio: images to draw for each labelled one. seed: seeds the augmented copies.
    """

    data: UnlabelledImages
    classes: np.ndarray
    ratio: int
    augment_settings: Augment
    seed: int

    def draw(self, n_labelled: int, rng: np.random.Generator) -> tuple[Images, np.ndarray]:
        """Draw images or copies for a batch, each image at most once where there are enough, and their classes."""
        n = n_labelled * self.ratio
        positions = rng.choice(len(self.data), size=n, replace=n > len(self.data))
        copies = rng.integers(self.augment_settings.copies, endpoint=True, size=n)
        images = [
            augment(image, settings=self.augment_settings, image_id=image_id, copy=int(copy), seed=self.seed)
            for image, image_id, copy in zip(
                self.data.images(positions), self.data.rows["image_id"].iloc[positions], copies, strict=True
            )
        ]
        return np.stack(images), self.classes[positions]


def given_classes(target: Target, data: UnlabelledImages, *, batch_size: int) -> np.ndarray:
    """Return the class that a model gives to each image without a label, one-hot (n, classes), float32."""
    given = [
        target.logits(data.images(np.arange(start, min(start + batch_size, len(data))))).argmax(axis=1)
        for start in range(0, len(data), batch_size)
    ]
    return np.eye(target.n_classes, dtype=np.float32)[np.concatenate(given)]


def compile_unlabelled_step(trainee: Trainee, settings: Harden, loss: Unlabelled) -> Callable[..., tuple[Any, ...]]:
    """Compile (x, one_hot, others, classes, start, epsilon, eps_step, max_iter) -> mean loss and right answers before.

    others: images without a label, (m, h, w, c). classes: (m, classes), one-hot, of the clean model. start: of the
    attacked labelled images, then of all others, as in `compile_adversarial_step`. The right answers are those to the
    labelled images.
    """

    def body(
        learner: Learner,
        x: Any,
        one_hot: Any,
        others: Any,
        classes: Any,
        start: Any,
        epsilon: Any,
        eps_step: Any,
        max_iter: Any,
    ) -> tuple[Any, Any]:
        n = ops.shape(start)[0] - ops.shape(others)[0]
        targets = targets_of(loss, learner.logits(others), classes)
        climbed = attack_loss(loss, one_hot[:n], targets)
        attacked = ops.concatenate([x[:n], others])

        def gradient(x_adv: Any) -> Any:
            return learner.logits_and_gradient(climbed, x_adv)[1]

        x_adv = climb(gradient, attacked, start * epsilon, epsilon, eps_step, max_iter)

        def on_all(forward: Forward) -> tuple[Any, Any]:
            logits = forward(ops.concatenate([x_adv[:n], x[n:], x_adv[n:]]))
            return combined_loss(loss, logits, one_hot, targets), logits[: ops.shape(x)[0]]

        value, logits = descend(trainee, settings, learner, on_all)
        return value, n_right(logits, one_hot)

    return compile_step(trainee, body, settings.precision)


def targets_of(loss: Unlabelled, logits: Any, classes: Any) -> Any:
    """Return the targets of images without a label, (m, classes).

    logits: of the images themselves. classes: one-hot, of the clean model.
    """
    share = _FIXED_SHARE[loss.targets]
    return ops.stop_gradient(share * classes + (1 - share) * ops.softmax(logits))


def attack_loss(loss: Unlabelled, one_hot: Any, targets: Any) -> Callable[[Any], Any]:
    """Return the function of logits that the attack maximises, summed over the images.

    one_hot: of the attacked labelled images, whose logits come first. targets: of the others.
    """
    n = ops.shape(one_hot)[0]

    def summed(logits: Any) -> Any:
        if loss.targets == "fixed":  # one-hot; this form of the loss keeps its gradient on confident answers
            return cross_entropy(logits, ops.concatenate([one_hot, targets]))
        return cross_entropy(logits[:n], one_hot) + ops.sum(divergence_from(targets, logits[n:]))

    return summed


def combined_loss(loss: Unlabelled, logits: Any, one_hot: Any, targets: Any) -> Any:
    """Return the loss that an update minimises. logits: of the labelled images, then of the others."""
    n = ops.shape(one_hot)[0]
    return mean_cross_entropy(logits[:n], one_hot) + loss.weight * ops.mean(divergence_from(targets, logits[n:]))
