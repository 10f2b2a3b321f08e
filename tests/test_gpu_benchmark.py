"""The GPU benchmark on a machine without a GPU: every part ends and is told of, whatever becomes of it."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from toy_pipeline import REPOSITORY

GPU = REPOSITORY / "benchmarks" / "gpu"
PARTS = ("packages", "guard", "peaks", "model", "search", "harden", "peers", "compiled")
HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.fixture
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_run", GPU / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result_of(folder: Path, *options: str) -> dict[str, Any]:
    """Run the script at its smallest size; return its JSON."""
    wheels = folder / "wheels"
    wheels.mkdir()
    small = ("--size", "32", "--images", "2", "--updates", "1", "--threads", "1", "--wheels", str(wheels))
    command = ["bash", str(GPU.with_suffix(".sh")), str(folder / "gpu.json"), *small, *options]
    environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads((folder / "gpu.json").read_text())
    for name, part in result["parts"].items():
        assert part["seconds"] > 0, name
        assert part["ended"] == "finished" or part["error"], name
    return result


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
def test_every_part_runs_to_its_end_on_a_processor(tmp_path: Path) -> None:
    parts = result_of(tmp_path)["parts"]
    assert tuple(parts) == PARTS
    ended = {name: part["ended"] for name, part in parts.items()}
    # torch.compile needs a C++ compiler, which a machine may lack.
    assert {name: end for name, end in ended.items() if name != "compiled"} == dict.fromkeys(PARTS[:-1], "finished")
    found = {name: part["found"] for name, part in parts.items()}
    assert found["guard"]["guard_is_right"]
    assert found["search"]["search_float32"]["thresholds"] == {
        **{"compared": 2, "median": 1.0, "percentile_95": 1.0, "largest": 1.0, "lost": 0}
    }
    assert found["search"]["search_bfloat16"]["thresholds"]["lost"] == 0
    assert found["harden"]["float32"]["images_per_second"] > 0
    assert found["peers"]["flips"]["ours"] >= 0


@pytest.mark.skipif(HAS_TORCH, reason="PyTorch is installed")
def test_a_machine_without_pytorch_gets_a_result_that_says_so(tmp_path: Path) -> None:
    parts = result_of(tmp_path, "--only", "guard", "peaks")["parts"]
    assert tuple(parts) == ("packages", "guard", "peaks")
    assert "torch" in parts["packages"]["found"]["still_missing"]
    assert {part["ended"] for part in parts.values()} == {"failed"}
    assert all("torch" in part["error"] for part in parts.values())


OVERRUNS = """
import json, pathlib, sys, time
notes = pathlib.Path(sys.argv[sys.argv.index("--notes") + 1])
notes.write_text(json.dumps({"found": {"first": 1}}))
time.sleep(60)
"""


def test_a_part_over_its_limit_is_ended_and_keeps_what_it_found(
    tmp_path: Path, run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part.py").write_text(OVERRUNS)
    monkeypatch.setattr(run, "HERE", tmp_path)
    options = argparse.Namespace(size=32, images=2, updates=1, threads=1, wheels=None)
    part = run.run_part("guard", 1.5, options, str(tmp_path))
    assert part["ended"] == "time limit of 2 s"
    assert part["found"] == {"first": 1}
    assert 1.5 <= part["seconds"] < 30


def test_all_limits_fit_into_eight_minutes_whatever_the_parts_take(
    tmp_path: Path, run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def whole_limit(name: str, limit_s: float, *_: object) -> dict[str, Any]:
        clock[0] += max(limit_s, 1)
        given[name] = limit_s
        return {"seconds": limit_s, "ended": "time limit", "found": {}}

    given: dict[str, float] = {}
    monkeypatch.setattr(run, "run_part", whole_limit)
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(sys, "argv", ["run.py", str(tmp_path / "gpu.json")])
    run.main()
    assert tuple(given) == PARTS
    assert min(given.values()) >= 10
    assert clock[0] <= 470
