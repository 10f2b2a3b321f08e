"""`attacks.batch_size` of a run with a new data set: smaller where a batch of its images would not fit the memory.

The key is one for all data sets, and random starts depend on it. So it changes only where the new data set runs alone;
beside others, the person is told.
"""

from collections.abc import Sequence

from oncorobust.settings.batch_memory import attack_batch_size, memory_mb
from oncorobust.settings.params_text import set_value

_KEY = ("attacks", "batch_size")


def with_attack_batch(
    text: str, batch: int, *, size: int, memory: float, beside: Sequence[str]
) -> tuple[str, str | None]:
    """Return params.yaml with a batch that fits, and a line for the person; None where the batch fits as it is.

    text: of params.yaml; batch: its `attacks.batch_size`. size: side of the new data set's images in pixels. memory: MB
    that a job may take. beside: other data sets of the run.
    """
    fitting, needed = attack_batch_size(batch, size, memory=memory), memory_mb(batch, size)
    if needed <= memory:
        return text, None
    why = f"{batch} images of {size} pixels take about {needed / 1000:.1f} GB, a job may take {memory / 1000:.1f} GB"
    if memory_mb(fitting, size) > memory:
        why += f", and one image takes {memory_mb(1, size) / 1000:.1f} GB: choose a smaller --size, or more memory"
    if beside:
        advice = (
            f"set it to {fitting}, or expect jobs that run out of memory; {', '.join(beside)} would be attacked again"
        )
        return text, f"attacks.batch_size: {batch}; {why}; {advice}"
    if fitting == batch:
        return text, f"attacks.batch_size: {batch}; {why}"
    return set_value(text, _KEY, str(fitting)), f"attacks.batch_size: {fitting}; {why}"
