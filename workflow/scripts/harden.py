"""Train a data set's clean model further on batches that are half adversarial (PGD)."""

from oncorobust.dataset import load
from oncorobust.files import file_sha256
from oncorobust.model import load_classifier
from oncorobust.params import load_params
from oncorobust.runtime import prepare
from oncorobust.seeds import child_seed
from oncorobust.stage import Progress, parse, run
from oncorobust.training import harden
from oncorobust.training_outputs import write_training


def main() -> None:
    """Read the processed images and the clean model, harden it, write the adversarial model."""
    dataset = parse("dataset").dataset
    params = load_params()
    settings = params.datasets[dataset]
    seed = child_seed(params.seed, dataset, "harden")
    backend = prepare(threads=params.run.threads, seed=seed)
    data = load(f"data/processed/{dataset}")
    clean = f"models/{dataset}/clean.keras"
    model = load_classifier(clean, image_shape=data.image_shape, n_classes=len(data.class_names))
    trained = harden(
        model,
        data.select("train"),
        data.select("validation"),
        settings=settings.harden,
        augment_settings=settings.augment,
        seed=seed,
        notify=Progress(f"harden {dataset}").update,
    )
    record = {"synthetic": data.synthetic, "backend": backend, "weights": clean, "weights_sha256": file_sha256(clean)}
    write_training(model, trained, dataset=dataset, name="adversarial", record=record)


if __name__ == "__main__":
    run(main)
