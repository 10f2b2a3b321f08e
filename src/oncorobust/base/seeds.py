"""Child seeds: each random choice has its own seed, derived by name from the one seed in params.yaml.

Names are hashed with SHA-256, because Python's `hash` differs between processes.
"""

import hashlib

import numpy as np


def child_seed(seed: int, *names: str | int | float) -> int:
    """Return a seed in [0, 2**32) for the choice that `names` describe: `child_seed(0, "train", 3)` for epoch 3."""
    words = np.frombuffer(hashlib.sha256("\0".join(map(str, names)).encode()).digest(), dtype=np.uint32)
    return int(np.random.SeedSequence([seed, *map(int, words)]).generate_state(1)[0])


def child_rng(seed: int, *names: str | int | float) -> np.random.Generator:
    """Return a random generator for the choice that `names` describe."""
    return np.random.default_rng(child_seed(seed, *names))
