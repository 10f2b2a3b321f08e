"""The ranking of a model's test images and their scores of certainty: the stage `rank`."""

import argparse

from oncorobust.base.layout import results_file
from oncorobust.evaluation.protocols import rank_tables, sensitivity_tables
from oncorobust.evaluation.scored_rows import score_names
from oncorobust.pipeline.model_evaluation import open_evaluation
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.pipeline import Params


def rank(arguments: argparse.Namespace, params: Params) -> None:
    """Read the test images, a model and its intervals, search each minimal epsilon, and write ranking and metrics.

    arguments: as for `stages.attack.attack`. Raises InputError when a file is missing or does not fit.
    """
    settings = params.datasets[arguments.dataset]
    decided_by = [settings.attack, settings.rank]
    opened = open_evaluation("rank", arguments, params, decided_by=decided_by, reads=["intervals.csv"])
    tables = opened.tables(sensitivity_tables, settings=settings.rank, attacks=opened.attacks)
    if tables is None:
        return
    intervals = read_rows(results_file(arguments.dataset, arguments.model, "intervals.csv"))
    ranked, summary = rank_tables(tables.get("sensitivity"), intervals, exclude_share=settings.rank.exclude_share)
    scores = opened.scored_images(ranked, intervals, settings=settings)
    rules = ("exclude_share", "largest_risk", "guarantee_confidence", "reject_epsilon")
    summary |= {name: getattr(settings.rank, name) for name in rules} | {"scores": score_names(scores)}
    opened.write("rank", {"sensitivity": ranked, "scores": scores}, summary)
