"""Time the paper's protocol against ART's own attack objects, and compare the examples byte by byte.

Both sides run in one process through the same compiled estimator, on the same images, labels, epsilons and random
draws, one after the other for each epsilon so that load on the machine meets both alike:

    ours    PaperAttacks: what ART does not use is left out (`oncorobust.attacks.paper_attacks`)
    ART     FastGradientMethod, BasicIterativeMethod and ProjectedGradientDescent of ART, one batch of all images

Prints seconds per image and epsilon of both, ours / ART (aim: at most 0.7), gradients per image and epsilon, and the
share of examples that are equal to the byte (aim: all).

Run: python benchmarks/paper_protocol.py [--images 32] [--epsilons 6]
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod, ProjectedGradientDescent
from subject import Timed, begin, options_of, preset, print_setting, ratios, spread, timed

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.seeds import child_seed
from oncorobust.settings.attacks import Attacks


class Counting(KerasClassifier):
    """The estimator, with a count of gradients."""

    n_gradients = 0

    def loss_gradient(self, x: np.ndarray, y: np.ndarray, **others: object) -> np.ndarray:
        """Count the images and return their gradients."""
        self.n_gradients += len(x)
        return super().loss_gradient(x, y, **others)


def main() -> None:
    """Measure both sides at some epsilons of the paper's CT grid, and print times, gradients and agreement."""
    parser = options_of(__doc__, images=32)
    parser.add_argument("--epsilons", type=int, default=6, help="epsilons of the grid, evenly spread")
    options = parser.parse_args()
    subject = begin(options)
    settings, grid = preset("paper").attacks, preset("paper").datasets["lidc"].attack.epsilons
    epsilons = spread(options.epsilons, grid)
    print_setting(subject, options, "tensorflow", "adversarial-robustness-toolbox", epsilons=str(epsilons))
    x, n = subject.data.images(), len(subject.data)
    classifier = Counting(subject.model, batch_size=n)
    answers = classifier.predict(x).argmax(axis=1)
    one_hot = np.eye(classifier.nb_classes, dtype=np.float32)[answers]
    classifier.loss_gradient(x, one_hot)
    spent, equal = {"ours": 0, "art": 0}, []
    attacks = PaperAttacks(classifier, x, one_hot, answers, seed=0)
    times: dict[str, list[Timed[Any]]] = {"ours": [], "art": []}
    for epsilon in epsilons:
        for attack in PAPER_ATTACKS:
            made = {}
            for side in ("ours", "art"):
                before = classifier.n_gradients
                if side == "ours":
                    one = timed(partial(attacks.examples, attack, epsilon=epsilon, settings=settings))
                else:
                    one = timed(partial(by_art, classifier, x, one_hot, attack, epsilon, settings))
                spent[side] += classifier.n_gradients - before
                times[side].append(one)
                made[side] = one.value
            equal.append((made["ours"] == made["art"]).all(axis=(1, 2, 3)))
    total = {side: sum_of(all_of).times(1 / n / len(epsilons)) for side, all_of in times.items()}
    for side, one in total.items():
        print(f"{side:4}   {one} per image and epsilon, {spent[side] / n / len(epsilons):.1f} gradients")
    print(ratios("ours / ART", total["ours"], total["art"], aim="at most 0.7"))
    print(f"examples equal to the byte: {np.mean(equal):.2%} of {np.size(equal)}  (aim: all)")


def sum_of(times: list[Timed[Any]]) -> Timed[Any]:
    """Return the sum of some timings."""
    wall, processor = sum(one.wall_s for one in times), sum(one.processor_s for one in times)
    return replace(times[0], wall_s=wall, processor_s=processor)


def by_art(
    classifier: KerasClassifier, x: np.ndarray, one_hot: np.ndarray, attack: str, epsilon: float, settings: Attacks
) -> np.ndarray:
    """Return the examples of one of ART's attacks, all images in one batch, with the draws that ours has."""
    if attack == "fgsm":
        return FastGradientMethod(classifier, eps=epsilon, batch_size=len(x)).generate(x, one_hot)
    chosen = settings.bim if attack == "bim" else settings.pgd
    kind = BasicIterativeMethod if attack == "bim" else ProjectedGradientDescent
    starts = {} if attack == "bim" else {"num_random_init": chosen.num_random_init}
    np.random.seed(child_seed(0, "pgd", epsilon))
    made = kind(
        classifier,
        eps=epsilon,
        eps_step=epsilon * chosen.rel_eps_step,
        max_iter=chosen.max_iter,
        batch_size=len(x),
        verbose=False,
        **starts,
    )
    return made.generate(x, one_hot)


if __name__ == "__main__":
    main()
