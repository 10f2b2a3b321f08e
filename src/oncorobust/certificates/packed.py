"""Samples of many images in shared forward passes.

Each image asks for samples, and each forward pass serves as many images as fit into it, in their order. All passes have
one length, so that a compiled function is compiled once; the last ones are filled up with black images. An image's
samples come from its own generator and begin at a multiple of `_ALIGNMENT` rows, so that its counts do not depend on
the images beside it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from oncorobust.base.arrays import Images, Labels, Logits
from oncorobust.base.errors import InputError

LogitsFunction = Callable[[Images], Logits]
"""A function from images to logits, such as `compile_logits` gives; this module loads no framework."""

_ALIGNMENT = 8
_ROUNDING = 1e-3


@runtime_checkable
class Job(Protocol):
    """The sampling of one image. wanted: samples that it still asks for, 0 once it has ended. name: for messages."""

    name: str

    @property
    def wanted(self) -> int:
        """Return the number of samples asked for now."""

    def draw(self, n: int) -> Images:
        """Return n noisy images, at most `wanted`."""

    def take(self, answers: Labels) -> None:
        """Count the answers (n,) of the images just drawn."""


def run_jobs(
    logits: LogitsFunction, jobs: Sequence[Job], *, batch_size: int, notify: Callable[[int], None] | None = None
) -> None:
    """Serve all jobs until none wants a sample. notify: called after each pass with the number of jobs that ended.

    Raises InputError for logits that are not finite, and for a model that answers the same images differently.
    """
    active = [job for job in jobs if job.wanted]
    first = True
    while active:
        batch, parts = _filled(active, batch_size)
        found = logits(batch)
        if first:
            _check_repeats(found, logits(batch))
            first = False
        for job, rows in parts:
            job.take(_answers(found[rows], job.name))
        # Those not in this pass, which come last, still want what they wanted.
        active = [job for job, _ in parts if job.wanted] + active[len(parts) :]
        if notify is not None:
            notify(len(jobs) - len(active))


def _filled(active: Sequence[Job], batch_size: int) -> tuple[Images, list[tuple[Job, slice]]]:
    """Return a batch of samples, and which rows are whose."""
    parts: list[tuple[Job, slice]] = []
    pieces: list[Images] = []
    start = 0
    for job in active:
        if start >= batch_size:
            break
        drawn = job.draw(min(job.wanted, batch_size - start))
        parts.append((job, slice(start, start + len(drawn))))
        pieces.append(drawn)
        start += -(-len(drawn) // _ALIGNMENT) * _ALIGNMENT
    batch = np.zeros((batch_size, *pieces[0].shape[1:]), dtype=np.float32)
    for (_, rows), drawn in zip(parts, pieces, strict=True):
        batch[rows] = drawn
    return batch, parts


def _answers(found: Logits, name: str) -> Labels:
    if not np.isfinite(found).all():
        bad = found[~np.isfinite(found).all(axis=1)][0]
        raise InputError(f"certificate: expected finite logits, got {bad.tolist()} for image {name} under noise")
    return found.argmax(axis=1)


def _check_repeats(once: Logits, again: Logits) -> None:
    """Refuse a model that is random itself, of which counts would mix two sources of noise."""
    scale = float(np.nanmax(np.abs(once), initial=1.0))
    if not np.allclose(once, again, rtol=0, atol=_ROUNDING * scale, equal_nan=True):
        change = float(np.nanmax(np.abs(once - again)))
        raise InputError(
            f"certificate: expected a model that gives the same logits for the same images, got logits that differ by "
            f"up to {change:.3g} between two passes: switch dropout and other random layers off"
        )
