"""The attacks of the strict protocol, in order: Table S1's three, a suite as strong as AutoAttack, many small steps.

    fgsm, bim, pgd    the paper's attacks on the true-label margin; restarts are judged per image, and any adversarial
                      iterate is kept
    apgd              momentum and adaptive step sizes; with more than two classes also towards single target classes
    fmn               a minimum-norm attack: it searches for the smallest ball, not inside a given one
    square            gradient-free, through ART: finds examples that masked gradients hide
    converged         PGD with many small steps: shows whether more steps find more examples

AutoAttack (Croce and Hein 2020) is APGD-CE, APGD-DLR, FAB and Square. On two classes DLR is undefined and all losses
give one direction (`attacks.goals`), so the suite climbs the margin, and finds its diversity in starts, step sizes,
a minimum-norm attack and Square.

BIM, PGD and the walks that narrow an interval give up where success is out of reach (`linf.out_of_reach`). `converged`
takes all its steps, in full float32 whatever the precision of the search.
"""

from typing import Any

import numpy as np

from oncorobust.attacks.apgd import apgd, apgd_targeted
from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.fmn import fmn
from oncorobust.attacks.linf import Ball, Found, out_of_reach, pgd, walk, walk_from_image
from oncorobust.attacks.minimal_epsilon import Stage
from oncorobust.attacks.square import square
from oncorobust.attacks.target import Target
from oncorobust.base.arrays import Images
from oncorobust.settings.attacks import Attacks, Converged, IterativeAttack


def cascade(classifier: KerasClassifier, *, settings: Attacks, seed: int) -> tuple[Stage, ...]:
    """The stages of a strict search over one block of images.

    classifier: the model under attack, as ART sees it. seed: of all random starts and queries of the block.
    """
    # Those whose warm start is not named begin elsewhere: at the image, at random points, or at stripes.
    strict, rng = settings.strict, np.random.default_rng(seed)

    def fgsm(target: Target, ball: Ball, _start: Images) -> Found:
        return walk_from_image(target, ball, rel_eps_step=1.0, max_iter=1)

    def bim(target: Target, ball: Ball, _start: Images) -> Found:
        return walk_from_image(target, ball, **_steps(settings.bim), gives_up=out_of_reach)

    def narrow(target: Target, ball: Ball, start: Images) -> Found:
        return walk(target, ball, start, **_steps(settings.pgd), gives_up=out_of_reach)

    def restarted(target: Target, ball: Ball, _start: Images) -> Found:
        n_starts = settings.pgd.num_random_init
        return pgd(target, ball, **_steps(settings.pgd), num_random_init=n_starts, rng=rng, gives_up=out_of_reach)

    def auto_pgd(target: Target, ball: Ball, start: Images) -> Found:
        best = apgd(
            target, ball, start, max_iter=strict.apgd.max_iter, num_random_init=strict.apgd.num_random_init, rng=rng
        )
        left = np.flatnonzero(~best.flipped)
        if target.n_classes > 2 and len(left):
            targets = min(strict.apgd.n_targets, target.n_classes - 1)
            found = apgd_targeted(
                target, ball.at(left), start[left], max_iter=strict.apgd.max_iter, n_targets=targets, rng=rng
            )
            best.put(left, found)
        return best

    def minimum_norm(target: Target, ball: Ball, start: Images) -> Found:
        return fmn(target, ball, start, max_iter=strict.fmn.max_iter)

    def queries(_target: Target, ball: Ball, _start: Images) -> Found:
        return square(classifier, ball, max_queries=strict.square.max_queries, seed=seed)

    def converged(target: Target, ball: Ball, start: Images) -> Found:
        return walk(target.exact(), ball, start, **_steps(strict.converged))

    return (
        Stage("fgsm", fgsm, fgsm),
        Stage("bim", bim, narrow),
        Stage("pgd", restarted, narrow),
        Stage("apgd", auto_pgd, narrow),
        Stage("fmn", minimum_norm, narrow),
        Stage("square", queries, narrow),
        Stage("converged", converged, narrow),
    )


def _steps(attack: IterativeAttack | Converged) -> dict[str, Any]:
    return {"rel_eps_step": attack.rel_eps_step, "max_iter": attack.max_iter}
