"""Run the parts of the GPU benchmark, each in a process of its own with a time limit, and gather one JSON file.

    packages   install what is missing, from a folder of wheels or the package index
    guard      the precision guard against TF32 switched on, and the precision that `auto` chooses here
    peaks      largest rate of matrix products in float32, TF32 and bfloat16
    model      train a VGG16 for some seconds on two classes of drawn images, for the parts below
    search     the strict search of VGG16 in float32, bfloat16 and TF32, and gradients alone
    harden     steps of adversarial training of VGG16 in float32 and bfloat16
    compiled   gradients with and without torch.compile
    peers      gradients and attacks of torchattacks and Foolbox

This file needs nothing but Python, so that it can say what is missing. The result has, for each part, `seconds`,
`ended` (`finished`, `failed`, or `time limit of N s`), `error` where there is one, and `found`, what was measured up to
then. The file is rewritten after each part.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMITS_S = {
    **{"packages": 60, "guard": 60, "peaks": 45, "model": 75},
    **{"search": 150, "harden": 75, "peers": 75, "compiled": 90},
}
"""In the order of the run, where the whole has `WHOLE_S`. Their sum exceeds it: few parts need theirs in full."""
WHOLE_S = 470.0
TAIL = 2000
"""Characters kept of what a part printed."""


def main() -> None:
    """Run the parts one after another within the limit of the whole."""
    options = options_of()
    start = time.monotonic()
    scale = options.seconds / WHOLE_S
    chosen = {name: scale * s for name, s in LIMITS_S.items() if name == "packages" or name in options.only}
    result: dict[str, Any] = {"options": {name: str(value) for name, value in vars(options).items()}, "parts": {}}
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        for place, (name, limit) in enumerate(chosen.items()):
            left = options.seconds - (time.monotonic() - start)
            # Some seconds are kept back for each later part.
            limit = min(limit, max(left - 15 * scale * (len(chosen) - 1 - place), left / 4))
            part = run_part(name, limit, options, folder)
            result["parts"][name] = part
            result["seconds"] = round(time.monotonic() - start, 1)
            write(options.result, result)
            print(f"{name:9} {part['seconds']:6.1f} s  {part['ended']}  {part.get('error', '')}".rstrip(), flush=True)
    for line in (line for part in result["parts"].values() for line in part["found"].get("lines", [])):
        print(line)
    print(f"written: {options.result}, after {result['seconds']} s")


def options_of() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, nargs="?", default=Path(os.environ.get("OUT", ".")) / "gpu.json")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--images", type=int, default=64, help="images attacked, and a batch of the other parts")
    parser.add_argument("--updates", type=int, default=150, help="training steps of the model under attack")
    parser.add_argument("--threads", type=int, default=min(16, os.cpu_count() or 1))
    parser.add_argument("--seconds", type=float, default=WHOLE_S, help="limit of the whole")
    parser.add_argument("--only", nargs="+", default=list(LIMITS_S), choices=list(LIMITS_S), help="parts to run")
    return parser.parse_args()


def run_part(name: str, limit_s: float, options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Run one part; return its seconds, how it ended and what it found, whatever became of it."""
    notes, log = Path(folder) / f"{name}.json", Path(folder) / f"{name}.log"
    command = [sys.executable, str(HERE / "part.py"), name, "--notes", str(notes), "--folder", folder]
    for option in ("size", "images", "updates", "threads"):
        command += [f"--{option}", str(getattr(options, option))]
    command += [] if options.wheels is None else ["--wheels", str(options.wheels.resolve())]
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(folder), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            ended = "finished" if process.wait(timeout=max(limit_s, 1)) == 0 else "failed"
        except subprocess.TimeoutExpired:
            ended = f"time limit of {limit_s:.0f} s"
        finally:
            end(process)
    told: dict[str, Any] = json.loads(notes.read_text()) if notes.exists() else {}
    part = {"seconds": round(time.monotonic() - start, 1), "ended": ended, "found": told.get("found", {})}
    if ended != "finished":
        part["error"] = told.get("error") or f"exit status {process.returncode}"
        part["printed"] = log.read_text(errors="replace")[-TAIL:]
    return part


def end(process: subprocess.Popen[bytes]) -> None:
    """End a part with the processes that it started, such as torch.compile's."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)  # one that hangs in a driver is left behind


def environment(folder: str) -> dict[str, str]:
    """Return the environment of a part: PyTorch behind Keras, and packages that the first part has installed."""
    # What was installed comes last: a package of the machine, such as PyTorch, is never replaced.
    paths = [str(ROOT / "src"), str(HERE.parent), os.environ.get("PYTHONPATH", ""), str(Path(folder) / "packages")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "KERAS_BACKEND": "torch",
        "PYTHONUNBUFFERED": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """Replace the result's file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(path)


if __name__ == "__main__":
    main()
