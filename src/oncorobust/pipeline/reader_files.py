"""Files of the page's sections for three readers: per-image rows, processed images, fingerprints, code."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import oncorobust
from oncorobust.base import layout
from oncorobust.data.dataset import load
from oncorobust.pipeline.code_record import code_path
from oncorobust.pipeline.raw_tree import parse_fingerprint
from oncorobust.report.board_facts import Fingerprint
from oncorobust.report.page_clinical import ImageRows, clinical_files
from oncorobust.report.page_readers import ReaderFiles
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.pipeline import Params


def read_reader_files(params: Params, tables: Sequence[Table]) -> ReaderFiles:
    """Read what the sections need from the work tree; images stay on disk. Raises InputError naming a missing file."""
    return ReaderFiles(
        stored=ImageRows(
            rows={file: read_rows(file) for file in clinical_files(params.models, tables)},
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
