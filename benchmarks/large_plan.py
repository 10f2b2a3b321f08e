"""Measure the time and memory that the runners take to plan a repository of thousands of jobs.

The repository is the tests' toy repository, with the real Snakefile, dvc.yaml and library, and --entries entries in
params.yaml: 1,000 entries are 200 data sets with five architectures, 10 models per data set. No job is run. The script
prints one line per command:

    jobs      planned by `snakemake -n`; a command that counts them must find the expected number
    seconds   wall time, from an empty process
    processor processor seconds of all its processes, which depend less on other load of the machine
    memory    largest resident memory of any of its processes; at least that of this script

Aim: `snakemake -n` plans 200 data sets x 10 models, 10,000 jobs or more, in less than 60 s on two cores.

Run: python benchmarks/large_plan.py [--entries 1000] [--shards 2] [--dvc] [--folder FOLDER]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from large_repository import expected_jobs, make_large

AIM_SECONDS, AIM_JOBS = 60, 10_000


@dataclass(frozen=True)
class Taken:
    """Time, memory and printed text of a command."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    printed: str


def main() -> None:
    """Make the repository, run the commands, and print one line for each."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_large(options.folder or Path(temporary, "large"), options.entries)
        size = (folder / "params.yaml").stat().st_size / 1e6
        machine = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
        print(f"{options.entries} entries, params.yaml {size:.1f} MB, {machine}")
        print("command | jobs | seconds | processor s | memory MB")
        for command in _commands(options):
            taken = measure(command, folder)
            _print_line(command, taken, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=1000, help="entries of params.yaml, two models each")
    parser.add_argument("--shards", type=int, default=2, help="parts of each test set, in a second plan")
    parser.add_argument("--dvc", action="store_true", help="also time dvc dag and dvc status")
    parser.add_argument("--folder", type=Path, help="keep the repository here; it must not exist yet")
    return parser.parse_args()


def _commands(options: argparse.Namespace) -> list[str]:
    plans = ["", *([f" --set-scatter test_images={options.shards}"] if options.shards > 1 else [])]
    commands = ["oncorobust graph", "oncorobust check"]
    # The second command counts the jobs, which takes Snakemake some more seconds.
    commands += [f"snakemake -n --quiet{kind}{plan}" for plan in plans for kind in ("", " rules")]
    return commands + (["dvc dag --mermaid", "dvc status -q"] if options.dvc else [])


def measure(command: str, folder: Path) -> Taken:
    """Run a command and measure its time and memory. Raises RuntimeError when a plan fails."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        child = subprocess.Popen(command.split(), cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        output.seek(0)
        printed = output.read().decode()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode and not command.startswith("dvc status"):  # its status 1 means that nothing was run yet
        raise RuntimeError(f"{command} gave {child.returncode}:\n{printed[-2000:]}")
    return Taken(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed)


def _print_line(command: str, taken: Taken, options: argparse.Namespace) -> None:
    jobs, aim = "", ""
    if command.startswith("snakemake"):
        expected = expected_jobs(options.entries, n_shards=options.shards if "--set-scatter" in command else 1)
        count = re.search(r"^total +(\d+)$", taken.printed, re.MULTILINE)
        if "rules" in command and (count is None or int(count[1]) != expected):
            raise RuntimeError(f"expected {expected} jobs, got\n{taken.printed[-2000:]}")
        jobs = f"{expected}"
        aim = f" (aim: less than {AIM_SECONDS})"
        aim = aim if expected >= AIM_JOBS and "rules" not in command else ""
    numbers = f"{taken.seconds:.1f}{aim} | {taken.processor_seconds:.1f} | {taken.peak_mb:.0f}"
    print(f"`{command}` | {jobs} | {numbers}", flush=True)


if __name__ == "__main__":
    main()
