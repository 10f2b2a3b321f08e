"""All results that the schema describes, in the order of the stages that write them."""

from oncorobust.base.schema.acceptance import ACCEPTANCE, DECLARATION
from oncorobust.base.schema.acquisition import ACQUISITION, ACQUISITION_SUMMARY
from oncorobust.base.schema.attack import (
    ATTACK,
    INTERVALS,
    PREDICTIONS,
    REPEATED_INTERVALS,
    REPEATED_PREDICTIONS,
    THREATS,
)
from oncorobust.base.schema.cells import CELLS, METRICS
from oncorobust.base.schema.certify import CERTIFICATES, CERTIFY
from oncorobust.base.schema.curves import CURVES
from oncorobust.base.schema.entries import Document, Table
from oncorobust.base.schema.evidence_tables import (
    TABLE_A,
    TABLE_C,
    TABLE_D,
    TABLE_E,
    TABLE_M,
    TABLE_N,
    TABLE_OF_SEEDS,
    TABLE_R,
)
from oncorobust.base.schema.exchange import ROBUST_POINTS, TRAINING_POINTS
from oncorobust.base.schema.front import FRONT
from oncorobust.base.schema.images import INDEX, SUMMARY
from oncorobust.base.schema.points import POINTS
from oncorobust.base.schema.rank import RANK, SCORES, SENSITIVITY
from oncorobust.base.schema.tables import TABLE_1, TABLE_2, TABLE_G, TABLE_S5, TABLE_T
from oncorobust.base.schema.training import ANSWERS, HISTORY, TRAINING
from oncorobust.base.schema.validity import GATES, TABLE_V, VALIDITY

TABLES: tuple[Table, ...] = (
    INDEX,
    HISTORY,
    PREDICTIONS,
    INTERVALS,
    THREATS,
    SENSITIVITY,
    SCORES,
    CERTIFICATES,
    ACQUISITION,
    REPEATED_PREDICTIONS,
    REPEATED_INTERVALS,
    TABLE_1,
    TABLE_2,
    TABLE_S5,
    TABLE_G,
    TABLE_T,
    TABLE_E,
    TABLE_M,
    TABLE_N,
    TABLE_R,
    TABLE_D,
    TABLE_C,
    TABLE_A,
    TABLE_OF_SEEDS,
    TABLE_V,
    ROBUST_POINTS,
    TRAINING_POINTS,
    FRONT,
)
"""Every CSV file."""

DOCUMENTS: tuple[Document, ...] = (
    *(SUMMARY, ANSWERS, TRAINING, DECLARATION, ATTACK, RANK, CERTIFY, ACQUISITION_SUMMARY, VALIDITY),
    *(CELLS, METRICS, GATES, CURVES, POINTS, ACCEPTANCE),
)
"""Every JSON file."""
