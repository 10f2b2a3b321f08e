"""Rank a model's test images by the smallest epsilon that changes its answer, and leave out the most sensitive."""

import msgspec

from oncorobust.art_estimator import KerasClassifier
from oncorobust.dataset import load
from oncorobust.files import whole_outputs, write_csv, write_json
from oncorobust.model import load_classifier
from oncorobust.params import load_params
from oncorobust.runtime import prepare
from oncorobust.seeds import child_seed
from oncorobust.sensitivity import rank, sensitivity_rows, summarise_rank
from oncorobust.stage import Progress, parse, run


def main() -> None:
    """Read the test images and a model, search each image's min_epsilon, write ranking and metrics."""
    arguments = parse("dataset", "model")
    dataset, name = arguments.dataset, arguments.model
    params = load_params()
    settings = params.datasets[dataset].rank
    # The same seed for both models: they are ranked on the same images.
    seed = child_seed(params.seed, dataset, "rank")
    prepare(threads=params.run.threads, seed=seed)
    test = load(f"data/processed/{dataset}").select("test")
    # The same seed as for the attacks: where as many images are ranked as attacked, they are the same.
    data = test.subset(settings.max_images, seed=child_seed(params.seed, dataset, "test images"))
    model = load_classifier(
        f"models/{dataset}/{name}.keras", image_shape=data.image_shape, n_classes=len(data.class_names)
    )
    rows = sensitivity_rows(
        KerasClassifier(model, batch_size=params.attacks.batch_size),
        data,
        epsilons=settings.epsilons,
        pgd=msgspec.structs.replace(params.attacks.pgd, num_random_init=settings.num_random_init),
        batch_size=params.attacks.batch_size,
        seed=seed,
        notify=Progress(f"rank {dataset} {name}").update,
    )
    ranked = rank(rows, exclude_share=settings.exclude_share)
    metrics = {"dataset": dataset, "model": name, "synthetic": data.synthetic} | summarise_rank(ranked)
    folder = f"reports/{dataset}/{name}"
    with whole_outputs(f"{folder}/sensitivity.csv", f"{folder}/rank.json") as (rows_draft, metrics_draft):
        write_csv(rows_draft, ranked)
        write_json(metrics_draft, metrics)


if __name__ == "__main__":
    run(main)
