"""Rank a model's test images by the smallest epsilon that changes its answer, and leave out the most sensitive."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from functools import partial
from pathlib import Path

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.backend.runtime import prepare
from oncorobust.base.files import check_places, whole_outputs, write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import load
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.protocols import rank_tables, sensitivity_tables
from oncorobust.evaluation.resumable_rows import Ledger
from oncorobust.evaluation.shards import by_shards
from oncorobust.models.vgg16 import load_classifier
from oncorobust.pipeline.stage import Progress, check_made, parse, run
from oncorobust.pipeline.stage_state import stage_state
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the test images, a model and its intervals, search each min_epsilon, write ranking and metrics."""
    arguments = parse("dataset", "model", "shards")
    dataset, name = arguments.dataset, arguments.model
    params = load_params()
    settings, attacks = params.datasets[dataset], params.attacks
    # The same seeds for both models, and for the images the same as in `attack`: all tables are of the same images.
    seed = child_seed(params.seed, dataset, "rank")
    folder, kept = f"reports/{dataset}/{name}", Path(f"models/{dataset}/{name}.keras")
    check_made(f"data/processed/{dataset}/images.npy", kept, f"{folder}/intervals.csv")
    check_places(folder)
    backend = prepare(threads=params.run.threads, seed=seed)
    test = load(f"data/processed/{dataset}").select("test")
    data = test.subset(settings.attack.max_images, seed=child_seed(params.seed, dataset, "test images"))
    model = load_classifier(kept, image_shape=data.image_shape, n_classes=len(data.class_names))
    decided_by = [backend, params.seed, settings.attack, settings.rank, attacks, params.run.threads, arguments.shard]
    place = f"{folder}/.rank{arguments.shard or ''}.state"
    state = stage_state(place, dataset=dataset, decided_by=decided_by, starts_from=[kept])
    searched = partial(
        sensitivity_tables,
        KerasClassifier(model, batch_size=attacks.batch_size),
        data,
        settings=settings.rank,
        attacks=attacks,
        seed=seed,
        ledger=Ledger(Progress(f"rank {dataset} {name}").update, state),
    )
    tables = by_shards(arguments, searched, blocks=blocks_of(len(data), attacks.batch_size))
    if tables is None:
        state.remove()
        return
    intervals = read_rows(f"{folder}/intervals.csv")
    ranked, summary = rank_tables(tables.get("sensitivity"), intervals, exclude_share=settings.rank.exclude_share)
    metrics = {"dataset": dataset, "model": name, "synthetic": data.synthetic} | summary
    with whole_outputs(f"{folder}/sensitivity.csv", f"{folder}/rank.json") as (rows_draft, metrics_draft):
        write_csv(rows_draft, ranked)
        write_results(metrics_draft, metrics)
    state.remove()


if __name__ == "__main__":
    run(main)
