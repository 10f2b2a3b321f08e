"""Attack a model over its data set's epsilon grid, the paper's way, and keep a row for each image."""

import numpy as np

from oncorobust.art_estimator import KerasClassifier
from oncorobust.dataset import load
from oncorobust.evaluation import accuracy, attack_rows, example_images, share_without_gradient, summarise_attack
from oncorobust.files import whole_outputs, write_csv, write_json
from oncorobust.model import load_classifier
from oncorobust.params import load_params
from oncorobust.runtime import prepare
from oncorobust.seeds import child_seed
from oncorobust.stage import Progress, parse, run


def main() -> None:
    """Read the test images and a model, attack it, write predictions, metrics and examples."""
    arguments = parse("dataset", "model")
    dataset, name = arguments.dataset, arguments.model
    params = load_params()
    settings = params.datasets[dataset].attack
    # The same seed for both models: they are attacked on the same images.
    seed = child_seed(params.seed, dataset, "attack")
    prepare(threads=params.run.threads, seed=seed)
    test = load(f"data/processed/{dataset}").select("test")
    data = test.subset(settings.max_images, seed=child_seed(params.seed, dataset, "test images"))
    model = load_classifier(
        f"models/{dataset}/{name}.keras", image_shape=data.image_shape, n_classes=len(data.class_names)
    )
    classifier = KerasClassifier(model, batch_size=params.attacks.batch_size)
    epsilons = tuple(sorted({*settings.epsilons, *params.attacks.table_epsilons}))
    progress = Progress(f"attack {dataset} {name}")
    rows = attack_rows(classifier, data, epsilons=epsilons, settings=params.attacks, seed=seed, notify=progress.update)
    examples = example_images(classifier, data, epsilon=settings.example_epsilon, settings=params.attacks, seed=seed)
    metrics = {"dataset": dataset, "model": name, "synthetic": data.synthetic} | summarise_attack(rows)
    metrics |= {"n_test_images": len(test), "test_accuracy": accuracy(classifier, test)}
    metrics["share_without_gradient"] = share_without_gradient(classifier, data)
    folder = f"reports/{dataset}/{name}"
    outputs = [f"{folder}/{one}" for one in ("predictions.csv", "attack.json", "examples.npz")]
    with whole_outputs(*outputs) as (rows_draft, metrics_draft, examples_draft):
        write_csv(rows_draft, rows)
        write_json(metrics_draft, metrics)
        np.savez_compressed(examples_draft, allow_pickle=False, **examples)


if __name__ == "__main__":
    run(main)
