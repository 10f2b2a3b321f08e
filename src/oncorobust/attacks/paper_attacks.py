"""The paper's l_inf attacks: ART's own FGSM, BIM and PGD with the settings of Table S1.

All three repeat one step inside the ball of radius epsilon around the image x and the box [0, 1]:

    x_adv <- clip(x_adv + eps_step sign(d/dx CE(f(x_adv), y)), max(x - epsilon, 0), min(x + epsilon, 1))

FGSM takes one step of epsilon; BIM 10 steps of epsilon / 10 from x; PGD 10 steps of epsilon / 4 from random points of
the ball. The attack moves away from label y: the model's own prediction in the paper, the true label when strict.
Sources: Goodfellow 2015 (FGSM), Kurakin 2017 (BIM), Madry 2018 (PGD); ART 1.20.
"""

import warnings

import numpy as np

from oncorobust.attacks.finite import checked_result
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.base.arrays import Images
from oncorobust.base.seeds import child_seed
from oncorobust.settings.attacks import Attacks, IterativeAttack

with warnings.catch_warnings():
    # ART warns at import that PyTorch, which only its certification needs, is missing.
    warnings.simplefilter("ignore", UserWarning)
    from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod, ProjectedGradientDescent

    from oncorobust.attacks.art_classifier import KerasClassifier


def perturb(
    classifier: KerasClassifier,
    x: Images,
    one_hot: np.ndarray,
    *,
    attack: str,
    epsilon: float,
    settings: Attacks,
    seed: int,
) -> Images:
    """Return adversarial examples by one of ART's attacks with the settings of Table S1.

    x: (n, h, w, c) in [0, 1]. one_hot: (n, classes), the labels to move away from. seed: seeds the random starts,
    which ART draws from NumPy's global generator.
    Returns images within epsilon of x and in [0, 1]. Raises ValueError for an unknown attack.
    """
    match attack:
        case "fgsm":
            art_attack = FastGradientMethod(classifier, eps=epsilon, batch_size=settings.batch_size)
        case "bim":
            art_attack = BasicIterativeMethod(
                classifier,
                eps=epsilon,
                eps_step=epsilon * settings.bim.rel_eps_step,
                max_iter=settings.bim.max_iter,
                batch_size=settings.batch_size,
                verbose=False,
            )
        case "pgd":
            return perturb_pgd(
                classifier,
                x,
                one_hot,
                epsilon=epsilon,
                settings=settings.pgd,
                batch_size=settings.batch_size,
                seed=seed,
            )
        case _:
            raise ValueError(f"expected one of {', '.join(PAPER_ATTACKS)}, got {attack!r}")
    return checked_result(art_attack.generate(x, one_hot), x, epsilon, stage=attack)


def perturb_pgd(
    classifier: KerasClassifier,
    x: Images,
    one_hot: np.ndarray,
    *,
    epsilon: float,
    settings: IterativeAttack,
    batch_size: int,
    seed: int,
) -> Images:
    """Run ART's ProjectedGradientDescent; shapes, range and seed as in `perturb`."""
    np.random.seed(child_seed(seed, "pgd", epsilon))
    art_attack = ProjectedGradientDescent(
        classifier,
        eps=epsilon,
        eps_step=epsilon * settings.rel_eps_step,
        max_iter=settings.max_iter,
        num_random_init=settings.num_random_init,
        batch_size=batch_size,
        verbose=False,
    )
    return checked_result(art_attack.generate(x, one_hot), x, epsilon, stage="pgd")
