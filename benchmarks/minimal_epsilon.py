"""Time the search for each image's minimal epsilon against the paper's procedure, and compare their results.

Both sides run in one process with the same VGG16 and images, and attack the model's own answers (sensitivity):

    ours    the search with the stages fgsm, bim and pgd of presets/paper.yaml, ending in an interval
    paper   ART's PGD on all images at each of the 32 epsilons of the paper's CT grid, with 10 steps of epsilon / 4, 20
            random starts and batches of 32 (ART's default, which the released code keeps), then one `predict` call
            per image; the smallest epsilon that flips. It uses ART's TensorFlowV2Classifier

The paper's procedure attacks every image at every epsilon with all starts and steps, even after a success. Its cost is
therefore the same for each image of a full batch and each epsilon, so the script runs it on one batch at some epsilons
and scales the time by the counts. The released code also predicts the clean image again each time; this time is not
included.

The times of both sides include attacks and predictions, but not start-up, reading files, tracing and the first batch.

The comparison of thresholds runs the full procedure of the paper on --compare images, through our compiled ART
estimator, which gives ART the same gradients faster. It does not attack an image again after it has flipped, which does
not change its threshold. Random starts differ between the two sides.

Prints paper / ours in seconds per image (aim: at least 50), the share of images whose first flipped epsilon is not
above the paper's threshold (aim: at least 99 %), and the widths of both sides' intervals.

Run: python benchmarks/minimal_epsilon.py [--images 100] [--paper-images 32] [--paper-epsilons 2] [--compare 100]
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from art.attacks.evasion import ProjectedGradientDescent
from subject import Subject, begin, options_of, preset, print_setting, ratios, spread, timed, timed_search

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.base.arrays import PerImage
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.sensitivity import sensitivity_rows
from oncorobust.settings.attacks import IterativeAttack

ART_BATCH = 32


def main() -> None:
    """Measure both sides, and print times, thresholds and widths."""
    parser = options_of(__doc__, images=100)
    parser.add_argument("--batch-size", type=int, default=128, help="images per batch of our search")
    parser.add_argument("--paper-images", type=int, default=ART_BATCH, help="images for timing the paper's side")
    parser.add_argument("--paper-epsilons", type=int, default=2, help="epsilons for timing the paper's side")
    parser.add_argument("--compare", type=int, default=100, help="images for comparing thresholds; 0: none")
    options = parser.parse_args()
    subject = begin(options)
    attacks, rank = preset("paper").attacks, preset("paper").datasets["lidc"].rank
    pgd = msgspec.structs.replace(attacks.pgd, num_random_init=rank.num_random_init)
    grid, batch = rank.epsilons, subject.first(options.paper_images)
    measured = spread(options.paper_epsilons, grid)
    print_setting(
        subject,
        options,
        "tensorflow",
        "adversarial-robustness-toolbox",
        paper=f"{len(grid)} epsilons, timed on {len(batch.data)} images at {', '.join(f'{one:g}' for one in measured)}",
        relative_width=attacks.strict.relative_width,
    )

    ours = timed_search(subject, attacks, epsilons=grid, batch_size=options.batch_size)
    stock = subject.stock_art()
    paper_flips(stock, subject.first(4), msgspec.structs.replace(pgd, num_random_init=1), epsilons=grid[-1:])
    paper = timed(lambda: paper_flips(stock, batch, pgd, epsilons=measured))
    n = len(subject.data)
    our_image, paper_image = ours.times(1 / n), paper.times(len(grid) / len(measured) / len(batch.data))
    print(f"ours   {our_image} per image   measured {ours}")
    print(f"paper  {paper_image} per image   measured {paper}")
    print(ratios("paper / ours", paper_image, our_image, aim="at least 50"))
    if options.compare:
        some = subject.first(options.compare)
        last = ours.value.groupby("image_id", sort=False).tail(1).head(len(some.data))
        print_thresholds(paper_thresholds(some, pgd, epsilons=grid), last, grid=grid)


def paper_flips(
    stock: Any, subject: Subject, pgd: IterativeAttack, *, epsilons: Sequence[float]
) -> dict[float, np.ndarray]:
    """Return whether each image flips at each epsilon."""
    x = subject.data.images()
    answers = stock.predict(x, batch_size=ART_BATCH).argmax(axis=1)
    flips = {}
    for epsilon in epsilons:
        attack = ProjectedGradientDescent(
            stock,
            eps=epsilon,
            eps_step=epsilon * pgd.rel_eps_step,
            max_iter=pgd.max_iter,
            num_random_init=pgd.num_random_init,
            batch_size=ART_BATCH,
            verbose=False,
        )
        x_adv = attack.generate(x)
        flips[epsilon] = np.array([stock.predict(one[np.newaxis]).argmax() for one in x_adv]) != answers
    return flips


def paper_thresholds(subject: Subject, pgd: IterativeAttack, *, epsilons: tuple[float, ...]) -> PerImage:
    """Return the smallest epsilon of the grid that flips each image; infinite where none does."""
    rows = sensitivity_rows(
        KerasClassifier(subject.model, batch_size=ART_BATCH),
        subject.data,
        blocks_of(len(subject.data), ART_BATCH),
        epsilons=epsilons,
        pgd=pgd,
        seed=0,
        resumable=ResumableRows(lambda *_: None),
    )
    return rows["min_epsilon"].to_numpy()


def print_thresholds(thresholds: PerImage, rows: pd.DataFrame, *, grid: tuple[float, ...]) -> None:
    """Print how often our threshold is not above the paper's, their ratio, and both widths over the upper end."""
    last_safe, first_flipped = rows["last_safe"].to_numpy(), rows["first_flipped"].to_numpy()
    share = float(np.mean(first_flipped <= thresholds))
    print(f"first flipped <= the paper's threshold: {share:.1%} of {len(rows)} images  (aim: at least 99 %)")
    flipped = np.isfinite(thresholds)
    print(f"flipped within {grid[-1]:g}: paper {flipped.sum()}, ours {np.isfinite(first_flipped).sum()}")
    if flipped.any():
        below = dict(zip(grid, (0.0, *grid), strict=False))
        widths = [1 - below[threshold] / threshold for threshold in thresholds[flipped]]
        found = np.isfinite(first_flipped) & (first_flipped > 0)
        ours = 1 - last_safe[found] / first_flipped[found]
        factors = first_flipped[flipped] / thresholds[flipped]
        print(f"first flipped / threshold: median {np.median(factors):.3f}, largest {factors.max():.3f}")
        print(f"width / upper end, median and widest: paper {np.median(widths):.1%}, {max(widths):.1%}; ", end="")
        print(f"ours {np.median(ours):.1%}, {ours.max():.1%}")


if __name__ == "__main__":
    main()
