"""The charts of the page: their values are those of the tables, and a browser draws them under the page's policy."""

import contextlib
import json
import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from browser import dumped, needs_chromium, running_browser
from jinja2 import Environment, PackageLoader
from results_fixture import DATASETS, write_results
from schema_check import document_problems

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CELLS
from oncorobust.base.schema.curves import CURVES as CURVES_SCHEMA
from oncorobust.base.schema.version import write_results as write_results_json
from oncorobust.pipeline.stages.tabulate import tabulate
from oncorobust.report.figures.charts import charts_to_json
from oncorobust.report.figures.plot_data import read_all_plot_data
from oncorobust.report.page.charts import charts_view, embedded_svg, read_svg
from oncorobust.report.page.inline import SCRIPTS, TEMPLATES, content_security_policy, inline
from oncorobust.settings.load import load_params

CURVES = [
    {
        "title": "attack <b>one</b>",
        "colour": "#0072B2",
        "line": "--",
        "width": 1.3,
        "step": None,
        "shown": True,
        "x": [0.0, 0.001, 0.01],
        "y": [90.0, 50.04, 10.0],
        "low": [80.0, 40.0, None],
        "high": [95.0, 61.26, None],
    },
    {
        "title": "certified",
        "colour": "#56B4E9",
        "line": "-.",
        "width": 1.7,
        "step": "pre",
        "shown": True,
        "x": [0.0, 0.005, 0.01],
        "y": [80.0, 70.0, 0.0],
        "low": [None, None, None],
        "high": [None, None, None],
    },
]
PANEL = {
    "figure": 2,
    "dataset": "ct",
    "title": "CT (n = 12), SYNTHETIC",
    "x": {"label": "epsilon (pixel range 0 to 1)", "unit": "HU", "scale": 1400.0},
    "y": {"label": "accuracy (%)"},
    "curves": CURVES,
}
READ = """(() => {
  const find = selector => document.querySelector(selector);
  const told = {};
  const press = key => find(".chart-plot").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  press("Home"); press("ArrowRight");
  told.read = find(".chart-readout").textContent;
  told.shown = [...document.querySelectorAll("figure > *, .chart canvas")].filter(one => one.clientWidth > 0)
    .map(one => one.localName);
  find(".chart-curves input").click();
  press("ArrowRight");
  told.hidden = find(".chart-readout").textContent;
  find(".chart-values").open = true;
  return told;
})()"""
ROWS = "[...document.querySelectorAll('.chart-values tr')].map(row => [...row.cells].map(one => one.textContent))"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list[dict]]:
    """The charts and the tables' cells of a run on one data set."""
    root = tmp_path_factory.mktemp("charts")
    write_results(root, {"lidc": DATASETS["lidc"]})
    with contextlib.chdir(root):
        params = load_params()
        tabulate(params)
        return charts_to_json(read_all_plot_data(params)), json.loads(Path(CELLS).read_text(encoding="utf-8"))["cells"]


def points_of(charts: dict, figure: str, panel: int, title: str) -> dict[float, tuple[float, float, float]]:
    (curve,) = (one for one in charts["figures"][figure][panel]["curves"] if one["title"] == title)
    ends = zip(curve["y"], curve["low"], curve["high"], strict=True)
    return dict(zip(curve["x"], ends, strict=True))


@pytest.mark.parametrize(
    ("title", "row", "field"),
    [("PGD, predicted labels", "PGD", "accuracy"), ("PGD, true labels", "PGD", "accuracy_true_labels")],
)
def test_the_points_are_the_cells_of_table_1(results, title: str, row: str, field: str) -> None:
    charts, cells = results
    points = points_of(charts, "2", 0, title)
    found = [one for one in cells if one["table"] == "Table 1" and one["row"].startswith(f"{row}:")]
    compared = [one for one in found if one["field"] == field and one["value"] is not None]
    assert len(compared) >= 2
    for cell in compared:
        numbers = (cell["value"], cell["interval"]["low"], cell["interval"]["high"])
        assert points[float(cell["row"].partition(":")[2])] == pytest.approx([100 * one for one in numbers], abs=6e-5)


def test_every_figure_has_its_panels_and_each_panel_says_synthetic_and_the_unit(results) -> None:
    charts, _ = results
    panels = {number: len(panels) for number, panels in charts["figures"].items()}
    assert panels == {"2": 1, "3": 3, "4": 1, "5": 1, "8": 4}
    assert charts["figures"]["3"][0]["title"] == "LIDC (n = 40), predicted labels"
    epsilon = {"label": "epsilon (pixel range 0 to 1)", "unit": "HU", "scale": 1400.0, "log": False}
    assert charts["figures"]["2"][0]["x"] == epsilon
    assert charts["figures"]["4"][0]["x"]["unit"] is None


def test_the_file_of_the_curves_is_that_of_its_schema(results, tmp_path: Path) -> None:
    write_results_json(tmp_path / "curves.json", results[0])
    assert document_problems(tmp_path / "curves.json", CURVES_SCHEMA) == []


def test_data_of_the_charts_cannot_end_its_element() -> None:
    content = {"figures": {"2": [{"title": "</script><script>alert(1)</script><!--"}]}}
    view = charts_view(content)
    assert "<" not in view.data
    assert json.loads(view.data) == content
    assert view.numbers == {2}


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reports/figures/curves.json: figures is NoneType \(expected panels by"):
        charts_view({})
    with pytest.raises(InputError, match=r"a\.svg: .*No such file.* \(expected an SVG image\)"):
        read_svg(tmp_path / "a.svg")
    (tmp_path / "b.svg").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"b\.svg: begins with b'\\x89PNG.*' \(expected an SVG image\)"):
        read_svg(tmp_path / "b.svg")


def test_the_plotting_library_is_the_published_file_with_its_licence() -> None:
    content = files("oncorobust").joinpath(TEMPLATES, "uplot.js").read_text(encoding="utf-8")
    licence, _, program = content.partition("*/\n")
    assert "The MIT License (MIT)" in licence
    assert "Copyright (c) 2022 Leon Sorokin" in licence
    # dist/uPlot.iife.min.js of npm's uplot 1.6.32
    assert sha256(program.encode()).hexdigest() == "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
    assert not re.search(r"\beval\(|\bnew Function\b", program)


def page_of_charts() -> str:
    """A page of one figure with its chart, under the page's policy, and the script that uses it."""
    environment = Environment(loader=PackageLoader("oncorobust", TEMPLATES), autoescape=True)
    view = charts_view({"figures": {"2": [PANEL]}})
    parts = inline()
    scripts = [one for one, name in zip(parts.scripts, SCRIPTS, strict=True) if name != "page.js"]
    image = embedded_svg(b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"/>')
    return "".join(
        [
            '<!DOCTYPE html><html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="',
            f'{content_security_policy(scripts)}"><style>{parts.style}</style></head><body>',
            f'<figure data-chart="2"><img src="{image}" alt=""><figcaption>Figure 2</figcaption></figure>',
            environment.get_template("_charts.html.j2").render(charts=view),
            *(f"<script>{one}</script>" for one in scripts),
            "</body></html>",
        ]
    )


@needs_chromium
def test_a_browser_draws_the_chart_under_the_policy_and_the_keyboard_reads_its_values(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(page_of_charts(), encoding="utf-8")
    with running_browser(tmp_path / "browser") as browser:
        tab = browser.tab()
        tab.show(width=900)
        tab.open(page)
        tab.until("Boolean(document.querySelector('.chart-plot canvas'))")
        told = tab.js(READ)
        tab.until("Boolean(document.querySelector('.chart-values tr'))")
        rows = tab.js(ROWS)
        tab.js("document.querySelector('.chart-bar button').click()")
        printed = tab.js("document.querySelector('figure > img').clientWidth")
        assert tab.complaints() == []
    # 0.001 x 1400 = 1.4 HU; the certified curve falls after 0.005, so that at 0.001 it still holds what 0.005 has
    assert told["read"] == "epsilon 0.001 (1.4 HU)attack <b>one</b>: 50.0 % (40.0 to 61.3)certified: 70.0 %"
    assert told["shown"] == ["div", "canvas", "figcaption"]
    assert told["hidden"] == "epsilon 0 (0 HU)certified: 80.0 %"
    assert rows == [
        ["epsilon (pixel range 0 to 1)", "HU", "attack <b>one</b>", "certified"],
        ["0", "0", "90.0 % (80.0 to 95.0)", "80.0 %"],
        ["0.001", "1.4", "50.0 % (40.0 to 61.3)", "70.0 %"],
        ["0.005", "7", "", "70.0 %"],
        ["0.01", "14", "10.0 %", "0.0 %"],
    ]
    assert printed > 0


def test_without_its_policy_s_hash_no_chart_is_drawn(tmp_path: Path) -> None:
    page = page_of_charts()
    shown, console = dumped(re.sub(r"'sha256-[^']+'", "", page), tmp_path)
    assert 'class="uplot' not in shown.partition("<body>")[2].partition("<script")[0]
    assert "Content Security Policy" in console
