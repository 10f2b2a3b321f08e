"""A plan's work grows with its jobs and not faster: files are read and hashed once, whatever the number of data sets.

Nothing here is timed; benchmarks/large_plan.py does that, with 200 data sets and 10 models each.
"""

from collections import Counter
from pathlib import Path

import dpath
import pytest
import toy_pipeline as toy
from large_repository import expected_jobs, large_params, make_large

from oncorobust.pipeline import code_digest, code_record, dvc_yaml
from oncorobust.settings import load as params

REPEATED = ("acquire", "preprocess", "train", "harden", "attack", "rank")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_large(tmp_path_factory.mktemp("large") / "repository", 100)


@pytest.mark.slow
def test_a_hundred_data_sets_plan_every_job(large: Path) -> None:
    plan = toy.snakemake_plan(large)
    assert len(plan.needed) + 1 == expected_jobs(100) == 1005  # and the target itself
    rules = Counter(name.partition("@")[0] for name in plan.needed)
    assert [rules[stage] for stage in REPEATED] == [100, 100, 100, 100, 200, 200]
    assert max(len(step.inputs) for name, step in plan.steps.items() if name.startswith(REPEATED)) <= 7


def test_files_are_read_as_often_for_two_data_sets_as_for_twenty(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def counted(module: object, name: str) -> None:
        real = getattr(module, name)

        def count(*given: object, **named: object) -> object:
            calls[name] += 1
            return real(*given, **named)

        monkeypatch.setattr(module, name, count)

    # dpath.get is what Snakemake's lookup() searches the whole of params.yaml with
    for module, name in ((params, "_load"), (code_digest, "file_digest"), (code_record, "stage_code"), (dpath, "get")):
        counted(module, name)
    found = []
    for n_entries in (2, 20):
        toy.write_params(large, large_params(n_entries))
        dvc_yaml.refresh(large)
        calls.clear()
        toy.snakemake_plan(large)
        found.append(dict(calls))
    assert found[0] == found[1]
    assert found[0]["_load"] <= 5, "params.yaml for its numbers, values, overrides and the graph, and dvc.yaml"
    rules = len(toy.STAGES) + 2  # two rules for shards
    assert found[0]["file_digest"] == rules, "once for each rule"
    assert found[0]["stage_code"] == len(toy.STAGES), "once for each stage of dvc.yaml"


def test_a_data_set_that_params_do_not_have_is_named(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path, toy.small_params())
    printed = toy.run(folder, "snakemake -n models/typo/clean.keras", status=1)
    assert "expected a data set of run.datasets in params.yaml, got 'typo'" in printed
