"""Kill Snakemake, DVC or one of their stages with -9 at random moments over the demo, and compare with a quiet run.

    python tests/kill_campaign.py --kills 50 --seed 0 [--datasets lidc mnist] [--folder /somewhere/large]

Three copies of this work tree: one is left in peace, one is run by Snakemake and one by DVC, each of which is killed
half of the times. After each kill the same command is started again at once. A run that ends before its last kill is
due begins anew in a fresh copy. In the end every file of data/processed, models and reports must be that of the quiet
run, to the byte, nothing may be left, and neither runner may find anything to do. Exit status 1 where one of that
fails. DVC writes dvc.lock in place, after every stage; killed meanwhile it may refuse to start until `oncorobust check`
has put that right, which is counted, and not taken for a failure.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import yaml
from recipes import in_float32
from toy_pipeline import REPOSITORY, environment, run, write_params

COMMANDS = {"snakemake": "snakemake --cores all", "dvc": "dvc repro"}
RESULTS = ("data/processed", "models", "reports")
SERIAL = {"snakemake": 1.0, "dvc": 1.7}
"""How much longer than the quiet run each one takes: DVC does one stage at a time."""
STARTING_SECONDS = 8.0
"""From a runner's start to its first stage's first computation; kills fall before it, too."""
REFUSALS = ("validation failed", "Unable to read RWLock-file", "YAML file structure is corrupted")
REPAIR = (
    f"{sys.executable} -c 'from pathlib import Path; from oncorobust.pipeline import sync; sync.repair_records(Path())'"
)


@dataclass(frozen=True)
class Kill:
    """One kill: which process, how long after the runner's start, and what the next start said it went on from."""

    what: str
    seconds: float
    resumed: str = ""
    repaired: bool = False

    def line(self) -> str:
        """For a person."""
        repaired = "; repaired by oncorobust check" if self.repaired else ""
        return f"{self.seconds:6.1f} s  {self.what}: {self.resumed or 'nothing to resume'}{repaired}"


class Failure(Exception):
    """What must not happen."""


def main() -> int:
    """Run the campaign; returns the exit status."""
    arguments = _arguments()
    rng = np.random.default_rng(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="kill-campaign-", dir=arguments.folder))
    quiet = copy_of_work_tree(folder / "quiet", arguments.datasets)
    begin = time.monotonic()
    run(quiet, COMMANDS["snakemake"])
    quiet_seconds = time.monotonic() - begin
    print(f"quiet run: {quiet_seconds:.0f} s in {quiet}", flush=True)
    try:
        for runner, left in (("snakemake", arguments.kills - arguments.kills // 2), ("dvc", arguments.kills // 2)):
            seconds = quiet_seconds * SERIAL[runner] / max(left, 1)
            while left:
                place = copy_of_work_tree(folder / f"{runner}-{left}", arguments.datasets)
                for kill in disturb(place, quiet, runner, most=left, seconds=seconds, rng=rng):
                    left -= 1
                    print(kill.line(), flush=True)
                shutil.rmtree(place)
    except Failure as failure:
        print(f"FAILED: {failure}\nEverything is in {folder}")
        return 1
    print(f"{arguments.kills} kills: every file is that of the quiet run, and nothing is left")
    shutil.rmtree(folder)
    return 0


def disturb(
    place: Path, quiet: Path, runner: str, *, most: int, seconds: float, rng: np.random.Generator
) -> Iterator[Kill]:
    """Run a copy to its end, killed at most so often, every `seconds` on average; gives each kill when it is done."""
    before: Kill | None = None
    for number in range(most + 1):
        life = rng.uniform(0, STARTING_SECONDS) + rng.uniform(0, 2 * seconds) if number < most else np.inf
        log = place / f"run-{number}.log"
        launched = Launch(place, runner, log)
        kill = launched.kill_after(life, rng)
        if before is not None:
            yield replace(before, resumed=resumed(place, since=launched.began), repaired=launched.repaired)
        if kill is None:
            check(place, quiet, runner)
            return
        before = kill


class Launch:
    """A runner that was started in a copy, and what it took to start it."""

    def __init__(self, place: Path, runner: str, log: Path) -> None:
        self.repaired = False
        self._place, self._runner, self._log = place, runner, log
        self.began = time.time()
        self._begin = time.monotonic()
        self._process = _start(place, COMMANDS[runner], log)

    def kill_after(self, life: float, rng: np.random.Generator) -> Kill | None:
        """Kill it, or one of its stages, after so many seconds; None where it ended well before."""
        while time.monotonic() - self._begin < life:
            status = self._process.poll()
            if status is None:
                time.sleep(0.01)
            elif status == 0:
                return None
            else:
                self._repair(status)
        stages = stages_of(self._process)
        victim = stages[rng.integers(len(stages))] if stages and rng.uniform() < 0.5 else None
        what = f"{self._runner}'s {_name(victim)}" if victim else self._runner
        if stages and victim is None:
            what += f" during {', '.join(map(_name, stages))}"
        seconds = time.monotonic() - self._begin
        try:
            (victim or self._process).kill()
        except psutil.NoSuchProcess:  # it has just ended by itself
            self._process.kill()
        self._process.wait()
        return Kill(what, seconds)

    def _repair(self, status: int) -> None:
        said = self._log.read_text(errors="replace")
        if self.repaired or not any(text in said for text in REFUSALS):
            raise Failure(f"{COMMANDS[self._runner]} ended with {status} by itself:\n{said[-3000:]}")
        run(self._place, REPAIR)
        self.repaired = True
        self._process = _start(self._place, COMMANDS[self._runner], self._log)


def _start(place: Path, command: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            command.split(), cwd=place, env=environment(place), stdout=stream, stderr=subprocess.STDOUT
        )


def stages_of(runner: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The stages that run below a runner; none where it has just ended."""
    if runner.poll() is not None:
        return []
    found = psutil.Process(runner.pid).children(recursive=True)
    return [one for one in found if "workflow/scripts/" in " ".join(_words(one)[1:2])]


def check(place: Path, quiet: Path, runner: str) -> None:
    """Raise Failure where a finished run is not what the quiet one is."""
    expected, found = results(quiet), results(place)
    if expected != found:
        names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise Failure(f"{len(names)} files of {place} differ from the quiet run's: {', '.join(names[:10])}")
    left = [path for name in (".snakemake/locks", ".snakemake/incomplete") for path in (place / name).rglob("*")]
    if any(path.is_file() for path in left):
        raise Failure(f"left by {runner}: {left}")
    told = run(place, "snakemake --cores all -n" if runner == "snakemake" else "dvc status")
    if not any(words in told for words in ("Nothing to be done", "Data and pipelines are up to date")):
        raise Failure(f"{runner} finds something to do:\n{told[-2000:]}")


def results(place: Path) -> dict[str, bytes]:
    """Every file of the results, drafts and states too."""
    files = [path for name in RESULTS for path in (place / name).rglob("*") if path.is_file()]
    return {
        path.relative_to(place).as_posix(): path.read_bytes() for path in files if path.name != ".snakemake_timestamp"
    }


def copy_of_work_tree(folder: Path, datasets: list[str] | None) -> Path:
    """Everything that git would commit, with the demo's parameters of these data sets, in a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    content = in_float32(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))
    kept = datasets or content["run"]["datasets"]
    content["run"]["datasets"] = kept
    for section in (content["datasets"], content["acquire"], content["report"]["columns"]):
        for name in section.keys() - set(kept):
            del section[name]
    write_params(folder, content)
    (folder / "dvc.lock").unlink(missing_ok=True)
    run(folder, "oncorobust graph && git init -q && git add -A && git commit -q -m start")
    return folder


def resumed(place: Path, *, since: float) -> str:
    """What the stages of a start, at this time in seconds since 1970, said they went on from."""
    logs = [log for log in sorted((place / "logs").rglob("*.log")) if log.stat().st_mtime >= since]
    runs = [_since(log.read_text(errors="replace"), since) for log in logs]
    found = re.findall(r"(\w+ \w+(?: \w+)?): resumed after ([^\n\r]+)", "\n".join(runs))
    return "; ".join(f"{stage} after {done}" for stage, done in dict.fromkeys(found))


def _since(log: str, since: float) -> str:
    """The part of a log that processes wrote which began at `since` or later; each begins with its date."""
    heads = list(re.finditer(r"^== (.{19}), process \d+$", log, re.MULTILINE))
    later = [head.start() for head in heads if datetime.fromisoformat(head[1]).timestamp() >= int(since)]
    return log[later[0] :] if later else ""


def _name(process: psutil.Process) -> str:
    words = [word for word in _words(process)[1:] if not word.startswith("-")]
    return " ".join([Path(words[0]).stem, *words[1:]]) if words else "a stage"


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--datasets", nargs="+", help="of the demo; all of them where none is named")
    parser.add_argument("--folder", type=Path, help="where the copies are made, 2 GB each; default: the system's")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.exit(main())
