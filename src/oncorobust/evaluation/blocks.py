"""Blocks of test images, the units into which a large test set is divided.

The images of a block go through a model together, and the block's random choices have their own seed, derived from the
position of its first image. So memory does not grow with the number of images, and a job that computes only some of the
blocks gets for them, bit for bit, the results of one job for all blocks.
"""

import numpy as np

Block = np.ndarray
"""Consecutive positions of the images of one block, int64."""


def blocks_of(n_images: int, size: int) -> list[Block]:
    """Divide all images into blocks of `size` images; the last block may be smaller."""
    return [np.arange(start, min(start + size, n_images)) for start in range(0, n_images, size)]
