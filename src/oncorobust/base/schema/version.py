"""The number of the schema, and JSON results that carry it.

The number grows when a key or column changes its name, type, unit or meaning, or is removed; not when one is added.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.base.files import parse_json, read_json, write_json

SCHEMA_VERSION = 1
"""Stands as `schema_version` in every JSON file of results."""

KEY = "schema_version"


def write_results(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write JSON results with `schema_version`."""
    write_json(path, {**content, KEY: SCHEMA_VERSION})


def read_results(path: str | Path) -> dict[str, Any]:
    """Read JSON results. Raises InputError naming a file that is no JSON object or has another schema version."""
    content = read_json(path)
    _check_version(content, path)
    return content


def parse_results(content: bytes, *, where: str) -> dict[str, Any]:
    """Parse JSON results of the file `where`. Raises InputError as `read_results` does."""
    parsed = parse_json(content, where=where)
    _check_version(parsed, where)
    return parsed


def _check_version(content: Mapping[str, Any], path: str | Path) -> None:
    found = content.get(KEY, "none")
    if found != SCHEMA_VERSION:
        raise InputError(
            f"expected {KEY} {SCHEMA_VERSION}, got {found} in {path}: another version of oncorobust wrote this file; "
            f"run its stage again (`snakemake --cores all --force {path}`)"
        )
