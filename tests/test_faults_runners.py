"""Snakemake and DVC killed with -9 or asked to end by SIGTERM; then the same command again, and nothing else.

Also an input that changes while a stage runs, a clock that was set back, and outputs that somebody changed. In a toy
repository in which `train` is a real stage that keeps a state, and takes seconds.
"""

import os
import signal
from itertools import groupby
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml
from fault_tools import digests, slow_repository, stage_log, start_runner, wait_for_step

pytestmark = pytest.mark.slow
MODEL = "models/mnist/clean.keras"
COMMANDS = {"snakemake": f"snakemake --cores 2 {MODEL}", "dvc": "dvc repro train@mnist"}
PLAN = f"snakemake --cores 2 -n {MODEL}"
NOTHING = {"snakemake": "Nothing to be done", "dvc": "Data and pipelines are up to date"}
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = slow_repository(tmp_path_factory.mktemp("quiet") / "checkout")
    toy.run(folder, COMMANDS["snakemake"])
    return folder


def outputs_of(folder: Path) -> dict[str, str]:
    return {f"{top}/{name}": value for top in ("models", "reports") for name, value in digests(folder / top).items()}


@pytest.mark.parametrize("runner", ["snakemake", pytest.param("dvc", marks=pytest.mark.long)])
def test_the_same_command_again_is_all_it_takes(tmp_path: Path, quiet: Path, runner: str) -> None:
    folder = slow_repository(tmp_path / "checkout")
    for number, step in ((signal.SIGKILL, 3), (signal.SIGTERM, 6)):
        process = start_runner(folder, COMMANDS[runner])
        wait_for_step(folder, step, process)
        process.send_signal(number)
        assert process.wait() != 0
    # At once: the stage of the runner that was ended may still be saving.
    process = start_runner(folder, COMMANDS[runner])
    wait_for_step(folder, 1, process)
    _train_longer(folder)
    assert process.wait() != 0
    assert (
        "params.yaml: changed while the stage ran, so its outputs are not written"
        in (folder / "runner.log").read_text()
    )
    assert "train@mnist" not in _recorded(folder)
    assert not any(name.startswith(("models/mnist/clean", "reports/mnist/clean")) for name in outputs_of(folder))
    toy.run(folder, COMMANDS[runner])
    told = stage_log(folder)
    saved = [int(step) for _, what, step in told if what == "saved"]
    assert len(saved) == 2
    assert [int(step) for _, what, step in told if what == "begins"] == [0, *saved, saved[-1]]
    assert len([number for number, _ in groupby(words[0] for words in told)]) == 4, "no two stages at a time"
    assert outputs_of(folder) == outputs_of(quiet)
    assert NOTHING[runner] in toy.run(folder, COMMANDS[runner])


@pytest.mark.parametrize("logger", [pytest.param("", marks=pytest.mark.long), " --logger oncorobust"])
def test_ctrl_c_ends_snakemake_with_one_plain_line(tmp_path: Path, quiet: Path, logger: str) -> None:
    folder = slow_repository(tmp_path / "checkout")
    process = start_runner(folder, COMMANDS["snakemake"] + logger)
    wait_for_step(folder, 3, process)
    for _ in range(2):  # an impatient person
        os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 1
    said = (folder / "runner.log").read_text()
    assert [line for line in said.splitlines() if line][-2:] == [
        "Interrupted. Running stages save their progress; rerun the same command to resume.",
        "train mnist: interrupted. Rerun the same command to resume from the last save.",
    ]
    for noise in ("Exception", "Traceback", "Error", "MissingOutput"):
        assert noise not in said
    toy.run(folder, COMMANDS["snakemake"])
    assert outputs_of(folder) == outputs_of(quiet)


def _train_longer(folder: Path) -> None:
    content = yaml.safe_load((folder / "params.yaml").read_text())
    content["datasets"]["mnist"]["train"]["epochs"] += 1
    toy.write_params(folder, content)


def _recorded(folder: Path) -> set[str]:
    """Stages in dvc.lock, after `record` where it is Snakemake that ran."""
    if not (folder / "dvc.lock").exists():
        assert "train@mnist" in toy.run(folder, "oncorobust record").partition("left alone")[2]
    return set(yaml.safe_load((folder / "dvc.lock").read_text())["stages"])


@pytest.mark.long
def test_files_of_the_future_are_told_and_put_right_by_the_command_that_is_named(quiet: Path) -> None:
    in_an_hour = (quiet / MODEL).stat().st_mtime + 3600
    os.utime(quiet / MODEL, (in_an_hour, in_an_hour))
    said = toy.run(quiet, PLAN, status=1)
    assert f"expected modification times in the past, got 1 in the future, such as {MODEL} of " in said
    command = next(line for line in said.splitlines() if "run: " in line).partition("run: ")[2]
    toy.run(quiet, command)
    assert NOTHING["snakemake"] in toy.run(quiet, PLAN)


def test_a_clock_that_was_set_back_stops_a_run_before_its_first_job(quiet: Path) -> None:
    if not FAKETIME.exists():
        pytest.skip("libfaketime is not installed")
    said = toy.run(quiet, f"LD_PRELOAD={FAKETIME} FAKETIME=-1d {PLAN}", status=1)
    assert "expected modification times in the past, got" in said


@pytest.mark.long
def test_an_output_that_somebody_changed_is_not_recorded(quiet: Path) -> None:
    os.utime(quiet / MODEL, (10**9, 10**9))
    said = toy.run(quiet, "oncorobust record", status=1)
    assert f"{MODEL} has changed since its stage wrote it" in said
    toy.run(quiet, next(line for line in said.splitlines() if "--touch" in line).partition("run: ")[2])
    assert "recorded in dvc.lock: 3 stages" in toy.run(quiet, "oncorobust record")
    os.utime(quiet / MODEL)  # another time alone, on bytes that dvc.lock knows
    toy.run(quiet, "oncorobust record")


@pytest.mark.long
def test_times_of_long_ago_neither_run_a_stage_nor_hide_a_change(quiet: Path) -> None:
    for name in ("reports/mnist/clean/history.csv", MODEL):
        os.utime(quiet / name, (10**9, 10**9))
    assert NOTHING["snakemake"] in toy.run(quiet, PLAN)
    (quiet / "data/processed/mnist/images.npy").write_text("other pixels\n")
    assert "train" in toy.run(quiet, PLAN)
