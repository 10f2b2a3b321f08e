"""Gallery and table of images in a browser: slider, sorting, filtering, details, hostile ids, many rows."""

import json

import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium, running_browser
from exhibits_page import EPSILONS, HOSTILE, exhibits_page, gallery_source, image_rows, images_source

pytestmark = needs_chromium

N = 300
ROWS = image_rows([f"image-{one:05d}" for one in range(N)])
SELECT = """((name, value) => {{
  const field = document.querySelector(`.filters [name="${{name}}"]`);
  field.value = value;
  field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input"));
}})({}, {})"""
TEXTS = """[...document.querySelectorAll('.rows tbody tr:not(.space)')].map(
  (row) => [...row.cells].map((cell) => cell.textContent))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    page = exhibits_page(
        [gallery_source(), gallery_source(model="hardened"), gallery_source(dataset="mnist", ids=("c",))],
        [
            images_source(ROWS, anchors={("hardened", "image-00001"): "gallery-lidc-hardened-1"}),
            images_source(image_rows(["c"]), key="mnist"),
        ],
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page, encoding="utf-8")
    opened = browser.tab()
    opened.show(width=1200)
    opened.open(path)
    return opened


@pytest.fixture
def table(tab):
    """The table as it is at first."""
    tab.js("document.querySelector('.filters [name=dataset]').onchange({target: {value: 'lidc'}})")
    return tab


def expected_rows():
    """All rows as pandas holds them, in the order of the page."""
    images = ROWS.images.reset_index(drop=True)
    parts = [
        images.assign(model=name, **{column: rows[column].to_numpy() for column in rows})
        for name, rows in ROWS.models.items()
    ]
    classes = np.array(["benign", "malignant"])
    rows = pd.concat(parts, ignore_index=True)
    right = np.where(rows["predicted"] == rows["label"], "right", "wrong")
    return rows.assign(right=right, label=classes[rows["label"]], predicted=classes[rows["predicted"]])


def select(tab, name, value):
    tab.js(SELECT.format(json.dumps(name), json.dumps(value)))


def sort(tab, name):
    tab.js(f"document.querySelector('.rows th[data-name=\"{name}\"] button').click()")


def shown(tab):
    """Ids and models of all rows, read while the table is scrolled through."""
    return tab.js(
        """(async () => {
          const scroll = document.querySelector('.visible-rows');
          const table = scroll.querySelector('table');
          const total = Number(table.getAttribute('aria-rowcount')) - 1;
          const found = new Array(total);
          for (let top = 0; ; top += 900) {
            scroll.scrollTop = top;
            scroll.dispatchEvent(new Event('scroll'));
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            for (const row of table.querySelectorAll('tbody tr:not(.space)'))
              found[row.getAttribute('aria-rowindex') - 2] = row.cells[0].textContent + '|' + row.cells[2].textContent;
            if (top > total * 34) return found;
          }
        })()"""
    )


def names(rows):
    return (rows["image_id"] + "|" + rows["model"]).tolist()


def test_the_slider_moves_epsilon_image_and_probabilities(tab):
    gallery = "document.querySelector('.gallery')"
    assert tab.js(f"{gallery}.querySelector('input').getAttribute('aria-valuetext')") == "0.02 (28 HU)"
    visible = f"[...{gallery}.querySelectorAll('.attacked')].filter((one) => !one.hidden)"
    assert tab.js(f"{visible}.map((one) => one.dataset.label)") == ["0.02 (28 HU)"] * 2
    at_last = tab.js(f"{visible}[0].querySelectorAll('img')[1].src")
    tab.js(f"{gallery}.querySelector('input').focus()")
    tab.press("Home")
    assert tab.js(f"{gallery}.querySelector('output').textContent") == "0.001 (1.4 HU)"
    assert tab.js(f"{visible}.map((one) => one.dataset.label)") == ["0.001 (1.4 HU)"] * 2
    assert tab.js(f"{visible}[0].querySelectorAll('img')[1].src") != at_last
    assert tab.js(f"{visible}[0].querySelector('figcaption').textContent").endswith("not flipped")
    tab.press("ArrowRight")
    assert tab.js(f"{visible}[0].querySelector('figcaption').textContent").endswith("flipped to malignant")
    # softmax of 2 and 4
    assert tab.js(f"[...{visible}[0].querySelectorAll('.bars b')].map((one) => one.textContent)") == [
        "11.9 %",
        "88.1 %",
    ]
    assert tab.js("document.querySelectorAll('.gallery input[type=range]').length") == 3


def test_sorting_gives_what_pandas_gives(table):
    rows = expected_rows()
    for name, column in (
        ("flipped", "first_flipped"),
        ("margin", "margin"),
        ("patient", "patient_id"),
        ("id", "image_id"),
    ):
        for ascending in (True, False):
            sort(table, name)
            wanted = names(rows.sort_values(column, ascending=ascending, kind="stable"))
            found = [f"{row[0]}|{row[2]}" for row in table.js(TEXTS)]
            assert found == wanted[: len(found)] and len(found) > 10, (name, ascending)
    assert shown(table) == names(rows.sort_values("image_id", ascending=False, kind="stable"))


def test_filters_give_what_pandas_gives(table):
    rows = expected_rows()
    assert shown(table) == names(rows)
    select(table, "model", "1")
    select(table, "label", "1")
    select(table, "right", "1")
    select(table, "group1", "2")
    select(table, "flips", "yes")
    select(table, "epsilon", str(EPSILONS[1]))
    kept = rows[
        (rows.model == "hardened")
        & (rows.label == "malignant")
        & (rows.right == "wrong")
        & (rows.site == "south")
        & (rows.first_flipped <= EPSILONS[1])
    ]
    assert len(kept) > 2
    assert shown(table) == names(kept)
    sort(table, "margin")
    assert shown(table) == names(kept.sort_values("margin", kind="stable"))


def test_search_and_patients(table):
    rows = expected_rows()
    select(table, "search", "IMAGE-0001")
    assert shown(table) == names(rows[rows.image_id.str.contains("image-0001")])
    select(table, "search", "")
    select(table, "patient", "P1")
    assert shown(table) == names(rows[rows.patient_id == "P1"])
    select(table, "patient", "P99")
    known = rows.patient_id == "P99"
    assert shown(table) == names(rows[known] if known.any() else rows[rows.patient_id.str.contains("P99")])


def test_only_visible_rows_are_in_the_document(table):
    assert table.js("document.querySelectorAll('.rows tbody tr').length") < 80
    assert table.js("document.querySelector('.filters + p').textContent") == f"{2 * N} of {2 * N} rows"


def test_a_row_opens_its_image_by_keyboard(table):
    select(table, "search", "image-00001")
    select(table, "model", "1")
    table.js("document.querySelector('.rows tbody button').focus()")
    table.press("Enter")
    assert table.js("document.getElementById('image-detail').open")
    assert table.js("document.querySelector('#image-detail h3').textContent") == "image-00001"
    assert table.js("document.querySelector('#image-detail img').src.startsWith('data:image/png;base64,')")
    assert table.js("document.querySelector('#image-detail a').hash") == "#gallery-lidc-hardened-1"
    table.js("document.querySelector('#image-detail button').click()")
    assert not table.js("document.getElementById('image-detail').open")


def test_another_data_set_has_its_own_rows(table):
    select(table, "dataset", "mnist")
    assert [row[0] for row in table.js(TEXTS)] == ["c", "c"]


def test_the_page_is_silent(tab):
    assert tab.complaints() == []
    assert tab.requests() == []


def test_hostile_ids_run_nothing_and_break_nothing(browser, tmp_path):
    ids = list(HOSTILE)
    path = tmp_path / "page.html"
    path.write_text(
        exhibits_page([gallery_source(ids=ids)], [images_source(image_rows(ids, models=("clean",)))]), encoding="utf-8"
    )
    assert path.stat().st_size < 300_000
    tab = browser.tab()
    tab.show(width=400)
    tab.open(path)
    assert tab.js("document.title") == "exhibits"
    assert tab.complaints() == []
    assert [row[0] for row in tab.js(TEXTS)][:3] == ids[:3]
    assert tab.js("[...document.querySelectorAll('.exhibit h5')].map((one) => one.textContent)")[:3] == ids[:3]
    for place in range(len(ids)):
        tab.js(f"document.querySelectorAll('.rows tbody button')[{place}].click()")
        tab.js("document.getElementById('image-detail').close()")
    select(tab, "search", ids[0])
    assert [row[0] for row in tab.js(TEXTS)] == [ids[0]]
    assert tab.js("document.title") == "exhibits"
    assert tab.js("document.documentElement.scrollWidth") <= 400


BARS = """[...document.querySelectorAll('.bars span')].filter((one) => one.getBoundingClientRect().width).map((one) => {
  const range = document.createRange();
  range.selectNodeContents(one.firstChild);
  return [one.firstChild.textContent.trim(), range.getClientRects().length];
})"""


@pytest.mark.parametrize("width", [1200, 320])
def test_a_class_name_of_one_word_does_not_break_in_the_narrow_column(browser, tmp_path, width):
    path = tmp_path / "page.html"
    path.write_text(exhibits_page([gallery_source()], [images_source(ROWS)]))
    opened = browser.tab()
    opened.show(width=width)
    opened.open(path)
    lines = dict(map(tuple, opened.js(BARS)))
    assert lines == {"benign": 1, "malignant": 1}
