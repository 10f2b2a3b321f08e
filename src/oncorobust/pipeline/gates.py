"""The validity gate of a whole run, judged from the files of its models."""

from collections.abc import Mapping

import pandas as pd

from oncorobust.base.layout import index_file, results_file, summary_file
from oncorobust.base.schema.version import read_results
from oncorobust.evaluation.validity_certificates import CertifiedImages
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.sources import read_metrics
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
    certify = read_metrics(params.certified, "certify.json")
    images = {name: certified_images(name) for name in certify}
    certified = certificate_checks(certify, certificates, images)
    return gates_of(read_metrics(params.models, "validity.json"), params.report, certified=certified)


def certified_images(dataset: str) -> CertifiedImages:
    """Read what a processed data set says about its images. Raises InputError naming a missing file."""
    summary = read_results(summary_file(dataset))
    return CertifiedImages(
        index=read_rows(index_file(dataset)),
        size=summary["size"],
        grey=summary["channels"] == 1,
        n_classes=len(summary["class_names"]),
    )
