"""Writer of a CIFAR-10 phantom in its binary format: data_batch_1.bin, test_batch.bin, batches.meta.txt.

A record has 3,073 bytes: the label, then 32 x 32 red, green and blue bytes (Krizhevsky, "Learning Multiple Layers of
Features from Tiny Images", 2009, and its download page). As in the real set, one image in six is a test image. The
format cannot mark an image as synthetic, so SYNTHETIC.txt does, and classes are named drawn-airplane and so on, because
the images are drawings and not photographs.
"""

from pathlib import Path

import numpy as np

from oncorobust.acquire.phantoms.marks import mark_synthetic
from oncorobust.acquire.phantoms.objects import render_objects
from oncorobust.base.seeds import child_rng
from oncorobust.formats.cifar10 import CLASS_NAMES
from oncorobust.settings.data import Phantom

TEST_ONE_IN = 6


def write_cifar10_phantom(folder: Path, settings: Phantom) -> None:
    """Write `n_images` records in random order, with the kinds as balanced as possible."""
    mark_synthetic(folder, settings, stands_for="CIFAR-10 (binary version)")
    rng = child_rng(settings.seed, "cifar10")
    n_test = max(len(CLASS_NAMES), settings.n_images // TEST_ONE_IN)
    for name, n_images in (("data_batch_1", settings.n_images - n_test), ("test_batch", n_test)):
        labels = rng.permutation(np.arange(n_images) % len(CLASS_NAMES))
        planes = render_objects(labels, difficulty=settings.difficulty, rng=rng).transpose(0, 3, 1, 2)
        records = np.column_stack([labels.astype(np.uint8), planes.reshape(n_images, -1)])
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    names = "".join(f"drawn-{name}\n" for name in CLASS_NAMES)
    (folder / "batches.meta.txt").write_text(names, encoding="utf-8")
