"""Reading of what the page tells of a clicked number (`report.page.trace`), from the work tree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oncorobust.base import layout
from oncorobust.base.schema.version import read_results
from oncorobust.pipeline.code_record import code_path, parse_digests
from oncorobust.pipeline.shipped import in_project
from oncorobust.report.page.trace import SHOWN_CODE, Facts, known_md5s
from oncorobust.settings.load import read_yaml


def read_facts(
    *, summaries: Mapping[str, Mapping[str, Any]], training: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> Facts:
    """Read the MD5 in cells.json, the digests of the stages' code and params.yaml.

    summaries: content of summary.json by data set. training: of training.json by data set and model. Raises InputError
    naming a file that is missing or unreadable.
    """
    read = {one["path"]: one["md5"] for one in read_results(layout.CELLS).get("files", [])}
    return Facts(
        md5s=known_md5s(read, summaries=summaries, training=training),
        code={stage: parse_digests(Path(code_path(stage)).read_bytes()) for stage in SHOWN_CODE},
        parameters=read_yaml("params.yaml"),
        project=in_project(Path()),
    )
