"""The memory of this machine that one job of the pipeline may take."""

_SHARE = 0.5
"""Of the machine's memory for the jobs; the rest is left to other programs and to the file system."""
_JOBS = 2
"""Jobs that run at a time on most machines: one trains while another attacks."""


def job_memory_mb() -> float:
    """Return the memory that a job may take, in MB: a quarter of the machine's."""
    import psutil

    return float(psutil.virtual_memory().total / 1e6 * _SHARE / _JOBS)
