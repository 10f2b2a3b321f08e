"""The section Acceptance of the page: verdicts by the policies of params.yaml, and nothing without a policy."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from policies import policy_of, write_policy
from results_fixture import DATASETS, REPOSITORY, write_empty_figures, write_results
from toy_pipeline import write_params

from oncorobust.report.verdict_text import policy_view

STRICT = {"metric": "accuracy", "attack": "strict", "epsilon": 0.001}
NAME = "Lung <CT>, site A"


def run_stage(root: Path, stage: str, *arguments: str) -> None:
    script = REPOSITORY / "workflow/scripts" / f"{stage}.py"
    finished = subprocess.run([sys.executable, script, *arguments], cwd=root, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def page_of(root: Path) -> str:
    run_stage(root, "report")
    return (root / "reports/index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one synthetic data set with the tables and, in place of the figures, another image."""
    root = tmp_path_factory.mktemp("run")
    write_results(root, {"phantom": DATASETS["phantom"]})
    index = root / "data/processed/phantom/index.csv"
    rows = pd.read_csv(index)
    rows.assign(sex=["F", "M"] * (len(rows) // 2)).to_csv(index, index=False)
    write_empty_figures(root)
    run_stage(root, "tabulate")
    return root


@pytest.fixture(scope="module")
def judged(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with verdicts that are met, not met and undecided, by a policy that was never declared."""
    root = shutil.copytree(root, tmp_path_factory.mktemp("judged") / "run")
    params = yaml.safe_load((root / "params.yaml").read_text()) | {"acceptance": ["policies/site_a.yaml"]}
    write_params(root, params)
    requirements = [STRICT | {"at_least": 0.99}, *({"metric": "accuracy", "at_least": one} for one in (0.3, 0.76))]
    content = policy_of(*requirements, name=NAME, datasets=["phantom"], subgroups=[{"column": "sex"}], min_patients=15)
    write_policy(root / "policies/site_a.yaml", content)
    run_stage(root, "accept", "--policy", "site_a")
    return root


def test_without_a_policy_the_page_says_nothing_of_acceptance(root: Path) -> None:
    page = page_of(root)
    assert 'id="acceptance"' not in page
    assert "#acceptance" not in page
    first_screen = page[page.index('<section id="summary">') : page.index('<section id="data">')]
    assert not re.search("(?i)acceptance|verdict|policy", first_screen)
    assert "Not done, because no policy" in page, "the evidence matrix says so"
    subgroups = page[page.index('<h3 id="subgroups">') :]
    assert "The command oncorobust accept judges a policy" in subgroups[: subgroups.index("</section>")]


def test_verdicts_that_are_not_made_are_named_with_the_command_that_makes_them(judged: Path) -> None:
    file = judged / "reports/acceptance/site_a.json"
    content = file.read_bytes()
    file.unlink()
    try:
        script = REPOSITORY / "workflow/scripts/report.py"
        done = subprocess.run([sys.executable, script], cwd=judged, capture_output=True, text=True)
    finally:
        file.write_bytes(content)
    assert done.returncode == 1
    told = "expected reports/acceptance/site_a.json, got no such file; `snakemake --cores all reports/acceptance/site_a"
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_every_verdict_stands_on_the_page_with_bounds_size_and_what_would_decide_it(judged: Path) -> None:
    content = json.loads((judged / "reports/acceptance/site_a.json").read_text())
    page = page_of(judged)
    assert {one["outcome"] for one in content["verdicts"]} == {"met", "not met", "undecided"}
    summary = page[page.index('<section id="summary">') : page.index('<section id="data">')]
    assert "Lung &lt;CT&gt;, site A: <b>not met</b> (not declared before the results)." in summary
    section = page[page.index('<section id="acceptance">') : page.index('<section id="evidence">')]
    assert "Model: adversarially trained. One-sided level: 95 %." in section
    assert f'class="flag">{content["declaration"]["sentence"]}.' in section
    lines = re.findall("<tr>(<th.*?)</tr>", section)[1:]
    assert len(lines) == len(content["verdicts"]) == 3 * 3
    for line, one in zip(lines, content["verdicts"], strict=True):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line)
        assert cells[:2] == ["MRI phantom (SYNTHETIC)", one["requirement"]]
        name = "sex " + one["subgroup"]["value"] if one["subgroup"]["column"] else "all images"
        assert cells[2] == (f"{name} (small)" if one["subgroup"]["small"] else name)
        assert cells[3] == one["outcome"]
        assert cells[4] == "{:.1f} % ({:.1f} to {:.1f})".format(*(100 * one[key] for key in ("value", "low", "high")))
        assert cells[5] == f"{one['n_images']} images, {one['n_patients']} patients"
        assert bool(cells[6]) == (one["patients_to_decide"] is not None) == (one["outcome"] == "undecided")
        assert cells[7] == one["method"] != ""
    assert "accept.py --policy site_a" in page


def test_images_that_belong_to_no_patient_are_counted_as_images(judged: Path) -> None:
    content = json.loads((judged / "reports/acceptance/site_a.json").read_text())
    lines = policy_view(content, {"phantom": "Digits"}, units={"phantom": "images"}).lines
    assert {one.size for one in lines} == {f"{one['n_images']} images" for one in content["verdicts"]}
    assert all(re.fullmatch(r"(about [\d,]+ images)?", one.to_decide) for one in lines)
    assert any(one.to_decide for one in lines)


def test_verdicts_on_results_that_are_not_valid_say_so(judged: Path) -> None:
    gates = judged / "reports/tables/validity.json"
    before = gates.read_text()
    assert "rest on these results" not in page_of(judged)
    gates.write_text(before.replace('"status": "green"', '"status": "red"', 1))
    page = page_of(judged)
    gates.write_text(before)
    assert re.search(r'<p class="flag">NOT VALID: noise .*\. The verdicts rest on these results\.</p>', page)
