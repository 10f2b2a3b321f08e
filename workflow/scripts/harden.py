"""Train a data set's clean model further on adversarial images of itself (PGD)."""

from pathlib import Path

from oncorobust.dataset import load
from oncorobust.files import file_sha256
from oncorobust.model import load_classifier
from oncorobust.params import load_params
from oncorobust.runtime import prepare
from oncorobust.seeds import child_seed
from oncorobust.stage import Progress, parse, run, running_code
from oncorobust.training.checkpoint import Checkpoint, fingerprint
from oncorobust.training.recipes import harden
from oncorobust.training_outputs import write_training


def main() -> None:
    """Read the processed images and the clean model, harden it, write the adversarial model."""
    dataset = parse("dataset").dataset
    params = load_params()
    settings = params.datasets[dataset]
    seed = child_seed(params.seed, dataset, "harden")
    backend = prepare(threads=params.run.threads, seed=seed)
    folder = Path("data/processed", dataset)
    data = load(folder)
    clean = Path("models", dataset, "clean.keras")
    model = load_classifier(clean, image_shape=data.image_shape, n_classes=len(data.class_names))
    files = [*running_code(), folder / "images.npy", folder / "index.csv", clean]
    started = (settings.harden, settings.augment, seed, params.run.threads, backend)
    checkpoint = Checkpoint(Path("models", dataset, ".adversarial.state"), fingerprint=fingerprint(started, files))
    trained = harden(
        model,
        data.select("train"),
        data.select("validation"),
        settings=settings.harden,
        augment_settings=settings.augment,
        seed=seed,
        checkpoint=checkpoint,
        listener=Progress(f"harden {dataset}"),
    )
    record = {"synthetic": data.synthetic, "backend": backend}
    record |= {"weights": clean.as_posix(), "weights_sha256": file_sha256(clean)}
    write_training(model, trained, dataset=dataset, name="adversarial", record=record)
    checkpoint.remove()


if __name__ == "__main__":
    run(main)
