"""A policy judged by the results of a repository: rows read, verdicts decided, declarations looked up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.schema.version import read_results
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.acceptance import DatasetRows, judge
from oncorobust.evaluation.outcomes import ModelRows
from oncorobust.evaluation.resampling import N_DRAWS
from oncorobust.formats.csv_text import read_table
from oncorobust.pipeline.declaration import policy_md5, read_declarations, sentence, state_of
from oncorobust.pipeline.made_files import check_made
from oncorobust.pipeline.policy_files import made_files, manifest_file, previous_files
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.verdicts import verdicts_to_json
from oncorobust.settings.pipeline import Params
from oncorobust.settings.policy import Policy, check_policy, load_policy


def judge_policy(path: str, params: Params) -> dict[str, Any]:
    """Judge a policy by the results in the current folder; return the content of its verdict file.

    Raises InputError for a policy that does not fit params.yaml or the rows, and for a missing file, with the command
    that makes it.
    """
    policy = load_policy(path)
    check_policy(policy, params, where=path)
    check_made(*made_files(policy))
    rows = {name: _read_dataset(policy, name, params) for name in policy.datasets}
    verdicts = judge(policy, rows, n_draws=N_DRAWS, seed=child_seed(params.seed, "accept"))
    judged = {name: file_md5(name) for one in policy.datasets for name in layout.row_files(one, policy.model)}
    md5, declarations = policy_md5(Path(), path), read_declarations(Path(), path)
    state = state_of(declarations, md5, judged)
    return verdicts_to_json(policy, verdicts) | {
        "policy": {"path": Path(path).as_posix(), "name": policy.name, "md5": md5},
        "declaration": {
            "state": state,
            "sentence": sentence(state, path, md5, declarations),
            "declared": [{"md5": one.md5, "commit": one.commit, "in_commit": one.in_commit} for one in declarations],
        },
        "results": [{"path": name, "md5": one} for name, one in judged.items()],
    }


def _read_dataset(policy: Policy, name: str, params: Params) -> DatasetRows:
    summary = read_results(f"{layout.processed(name)}/summary.json")
    table, where = _read_table(policy, name, params)
    return DatasetRows(
        model=_read_model(layout.row_files(name, policy.model)),
        previous=None if policy.previous is None else _read_model(previous_files(policy.previous, name)),
        table=table,
        table_where=where,
        positive=params.report.positive_class(name, summary["class_names"]),
        **_described(summary),
    )


def _described(summary: Mapping[str, Any]) -> dict[str, Any]:
    low, high = summary["intensity_range"]
    return {
        "class_names": tuple(summary["class_names"]),
        "intensity_range": (low, high),
        "intensity_unit": summary["intensity_unit"],
    }


def _read_model(files: list[str]) -> ModelRows:
    predictions, intervals = (read_rows(Path(one)) for one in files)
    return ModelRows(predictions, intervals, where=Path(files[0]).parent.as_posix())


def _read_table(policy: Policy, name: str, params: Params) -> tuple[pd.DataFrame, str]:
    """Return index.csv as text, with the other columns of the manifest, if there is one."""
    index, file = f"{layout.processed(name)}/index.csv", manifest_file(name, params)
    table = read_table(Path(index))
    if not (policy.subgroups and file):
        return table, index
    manifest = read_table(Path(file))
    if manifest["image_id"].duplicated().any() or not table["image_id"].isin(manifest["image_id"]).all():
        raise InputError(f"{file}: expected one row for each image of {index}: run preprocess again")
    others = manifest.loc[:, ["image_id", *(one for one in manifest.columns if one not in table.columns)]]
    return table.merge(others, on="image_id", how="left"), f"{index} and {file}"
