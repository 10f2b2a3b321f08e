"""The validity gate as a table, the mark of red checks, and that `fail` stops the report."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from results_fixture import DATASETS, params_content, write_results
from schema_check import problems_below
from test_report import run_stage

from oncorobust.base.errors import InputError
from oncorobust.base.layout import FIGURE_NUMBERS
from oncorobust.evaluation.validity import Check
from oncorobust.report.figures.style import stamp_mark
from oncorobust.report.tables.validity import (
    Gate,
    gates_frame,
    gates_from_json,
    gates_markdown,
    gates_of,
    gates_to_json,
    marked,
    refuse_red,
    watermark,
)
from oncorobust.settings.load import parse_params

GREEN = Check("rounding", "green", "none falls", "none falls")
RED = Check("noise", "red", "noise changes 9 | 9 answers", "at most half")
SOUND = Gate("lidc", "CT", "clean", True, (GREEN,))
UNSOUND = Gate("mnist", "MNIST", "adversarial", False, (GREEN, RED))


def test_the_mark_names_each_red_check_once_with_its_models() -> None:
    assert watermark([SOUND]) == ""
    assert marked("Caption.", [SOUND]) == "Caption."
    both = [UNSOUND, Gate("lidc", "CT", "clean", True, (RED,))]
    assert watermark(both) == "NOT VALID: noise (MNIST, adversarial; CT, clean)"
    assert marked("Caption.", [UNSOUND]) == "NOT VALID: noise (MNIST, adversarial). Caption."


def test_a_refusal_names_model_and_check() -> None:
    refuse_red([SOUND])
    with pytest.raises(InputError, match=r"validity.on_failure is fail") as refusal:
        refuse_red([SOUND, UNSOUND])
    assert str(refusal.value).splitlines()[1:] == [
        "reports/mnist/adversarial/validity.json: noise is red: noise changes 9 | 9 answers (expected: at most half)"
    ]


def test_the_tables_hold_every_check() -> None:
    frame = gates_frame([SOUND, UNSOUND])
    assert frame[["dataset", "model", "check", "status"]].to_numpy().tolist() == [
        ["lidc", "clean", "rounding", "green"],
        ["mnist", "adversarial", "rounding", "green"],
        ["mnist", "adversarial", "noise", "red"],
    ]
    text = gates_markdown([SOUND, UNSOUND])
    assert text.startswith("**Validity.** NOT VALID: noise (MNIST, adversarial). Checks of whether")
    assert "\nCT (SYNTHETIC), clean\n" in text
    assert "| noise | red | noise changes 9 \\| 9 answers | at most half |" in text


def test_the_gates_are_read_back_as_written() -> None:
    content = gates_to_json([SOUND, UNSOUND])
    assert gates_from_json(content, where="validity.json") == (SOUND, UNSOUND)
    assert content["mark"] == "NOT VALID: noise (MNIST, adversarial)"
    with pytest.raises(InputError, match=r"validity.json: .*'gates'.* \(expected the checks of each model\)"):
        gates_from_json({}, where="validity.json")


def test_a_gate_has_the_title_of_its_data_set() -> None:
    report = parse_params(params_content(DATASETS)).report
    content = {"synthetic": False, "checks": [{"name": "n", "status": "green", "finding": "f", "expected": "e"}]}
    (gate,) = gates_of({"lidc": {"clean": content}}, report)
    assert gate.heading == "LIDC, clean"


@pytest.fixture(scope="module")
def red_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up results in which one check of one model is red, with tables and figures."""
    root = tmp_path_factory.mktemp("red")
    write_results(root)
    path = root / "reports/mnist/clean/validity.json"
    content = json.loads(path.read_text())
    content["checks"][0]["status"] = "red"
    path.write_text(json.dumps(content))
    for stage in ("tabulate", "plot"):
        finished = run_stage(stage, root)
        assert finished.returncode == 0, finished.stderr
    return root


def test_a_red_check_marks_every_table_every_figure_and_the_page(red_run: Path) -> None:
    assert run_stage("report", red_run).returncode == 0
    mark = "NOT VALID: noise (MNIST, clean)"
    tables = sorted((red_run / "reports/tables").glob("*.md"))
    assert len(tables) == 14
    assert [path.name for path in tables if mark not in path.read_text()] == []
    page = (red_run / "reports/index.html").read_text()
    assert f'<p class="banner" role="note"><b>{mark}.</b>' in page
    assert page.count(mark) == 1 + 13 + 1  # the banner, the caption of each table, the evidence matrix
    assert '<td class="text status flag">red</td>' in page
    assert problems_below(red_run)[0] == []


def test_a_red_check_stands_above_the_panels_of_a_figure() -> None:
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots(1, 2)
    before = axes[0].get_position().bounds[3] * 3
    assert stamp_mark(figure, "") is figure
    assert figure.get_size_inches().tolist() == [7, 3]
    stamp_mark(figure, "NOT VALID: " + "noise (MNIST, clean); " * 6)
    (mark,) = figure.texts
    assert mark.get_text().startswith("NOT VALID: noise (MNIST, clean)")
    assert mark.get_text().count("\n") == 1
    height = figure.get_size_inches()[1]
    assert axes[0].get_position().bounds[3] * height == pytest.approx(before), "panels keep their size"
    figure.draw_without_rendering()
    ends = [one.get_window_extent().y1 for one in axes]
    assert mark.get_window_extent().y0 > max(ends)
    assert mark.get_window_extent().y1 < height * figure.dpi


def test_each_figure_of_a_red_run_has_the_mark(red_run: Path) -> None:
    for number in FIGURE_NUMBERS:  # letters are paths, and a comment holds the text
        assert "NOT VALID: noise (MNIST, clean)" in (red_run / f"reports/figures/figure{number}.svg").read_text()


def test_with_fail_the_report_stops_and_names_model_and_check(red_run: Path) -> None:
    path = red_run / "params.yaml"
    before = path.read_text()
    (red_run / "reports/index.html").unlink(missing_ok=True)
    path.write_text(before.replace("on_failure: watermark", "on_failure: fail"))
    finished = run_stage("report", red_run)
    path.write_text(before)
    assert finished.returncode == 1
    assert "reports/mnist/clean/validity.json: noise is red: noise changes 1 answer" in finished.stderr
    assert not (red_run / "reports/index.html").exists()
