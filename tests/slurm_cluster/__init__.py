"""A throw-away Slurm of three nodes on one machine, from Debian's packages: real sbatch, srun, scancel and scontrol.

Each node has two processors and a stand-in for a GPU (a gres of /dev/null); n2 and n3 are the partition gpu. It listens
on the loopback device only, keeps no accounts, and needs root. Slurm reads its configuration in jobs from /etc/slurm
alone, so that folder is this cluster's while it runs; a machine that has a configuration there is left as it is.

    with slurm_cluster() as cluster:
        subprocess.run(["sbatch", ...])
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGES = ["munge", "slurmctld", "slurmd", "slurm-client"]
PROGRAMS = ["/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch"]
CONFIGURATION = Path("/etc/slurm")
NODES = ["n1", "n2", "n3"]
MARK = "ClusterName=oncorobust_test"
WAIT_SECONDS = 30
JOB_SECONDS = 240
FIELDS = ":|,".join(["JobArrayID", "State", "Comment", "NodeList", "tres-per-job", "MinMemory", "WorkDir:"])


class Unavailable(Exception):
    """Why there can be no cluster here."""


@dataclass(frozen=True)
class Job:
    """A job as `squeue` shows it. state: RUNNING, PENDING, ...; gpu: how many it asked for, in Slurm's words."""

    job_id: str
    state: str
    rule: str
    node: str
    gpu: str
    memory: str


class Cluster:
    """The running cluster, of which there is one on a machine."""

    def jobs(self, workflow: Path) -> list[Job]:
        """Every job submitted from the folder `workflow` that the controller remembers, by number."""
        # The comment holds the rule and its wildcards; a task of an array has its own number after an underscore.
        lines = _output("squeue", "--all", "--array", "--states=all", "--noheader", f"--Format={FIELDS}")
        rows = [line.split("|") for line in lines.splitlines()]
        found = [Job(*row[:-1]) for row in rows if row[-1] == str(workflow)]
        return sorted(found, key=lambda job: [int(part) for part in job.job_id.split("_")])

    def cancel(self, workflow: Path) -> None:
        """End every job submitted from the folder `workflow`."""
        left = [job.job_id for job in self.jobs(workflow) if job.state in ("PENDING", "RUNNING")]
        if left:
            _output("scancel", *left)

    def wait_for(self, workflow: Path, rule: str, *, state: str = "RUNNING", on_another_node_than: str = "") -> Job:
        """The first job of a rule in a state. Raises TimeoutError with the queue as it stands then."""
        end = time.monotonic() + JOB_SECONDS
        while time.monotonic() < end:
            for job in self.jobs(workflow):
                if job.rule.startswith(f"rule_{rule}") and job.state == state and job.node != on_another_node_than:
                    return job
            time.sleep(0.2)
        raise TimeoutError(f"no job of {rule} is {state}: {self.jobs(workflow)}")


@contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """Install what is missing, start the cluster, and end it with every job that is left.

    Raises Unavailable where there can be none, RuntimeError with the daemons' logs where one should have come up.
    """
    _check_machine()
    _install()
    # Not pytest's folders: munge refuses a socket that others cannot reach.
    with TemporaryDirectory(prefix="slurm-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        for name in ("log", "state", *(f"spool/{node}" for node in NODES)):
            (folder / name).mkdir(parents=True)
        try:
            _configure(folder)
            with _daemons(folder):
                yield Cluster()
        finally:
            _remove_configuration(folder)


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise Unavailable("the test's Slurm needs root")
    settings = CONFIGURATION / "slurm.conf"
    if os.path.lexists(settings):
        # A test that was killed leaves its link behind.
        ours = settings.is_symlink() and (not settings.exists() or MARK in settings.read_text(encoding="utf-8"))
        if not ours or subprocess.run(["scontrol", "ping"], capture_output=True).returncode == 0:
            raise Unavailable(f"{settings} is there: a cluster of this machine's own, which is left alone")
        _remove_configuration(settings.readlink().parent)


def _install() -> None:
    if all(map(os.path.exists, PROGRAMS)):
        return
    if shutil.which("apt-get") is None:
        raise Unavailable("Slurm is not installed, and there is no apt-get to install it with")
    for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-qq", *words],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Unavailable(f"Debian's packages of Slurm cannot be had: {done.stderr.strip()[-300:]}")


def _configure(folder: Path) -> None:
    CONFIGURATION.mkdir(exist_ok=True)
    marks = {"@HOST@": socket.gethostname().split(".")[0], "@FOLDER@": str(folder)}
    for source in sorted(Path(__file__).parent.glob("*.conf")):
        text = source.read_text(encoding="utf-8")
        for mark, value in marks.items():
            text = text.replace(mark, value)
        (folder / source.name).write_text(text, encoding="utf-8")
        (CONFIGURATION / source.name).symlink_to(folder / source.name)


def _remove_configuration(folder: Path) -> None:
    """Take away the links to this cluster's files, and nothing else."""
    for name in (source.name for source in Path(__file__).parent.glob("*.conf")):
        link = CONFIGURATION / name
        if link.is_symlink() and link.readlink() == folder / name:
            link.unlink()
    with suppress(OSError):  # not empty: what else stands there is not ours
        CONFIGURATION.rmdir()


@contextmanager
def _daemons(folder: Path) -> Iterator[None]:
    """The daemons, as children of this process, so that they can be ended by it and are gone afterwards."""
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    munge = {"key-file": key, "socket": folder / "munge.sock", "pid-file": folder / "munged.pid"}
    munge |= {"log-file": folder / "log" / "munged.log", "seed-file": folder / "munge.seed"}
    commands = [["/usr/sbin/munged", "--foreground", *(f"--{option}={path}" for option, path in munge.items())]]
    commands += [["/usr/sbin/slurmctld", "-D", "-c"], *(["/usr/sbin/slurmd", "-D", "-N", node] for node in NODES)]
    running: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log" / "daemons.log").open("wb") as log:
            for command in commands:
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
                _wait_or_tell(lambda: (folder / "munge.sock").exists(), "munged", folder)
        idle = ["sinfo", "--noheader", "--states=idle", "--partition=cpu", "--format=%D"]
        _wait_or_tell(lambda: _try(*idle) == str(len(NODES)), "Slurm's nodes", folder)
        yield
    finally:
        _try("scancel", "--user=root")
        _wait(lambda: not _try("squeue", "--noheader", "--states=RUNNING,COMPLETING"))
        for daemon in reversed(running):
            daemon.terminate()
            daemon.wait(WAIT_SECONDS)


def _wait(condition: Callable[[], bool]) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def _wait_or_tell(condition: Callable[[], bool], what: str, folder: Path) -> None:
    if not _wait(condition):
        logs = (f"{log.name}: {log.read_text(errors='replace')[-500:]}" for log in sorted((folder / "log").iterdir()))
        raise RuntimeError("\n".join([f"expected {what} to come up, got:", *logs]))


def _try(*words: str) -> str:
    """What a command of Slurm prints; nothing where it fails."""
    return subprocess.run(words, capture_output=True, text=True, timeout=WAIT_SECONDS).stdout.strip()


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout
