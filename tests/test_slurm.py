"""The pipeline on a real Slurm of three nodes: the bytes of a local run, whatever befalls nodes, jobs and Snakemake.

The short form submits three jobs of the toy pipeline and cancels one. The others (`make test-slurm`, marker cluster):
a failed node, a killed Snakemake, a job above its memory, shards as an array, and the demo itself.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml
from slurm_cluster import Cluster, Unavailable, slurm_cluster
from slurm_cluster.toy import Run, digests, heads, make_demo, make_held

from oncorobust.base.errors import InputError
from oncorobust.pipeline.cluster_jobs import end_left_over

MODEL = "models/mnist/clean.keras"
pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install 'oncorobust[cluster]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        with slurm_cluster() as running:
            yield running
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def folder(tmp_path: Path, cluster: Cluster) -> Path:
    return make_held(tmp_path / "toy")


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[[Path, str], Run]]:
    with heads() as starting:
        yield starting
    cluster.cancel(tmp_path / "toy")


@pytest.mark.slow
def test_jobs_run_on_the_cluster_with_a_gpu_and_one_that_is_cancelled_runs_again(
    folder: Path, tmp_path: Path, cluster: Cluster, start: Callable[[Path, str], Run]
) -> None:
    (folder / "hold-train").touch()
    run = start(folder, MODEL)
    job = cluster.wait_for(folder, "train")
    assert (job.gpu, job.node in ("n2", "n3"), job.memory) == ("gres:gpu:1", True, "2800M")
    subprocess.run(["scancel", job.job_id], check=True)
    cluster.wait_for(folder, "train", state="CANCELLED")
    (folder / "hold-train").unlink()
    said = run.finish()
    assert "Trying to restart job" in said
    assert [one.state for one in cluster.jobs(folder)] == ["COMPLETED", "COMPLETED", "CANCELLED", "COMPLETED"]
    again = cluster.jobs(folder)[-1]
    assert again.memory == "5600M"
    assert (folder / "logs/slurm/rule_train/mnist" / f"{again.job_id}.log").is_file()
    assert digests(folder) == _local(tmp_path, MODEL)
    assert not (folder / "doubles").exists()


@pytest.mark.cluster
def test_a_node_that_fails_and_a_cancelled_job_change_no_byte_of_the_whole_pipeline(
    folder: Path, tmp_path: Path, cluster: Cluster, start: Callable[[Path, str], Run]
) -> None:
    (folder / "hold-train").touch()
    (folder / "hold-attack").touch()
    run = start(folder, "")
    busy = cluster.wait_for(folder, "train")
    subprocess.run(["scontrol", "update", f"node={busy.node}", "state=down", "reason=test"], check=True)
    elsewhere = cluster.wait_for(folder, "train", on_another_node_than=busy.node)
    assert elsewhere.job_id == busy.job_id
    subprocess.run(["scontrol", "update", f"node={busy.node}", "state=resume"], check=True)
    (folder / "hold-train").unlink()
    subprocess.run(["scancel", cluster.wait_for(folder, "attack").job_id], check=True)
    (folder / "hold-attack").unlink()
    run.finish()
    assert digests(folder) == _local(tmp_path, "")
    assert not (folder / "doubles").exists()
    toy.run(folder, "oncorobust record")
    assert "up to date" in toy.run(folder, "dvc status")


@pytest.mark.cluster
def test_a_killed_snakemake_is_started_again_and_no_job_runs_twice_at_once(
    folder: Path, tmp_path: Path, cluster: Cluster, start: Callable[[Path, str], Run]
) -> None:
    (folder / "hold-harden").touch()
    first = start(folder, "")
    orphan = cluster.wait_for(folder, "harden")
    os.kill(first.head.pid, signal.SIGKILL)
    first.head.wait()
    assert cluster.wait_for(folder, "harden").job_id == orphan.job_id  # it outlives the Snakemake that submitted it
    second = start(folder, "")
    cluster.wait_for(folder, "harden", state="CANCELLED")
    cluster.wait_for(folder, "harden")
    (folder / "hold-harden").unlink()
    second.finish()
    assert digests(folder) == _local(tmp_path, "")
    assert not (folder / "doubles").exists()


@pytest.mark.cluster
def test_a_job_above_its_memory_is_tried_again_with_twice_as_much(
    folder: Path, cluster: Cluster, start: Callable[[Path, str], Run]
) -> None:
    budget = yaml.safe_load((folder / "workflow" / "resources.yaml").read_text())
    budget |= {"runner_mb": 0, "margin": {"memory": 1, "time": 4}}
    budget["measured"]["preprocess"]["mem_mb"] = {224: 300}
    (folder / "workflow" / "resources.yaml").write_text(yaml.safe_dump(budget))
    (folder / "memory-preprocess").write_text("450")
    start(folder, "data/processed/mnist/index.csv").finish()
    first, second = (job for job in cluster.jobs(folder) if job.rule.startswith("rule_preprocess"))
    assert (first.state, first.memory, second.state, second.memory) == ("FAILED", "400M", "COMPLETED", "800M")
    said = (folder / "logs/slurm/rule_preprocess/mnist" / f"{first.job_id}.log").read_text()
    assert "memory limit" in said


@pytest.mark.cluster
def test_shards_are_one_array_of_jobs_with_a_gpu_each(
    tmp_path: Path, cluster: Cluster, start: Callable[[Path, str], Run]
) -> None:
    folder = make_held(tmp_path / "toy", shards=True)
    start(folder, "reports/mnist/clean/rank.json --set-scatter test_images=3").finish()
    for rule in ("attack_shard", "rank_shard"):
        jobs = [job for job in cluster.jobs(folder) if job.rule.startswith(f"rule_{rule}")]
        assert len({job.job_id.partition("_")[0] for job in jobs}) == 1
        assert [(job.job_id.partition("_")[2], job.state, job.gpu) for job in jobs] == [
            (str(number), "COMPLETED", "gres:gpu:1") for number in (1, 2, 3)
        ]
        assert len(list((folder / "logs" / "slurm" / f"rule_{rule}").rglob("*.log"))) == 3


@pytest.mark.cluster
def test_the_demo_gives_the_metrics_of_a_local_run(
    tmp_path: Path, cluster: Cluster, start: Callable[[Path, str], Run]
) -> None:
    folders = [make_demo(tmp_path / name, datasets=["mnist", "lidc"]) for name in ("toy", "local")]
    start(folders[0], "").finish(seconds=3600)
    toy.run(folders[1], "snakemake --cores 2")
    on_cluster, local = (
        {name: digest for name, digest in digests(folder).items() if name.endswith((".json", ".csv", ".md"))}
        for folder in folders
    )
    assert "reports/lidc/adversarial/rank.json" in local
    assert on_cluster == local
    toy.run(folders[0], "oncorobust record")
    assert "up to date" in toy.run(folders[0], "dvc status")


SLURM = """#!/bin/sh
# A stand-in for squeue and scancel: the jobs stand in a file, and scancel takes them out.
case $(basename "$0") in
  squeue) cat jobs ;;
  scancel) echo "$@" >> cancelled; [ "$KEEP" ] || : > jobs ;;
esac
"""


@pytest.mark.parametrize("keep", ["", "true"])
def test_only_jobs_of_this_folder_are_cancelled_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    for name in ("squeue", "scancel"):
        (tmp_path / name).write_text(SLURM)
        (tmp_path / name).chmod(0o755)
    here = tmp_path.resolve()
    rows = [f"7|rule_train_wildcards_mnist|{here}", f"8|(null)|{here}", "9|rule_train|/elsewhere"]
    rows += [f"10|rule_attack_shard_wildcards_a|{here}", f"10|rule_attack_shard|{here}"]
    (tmp_path / "jobs").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("KEEP", keep)
    monkeypatch.setattr("oncorobust.pipeline.cluster_jobs.END_SECONDS", 0.0)
    if keep:
        with pytest.raises(InputError, match="expected the jobs of an earlier run to end, got 10, 7 still in Slurm's"):
            end_left_over(tmp_path)
    else:
        assert end_left_over(tmp_path) == ["10", "7"]
    assert (tmp_path / "cancelled").read_text() == "10 7\n"


def test_without_slurm_there_is_nothing_to_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert end_left_over(tmp_path) == []


def _local(tmp_path: Path, target: str) -> dict[str, str]:
    """What the same toy makes without a cluster."""
    folder = make_held(tmp_path / "local")
    toy.run(folder, f"snakemake --cores 2 {target}")
    return digests(folder)
