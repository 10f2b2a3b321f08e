"""Train a data set's clean model further on adversarial images of itself (PGD)."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from pathlib import Path

from oncorobust.backend.runtime import prepare
from oncorobust.base.files import check_places, file_sha256
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import load
from oncorobust.models.vgg16 import load_classifier
from oncorobust.pipeline.stage import Progress, check_made, parse, run
from oncorobust.pipeline.stage_state import stage_state
from oncorobust.pipeline.training_outputs import write_training
from oncorobust.settings.load import load_params
from oncorobust.training.recipes import harden


def main() -> None:
    """Read the processed images and the clean model, harden it, write the adversarial model."""
    dataset = parse("dataset").dataset
    params = load_params()
    settings = params.datasets[dataset]
    seed = child_seed(params.seed, dataset, "harden")
    check_made(f"data/processed/{dataset}/images.npy", f"models/{dataset}/clean.keras")
    check_places(f"models/{dataset}", f"reports/{dataset}/adversarial")
    backend = prepare(threads=params.run.threads, seed=seed)
    data = load(f"data/processed/{dataset}")
    clean = f"models/{dataset}/clean.keras"
    model = load_classifier(clean, image_shape=data.image_shape, n_classes=len(data.class_names))
    decided_by = [backend, settings.harden, settings.augment, seed, params.run.threads]
    place = f"models/{dataset}/.adversarial.state"
    state = stage_state(place, dataset=dataset, decided_by=decided_by, starts_from=[Path(clean)])
    trained = harden(
        model,
        data.select("train"),
        data.select("validation"),
        settings=settings.harden,
        augment_settings=settings.augment,
        seed=seed,
        checkpoint=state,
        listener=Progress(f"harden {dataset}"),
    )
    record = {"synthetic": data.synthetic, "backend": backend}
    record |= {"weights": clean, "weights_sha256": file_sha256(clean)}
    write_training(model, trained, dataset=dataset, name="adversarial", record=record)
    state.remove()


if __name__ == "__main__":
    run(main)
