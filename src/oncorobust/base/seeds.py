"""Child seeds by name: every random choice has a seed of its own, derived from the one seed in params.yaml.

A name is hashed with SHA-256, never with Python's `hash`, which differs from one process to the next.
"""

import hashlib

import numpy as np


def child_seed(seed: int, *names: str | int | float) -> int:
    """A seed in [0, 2**32) for the choice that `names` describe, e.g. `child_seed(0, "train", 3)` for epoch 3."""
    words = np.frombuffer(hashlib.sha256("\0".join(map(str, names)).encode()).digest(), dtype=np.uint32)
    return int(np.random.SeedSequence([seed, *map(int, words)]).generate_state(1)[0])


def child_rng(seed: int, *names: str | int | float) -> np.random.Generator:
    """A generator for the choice that `names` describe."""
    return np.random.default_rng(child_seed(seed, *names))
