"""Attack a model at its data set's epsilons with the paper's and the strict protocol, and write rows per image."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.evaluation.paper import example_images, gradient_warning
from oncorobust.evaluation.protocols import attack_metrics, attack_tables, in_published_order
from oncorobust.evaluation.ties import images_at_ties, tie_warning
from oncorobust.pipeline.model_evaluation import open_evaluation
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the test images and a model, attack it, and write predictions, intervals, metrics and examples."""
    arguments, params = parse("dataset", "model", "shards"), load_params()
    settings, attacks = params.datasets[arguments.dataset].attack, params.attacks
    opened = open_evaluation("attack", arguments, params, decided_by=[settings])
    epsilons = tuple(sorted({*settings.epsilons, *attacks.table_epsilons}))
    chosen = {"epsilons": epsilons, "threat_epsilons": settings.threat_epsilons, "settings": attacks}
    tables = opened.tables(attack_tables, **chosen)
    if tables is None:
        return
    tables = in_published_order(tables)
    examples = example_images(
        opened.classifier, opened.data, epsilon=settings.example_epsilon, settings=attacks, seed=opened.seed
    )
    metrics = attack_metrics(opened.classifier, opened.test, opened.data, tables, epsilons=epsilons)
    if warning := gradient_warning(metrics["share_without_gradient"]):
        opened.progress.warn(warning)
    if warning := tie_warning(images_at_ties(opened.classifier, opened.data)):
        opened.progress.warn(warning)
    opened.write("attack", tables, metrics, examples)


if __name__ == "__main__":
    run(main)
