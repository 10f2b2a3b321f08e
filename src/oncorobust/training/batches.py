"""Batches of one epoch: every training image and each of its augmented copies once, in a random order.

An epoch's random numbers depend only on its number, so that a run that resumes after a kill draws the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oncorobust.base.arrays import Images, Labels
from oncorobust.base.errors import InputError
from oncorobust.data.augment import augment
from oncorobust.data.dataset import LabelledImages
from oncorobust.settings.data import Augment


@dataclass(frozen=True)
class Batches:
    """Training images with their augmentation and batch size. seed: seeds the augmented copies."""

    data: LabelledImages
    augment_settings: Augment
    batch_size: int
    seed: int

    @property
    def n(self) -> int:
        """Return the number of batches per epoch; the last batch may be smaller."""
        return -(-self.n_images // self.batch_size)

    @property
    def n_images(self) -> int:
        """Return the number of images per epoch, copies included."""
        return len(self.data) * (1 + self.augment_settings.copies)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the order of an epoch's images, copies included, from `rng`."""
        return rng.permutation(self.n_images)

    def draw(self, order: np.ndarray, *, first: int = 0) -> Iterator[tuple[Images, Labels]]:
        """Yield images (n, h, w, c) and labels batch by batch, in this order, from batch `first` on."""
        ids = self.data.image_ids
        copies, positions = np.divmod(order, len(ids))
        for start in range(first * self.batch_size, self.n_images, self.batch_size):
            at, copy = positions[start : start + self.batch_size], copies[start : start + self.batch_size]
            images = [
                augment(image, settings=self.augment_settings, image_id=ids[position], copy=int(number), seed=self.seed)
                for image, position, number in zip(self.data.images(at), at, copy, strict=True)
            ]
            yield np.stack(images), self.data.labels[at]


def check_images_of_all_classes(data: LabelledImages, *, split: str) -> None:
    """Refuse a split in which a class has no images. Raises InputError naming the class."""
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    if (counts == 0).any():
        missing = data.class_names[int((counts == 0).argmax())]
        raise InputError(f"{data.name}: no {split} images of class {missing!r} (expected some of every class)")


def check_batch_size(batches: Batches) -> None:
    """Refuse batches larger than the training set. Raises InputError with both numbers."""
    if batches.batch_size > batches.n_images:
        raise InputError(
            f"{batches.data.name}: batch_size {batches.batch_size} exceeds the {batches.n_images} training images "
            "(augmented copies included)"
        )
