"""Batch sizes of training and of attacks, from the memory that a job may take.

Measured with VGG16, two classes, one thread, bfloat16: the peak of a process that trained and attacked took 1,462 MB at
64 pixels and batches of 32, 1,860 MB at 64 and 128, and 3,776 MB at 224 and 4:

    memory in MB = BASE_MB + HEAD_MB x (size / 32)^2 + MB_PER_PIXEL x batch x size^2

Libraries and convolutions, the head with Adam's moments, and the images' features.
"""

BASE_MB = 1130.0
HEAD_MB = 50.0
MB_PER_PIXEL = 0.00101
SIZES = (32, 16, 8, 4, 2, 1)
"""Batch sizes to choose from; 32 is that of the presets."""


def memory_mb(batch: int, size: int) -> float:
    """Return the memory that training takes, in MB. size: side of the images in pixels."""
    return BASE_MB + HEAD_MB * (size / 32) ** 2 + MB_PER_PIXEL * batch * size**2


def batch_size(size: int, *, memory: float, largest: int) -> tuple[int, str]:
    """Return the largest batch size of SIZES that fits, and why. memory: MB. largest: that the number of images allows.

    It is 1 where even that does not fit.
    """
    fitting = [one for one in SIZES if one <= max(1, largest) and memory_mb(one, size) <= memory]
    chosen = fitting[0] if fitting else 1
    return chosen, f"a job takes about {memory_mb(chosen, size) / 1000:.1f} GB of {memory / 1000:.1f} GB"


def attack_batch_size(batch: int, size: int, *, memory: float) -> int:
    """Return a batch of attacked images, halved until it fits; 1 where even that does not.

    Units as for `batch_size`.
    """
    while batch > 1 and memory_mb(batch, size) > memory:
        batch //= 2
    return batch
