"""Make a data set's clean model: train it on the training images, or only measure a finished one."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the imports of frameworks, which print

from oncorobust.base import layout
from oncorobust.base.schema.version import read_results
from oncorobust.models.build import build_model, model_record
from oncorobust.models.own import check_class_order
from oncorobust.pipeline.model_training import open_training
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params
from oncorobust.settings.training import OwnModel
from oncorobust.training.recipes import measure, train


def main() -> None:
    """Read the processed images, train or measure the model, and write it."""
    dataset, params = parse("dataset").dataset, load_params()
    settings = params.datasets[dataset]
    opened = open_training("train", dataset, params, model=layout.CLEAN)
    data, classes = opened.data, len(opened.data.class_names)
    if isinstance(settings.model, OwnModel):
        summary = read_results(f"{layout.processed(dataset)}/summary.json")
        order, tree = summary["class_order"], layout.raw(dataset)
        check_class_order(settings.model, data.class_names, order=order, tree=tree)
    network = build_model(settings.model, size=data.pixels.shape[1], n_classes=classes, seed=opened.seed)
    record = model_record(settings.model)
    if isinstance(settings.model, OwnModel) and not settings.model.fine_tune:
        validation = data.select("validation") if data.has("validation") else None
        batch_size = settings.train.batch_size
        measured = measure(network, validation, settings=settings.model, batch_size=batch_size)
        opened.write(network, measured, record=record)
    else:
        opened.fit(train, network, settings.train, record=record, decided_by=[settings.model])


if __name__ == "__main__":
    run(main)
