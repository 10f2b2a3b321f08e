"""End the jobs that a killed Snakemake left on a Slurm cluster, before the next run starts the same ones.

Jobs outlive the process that submitted them, and Snakemake's plugin does not take them up again: started anew, it would
submit each once more, and two jobs would write the same files. Slurm knows whose they are: the plugin submits from the
repository's folder and names the rule in the job's comment. What a stage had done is not lost: asked to end, training
and attacks keep their state, and the new job goes on from there.
"""

import shutil
import subprocess
import time
from pathlib import Path

from oncorobust.base.errors import InputError

_ANSWER_SECONDS = 60
END_SECONDS = 180.0
"""From being asked to end to being killed, a cluster gives a job KillWait seconds, by default 30."""


def end_left_over(root: Path) -> list[str]:
    """Cancel the Slurm jobs of the pipeline in `root`, wait until they are gone, and return their numbers.

    None where there is no Slurm. Raises InputError when some do not end.
    """
    found = _left_over(root.resolve())
    if found:
        subprocess.run(["scancel", *found], check=False, timeout=_ANSWER_SECONDS)
    end = time.monotonic() + END_SECONDS
    while _left_over(root.resolve()):
        if time.monotonic() > end:
            raise InputError(
                f"expected the jobs of an earlier run to end, got {', '.join(found)} still in Slurm's queue"
            )
        time.sleep(1)
    return found


def _left_over(root: Path) -> list[str]:
    """Numbers of this user's jobs, waiting, running or ending, that the plugin submitted from `root`."""
    if shutil.which("squeue") is None:
        return []
    words = ["squeue", "--me", "--noheader", "--format=%A|%k|%Z"]
    answer = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_ANSWER_SECONDS)
    jobs = [line.split("|", 2) for line in answer.stdout.splitlines()]
    return sorted({number for number, comment, folder in jobs if comment.startswith("rule_") and Path(folder) == root})
