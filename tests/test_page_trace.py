"""The page's dialog of a number: its data, without facts that are newer than the page, and its script in a browser."""

import json
from pathlib import Path

import pytest
import yaml
from browser import needs_chromium, running_browser
from jinja2 import Environment, PackageLoader
from results_fixture import REPOSITORY

from oncorobust.report.page.trace import SHOWN_CODE, STAGE_PARAMETERS, Facts, known_md5s, trace_view
from oncorobust.report.tables.cell import Cell, Field, Interval, MetricSource, RowsSource, Table, TableColumn

ATTACK, ROWS = "reports/lidc/clean/attack.json", "reports/lidc/adversarial/intervals.csv"
RANKED = "reports/lidc/clean/scores.csv"
INTERVAL = Interval(0.1, 0.9, 0.95, "BCa bootstrap", 7, 10_000)
FACTS = Facts(
    md5s=known_md5s(
        {ATTACK: "a" * 32},
        summaries={"lidc": {"images_md5": "b" * 32, "index_md5": "c" * 32}},
        training={"lidc": {"clean": {"model_md5": "d" * 32}, "adversarial": {}}},
    ),
    code={"attack": {"src/oncorobust/b.py": "1" * 32, "workflow/scripts/attack.py": "2" * 32}},
    parameters={
        "seed": 0,
        "run": {"threads": 1},
        "attacks": {"table_epsilons": [0.002], "protocols": ["strict"], "strict": {"threats": []}},
        "report": {"title": "</script><b>"},
        "datasets": {
            "lidc": {key: {"x": 1} for key in ("preprocess", "augment", "model", "train", "harden", "attack", "rank")}
        },
    },
)


def cell(field, metrics=(), rows=()):
    return Cell("Table 1", "PGD:0.002", "lidc", field, 0.5, INTERVAL, "", 12, 9, metrics, rows, None)


CELLS = (
    cell("accuracy", (MetricSource(ATTACK, "/clean_accuracy", 1),)),
    cell("strict", (), (RowsSource(ROWS, {"attack": "converged"}, "robust_accuracy", 1, 0.002),)),
    cell("aurc", (), (RowsSource(RANKED, {}, "aurc", 1, None, {"score": "margin"}),)),
)
TABLE = Table(
    "Table 1",
    "reports/tables/table1.csv",
    "c",
    ("Attack", "Epsilon"),
    ("PGD:0.002",),
    "across",
    (TableColumn("lidc", "LIDC", None, 12, True),),
    (Field("accuracy", "", "accuracy", "percent"),),
    CELLS,
)


@pytest.fixture(scope="module")
def data():
    return json.loads(trace_view([TABLE], FACTS).data)


def told(data, field):
    words, interval, terms, files, stages = data["cells"][f"Table 1|PGD:0.002|lidc|{field}"]
    text = data["texts"]
    files = [tuple(data["files"][one]) for one in files]
    return text[words], text[interval], [text[one] for one in terms], files, [data["stages"][one] for one in stages]


def test_a_cell_names_its_words_sources_files_and_stages(data):
    words, interval, terms, files, stages = told(data, "strict")
    assert words.startswith("share of the 12 attacked test images that are predicted as labelled and that no attack")
    assert interval == (
        "95 % interval: bias-corrected and accelerated bootstrap of patients with all their images; 9 patients, seed "
        "7, 10000 samples"
    )
    assert terms == [f"+ robust_accuracy at epsilon 0.002 of {ROWS} where attack = converged"]
    assert files == [
        (ROWS, None),
        ("models/lidc/adversarial.keras", None),
        ("data/processed/lidc/images.npy", "b" * 32),
    ]
    assert [one["command"] for one in stages] == [
        "python workflow/scripts/tabulate.py",
        "python workflow/scripts/attack.py --dataset lidc --model adversarial",
        "python workflow/scripts/harden.py --dataset lidc",
        "python workflow/scripts/train.py --dataset lidc",
        "python workflow/scripts/preprocess.py --dataset lidc",
    ]
    assert [data["modules"][one] for one in stages[1]["modules"]] == [
        ["workflow/scripts/attack.py", "2" * 32],
        ["src/oncorobust/b.py", "1" * 32],
    ]
    assert [data["texts"][one] for one in stages[1]["parameters"]] == [
        "seed = 0",
        "run.threads = 1",
        'attacks = {"table_epsilons": [0.002], "protocols": ["strict"], "strict": {"threats": []}}',
        'datasets.lidc.attack = {"x": 1}',
    ]


def test_scores_come_from_rank_and_attack_of_the_same_model(data):
    commands = [one["command"].split("/")[-1] for one in told(data, "aurc")[4]]
    assert commands[1:3] == ["rank.py --dataset lidc --model clean", "attack.py --dataset lidc --model clean"]
    assert told(data, "accuracy")[3] == [
        (ATTACK, "a" * 32),
        ("models/lidc/clean.keras", "d" * 32),
        ("data/processed/lidc/images.npy", "b" * 32),
    ]


def test_shared_facts_stand_once_and_markup_cannot_end_the_script(data):
    view = trace_view([TABLE], FACTS)
    assert "<" not in view.data and "\\u003c/script>" in view.data
    assert len(data["texts"]) == len(set(data["texts"])) and len(data["stages"]) == 7
    assert trace_view([TABLE], FACTS) == view


def test_the_parameters_are_those_that_the_stages_declare():
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage, names in STAGE_PARAMETERS.items():
        declared = stages[stage].get("do", stages[stage])["params"]
        plain = [one.replace("${item.dataset}", "{dataset}").replace("${item}", "{dataset}") for one in declared]
        assert sorted(names) == sorted(plain), stage
    assert {f"workflow/code/{stage}.txt" for stage in SHOWN_CODE} < set(stages["report"]["deps"])


CLICK = """(() => {
  const dialog = document.getElementById("trace-dialog");
  const button = document.querySelector(".trace-open");
  button.focus(); button.click();
  const found = { buttons: document.querySelectorAll(".trace-open").length, open: dialog.open };
  found.text = document.getElementById("trace-body").innerText;
  button.blur();
  dialog.close();
  return found;
})()"""


@needs_chromium
def test_a_click_on_a_number_shows_its_origin_and_closing_returns_the_focus(tmp_path):
    loader = Environment(loader=PackageLoader("oncorobust.report"), autoescape=True)
    partial = loader.get_template("_trace.html.j2").render(trace=trace_view([TABLE], FACTS))
    script = (Path(REPOSITORY) / "src/oncorobust/report/templates/trace.js").read_text(encoding="utf-8")
    numbers = "".join(
        f'<td data-row="{row}" data-column="lidc" data-field="{field}">{text}</td>'
        for row, field, text in [
            ("PGD:0.002", "strict", "<b>0.50</b>"),
            ("PGD:0.002", "accuracy", ""),
            ("unknown", "x", "1"),
        ]
    )
    table = f"<table data-table='Table 1'><tr>{numbers}</tr></table>"
    page = f"<!DOCTYPE html>{table}{partial}<script>{script}</script>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    with running_browser(tmp_path / "browser") as browser:
        tab = browser.tab()
        tab.open(tmp_path / "page.html")
        found = tab.js(CLICK)
        tab.until("document.activeElement === document.querySelector('.trace-open')")
        assert tab.js("document.getElementById('trace-dialog').open") is False
        assert tab.complaints() == []
    assert (found["buttons"], found["open"]) == (1, True)
    assert found["text"].startswith("0.50")
    assert "Table 1, row PGD:0.002, data set lidc: share of the 12 attacked test images" in found["text"]
    assert "data/processed/lidc/images.npy, MD5 " + "b" * 32 in found["text"]
    assert "models/lidc/adversarial.keras, MD5: the command states it" in found["text"]
    assert "oncorobust trace 'Table 1' --row PGD:0.002 --column lidc --field strict" in found["text"]
