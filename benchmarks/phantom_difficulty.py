"""Train the project's VGG16 on phantoms of one modality, as the demo does, and print its test accuracy.

Its results determine `CONTRAST` in `oncorobust.acquire.phantoms.lung`, `breast`, `brain` and `objects`: at difficulty 1
the mean accuracy should be within 5 points of the paper's clean accuracy (CT 75, mammography 76, MRI 94; stand-in for
CIFAR-10: 60 to 85). Images are cropped and scaled as by the readers with the demo's settings, split 2:1 with one in six
training images for validation, and have the demo's size. Results: benchmarks/results/phantom_difficulty.md.

Run: python benchmarks/phantom_difficulty.py lung [--images 300] [--size 32] [--epochs 10] [--difficulty 1] [--seeds 3]
"""

import argparse
import time
from collections.abc import Iterator

from oncorobust.backend.runtime import prepare

prepare(threads=1, seed=0)

import numpy as np  # noqa: E402  the backend is configured first
import pandas as pd  # noqa: E402
from subject import VGG16  # noqa: E402

from oncorobust.acquire.phantoms.brain import render_brain  # noqa: E402
from oncorobust.acquire.phantoms.breast import render_breast, sample_masses  # noqa: E402
from oncorobust.acquire.phantoms.lung import render_lung, sample_nodules  # noqa: E402
from oncorobust.acquire.phantoms.objects import render_objects  # noqa: E402
from oncorobust.backend.functions import compile_logits  # noqa: E402
from oncorobust.base.arrays import Image  # noqa: E402
from oncorobust.base.seeds import child_rng  # noqa: E402
from oncorobust.data.conversion import resize, to_unit_interval  # noqa: E402
from oncorobust.data.dataset import LabelledImages  # noqa: E402
from oncorobust.data.split import split_images  # noqa: E402
from oncorobust.models.vgg16 import build_vgg16  # noqa: E402
from oncorobust.pipeline.progress_lines import Progress  # noqa: E402
from oncorobust.settings.data import Augment, Split  # noqa: E402
from oncorobust.settings.training import Adam, Train  # noqa: E402
from oncorobust.training.recipes import train  # noqa: E402

SPLIT = Split(unit="patient", use_given=False, test_one_in=3, validation_one_in=6)
PLAIN = Augment(copies=0, horizontal_flip=False, vertical_flip=False, max_rotation_degrees=0)
LUNG_WINDOW_HU = (-1000.0, 400.0)
LUNG_CROP_MM, BRAIN_CROP_MM = 50.0, 40.0
METASTASES_PER_VOLUME = 3

Example = tuple[str, int, Image]
"""Patient, label, and the cropped image in [0, 1]."""


def main() -> None:
    """Render, train and print, once per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modality", choices=["lung", "breast", "brain", "objects"])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    accuracies = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        start = time.perf_counter()
        data = make_dataset(options.modality, options.images, options.size, options.difficulty, seed)
        rendered = time.perf_counter()
        accuracy, history = fit(data, epochs=options.epochs, learning_rate=options.learning_rate, seed=seed)
        accuracies.append(accuracy)
        curve = " ".join(f"{value:.2f}" for value in history["validation_accuracy"])
        print(
            f"seed {seed}: test accuracy {accuracy:.3f} of {len(data.select('test'))}, rendering "
            f"{rendered - start:.1f} s, training {time.perf_counter() - rendered:.1f} s, validation {curve}",
            flush=True,
        )
    print(f"{vars(options)}: mean {np.mean(accuracies):.3f}, sd {np.std(accuracies):.3f}")


def make_dataset(modality: str, n_images: int, size: int, difficulty: float, seed: int) -> LabelledImages:
    """Return phantoms of one modality at the demo's size, split by patient."""
    rng = child_rng(seed, "phantoms", modality)
    examples = list(EXAMPLES[modality](n_images, difficulty, rng))
    n_classes = 10 if modality == "objects" else 2
    index = pd.DataFrame(
        {
            "image_id": [f"image{row}" for row in range(len(examples))],
            "patient_id": [patient for patient, _, _ in examples],
            "label": [label for _, label, _ in examples],
            "class_name": [f"class{label}" for _, label, _ in examples],
            "source": "phantom",
            "position": range(len(examples)),
        }
    )
    names = tuple(f"class{label}" for label in range(n_classes))
    index["split"] = split_images(index, SPLIT, names=names, seed=seed)
    pixels = np.stack([resize(image, size=size) for _, _, image in examples])
    return LabelledImages(rows=index, pixels=pixels, class_names=names, synthetic=True, name=modality)


def fit(data: LabelledImages, *, epochs: int, learning_rate: float, seed: int) -> tuple[float, pd.DataFrame]:
    """Train as the demo does; return the accuracy on the test images and the history."""
    model = build_vgg16(VGG16, size=data.pixels.shape[1], n_classes=len(data.class_names), seed=seed)
    trained = train(
        model,
        data.select("train"),
        data.select("validation"),
        settings=Train(
            epochs=epochs,
            batch_size=32,
            patience=None,
            keep="validation_loss",
            average=None,
            precision="float32",
            optimizer=Adam(learning_rate=learning_rate, weight_decay=0.0),
        ),
        augment_settings=PLAIN,
        seed=seed,
        checkpoint=None,
        listener=Progress(f"seed {seed}"),
    )
    test = data.select("test")
    predicted = compile_logits(model)(test.images()).argmax(axis=1)
    return float(np.mean(predicted == test.labels)), trained.history


def lung_examples(n_images: int, difficulty: float, rng: np.random.Generator) -> Iterator[Example]:
    """Yield a square around each nodule on the slice where it is largest, in a fixed window."""
    for number, nodule in enumerate(sample_nodules(n_images, rng=rng)):
        phantom = render_lung(nodule, difficulty=difficulty, rng=rng)
        best = int(phantom.mask.sum(axis=(1, 2)).argmax())
        rows, columns = np.nonzero(phantom.mask[best])
        values = square(phantom.volume_hu[best], rows.mean(), columns.mean(), round(LUNG_CROP_MM / 0.7))
        low, high = LUNG_WINDOW_HU
        yield f"patient{number}", int(nodule.malignant), to_unit_interval(values, low=low, high=high)[..., None]


def breast_examples(n_images: int, difficulty: float, rng: np.random.Generator) -> Iterator[Example]:
    """Yield the crop of each mass, padded to a square with zeros."""
    for number, mass in enumerate(sample_masses(n_images, rng=rng)):
        phantom = render_breast(mass, difficulty=difficulty, rng=rng)
        top, left, height, width = phantom.box
        side = max(height, width)
        padded = np.zeros((side, side), np.float32)
        row, column = (side - height) // 2, (side - width) // 2
        padded[row : row + height, column : column + width] = phantom.full[top : top + height, left : left + width]
        yield f"patient{number}", int(mass.malignant), to_unit_interval(padded, low=0, high=65535)[..., None]


def brain_examples(n_images: int, difficulty: float, rng: np.random.Generator) -> Iterator[Example]:
    """Yield a square around each metastasis and each negative, scaled by percentiles of the brain in its volume."""
    for number in range(-(-n_images // (2 * METASTASES_PER_VOLUME))):
        phantom = render_brain(n_metastases=METASTASES_PER_VOLUME, difficulty=difficulty, rng=rng)
        low, high = np.percentile(phantom.t1c[phantom.t1c > 0], (0.5, 99.5))
        places = [(metastasis.centre, 1) for metastasis in phantom.metastases]
        for (slice_, row, column), label in places + [(centre, 0) for centre in phantom.negatives]:
            values = square(phantom.t1c[round(slice_)], row, column, round(BRAIN_CROP_MM / 1.25))
            yield f"patient{number}", label, to_unit_interval(values, low=float(low), high=float(high))[..., None]


def object_examples(n_images: int, difficulty: float, rng: np.random.Generator) -> Iterator[Example]:
    """Yield coloured objects, the ten kinds in turn."""
    labels = np.arange(n_images) % 10
    for number, image in enumerate(render_objects(labels, difficulty=difficulty, rng=rng)):
        yield f"patient{number}", int(labels[number]), to_unit_interval(image, low=0, high=255)


def square(values: np.ndarray, row: float, column: float, side: int) -> np.ndarray:
    """Return a square of values around a position; beyond the border the edge is repeated."""
    top, left = round(row - side / 2), round(column - side / 2)
    padded = np.pad(values, side, mode="edge")
    return padded[top + side : top + 2 * side, left + side : left + 2 * side]


EXAMPLES = {"lung": lung_examples, "breast": breast_examples, "brain": brain_examples, "objects": object_examples}


if __name__ == "__main__":
    main()
