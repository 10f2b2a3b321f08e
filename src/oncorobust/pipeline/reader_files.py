"""Files of the page's sections: per-image rows, processed images, fingerprints, code."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

import oncorobust
from oncorobust.base import layout
from oncorobust.data.dataset import load
from oncorobust.pipeline.code_record import code_path
from oncorobust.pipeline.raw_tree import parse_fingerprint
from oncorobust.report.board_facts import Fingerprint
from oncorobust.report.page.clinical import StoredImages, clinical_files
from oncorobust.report.page.readers import ReaderFiles
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.pipeline import Params


def read_page_rows(params: Params, tables: Sequence[Table]) -> dict[str, pd.DataFrame]:
    """Read the per-image rows that any section of the page needs, each file once, by name.

    Raises InputError naming a missing file.
    """
    judged = [
        file for name, models in params.models.items() for model in models for file in layout.row_files(name, model)
    ]
    return {file: read_rows(file) for file in dict.fromkeys([*judged, *clinical_files(params.models, tables)])}


def read_reader_files(params: Params, rows: Mapping[str, pd.DataFrame]) -> ReaderFiles:
    """Read what the sections for three readers need from the work tree besides `rows`; images stay on disk.

    Raises InputError naming a missing file.
    """
    return ReaderFiles(
        stored=StoredImages(
            rows=rows,
            images={name: load(layout.processed(name)) for name in params.models},
        ),
        fingerprints={name: _fingerprint(Path(layout.raw_tree_file(name))) for name in params.models},
        code_digest=_md5(Path(code_path("report"))),
        version=oncorobust.__version__,
    )


def _fingerprint(path: Path) -> Fingerprint | None:
    if not path.is_file():
        return None
    files = parse_fingerprint(path.read_bytes())
    return Fingerprint(_md5(path), len(files), sum(size for size, _ in files.values()))


def _md5(path: Path) -> str:
    """Return the MD5 of a file, empty where there is none."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else ""
