"""A trace as JSON for machines, with the facts of its text."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from oncorobust.base.schema.version import KEY, SCHEMA_VERSION
from oncorobust.pipeline.dvc_lock import StageRecord
from oncorobust.report.tables.words import cell_words, interval_words
from oncorobust.trace.check import Check
from oncorobust.trace.follow import PathTrace, Trace, WholeTrace
from oncorobust.trace.way import Way


def cell_json(trace: Trace) -> dict[str, Any]:
    """Return the trace of the cells of a row and data set, or of points of a figure."""
    checks = [
        _check(one) | {"words": cell_words(one.cell), "interval_words": interval_words(one.cell)}
        for one in trace.checks
    ]
    return _head("cell", sound=trace.sound) | {"table": trace.table.name, "checks": checks} | _way(trace.way)


def path_json(trace: PathTrace) -> dict[str, Any]:
    """Return the trace of a file or folder."""
    facts = {
        "path": trace.path,
        "written_by": None if trace.maker is None else trace.maker.name,
        "read_by": list(trace.readers),
        "recorded_md5": trace.recorded,
        "present_md5": trace.found,
    }
    return _head("path", sound=trace.sound) | facts | _way(trace.way)


def whole_json(trace: WholeTrace) -> dict[str, Any]:
    """Return how many cells of each table and points of each figure agree, and which do not."""
    tables = [{"table": table.name, **_counted(checks)} for table, checks in trace.checks]
    return _head("all", sound=trace.sound) | {"tables": tables} | _way(trace.way)


def _head(kind: str, *, sound: bool) -> dict[str, Any]:
    return {KEY: SCHEMA_VERSION, "traced": kind, "sound": sound}


def _counted(checks: Sequence[Check]) -> dict[str, Any]:
    wrong = [_check(one) for one in checks if not one.agrees]
    return {"cells": len(checks), "agree": len(checks) - len(wrong), "disagreeing": wrong}


def _check(check: Check) -> dict[str, Any]:
    interval = None if check.interval is None else asdict(check.interval)
    return {
        "agrees": check.agrees,
        "values": dict(check.values),
        "interval_again": interval,
        "cell": asdict(check.cell),
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "state": way.state,
        "commit": way.commit,
        "differs_from_lock": list(way.differing),
        "not_recorded": list(way.not_recorded),
        "raw_edits": {path: list(edits) for path, edits in way.edits.items() if edits},
        "stages": [_stage(one, way) for one in way.stages],
    }


def _stage(stage: StageRecord, way: Way) -> dict[str, Any]:
    modules = [way.code[one.md5] for one in stage.inputs if one.md5 in way.code]
    return asdict(stage) | {"code": dict(modules[0]) if modules else {}}
