"""All results that the schema describes, in the order of the stages that write them."""

from oncorobust.base.schema.attack import ATTACK, INTERVALS, PREDICTIONS, THREATS
from oncorobust.base.schema.entries import Document, Table
from oncorobust.base.schema.images import INDEX, SUMMARY
from oncorobust.base.schema.rank import RANK, SENSITIVITY
from oncorobust.base.schema.tables import CELLS, FRONT, TABLE_1, TABLE_2, TABLE_G, TABLE_S5, TABLE_T
from oncorobust.base.schema.training import ANSWERS, HISTORY, TRAINING

TABLES: tuple[Table, ...] = (
    INDEX,
    HISTORY,
    PREDICTIONS,
    INTERVALS,
    THREATS,
    SENSITIVITY,
    TABLE_1,
    TABLE_2,
    TABLE_S5,
    TABLE_G,
    TABLE_T,
    FRONT,
)
"""Every CSV file."""

DOCUMENTS: tuple[Document, ...] = (SUMMARY, ANSWERS, TRAINING, ATTACK, RANK, CELLS)
"""Every JSON file."""
