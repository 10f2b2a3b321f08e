"""Rank a model's test images by their minimal epsilon, and compute their scores of certainty."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.base.layout import results_file
from oncorobust.evaluation.protocols import rank_tables, sensitivity_tables
from oncorobust.evaluation.scored_rows import score_names
from oncorobust.pipeline.model_evaluation import open_evaluation
from oncorobust.pipeline.stage import parse, run
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the test images, a model and its intervals, search each minimal epsilon, and write ranking and metrics."""
    arguments, params = parse("dataset", "model", "shards"), load_params()
    settings = params.datasets[arguments.dataset]
    decided_by = [settings.attack, settings.rank]
    opened = open_evaluation("rank", arguments, params, decided_by=decided_by, reads=["intervals.csv"])
    tables = opened.tables(sensitivity_tables, settings=settings.rank, attacks=opened.attacks)
    if tables is None:
        return
    intervals = read_rows(results_file(arguments.dataset, arguments.model, "intervals.csv"))
    ranked, summary = rank_tables(tables.get("sensitivity"), intervals, exclude_share=settings.rank.exclude_share)
    scores = opened.scored_images(ranked, settings=settings)
    rules = ("exclude_share", "largest_risk", "guarantee_confidence", "reject_epsilon")
    summary |= {name: getattr(settings.rank, name) for name in rules} | {"scores": score_names(scores)}
    opened.write("rank", {"sensitivity": ranked, "scores": scores}, summary)


if __name__ == "__main__":
    run(main)
