"""Fine-tune VGG16 on the clean training images of a data set; validation patients decide when it stops."""

from oncorobust.dataset import load
from oncorobust.model import build_vgg16
from oncorobust.params import load_params
from oncorobust.runtime import prepare
from oncorobust.seeds import child_seed
from oncorobust.stage import Progress, parse, run
from oncorobust.training import train
from oncorobust.training_outputs import write_training
from oncorobust.weights import weights_sha256


def main() -> None:
    """Read the processed images, train, write the clean model."""
    dataset = parse("dataset").dataset
    params = load_params()
    settings = params.datasets[dataset]
    seed = child_seed(params.seed, dataset, "train")
    backend = prepare(threads=params.run.threads, seed=seed)
    data = load(f"data/processed/{dataset}")
    model = build_vgg16(settings.model, size=data.pixels.shape[1], n_classes=len(data.class_names), seed=seed)
    trained = train(
        model,
        data.select("train"),
        data.select("validation"),
        settings=settings.train,
        augment_settings=settings.augment,
        seed=seed,
        notify=Progress(f"train {dataset}").update,
    )
    weights = {"weights": settings.model.weights, "weights_sha256": weights_sha256(settings.model.weights)}
    record = {"synthetic": data.synthetic, "backend": backend} | weights
    write_training(model, trained, dataset=dataset, name="clean", record=record)


if __name__ == "__main__":
    run(main)
