"""Samples of many images in shared forward passes.

Each image asks for samples, and each forward pass serves as many images as fit into it, in their order. All passes have
one length, so that a compiled function is compiled once. Where the images ask for less than a pass holds, they draw
ahead what they may need later; answers that are not needed in the end are not counted. An image's samples come from its
own generator, in order, and begin at a multiple of `_ALIGNMENT` rows, so that its counts do not depend on the images
beside it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from oncorobust.base.arrays import Images, Labels, Logits
from oncorobust.base.errors import InputError
from oncorobust.certificates.inputs import check_classes

LogitsFunction = Callable[[Images], Logits]
"""A function from images to logits, such as `compile_logits` gives; this module loads no framework."""

_ALIGNMENT = 8
_ROUNDING = 1e-3


@runtime_checkable
class Job(Protocol):
    """The sampling of one image. name: for messages."""

    name: str

    @property
    def wanted(self) -> int:
        """Return the number of samples that the next decision needs; 0 once the job has ended."""

    @property
    def usable(self) -> int:
        """Return the number of samples that may be drawn now, at least `wanted`."""

    def draw(self, n: int) -> Images:
        """Return n noisy images, at most `usable`."""

    def take(self, answers: Labels) -> None:
        """Use the answers (n,) of the images just drawn, as far as they are needed."""


def run_jobs(
    logits: LogitsFunction, jobs: Sequence[Job], *, batch_size: int, notify: Callable[[int], None] | None = None
) -> None:
    """Serve all jobs until none wants a sample. notify: called after each pass with the number of jobs that ended.

    Raises InputError for logits of one class or that are not finite, and for a model that answers the same images
    differently.
    """
    active = [job for job in jobs if job.wanted]
    first = True
    while active:
        batch, parts = _filled(active, batch_size)
        found = logits(batch)
        if first:
            check_classes(found, len(batch))
            _check_repeats(found, logits(_beside_others(batch)))
            first = False
        for job, rows in parts:
            job.take(_answers(found[rows], job.name))
        # Those not in this pass, which come last, still want what they wanted.
        active = [job for job, _ in parts if job.wanted] + active[len(parts) :]
        if notify is not None:
            notify(len(jobs) - len(active))


def _filled(active: Sequence[Job], batch_size: int) -> tuple[Images, list[tuple[Job, slice]]]:
    """Return a batch of samples, and which rows are whose."""
    shares = _shares(active, batch_size)
    pieces = [job.draw(n) for job, n in zip(active, shares, strict=False)]
    batch = np.zeros((batch_size, *pieces[0].shape[1:]), dtype=np.float32)
    parts, start = [], 0
    for job, drawn in zip(active, pieces, strict=False):
        rows = slice(start, start + len(drawn))
        batch[rows] = drawn
        parts.append((job, rows))
        start += _aligned(len(drawn))
    return batch, parts


def _shares(active: Sequence[Job], batch_size: int) -> list[int]:
    """Return the rows of the first jobs: what each wants and, where all get that, an equal part of the rows left."""
    shares: list[int] = []
    left = batch_size
    for job in active:
        if left <= 0:
            return shares
        shares.append(min(job.wanted, left))
        left -= _aligned(shares[-1])
    more = max(0, left) // len(shares) // _ALIGNMENT * _ALIGNMENT
    return [
        min(_aligned(share) + more, job.usable) if more else share for job, share in zip(active, shares, strict=True)
    ]


def _aligned(rows: int) -> int:
    return -(-rows // _ALIGNMENT) * _ALIGNMENT


def _answers(found: Logits, name: str) -> Labels:
    if not np.isfinite(found).all():
        bad = found[~np.isfinite(found).all(axis=1)][0]
        raise InputError(f"certificate: expected finite logits, got {bad.tolist()} for image {name} under noise")
    return found.argmax(axis=1)


def _beside_others(batch: Images) -> Images:
    """Return a batch whose first half is the same and whose other images are others."""
    same = len(batch) - len(batch) // 2
    return np.concatenate([batch[:same], 1 - batch[same:]])


def _check_repeats(once: Logits, again: Logits) -> None:
    """Refuse a model that is random itself, or whose answers depend on the other images of a batch.

    once, again: of batches with the same first half. Counts would mix two sources of noise, and an image would be
    certified for the images that happened to lie beside it.
    """
    same = len(once) - len(once) // 2
    scale = float(np.nanmax(np.abs(once), initial=1.0))
    if not np.allclose(once[:same], again[:same], rtol=0, atol=_ROUNDING * scale, equal_nan=True):
        change = float(np.nanmax(np.abs(once[:same] - again[:same])))
        raise InputError(
            "certificate: expected a model that gives the same logits for the same images, whatever is beside them in "
            f"a batch, got logits that differ by up to {change:.3g} between two passes: switch dropout and other "
            "random layers off, and batch statistics to those of training"
        )
