"""The validity gate of a run: tables and figures, which run side by side, judge the same files and bear one mark."""

import contextlib
import json
from pathlib import Path

import pandas as pd
import pytest
from results_fixture import DATASETS, write_results

from oncorobust.base.errors import InputError
from oncorobust.base.layout import GATES
from oncorobust.pipeline.gates import judge_run, read_certificates
from oncorobust.pipeline.stages.tabulate import tabulate
from oncorobust.report.tables.validity import watermark
from oncorobust.settings.load import load_params


def test_tables_and_figures_bear_the_mark_of_the_same_checks(tmp_path: Path) -> None:
    write_results(tmp_path, {"lidc": DATASETS["lidc"]})
    with contextlib.chdir(tmp_path):
        params = load_params()
        certificates = read_certificates(params)
        assert watermark(judge_run(params, certificates)) == ""
        path = Path("reports/lidc/clean/certificates.csv")
        rows = pd.read_csv(path)
        rows.assign(radius=2 * rows["radius"]).to_csv(path, index=False)  # bounds that the counts do not give
        mark = watermark(judge_run(params, read_certificates(params)))
        assert mark.startswith("NOT VALID: ") and "LIDC, clean" in mark
        tabulate(params)
        assert json.loads(Path(GATES).read_text(encoding="utf-8"))["mark"] == mark


def test_a_model_without_its_checks_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, {"lidc": DATASETS["lidc"]})
    with contextlib.chdir(tmp_path):
        params = load_params()
        Path("reports/lidc/clean/validity.json").unlink()
        with pytest.raises(InputError, match=r"reports/lidc/clean/validity.json"):
            judge_run(params, read_certificates(params))
