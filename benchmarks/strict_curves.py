"""Time all accuracy-epsilon curves of the strict protocol's search against ART's attacks, epsilon by epsilon.

Both sides run in one process with the same VGG16, images and settings (presets/paper.yaml: BIM and PGD of Table S1,
PGD with 5 random starts):

    ours    the search for each image's minimal epsilon with the stages fgsm, bim and pgd; its intervals give every
            curve on any grid
    art     FastGradientMethod, BasicIterativeMethod and ProjectedGradientDescent against the true labels, and accuracy
            from `predict`, at each epsilon, on ART's TensorFlowV2Classifier (cross-entropy on logits)

The times of both sides include attacks and their predictions, but not start-up, reading files, tracing and the first
batch (each side attacks a few images before). ART takes the same time at each epsilon, because it attacks every image
even after a success. With --art-epsilons K it is run at every K-th epsilon, and its time is scaled to all epsilons.

Prints art / ours (aim: at least 8), and the accuracies, with the number of points where ours is higher (aim: 0). Our
accuracy at an epsilon is the share of correctly classified images whose first flipped epsilon is larger. If the epsilon
lies inside an image's interval, our attacks were not run at it: `safe` counts the image as flipped.

Run: python benchmarks/strict_curves.py [--images 60] [--grid paper] [--art-epsilons 5]
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod, ProjectedGradientDescent
from subject import Subject, begin, every, options_of, preset, print_setting, ratios, timed, timed_search

from oncorobust.settings.attacks import Attacks


def main() -> None:
    """Measure both sides, and print times and accuracies."""
    parser = options_of(__doc__, images=60)
    parser.add_argument("--grid", default="paper", help="preset of the lidc grid: paper, real or demo")
    parser.add_argument("--batch-size", type=int, default=128, help="images per batch, for both sides")
    parser.add_argument("--art-epsilons", type=int, default=1, metavar="K", help="run ART at every K-th epsilon")
    options = parser.parse_args()
    subject = begin(options)
    settings, params = preset("paper").attacks, preset(options.grid)
    grid = tuple(sorted({*params.datasets["lidc"].attack.epsilons, *params.attacks.table_epsilons}))
    chosen = every(options.art_epsilons, grid)
    print_setting(
        subject,
        options,
        "tensorflow",
        "adversarial-robustness-toolbox",
        grid=f"{len(grid)} epsilons, {grid[0]:g} to {grid[-1]:g} (ART at {len(chosen)})",
        batch_size=options.batch_size,
        relative_width=settings.strict.relative_width,
    )

    ours = timed_search(subject, settings, epsilons=grid, batch_size=options.batch_size)
    stock = subject.stock_art()
    art_accuracies(stock, subject.first(4), settings, epsilons=grid[-1:], batch_size=options.batch_size)
    art = timed(lambda: art_accuracies(stock, subject, settings, epsilons=chosen, batch_size=options.batch_size))
    scaled = art.times(len(grid) / len(chosen))
    print(f"ours  {ours}")
    print(f"art   {scaled}" + ("" if len(chosen) == len(grid) else f"   measured {art}"))
    print(ratios("art / ours", scaled, ours, aim="at least 8"))
    print_accuracies(ours.value, art.value)


def art_accuracies(
    stock: Any, subject: Subject, settings: Attacks, *, epsilons: Sequence[float], batch_size: int
) -> dict[tuple[str, float], float]:
    """Return the accuracy after each of ART's attacks at each epsilon."""
    x, y = subject.data.images(), subject.one_hot
    bim, pgd = settings.bim, settings.pgd
    accuracies = {}
    for epsilon in epsilons:
        attacks = {
            "fgsm": FastGradientMethod(stock, eps=epsilon, batch_size=batch_size),
            "bim": BasicIterativeMethod(
                stock,
                eps=epsilon,
                eps_step=epsilon * bim.rel_eps_step,
                max_iter=bim.max_iter,
                batch_size=batch_size,
                verbose=False,
            ),
            "pgd": ProjectedGradientDescent(
                stock,
                eps=epsilon,
                eps_step=epsilon * pgd.rel_eps_step,
                max_iter=pgd.max_iter,
                num_random_init=pgd.num_random_init,
                batch_size=batch_size,
                verbose=False,
            ),
        }
        for name, attack in attacks.items():
            answers = stock.predict(attack.generate(x, y), batch_size=batch_size).argmax(axis=1)
            accuracies[name, epsilon] = float(np.mean(answers == subject.data.labels))
    return accuracies


def print_accuracies(rows: pd.DataFrame, art: dict[tuple[str, float], float]) -> None:
    """Print both accuracies at every epsilon, and how often ours is higher."""
    print("attack  epsilon   art    ours   safe")
    higher = {"first_flipped": 0, "last_safe": 0}
    for (name, epsilon), theirs in art.items():
        part = rows[rows["attack"] == name]
        ours = {bound: float((part["right"] & (part[bound] > epsilon)).mean()) for bound in higher}
        for bound, accuracy in ours.items():
            higher[bound] += accuracy > theirs
        mark = "  higher" if ours["first_flipped"] > theirs else ""
        print(f"{name:6}  {epsilon:<7g} {theirs:6.1%} {ours['first_flipped']:6.1%} {ours['last_safe']:6.1%}{mark}")
    print(f"points where ours is higher: {higher['first_flipped']} of {len(art)}  (aim: 0); safe {higher['last_safe']}")


if __name__ == "__main__":
    main()
