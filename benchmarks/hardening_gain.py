"""Measure the gain of hardening: strict PGD accuracy where the clean model has lost half of its clean accuracy.

For the test images of each data set that the pipeline has processed and trained both models on (`make demo`):

    half epsilon   smallest epsilon at which the clean model's accuracy under attack is at most half its clean accuracy
    gain           the hardened model's accuracy under attack at that epsilon, minus the clean model's

The accuracy under attack is that of the strict protocol after FGSM, BIM and PGD with 10 steps from the image and from a
random start (preset real): true labels, clean errors count as not robust, worst case over the attacks. One search per
image gives it at every epsilon with the same precision. Aim: at least 15 points on two of the three medical data sets.

The script then prints the accuracies of both models at the epsilons of --epsilons.

Run: python benchmarks/hardening_gain.py [lidc cbis_ddsm brain_mets ...] [--images 100]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from subject import N_GRADIENT_STAGES, preset, search_rows

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.target import Target
from oncorobust.backend.runtime import prepare
from oncorobust.data.dataset import LabelledImages, load
from oncorobust.models.vgg16 import load_classifier

EPSILONS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)
"""Epsilons at which the search brackets each image; it then narrows the interval to 5 %."""

MODELS = ("clean", "adversarial")


def main() -> None:
    """Measure each data set and print one row for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=["lidc", "cbis_ddsm", "brain_mets"])
    parser.add_argument("--images", type=int, help="largest number of test images, drawn with seed 0 (default: all)")
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.001, 0.002, 0.004, 0.006, 0.01, 0.02])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    prepare(threads=options.threads, seed=0)
    print("data set      images  half epsilon   clean model: clean, attacked   hardened: clean, attacked    gain")
    for dataset in options.datasets:
        data = load(Path("data/processed", dataset)).select("test").subset(options.images, seed=0)
        rows = {model: attacked(data, Path("models", dataset, f"{model}.keras")) for model in MODELS}
        half = half_epsilon(rows["clean"])
        told = {model: (accuracy(rows[model], 0.0), accuracy(rows[model], half)) for model in MODELS}
        (clean, before), (kept, after) = told["clean"], told["adversarial"]
        print(
            f"{dataset:12} {len(data):7} {half:13.5f} {clean:22.1%}, {before:6.1%} {kept:20.1%}, {after:6.1%} "
            f"{100 * (after - before):+7.1f}"
        )
        for model in MODELS:
            at = (f"{epsilon:g}: {accuracy(rows[model], epsilon):.1%}" for epsilon in options.epsilons)
            print(f"  {model:12} clean {accuracy(rows[model], 0.0):.1%}  ", "  ".join(at), flush=True)


def attacked(data: LabelledImages, path: Path) -> pd.DataFrame:
    """Return a row for each image: right (the clean answer), first_flipped."""
    model = load_classifier(path, image_shape=data.image_shape, n_classes=len(data.class_names))
    rows = search_rows(
        Target(model),
        KerasClassifier(model),
        data,
        preset("real").attacks,
        n_stages=N_GRADIENT_STAGES,
        epsilons=EPSILONS,
        batch_size=64,
    )
    return rows[rows["attack"] == "pgd"]


def accuracy(rows: pd.DataFrame, epsilon: float) -> float:
    """Return the share of images that are classified correctly and stay so up to this epsilon."""
    return float(np.mean(rows["right"] & (rows["first_flipped"] > epsilon)))


def half_epsilon(rows: pd.DataFrame) -> float:
    """Return the smallest epsilon that leaves at most half of the clean accuracy: one of the images' first_flipped."""
    candidates = np.sort(rows.loc[rows["right"], "first_flipped"].to_numpy())
    lost = [one for one in candidates if accuracy(rows, one) <= accuracy(rows, 0.0) / 2]
    return float(lost[0])


if __name__ == "__main__":
    main()
