"""Blocks of test images: how a large test set is worked on a part at a time.

A block is the unit of work: its images go through a model together, and its random choices have a seed of their own,
drawn from the position of its first image. So memory does not grow with the number of images, and a job that is given
some of the blocks computes for them, to the bit, what one job for all would.
"""

import numpy as np

Block = np.ndarray
"""Positions of the images of one block, int64, consecutive."""


def blocks_of(n_images: int, size: int) -> list[Block]:
    """The blocks of all images: `size` images each, the last with what is left."""
    return [np.arange(start, min(start + size, n_images)) for start in range(0, n_images, size)]
