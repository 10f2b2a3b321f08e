"""The page's sections for three readers and the evidence matrix as HTML: complete, escaped, and without scripts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from made_tables import MISSED, SENSITIVITY, made_cell, made_source, made_table
from results_fixture import REPOSITORY

from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.validity import Check
from oncorobust.report.page.clinical import StoredImages, clinical_files
from oncorobust.report.page.inline import TEMPLATES
from oncorobust.report.page.parts import embedded
from oncorobust.report.page.readers import ReaderFiles, readers_view
from oncorobust.report.tables.cell import TableColumn
from oncorobust.report.tables.validity import Gate
from oncorobust.settings.load import parse_params

HOSTILE = '<b onclick="x()">&amp;\'"'
LONG = "y" * 10_000
CLEAN_FILE = "reports/lidc/clean/predictions.csv"


@dataclass
class Part:
    """The data set lidc with a clean model."""

    key: str = "lidc"
    summary: dict = field(
        default_factory=lambda: {
            "class_names": [HOSTILE, "malignant"],
            "intensity_range": [-1000, 400],
            "intensity_unit": "HU",
            "split_unit": "patient",
            "n_images": 9,
            "n_patients": 4,
        }
    )
    training: dict = field(
        default_factory=lambda: {"clean": {"collapsed_epochs": [2], "collapsed": True, "best": {"epoch": 2}}}
    )
    attack: dict = field(
        default_factory=lambda: {"clean": {"n_test_images": 8, "share_without_gradient": 0.0, "strict": {}}}
    )


def files():
    ids = [HOSTILE, LONG, "c"]
    predictions = pd.DataFrame(
        {"image_id": ids, "patient_id": ids, "label": [0, 1, 1], "predicted": [1, 1, 1], "margin": [-1.0, 2.0, 3.0]}
    ).assign(attack="none")
    ranking = predictions.assign(first_flipped=[0.001, 0.002, np.inf])
    index = pd.DataFrame(
        {"image_id": ids, "patient_id": ids, "label": [0, 1, 1], "split": "test", "sex": ["F", "M", "F"]}
    )
    index = index.assign(class_name="made", source="made", position=np.arange(3))
    images = LabelledImages(
        index, np.zeros((3, 4, 4, 1), dtype=np.float32), (HOSTILE, "malignant"), synthetic=True, name="lidc"
    )
    rows = {CLEAN_FILE: predictions, "reports/lidc/clean/sensitivity.csv": ranking}
    return ReaderFiles(StoredImages(rows, {"lidc": images}), {"lidc": None}, "", "1.2.3")


def tables():
    column = TableColumn("lidc", HOSTILE, None, 3, synthetic=True)
    source = made_source(CLEAN_FILE, {"attack": "none"}, "sensitivity")
    cells = [made_cell("Table E", "clean:Baseline", one.name, source=source) for one in (SENSITIVITY, MISSED)]
    found = [made_table("Table E", cells, columns=[column], fields=(SENSITIVITY, MISSED))]
    return [made_table("Table 1", [made_cell("Table 1", "PGD:0.002", "accuracy")], columns=[column]), *found] + [
        made_table(name) for name in ("Table S5", "Table T", "Table M", "Table C", "Table A")
    ]


def rendered(assessment=None):
    params = parse_params(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))
    gates = [Gate("lidc", HOSTILE, "clean", True, (Check("noise", "red", HOSTILE, "none"),))]
    view = readers_view(
        [Part()],
        tables(),
        files(),
        gates=gates,
        policies=[],
        params=params,
        models={"clean": "clean"},
        assessment=assessment,
    )
    environment = Environment(loader=PackageLoader("oncorobust", TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters["embedded"] = embedded
    around = {"mark": "NOT VALID: noise", "synthetic": [HOSTILE], "all_synthetic": True, "assessment": assessment}
    return "".join(
        environment.get_template(name).render(readers=view, **around)
        for name in ("_clinical.html.j2", "_evidence.html.j2")
    )


@pytest.fixture(scope="module")
def page():
    return rendered()


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_hostile_names_stay_text(page):
    read = Reader(page)
    assert all("onclick" not in attributes for _, attributes in read.tags)
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "iframe", "object", "link"})
    assert HOSTILE in read.text
    assert LONG not in page


def test_images_have_alternatives_and_heads_have_scopes(page):
    tags = Reader(page).tags
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 2  # one wrong image; one right image that an attack flips
    assert all(attributes["alt"].strip() for attributes in images)
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")


def test_the_warning_stands_between_the_model_and_its_numbers(page):
    warning = page.index("Training collapsed: the model is no better than one answer for all images.")
    assert page.index("clean model</h4>") < warning < page.index('<table class="confusion')
    anchors = {attributes.get("href") for tag, attributes in Reader(page).tags if tag == "a"}
    assert {"#training-lidc-clean", "#validity-lidc-clean"} <= anchors


def test_places_of_the_sections_exist(page):
    tags = Reader(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    elsewhere = {"validity", "acceptance", "training-lidc-clean", "validity-lidc-clean"}
    for tag, attributes in tags:
        target = attributes.get("href", "#validity")[1:] if tag == "a" else "validity"
        assert target in {*ids, *elsewhere} or target.startswith("table-"), target


def test_the_positive_class_is_named(page):
    assert "Positive class, to which sensitivity refers: malignant." in page


def test_synthetic_and_not_valid_stand_above_the_evidence(page):
    matrix = page[page.index('<section id="evidence">') :]
    assert matrix.index("SYNTHETIC: all images were generated") < matrix.index("<table")
    assert matrix.index("NOT VALID: noise. Lines about attacks rest on these results.") < matrix.index("<table")


def test_what_is_not_recorded_is_said(page):
    text = Reader(page).text
    assert "not recorded, because raw_tree.csv is missing" in text
    assert "Origin and date" in text
    assert "generated, so no scanner or patient has a date" in text
    assert f"Columns of index.csv that a policy can name: {HOSTILE}: sex." in text


def test_an_assessment_has_no_traces():
    assert "oncorobust trace" not in rendered(assessment={"code_sha256": "f00"})


def test_the_files_are_those_of_the_models_and_of_table_e():
    models, names = ("clean", "adversarial"), ("predictions.csv", "sensitivity.csv")
    found = clinical_files({"lidc": models}, tables())
    assert found == [f"reports/lidc/{model}/{name}" for model in models for name in names]
