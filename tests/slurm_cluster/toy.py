"""The toy pipeline on the cluster: scripts that wait for the test, that take memory, and that notice a double.

Each script first locks a file of its own stage, data set and model: a second process on the same outputs at the same
time writes its name into `doubles`. While the file `hold-STAGE` is there the script waits; with `memory-STAGE` it fills
as many MB as that says, unless the cluster gave the job more than those.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import toy_pipeline as toy
import yaml

PRELUDE = """
import fcntl, os, sys, time
from pathlib import Path

stage = Path(sys.argv[0]).stem
own = open("lock-" + "-".join([stage, *(word for word in sys.argv[1:] if "/" not in word)]), "w")
try:
    fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    Path("doubles").write_text(own.name)
if Path("memory-" + stage).exists():
    filled = bytearray(int(Path("memory-" + stage).read_text()) * 10**6)
    filled[::4096] = bytes([1]) * len(filled[::4096])
    time.sleep(5)  # longer than the cluster waits between two looks
while Path("hold-" + stage).exists():
    time.sleep(0.1)
"""
OPTIONS = "--workflow-profile profiles/slurm --slurm-init-seconds-before-status-checks 1 --latency-wait 10"


@dataclass(frozen=True)
class Run:
    """A Snakemake that submits the toy's jobs, while the test does something to them."""

    folder: Path
    head: "subprocess.Popen[bytes]"

    @property
    def log(self) -> str:
        """What Snakemake has printed."""
        return (self.folder / "snakemake.log").read_text()

    def finish(self, *, seconds: float = 300) -> str:
        """Wait for the end. Returns what Snakemake printed; fails where its status is not 0."""
        assert self.head.wait(seconds) == 0, self.log
        return self.log


def make_held(folder: Path, *, shards: bool = False) -> Path:
    """The toy with one data set, whose scripts begin with the prelude; with shards also `--shard` and `--output`."""
    toy.make_toy(folder, toy.small_params())
    for stage in toy.STAGES:
        script = folder / "workflow" / "scripts" / f"{stage}.py"
        text = script.read_text().replace("\nimport argparse\n", f"\n{PRELUDE}\nimport argparse\n", 1)
        if shards and stage in ("attack", "rank"):
            text = text.replace("words = vars(parser.parse_args())", SHARDED)
        script.write_text(text)
    toy.run(folder, "oncorobust graph")
    return folder


def make_demo(folder: Path, *, datasets: list[str]) -> Path:
    """The demo itself, with the real scripts, for some of its data sets."""
    params = yaml.safe_load((toy.REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    params["run"]["datasets"] = datasets
    for section in (params["acquire"], params["datasets"], params["report"]["columns"]):
        for name in section.keys() - set(datasets):
            del section[name]
    toy.make_toy(folder, params)
    for script in (toy.REPOSITORY / "workflow" / "scripts").glob("*.py"):
        shutil.copy(script, folder / "workflow" / "scripts")
    toy.run(folder, "oncorobust graph")
    return folder


SHARDED = """parser.add_argument("--shard")
parser.add_argument("--output", type=Path)
parser.add_argument("shards", nargs="*")
given = parser.parse_args()
if given.shard:
    given.output.write_text(given.shard)
    sys.exit()
words = {name: vars(given)[name] for name in ("dataset", "model")}"""


@contextmanager
def heads() -> Iterator[Callable[[Path, str], Run]]:
    """A function that starts `snakemake` with the repository's profile; whatever it started is ended at the end.

    What Snakemake prints goes into snakemake.log of the folder.
    """
    running: list[Run] = []

    def start(folder: Path, arguments: str) -> Run:
        environment = toy.environment(folder)
        words = ["snakemake", *OPTIONS.split(), *arguments.split()]
        with (folder / "snakemake.log").open("ab") as log:
            head = subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        running.append(Run(folder, head))
        return running[-1]

    try:
        yield start
    finally:
        for run in running:
            run.head.kill()
            run.head.wait()


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of everything that the pipeline wrote, by path."""
    made = [file for name in ("data", "models", "reports") for file in (folder / name).rglob("*") if file.is_file()]
    kept = (file for file in made if file.name != ".snakemake_timestamp")
    return {file.relative_to(folder).as_posix(): sha256(file.read_bytes()).hexdigest() for file in kept}
