"""Schema of the validity gate: validity.json of each model, and the tables of all models."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import DATASET, MODEL, NO_UNIT, SYNTHETIC, VERSION, Column, Document, Key, Table

_CHECK = "checks/<position>"
_GATE = "gates/<position>"
_NAME, _STATUS, _FINDING, _EXPECTED = (
    ("name", "What is checked."),
    ("status", "green, red or not done."),
    ("finding", "What was found; why the check was not done."),
    ("expected", "What a sound evaluation shows."),
)
_PARTS = (_NAME, _STATUS, _FINDING, _EXPECTED)

VALIDITY = Document(
    layout.results_file("<data set>", "<model>", "validity.json"),
    "the checks of the validity gate on one model",
    (
        VERSION,
        DATASET,
        MODEL,
        SYNTHETIC,
        *(Key(f"{_CHECK}/{name}", "string", NO_UNIT, meaning) for name, meaning in _PARTS),
    ),
)

GATES = Document(
    layout.GATES,
    "the checks of all models, and the mark of results with a red check",
    (
        VERSION,
        Key("mark", "string", NO_UNIT, "Text over tables, figures and the page; empty without a red check."),
        Key(f"{_GATE}/dataset", "string", NO_UNIT, DATASET.meaning),
        Key(f"{_GATE}/title", "string", NO_UNIT, "Title of the data set."),
        Key(f"{_GATE}/model", "string", NO_UNIT, MODEL.meaning),
        Key(f"{_GATE}/synthetic", "boolean", NO_UNIT, SYNTHETIC.meaning),
        *(Key(f"{_GATE}/{_CHECK}/{name}", "string", NO_UNIT, meaning) for name, meaning in _PARTS),
    ),
)

TABLE_V = Table(
    layout.table_file("validity"),
    "one check of one model",
    (
        Column("dataset", "string", NO_UNIT, DATASET.meaning),
        Column("model", "string", NO_UNIT, MODEL.meaning),
        *(Column("check" if name == "name" else name, "string", NO_UNIT, meaning) for name, meaning in _PARTS),
        Column("synthetic", "boolean", NO_UNIT, SYNTHETIC.meaning),
    ),
)
