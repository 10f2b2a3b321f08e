"""The validity gate of a whole run, judged from the files of its models."""

from collections.abc import Mapping

import pandas as pd

from oncorobust.base.layout import results_file
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.sources import read_metrics, read_summaries
from oncorobust.report.tables.validity import Gate, certificate_checks, gates_of
from oncorobust.settings.pipeline import Params


def read_certificates(params: Params) -> dict[str, pd.DataFrame]:
    """Read the certificates of all models that have some, by their file. Raises InputError naming a missing file."""
    files = [
        results_file(name, model, "certificates.csv") for name, models in params.certified.items() for model in models
    ]
    return {file: read_rows(file) for file in files}


def judge_run(params: Params, certificates: Mapping[str, pd.DataFrame]) -> tuple[Gate, ...]:
    """Return the checks of all models; certificates: rows by file, of `read_certificates` and maybe of other files.

    Raises InputError naming a file that is missing or has another form.
    """
    certified = certificate_checks(
        read_metrics(params.certified, "certify.json"), certificates, read_summaries(params.models)
    )
    return gates_of(read_metrics(params.models, "validity.json"), params.report, certified=certified)
