"""Attacks on a model's test images by the chosen protocols: the stage `attack`."""

import argparse

from oncorobust.evaluation.gallery import gallery_arrays
from oncorobust.evaluation.paper import example_images, gradient_warning
from oncorobust.evaluation.protocols import attack_metrics, attack_tables, in_published_order
from oncorobust.evaluation.ties import images_at_ties, tie_warning
from oncorobust.pipeline.model_evaluation import open_evaluation
from oncorobust.settings.pipeline import Params


def attack(arguments: argparse.Namespace, params: Params) -> None:
    """Read the test images and a model, attack it, and write predictions, intervals, metrics and examples.

    arguments: dataset, model, shard, shards and output, as `stage.parse` gives them. Raises InputError when a file is
    missing or does not fit.
    """
    settings = params.datasets[arguments.dataset].attack
    opened = open_evaluation("attack", arguments, params, decided_by=[settings])
    attacks = opened.attacks
    epsilons = tuple(sorted({*settings.epsilons, *attacks.table_epsilons}))
    tables = opened.tables(attack_tables, epsilons=epsilons, threat_epsilons=settings.threat_epsilons, settings=attacks)
    if tables is None:
        return
    tables = in_published_order(tables)
    classifier, data, seed = opened.classifier, opened.data, opened.seed
    metrics = attack_metrics(
        classifier, opened.test, data, tables, epsilons=epsilons, settings=attacks, seed=seed, other=opened.other()
    )
    for warning in (gradient_warning(metrics["share_without_gradient"]), tie_warning(images_at_ties(classifier, data))):
        if warning:
            opened.progress.warn(warning)
    shown = example_images(classifier, data, epsilon=settings.example_epsilon, settings=attacks, seed=seed)
    opened.progress.begin(0)
    shown |= gallery_arrays(
        classifier, data, tables, epsilons=epsilons, settings=attacks, seed=seed, notify=opened.progress.update
    )
    opened.write("attack", tables, metrics, shown)
