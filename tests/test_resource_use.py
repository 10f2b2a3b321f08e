"""What jobs used, and what the next ones ask for."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from toy_pipeline import REPOSITORY, STAGES

from oncorobust.base.errors import InputError
from oncorobust.cli.main import main
from oncorobust.pipeline.resource_use import Budget, Measured, profile_lines, read_budget, used

HEADER = "s\th:m:s\tmax_rss\tmax_vms\n"
BUDGET = Budget(
    {"train": Measured(mem_mb={32: 1000.0, 64: 800.0, 224: 4000.0}, seconds={32: 600.0, 64: 1200.0})},
    memory_margin=1.5,
    time_margin=4.0,
    runner_mb=300.0,
)


@pytest.mark.parametrize(
    ("size", "measured_mb"),
    [(16, 1000), (32, 1000), (48, 1000), (64, 1000), (65, 4000), (224, 4000), (448, 16000)],
)
def test_memory_is_that_of_the_next_larger_size_and_grows_with_pixels_beyond(size: int, measured_mb: int) -> None:
    assert BUDGET.mem_mb("train", size=size, input_mb=0.0, attempt=1) == 1.5 * measured_mb + 300


def test_input_files_and_attempts_add_memory() -> None:
    assert BUDGET.mem_mb("train", size=32, input_mb=100.0, attempt=1) == 2000  # 1.5 x 1100 + 300, in hundreds
    assert BUDGET.mem_mb("train", size=32, input_mb=100.0, attempt=3) == 8000


@pytest.mark.parametrize(("size", "attempt", "minutes"), [(32, 1, 40), (33, 1, 80), (32, 2, 80), (128, 1, 320)])
def test_time_grows_with_size_and_attempts(size: int, attempt: int, minutes: int) -> None:
    assert BUDGET.minutes("train", size=size, attempt=attempt) == minutes


def test_no_job_asks_for_less_than_half_an_hour() -> None:
    short = replace(BUDGET, measured={"report": Measured(mem_mb={32: 1.0}, seconds={32: 1.0})})
    assert short.minutes("report", size=32, attempt=1) == 30


def test_every_stage_has_a_measurement() -> None:
    budget = read_budget(REPOSITORY / "workflow" / "resources.yaml")
    assert set(budget.measured) == set(STAGES)
    for stage in STAGES:
        assert budget.mem_mb(stage, size=32, input_mb=0.0, attempt=1) > max(300, budget.measured[stage].mem_mb[32])


def test_a_budget_without_margins_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "resources.yaml"
    path.write_text("measured: {}\n")
    with pytest.raises(InputError, match=r"expected margin, runner_mb and measured, got KeyError.* in .*resources"):
        read_budget(path)


def test_jobs_are_summed_up_by_rule_and_shards_by_themselves(tmp_path: Path) -> None:
    _benchmarks(tmp_path)
    found = used(tmp_path)
    assert {rule: (one.jobs, one.seconds, one.longest, one.mem_mb) for rule, one in found.items()} == {
        "attack": (2, 50.0, 40.0, 1000.0),
        "attack_shard": (2, 10.0, 6.0, 900.0),
        "report": (1, 0.5, 0.5, 0.0),
    }


def test_the_lines_for_a_profile_hold_the_margins_and_grow_with_attempts(tmp_path: Path) -> None:
    _benchmarks(tmp_path)
    lines = yaml.safe_load(profile_lines(used(tmp_path), BUDGET))
    assert lines["set-resources"]["attack"] == {"mem_mb": "attempt * 1800", "runtime": "attempt * 30"}


@pytest.mark.parametrize("text", ["", "s\tmax_rss\n", "s\n3\n", "s\tmax_rss\nlong\t3\n"])
def test_a_file_that_is_no_benchmark_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.tsv").write_text(text)
    with pytest.raises(InputError, match=r"expected a benchmark of Snakemake, got .* in .*train.tsv"):
        used(tmp_path)


def test_the_command_prints_what_was_used_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("Snakefile", "params.yaml", "workflow"):
        (tmp_path / name).symlink_to(REPOSITORY / ("presets/demo.yaml" if name == "params.yaml" else name))
    monkeypatch.chdir(tmp_path)
    assert main(["usage"]) == 1
    assert "logs/benchmarks has no measurements of jobs" in capsys.readouterr().err
    _benchmarks(tmp_path / "logs" / "benchmarks")
    assert main(["usage"]) == 0
    printed = capsys.readouterr().out
    asked = read_budget(REPOSITORY / "workflow" / "resources.yaml").mem_mb("attack", size=32, input_mb=0.0, attempt=1)
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line}
    assert rows["attack"] == ["2", "50", "40", "1000", str(asked), "30"]
    assert rows["attack_shard"] == ["2", "10", "6", "900", str(asked), "30"]
    assert "set-resources:" in printed


def _benchmarks(folder: Path) -> None:
    (folder / "attack").mkdir(parents=True)
    rows = {
        "attack/mnist-clean.tsv": "10\t0:00:10\t1000.0\t2",
        "attack/lidc-clean.tsv": "40\t0:00:40\t999.0\t2",
        "attack/lidc-clean.1-of-2.tsv": "6\t0:00:06\t900.0\t2",
        "attack/lidc-clean.2-of-2.tsv": "4\t0:00:04\t800.0\t2",
        "report.tsv": "0.5\t0:00:00\t-\t-",
    }
    for name, row in rows.items():
        (folder / name).write_text(HEADER + row + "\n")
