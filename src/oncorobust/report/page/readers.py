"""The sections of the page for three readers, and the evidence matrix, in one view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oncorobust.data.dataset import COLUMNS, POSITION, LabelledImages
from oncorobust.report.board_facts import Fingerprint, data_lines, parameter_facts, software_facts
from oncorobust.report.described import Described
from oncorobust.report.evidence_matrix import Evidence, Run, evidence_matrix
from oncorobust.report.page.board import Board, board_view
from oncorobust.report.page.clinical import ClinicalView, StoredImages, clinical_view
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.validity import Gate
from oncorobust.report.verdict_text import PolicyView
from oncorobust.settings.pipeline import Params

_MOST_VALUES = 20
"""Values of a column that subgroups can have at most, as in a policy."""


@dataclass(frozen=True)
class ReaderFiles:
    """What is read for these sections besides tables and metrics.

    stored: rows and images. fingerprints: of the raw tree by data set, None where there is none. code_digest: MD5 of
    the file with the digests of stage report, empty without it. version: of oncorobust.
    """

    stored: StoredImages
    fingerprints: Mapping[str, Fingerprint | None]
    code_digest: str
    version: str


@dataclass(frozen=True)
class Readers:
    """What the radiologist, the reviewer and the board read, and the evidence matrix."""

    clinical: ClinicalView
    board: Board
    evidence: tuple[Evidence, ...]


def readers_view(
    parts: Sequence[Described],
    tables: Sequence[Table],
    files: ReaderFiles,
    *,
    gates: Sequence[Gate],
    policies: Sequence[PolicyView],
    params: Params,
    models: Mapping[str, str],
    assessment: Mapping[str, Any] | None = None,
) -> Readers:
    """Return the sections for three readers and the evidence matrix.

    parts, tables: of the run, in order. policies: with their verdicts. models: their names by key. assessment: content
    of assessment.json; None for a run of the pipeline. Raises InputError where rows do not fit.
    """
    by_name = {one.name: one for one in tables}
    columns = by_name["Table 1"].columns
    board = board_view(
        by_name,
        facts=software_facts(files.version, code_digest=files.code_digest, assessment=assessment),
        parameters=parameter_facts(params),
        data=data_lines(params, columns, files.fingerprints),
        models=models,
        policies=policies,
        columns={one.title: _groupable(files.stored.images[one.key]) for one in columns},
    )
    return Readers(
        clinical=clinical_view(parts, tables, files.stored, gates=gates, params=params, models=models),
        board=board,
        evidence=evidence_matrix(Run(by_name, policies, board, traced=assessment is None)),
    )


def _groupable(images: LabelledImages) -> list[str]:
    """Return the columns of index.csv, besides those of every data set, that have 2 to 20 values in the test images."""
    rows = images.rows[images.rows["split"] == "test"]
    others = [str(one) for one in rows.columns if one not in {*COLUMNS, POSITION}]
    return [one for one in others if 2 <= rows[one].nunique() <= _MOST_VALUES]
