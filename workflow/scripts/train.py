"""Fine-tune a model on the clean training images of a data set; validation patients decide when it stops."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.backend.runtime import prepare
from oncorobust.base.files import check_places
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import load
from oncorobust.models.build import build_model, model_record
from oncorobust.pipeline.stage import Progress, check_made, parse, run
from oncorobust.pipeline.stage_state import stage_state
from oncorobust.pipeline.training_outputs import write_training
from oncorobust.settings.load import load_params
from oncorobust.settings.training import OwnModel
from oncorobust.training.recipes import measure, train


def main() -> None:
    """Read the processed images, train, write the clean model."""
    dataset = parse("dataset").dataset
    params = load_params()
    settings = params.datasets[dataset]
    seed = child_seed(params.seed, dataset, "train")
    check_made(f"data/processed/{dataset}/images.npy")
    check_places(f"models/{dataset}", f"reports/{dataset}/clean")
    backend = prepare(threads=params.run.threads, seed=seed)
    data = load(f"data/processed/{dataset}")
    model = build_model(settings.model, size=data.pixels.shape[1], n_classes=len(data.class_names), seed=seed)
    record = {"synthetic": data.synthetic, "backend": backend} | model_record(settings.model)
    if isinstance(settings.model, OwnModel) and not settings.model.fine_tune:
        trained = measure(model, data.select("validation"), batch_size=settings.train.batch_size)
        write_training(model, trained, dataset=dataset, name="clean", record=record)
        return
    decided_by = [record, settings.model, settings.train, settings.augment, seed, params.run.threads]
    state = stage_state(f"models/{dataset}/.clean.state", dataset=dataset, decided_by=decided_by, starts_from=[])
    trained = train(
        model,
        data.select("train"),
        data.select("validation"),
        settings=settings.train,
        augment_settings=settings.augment,
        seed=seed,
        checkpoint=state,
        listener=Progress(f"train {dataset}"),
    )
    write_training(model, trained, dataset=dataset, name="clean", record=record)
    state.remove()


if __name__ == "__main__":
    run(main)
