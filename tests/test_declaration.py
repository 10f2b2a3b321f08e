"""Policies declared before results, the command `accept`, and its stage in both graphs."""

import json
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import toy_pipeline as toy
import yaml
from dvc.repo import Repo
from policies import POLICY, policy_of, write_policy
from results_fixture import DATASETS, write_results
from schema_check import document_problems

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.schema.acceptance import ACCEPTANCE, DECLARATION
from oncorobust.base.schema.version import read_results
from oncorobust.base.schema.version import write_results as write_json_results
from oncorobust.base.watched_inputs import check_unchanged, watching
from oncorobust.cli.main import main
from oncorobust.pipeline.declaration import declare, declare_policies, read_declarations, state_of
from oncorobust.pipeline.policy_verdicts import judge_policy
from oncorobust.report.verdict_text import verdict_lines
from oncorobust.settings.load import load_params


def test_a_policy_is_declared_once_for_each_content(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy.yaml", POLICY)
    rows = tmp_path / "rows.csv"
    first = declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    rows.write_text("1\n")
    assert declare(tmp_path, "policy.yaml", rows=["rows.csv"]) == first
    assert (first.commit, first.in_commit, first.known) == (None, False, frozenset())
    policy.write_text(policy.read_text() + "# edited\n")
    second = declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    assert second.known == {("rows.csv", file_md5(rows))}
    assert sorted(read_declarations(tmp_path, "policy.yaml"), key=lambda one: len(one.known)) == [first, second]
    assert [document_problems(path, DECLARATION) for path in tmp_path.glob("reports/acceptance/declared/*")] == [[], []]


def test_a_declaration_names_the_commit_that_holds_the_policy(tmp_path: Path) -> None:
    write_policy(tmp_path / "policy.yaml", POLICY)
    for command in ("git init -q", "git add -A", "git commit -q -m policy"):
        toy.run(tmp_path, command)
    found = declare(tmp_path, "policy.yaml", rows=[])
    assert (found.commit, found.in_commit) == (toy.run(tmp_path, "git rev-parse HEAD").strip(), True)
    write_policy(tmp_path / "policy.yaml", policy_of(level=0.9))
    assert not declare(tmp_path, "policy.yaml", rows=[]).in_commit


def test_rows_in_dvc_lock_and_in_earlier_verdicts_are_known(tmp_path: Path) -> None:
    write_policy(tmp_path / "policy.yaml", POLICY)
    (tmp_path / "dvc.lock").write_text(
        "stages:\n  attack@lidc-clean:\n    cmd: x\n    outs:\n    - {path: a.csv, md5: '1', size: 1}\n"
    )
    verdicts = tmp_path / "reports" / "acceptance" / "policy.json"
    verdicts.parent.mkdir(parents=True)
    write_json_results(verdicts, {"results": [{"path": "b.csv", "md5": "2"}]})
    assert declare(tmp_path, "policy.yaml", rows=["a.csv", "b.csv"]).known == {("a.csv", "1"), ("b.csv", "2")}


def test_the_state_of_a_policy_follows_from_its_declarations(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy.yaml", POLICY)
    rows, present = tmp_path / "rows.csv", {}

    def state() -> str:
        return state_of(read_declarations(tmp_path, "policy.yaml"), file_md5(policy), present)

    assert state() == "not declared"
    declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    rows.write_text("1\n")
    present = {"rows.csv": file_md5(rows)}
    assert state() == "declared before"
    policy.write_text(policy.read_text() + "# edited\n")
    assert state() == "edited"
    declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    assert state() == "edited", "to declare it again does not help"
    rows.write_text("2\n")
    present = {"rows.csv": file_md5(rows)}
    assert state() == "declared before", "the rows were made again, and are others"


def test_a_policy_declared_with_the_results_at_hand_is_declared_after(tmp_path: Path) -> None:
    policy, rows = write_policy(tmp_path / "policy.yaml", POLICY), tmp_path / "rows.csv"
    rows.write_text("1\n")
    declare(tmp_path, "policy.yaml", rows=["rows.csv"])
    declarations = read_declarations(tmp_path, "policy.yaml")
    assert state_of(declarations, file_md5(policy), {"rows.csv": file_md5(rows)}) == "declared after"


def test_a_stage_declares_and_does_not_watch_the_policy(results: Path) -> None:
    """A policy that is edited while the attack runs must not cost the attack."""
    params = yaml.safe_load((results / "params.yaml").read_text()) | {"acceptance": ["policy.yaml"]}
    toy.write_params(results, params)
    policy = write_policy(results / "policy.yaml", POLICY)
    with chdir(results), watching(results):
        declare_policies(load_params())
        (declared,) = read_declarations(results, "policy.yaml")
        policy.write_text("# edited\n")
        check_unchanged()
        (results / "params.yaml").write_text("# edited\n")
        with pytest.raises(InputError, match=r"params.yaml: changed while the stage ran"):
            check_unchanged()
    assert {path for path, _ in declared.known} == {
        f"reports/lidc/{model}/{name}.csv"
        for model in ("clean", "adversarial")
        for name in ("predictions", "intervals")
    }


def test_the_stage_attack_declares_before_it_attacks() -> None:
    text = (toy.REPOSITORY / "workflow/scripts/attack.py").read_text(encoding="utf-8")
    assert 0 < text.index("    declare_policies(params)") < text.index("    attack(arguments, params)")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_results(tmp_path, {"lidc": replace(DATASETS["lidc"], n_images=200)})
    index = pd.read_csv(tmp_path / "reports/lidc/clean/predictions.csv").drop_duplicates("image_id")[["image_id"]]
    index.assign(sex=["F", "M", ""] * 66 + ["F", "M"]).to_csv(tmp_path / "data/processed/lidc/index.csv", index=False)
    (tmp_path / "Snakefile").touch()
    return tmp_path


STRICT = {"metric": "accuracy", "attack": "strict", "epsilon": 0.001}


@pytest.mark.parametrize(
    ("requirement", "status", "told"),
    [
        ({"metric": "accuracy", "at_least": 0.5}, 0, "Overall: met"),
        (STRICT | {"at_least": 0.99}, 1, "Overall: not met"),
        ({"metric": "accuracy", "at_least": 0.76}, 2, "Overall: undecided"),
    ],
)
def test_the_exit_status_says_the_verdict(
    results: Path, capsys: pytest.CaptureFixture[str], requirement: dict[str, Any], status: int, told: str
) -> None:
    write_policy(results / "policy.yaml", policy_of(requirement))
    with chdir(results):
        assert main(["accept", "policy.yaml"]) == status
    captured = capsys.readouterr()
    assert told in captured.out
    assert "policy.yaml was never declared" in captured.err


def test_an_error_has_its_own_exit_status(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_policy(results / "policy.yaml", policy_of(datasets=["lidk"]))
    with chdir(results):
        assert main(["accept", "policy.yaml"]) == 3
        assert main(["accept", "absent.yaml"]) == 3
        assert main(["accept", "/elsewhere/policy.yaml"]) == 3
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(
        "oncorobust: policy.yaml: datasets[0]: expected a data set of run.datasets in params.yaml"
    )
    assert told[1].startswith("oncorobust: absent.yaml: [Errno 2]")
    assert told[2].startswith("oncorobust: expected a policy inside the repository ")


def test_rows_that_are_not_made_yet_are_named_with_the_command(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_policy(results / "policy.yaml", POLICY)
    (results / "reports/lidc/adversarial/intervals.csv").unlink()
    with chdir(results):
        assert main(["accept", "policy.yaml"]) == 3
    assert "`snakemake --cores all reports/lidc/adversarial/intervals.csv` makes it" in capsys.readouterr().err


def test_an_edited_policy_is_named_in_the_verdict_and_by_the_command(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [results / f"reports/lidc/adversarial/{name}.csv" for name in ("predictions", "intervals")]
    contents = [one.read_bytes() for one in rows]
    for one in rows:
        one.unlink()
    policy = write_policy(results / "policy.yaml", POLICY)
    with chdir(results):
        assert main(["accept", "--declare", "policy.yaml"]) == 0
        first = file_md5(policy)
        assert (
            f"declared with MD5 {first} in reports/acceptance/declared/policy-{first}.json" in capsys.readouterr().out
        )
        for one, content in zip(rows, contents, strict=True):
            one.write_bytes(content)
        assert main(["accept", "policy.yaml"]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert captured.out.splitlines()[-1] == f"policy.yaml was declared before the results were made (MD5 {first})"
        write_policy(policy, policy_of(level=0.9))
        main(["accept", "policy.yaml"])
        told = f"policy.yaml was edited after the results were made: declared with MD5 {first}, now {file_md5(policy)}"
        assert capsys.readouterr().err == f"oncorobust: WARNING: {told}\n"
        main(["accept", "policy.yaml", "--json"])
        content = json.loads(capsys.readouterr().out)
    assert content["declaration"]["state"] == "edited"
    assert content["declaration"]["sentence"] == told


def test_the_verdict_file_fits_its_schema_and_reads_as_text(results: Path) -> None:
    requirements = [STRICT | {"at_least": 0.7}, {"metric": "accuracy", "at_most_below_previous": 0.02}]
    write_policy(results / "policy.yaml", policy_of(*requirements, subgroups=[{"column": "sex"}], min_patients=80))
    with chdir(results):
        content = judge_policy("policy.yaml", load_params())
        again = judge_policy("policy.yaml", load_params())
    assert content == again
    path = results / "reports/acceptance/policy.json"
    path.parent.mkdir(parents=True)
    write_json_results(path, content)
    assert document_problems(path, ACCEPTANCE) == []
    assert [one["path"] for one in content["results"]] == [
        "reports/lidc/adversarial/predictions.csv",
        "reports/lidc/adversarial/intervals.csv",
    ]
    lines = list(verdict_lines(read_results(path)))
    assert lines[0] == "Lung CT, site A (policy.yaml), model adversarial, one-sided level 95 %"
    assert lines[1] == "\nlidc, strict robust accuracy at epsilon 0.001: at least 70 %"
    assert [line.split("  ")[1].strip() for line in lines[2:6]] == [
        "all images",
        "sex F (small)",
        "sex M (small)",
        "sex not stated (small)",
    ]


def test_columns_of_the_manifest_define_subgroups(results: Path) -> None:
    params = yaml.safe_load((results / "params.yaml").read_text())
    params["datasets"]["lidc"]["preprocess"]["format"] = {"name": "manifest"}
    toy.write_params(results, params)
    ids = pd.read_csv(results / "reports/lidc/clean/predictions.csv")["image_id"].unique()
    pd.DataFrame({"image_id": ids, "label": 1}).to_csv(results / "data/processed/lidc/index.csv", index=False)
    manifest = results / "data/raw/lidc/manifest.csv"
    manifest.parent.mkdir(parents=True)
    pd.DataFrame({"image_id": ids, "scanner": ["S1", "S2"] * 100}).to_csv(manifest, index=False)
    write_policy(results / "policy.yaml", policy_of(subgroups=[{"column": "scanner"}]))
    with chdir(results):
        found = judge_policy("policy.yaml", load_params())["verdicts"]
        assert [one["subgroup"]["value"] for one in found] == ["", "S1", "S2"]
        write_policy(results / "policy.yaml", policy_of(subgroups=[{"column": "site"}]))
        with pytest.raises(
            InputError,
            match=r"index.csv and data/raw/lidc/manifest.csv: expected the column site .*\(columns: image_id, label, ",
        ):
            judge_policy("policy.yaml", load_params())


@pytest.mark.long
@pytest.mark.slow
def test_the_stage_is_in_both_graphs_and_an_edited_policy_repeats_the_report_and_no_attack(tmp_path: Path) -> None:
    params = toy.small_params() | {"acceptance": ["policies/site_a.yaml"]}
    requirement = {"metric": "accuracy", "attack": "strict", "epsilon": 0.1, "at_least": 0.6}
    policy = write_policy(tmp_path / "policies" / "site_a.yaml", policy_of(requirement, datasets=["mnist"]))
    folder = toy.make_toy(tmp_path, params)
    jobs, stages = toy.snakemake_plan(folder, forceall=True).steps, toy.dvc_steps(folder)
    assert jobs == stages
    assert stages["accept@site_a"].outputs == {"reports/acceptance/site_a.json"}
    assert stages["accept@site_a"].inputs == {
        "policies/site_a.yaml",
        *(f"data/processed/mnist/{name}" for name in ("index.csv", "summary.json")),
        *(
            f"reports/mnist/{model}/{name}.csv"
            for model in ("clean", "adversarial")
            for name in ("predictions", "intervals")
        ),
    }
    assert "reports/acceptance/site_a.json" in stages["report"].inputs
    toy.run(folder, "snakemake --cores 2 --quiet all")
    toy.run(folder, "oncorobust record")
    policy.write_text(policy.read_text() + "# edited\n")
    assert toy.snakemake_plan(folder).needed == {"accept@site_a", "report"}
    with chdir(folder), Repo() as repo:
        assert toy.dvc_needed(repo) == {"accept@site_a", "report"}
    ran = toy.run(folder, "dvc repro --quiet").splitlines()
    assert ran == ["toy accept site_a"], "the toy's verdicts are the same, so DVC writes no other page"
    write_policy(policy, policy_of(requirement | {"metric": "recall"}, datasets=["mnist"]))
    assert "requirements[0].metric: expected one of accuracy" in toy.run(folder, "snakemake -n", status=1)
    toy.write_params(folder, toy.small_params())
    toy.run(folder, "oncorobust graph")
    assert toy.snakemake_plan(folder).needed == {"report"}, "the page shows no verdict of a policy that was taken out"
    with chdir(folder), Repo() as repo:
        assert toy.dvc_needed(repo) == {"report"}
