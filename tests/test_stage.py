"""A stage's script: its imports, its progress on the terminal, and the time left."""

import subprocess
import sys
from pathlib import Path

import pytest

from oncorobust.pipeline.progress_lines import Progress


def test_a_script_hides_no_package_of_its_neighbours_name(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("")  # a module of Python's own, as tabulate is one of PyTorch's
    script = "import sys\nfrom oncorobust.pipeline.stage import run\n"
    script += "def main():\n import colorsys\n colorsys.rgb_to_hsv\nrun(main)\n"
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, str(tmp_path / "script.py")], check=True)


def test_the_terminal_shows_few_lines_of_a_long_run_and_every_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("oncorobust.pipeline.progress_lines.tell", shown.append)
    monkeypatch.setattr("oncorobust.pipeline.progress_lines.note", lambda _: None)
    times = iter(range(0, 40_000, 10))
    progress = Progress("train mnist", clock=lambda: float(next(times)))
    for done in range(1, 361):  # an hour
        progress.update(done, 360, "batches")
    minutes = [int(line.split()[2]) / 6 for line in shown]
    assert minutes == [1, 2, 4, 8, 16, 26, 36, 46, 56]
    shown.clear()
    progress.say("epoch 1 of 3: loss 0.7")
    progress.warn("COLLAPSED in epoch 2")
    assert shown == ["train mnist: WARNING: COLLAPSED in epoch 2"]


def test_progress_is_sparse_and_tells_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 4.0, 6.0, 7.0, 20.0])
    progress = Progress("train mnist", seconds=5.0, clock=lambda: next(times))
    for done in (1, 2, 3, 4, 10):
        progress.update(done, 10, "batches")
    assert capsys.readouterr().err.splitlines() == [
        "train mnist: 3 of 10 batches, 14 s left",
        "train mnist: 10 of 10 batches",
    ]


def test_the_time_left_after_a_kill_is_that_of_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 0.0, 1.0, 6.0])
    progress = Progress("train mnist", clock=lambda: next(times))
    progress.begin(90)  # of another process
    progress.update(91, 100, "batches")
    progress.update(92, 100, "batches")
    assert capsys.readouterr().err == "train mnist: 92 of 100 batches, 24 s left\n"


def test_the_time_left_is_right_when_the_first_report_is_of_many_units(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 100.0])
    progress = Progress("attack x clean", clock=lambda: next(times))
    progress.update(32, 40, "images attacked")  # one batch
    assert capsys.readouterr().err == "attack x clean: 32 of 40 images attacked, 25 s left\n"


def test_the_time_left_of_another_part_of_a_stage_counts_from_its_start(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1000.0, 1060.0, 1061.0, 1161.0, 1170.0, 1190.0])
    progress = Progress("attack x clean", clock=lambda: next(times))
    progress.update(40, 40, "images attacked")
    progress.update(30, 40, "images searched")
    progress.begin(8)  # of an earlier process
    progress.update(24, 40, "images under threat models")
    progress.update(40, 40, "images under threat models")
    progress.update(1, 3, "series")
    assert capsys.readouterr().err.splitlines() == [
        "attack x clean: 40 of 40 images attacked",
        "attack x clean: 30 of 40 images searched, 20 s left",
        "attack x clean: 24 of 40 images under threat models, 2 min left",
        "attack x clean: 40 of 40 images under threat models",
        "attack x clean: 1 of 3 series, 40 s left",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(80, "80 s"), (600, "10 min"), (7200, "2.0 h")])
def test_progress_over_hours(capsys: pytest.CaptureFixture[str], seconds: int, text: str) -> None:
    times = iter([0.0, float(seconds)])
    Progress("train", clock=lambda: next(times)).update(1, 2, "epochs")
    assert capsys.readouterr().err == f"train: 1 of 2 epochs, {text} left\n"
