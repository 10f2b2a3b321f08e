"""Cancellation of Slurm jobs that a killed Snakemake left behind, before the next run submits them again.

Jobs outlive the Snakemake that submitted them, and the next Snakemake does not adopt them: it would submit each job
again, and two jobs would write the same files. The plugin submits from the repository's folder and names the rule in
the job's comment, so Slurm knows which jobs are ours. No work is lost: cancelled training and attacks save their state,
and the new jobs resume from it.
"""

import shutil
import subprocess
import time
from pathlib import Path

from oncorobust.base.errors import InputError

_ANSWER_SECONDS = 60
END_SECONDS = 180.0
"""Longest wait for cancelled jobs to end; Slurm kills a job KillWait seconds, by default 30, after it cancels it."""


def end_left_over(root: Path) -> list[str]:
    """Cancel the Slurm jobs of the pipeline in `root`, wait until they are gone, and return their numbers.

    Returns an empty list on a machine without Slurm. Raises InputError when a job does not end.
    """
    found = _left_over(root.resolve())
    if found:
        subprocess.run(["scancel", *found], check=False, timeout=_ANSWER_SECONDS)
    end = time.monotonic() + END_SECONDS
    while _left_over(root.resolve()):
        if time.monotonic() > end:
            raise InputError(
                f"expected the jobs of an earlier run to end, got {', '.join(found)} still in Slurm's queue after "
                f"{END_SECONDS:.0f} s: wait until squeue no longer lists them"
            )
        time.sleep(1)
    return found


def _left_over(root: Path) -> list[str]:
    """Return the numbers of this user's pending, running and ending jobs that the plugin submitted from `root`."""
    if shutil.which("squeue") is None:
        return []
    words = ["squeue", "--me", "--noheader", "--format=%A|%k|%Z"]
    answer = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_ANSWER_SECONDS)
    jobs = [line.split("|", 2) for line in answer.stdout.splitlines()]
    return sorted({number for number, comment, folder in jobs if comment.startswith("rule_") and Path(folder) == root})
