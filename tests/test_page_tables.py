"""Tables as the page lays them out: blocks for data sets, groups as rows, intervals apart, places of the cells."""

from dataclasses import replace

import pytest

from oncorobust.report.page.table_views import table_view
from oncorobust.report.tables.cell import Cell, Field, Interval, PairedTest, Table, TableColumn
from oncorobust.report.tables.validity import NOT_VALID

COLUMNS = (
    TableColumn(key="ct", title="CT", paper="CT", n_images=10, synthetic=False),
    TableColumn(key="mr", title="MR", paper=None, n_images=12, synthetic=True),
)


def cell(column: str, row: str, field: str, value: float | None, **changes: object) -> Cell:
    made = Cell("Table X", row, column, field, value, None, "not computed", 10, 5, (), (), None)
    return replace(made, **changes)


def table(fields: tuple[Field, ...], cells: list[Cell], **changes: object) -> Table:
    rows = tuple(dict.fromkeys(one.row for one in cells))
    made = Table("Table X", "x.csv", "Accuracy. More.", ("Attack", "Epsilon"), rows, "blocks", COLUMNS, fields, ())
    return replace(made, cells=tuple(cells), **changes)


def field(name: str, group: str = "", *, paper: bool = False) -> Field:
    return Field(name, group, name.partition("_")[0], "percent", paper)


def test_a_block_holds_the_rows_and_the_columns_of_its_data_set() -> None:
    interval = Interval(0.3, 0.7, 0.95, "m", 0, 10)
    test = PairedTest(p_value=0.01, p_holm=0.04, method="m")
    cells = [
        cell("ct", "Baseline", "ours", 0.5, interval=interval, test=test),
        cell("ct", "PGD:0.002", "ours", 0.25),
        cell("ct", "PGD:0.002", "paper", 0.2692),
        cell("mr", "PGD:0.002", "ours", None, no_interval="no images"),
    ]
    fields = (field("ours"), field("paper", paper=True))
    view = table_view(table(fields, cells), {"ct": (1400.0, "HU"), "mr": (255.0, "8-bit grey levels")})
    ct, mr = view.blocks
    assert (ct.key, ct.title, mr.title) == ("ct", "CT", "MR (SYNTHETIC)")
    assert ct.label_heads == ("Attack", "Epsilon", "in units")
    assert ct.heads == (("ours", False), ("paper", True)) and mr.heads == (("ours", False),)
    assert [line.labels for line in ct.lines] == [
        (("Baseline", "Baseline"), ("", ""), ("", "0")),
        (("PGD", "PGD"), ("0.002", "0.002"), ("2.8 HU", "0.002")),
    ]
    first, empty = ct.lines[0].cells
    assert (first.text, first.beside, first.value) == ("50", "(30\u00a0to\u00a070), p\u00a0=\u00a00.040", "0.5")
    assert (first.row, first.column, first.field) == ("Baseline", "ct", "ours")
    assert (empty.text, empty.value, empty.field) == ("", "", "")
    assert (ct.lines[1].cells[1].text, ct.lines[1].cells[1].paper) == ("26.92", True)
    (line,) = mr.lines
    assert (line.cells[0].text, line.cells[0].beside, line.cells[0].value) == ("none", "no images", "")


def test_three_groups_with_the_same_headings_become_rows_and_the_papers_numbers_stand_beside_the_first() -> None:
    groups = ("predicted", "true", "strict")
    fields = [field(f"{name}_{group}", group) for group in groups for name in ("before", "after")]
    fields += [field("before_paper", "paper", paper=True), field("after_paper", "paper", paper=True)]
    cells = [cell("ct", "PGD", one.name, 0.01 * place) for place, one in enumerate(fields)]
    cells += [cell("ct", "ALL", "before_strict", 0.5)]
    (block,) = table_view(table(tuple(fields), cells, row_heads=("Attack",)), {}).blocks
    assert block.label_heads == ("Attack", "Measure")
    assert block.groups == (("", 2), ("paper", 2))
    assert block.heads == (("before", False), ("after", False), ("before", True), ("after", True))
    assert [tuple(text for text, _ in line.labels) for line in block.lines] == [
        *(("PGD", one) for one in groups),
        ("ALL", "strict"),
    ]
    assert [one.field for one in block.lines[0].cells] == [
        "before_predicted", "after_predicted", "before_paper", "after_paper",
    ]  # fmt: skip
    assert [one.text for one in block.lines[1].cells] == ["2.00", "3.00", "", ""]


@pytest.mark.parametrize("n_groups", [1, 2])
def test_few_groups_stay_side_by_side(n_groups: int) -> None:
    fields = tuple(field(f"{name}_{group}", f"group {group}") for group in range(n_groups) for name in ("a", "b"))
    cells = [cell("ct", "PGD", one.name, 0.5) for one in fields]
    (block,) = table_view(table(fields, cells, row_heads=("Attack",)), {}).blocks
    assert block.groups == tuple((f"group {group}", 2) for group in range(n_groups))
    assert len(block.lines) == 1


def test_a_table_with_a_row_for_each_data_set_is_turned() -> None:
    cells = [cell("ct", "ct", "all", 0.5), cell("mr", "mr", "all", 0.75), cell("ct", "ct", "paper", 0.7541)]
    fields = (field("all"), field("unused"), field("paper", "paper", paper=True))
    (block,) = table_view(table(fields, cells, data_sets="rows", row_heads=()), {}).blocks
    assert [text for text, _ in block.heads] == ["CT", "MR (SYNTHETIC)"]
    assert [[one.text for one in line.cells] for line in block.lines] == [["50.00", "75.00"], ["75.41", ""]]
    assert block.lines[0].cells[1].row == "mr"


def test_a_reason_that_several_numbers_share_is_told_once() -> None:
    fields = (field("a"), field("b"), field("c"))
    cells = [cell("ct", "PGD", one.name, None, no_interval=why) for one, why in zip(fields, "xxy", strict=True)]
    (block,) = table_view(table(fields, cells, row_heads=("Attack",)), {}).blocks
    assert [(one.text, one.beside) for one in block.lines[0].cells] == [("none", "x"), ("none", ""), ("none", "y")]


def test_the_caption_is_cut_after_its_first_sentence_and_a_mark_stays_in_front() -> None:
    fields, cells = (field("a"),), [cell("ct", "PGD:0.002", "a", 0.5)]
    view = table_view(table(fields, cells), {})
    assert (view.lead, view.note) == ("Accuracy.", "More. Attacked test images: CT n = 10.")
    marked = table_view(table(fields, cells, caption=f"{NOT_VALID}: noise (CT, clean). Accuracy. More."), {})
    assert marked.lead == f"{NOT_VALID}: noise (CT, clean). Accuracy."
    empty = table_view(table(fields, [], caption="Empty, because. It is."), {})
    assert (empty.blocks, empty.trace, empty.lead, empty.note) == ((), None, "Empty, because.", "It is.")
