"""Attack a model within its data set's epsilons, the paper's way and strictly, and keep rows for each image."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from functools import partial
from pathlib import Path

import numpy as np

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.backend.runtime import prepare
from oncorobust.base.files import check_places, whole_outputs, write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import load
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.paper import accuracy, example_images, gradient_warning, share_without_gradient
from oncorobust.evaluation.protocols import attack_tables, in_published_order, summarise_tables
from oncorobust.evaluation.resumable_rows import Ledger
from oncorobust.evaluation.shards import by_shards
from oncorobust.models.vgg16 import load_classifier
from oncorobust.pipeline.stage import Progress, check_made, parse, run
from oncorobust.pipeline.stage_state import stage_state
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the test images and a model, attack it, write predictions, intervals, metrics and examples."""
    arguments = parse("dataset", "model", "shards")
    dataset, name = arguments.dataset, arguments.model
    params = load_params()
    settings, attacks = params.datasets[dataset].attack, params.attacks
    # The same seed for both models: they are attacked on the same images.
    seed = child_seed(params.seed, dataset, "attack")
    folder, kept = f"reports/{dataset}/{name}", Path(f"models/{dataset}/{name}.keras")
    check_made(f"data/processed/{dataset}/images.npy", kept)
    check_places(folder)
    backend = prepare(threads=params.run.threads, seed=seed)
    test = load(f"data/processed/{dataset}").select("test")
    data = test.subset(settings.max_images, seed=child_seed(params.seed, dataset, "test images"))
    model = load_classifier(kept, image_shape=data.image_shape, n_classes=len(data.class_names))
    decided_by = [backend, params.seed, settings, attacks, params.run.threads, arguments.shard]
    place = f"{folder}/.attack{arguments.shard or ''}.state"
    state = stage_state(place, dataset=dataset, decided_by=decided_by, starts_from=[kept])
    epsilons = tuple(sorted({*settings.epsilons, *attacks.table_epsilons}))
    progress = Progress(f"attack {dataset} {name}")
    attacked = partial(
        attack_tables,
        model,
        data,
        epsilons=epsilons,
        threat_epsilons=settings.threat_epsilons,
        settings=attacks,
        seed=seed,
        ledger=Ledger(progress.update, state),
    )
    tables = by_shards(arguments, attacked, blocks=blocks_of(len(data), attacks.batch_size))
    if tables is None:
        state.remove()
        return
    tables = in_published_order(tables)
    classifier = KerasClassifier(model, batch_size=attacks.batch_size)
    examples = example_images(classifier, data, epsilon=settings.example_epsilon, settings=attacks, seed=seed)
    metrics = {"dataset": dataset, "model": name, "synthetic": data.synthetic}
    metrics |= summarise_tables(tables, epsilons=epsilons)
    metrics |= {"n_test_images": len(test), "test_accuracy": accuracy(classifier, test)}
    metrics["share_without_gradient"] = share_without_gradient(classifier, data)
    if warning := gradient_warning(metrics["share_without_gradient"]):
        progress.warn(warning)
    names = [f"{table}.csv" for table in tables]
    outputs = [f"{folder}/{one}" for one in (*names, "attack.json", "examples.npz")]
    with whole_outputs(*outputs) as (*table_drafts, metrics_draft, examples_draft):
        for draft, table in zip(table_drafts, tables.values(), strict=True):
            write_csv(draft, table)
        write_results(metrics_draft, metrics)
        np.savez_compressed(examples_draft, allow_pickle=False, **examples)
    state.remove()


if __name__ == "__main__":
    run(main)
