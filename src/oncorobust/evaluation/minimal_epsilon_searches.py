"""Searches for minimal epsilons of given images, by the procedures of the scores min_epsilon and min_epsilon_strict."""

from collections.abc import Callable, Sequence

import msgspec

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.cascade import cascade
from oncorobust.attacks.coarse_target import target_of
from oncorobust.attacks.goals import leave
from oncorobust.attacks.minimal_epsilon import search
from oncorobust.base.arrays import Images, Labels, PerImage
from oncorobust.evaluation.sensitivity import min_epsilons
from oncorobust.settings.attacks import Attacks, Rank

Search = Callable[[Images, Labels, Sequence[str], int], PerImage]
"""Images, the model's answers to them, their names, and a seed -> a minimal epsilon for each; inf where none."""


def searches_of(
    classifier: KerasClassifier, *, rank: Rank, attacks: Attacks, epsilons: tuple[float, ...]
) -> dict[str, Search]:
    """Return the search of each minimal epsilon by the name of its score.

    epsilons: the grid of the strict search. That search is left out where no validation image has its score
    (`rank.strict_validation_images` 0): it then has no threshold, and takes long.
    """
    pgd = msgspec.structs.replace(attacks.pgd, num_random_init=rank.num_random_init)
    target = target_of(classifier.model, precision=attacks.strict.search_precision)

    def on_the_grid(x: Images, answers: Labels, names: Sequence[str], seed: int) -> PerImage:
        return min_epsilons(classifier, x, answers, epsilons=rank.epsilons, pgd=pgd, seed=seed, names=names)

    def strict(x: Images, answers: Labels, names: Sequence[str], seed: int) -> PerImage:
        *_, (_, last) = search(
            target,
            x,
            leave(answers, n_classes=target.n_classes, names=names),
            stages=cascade(classifier, settings=attacks, seed=seed),
            epsilons=epsilons,
            relative_width=attacks.strict.relative_width,
        )
        return last.first_flipped

    found: dict[str, Search] = {"min_epsilon": on_the_grid} if "paper" in attacks.protocols else {}
    if "strict" in attacks.protocols and rank.strict_validation_images:
        found["min_epsilon_strict"] = strict
    return found
