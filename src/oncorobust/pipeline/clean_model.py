"""The clean model of a data set, made from its settings: one way for all stages that train."""

from oncorobust.base import layout
from oncorobust.base.schema.version import read_results
from oncorobust.models.build import build_model, model_record
from oncorobust.models.own import check_class_order
from oncorobust.pipeline.model_training import ModelTraining, TrainedModel
from oncorobust.settings.pipeline import Dataset
from oncorobust.settings.training import OwnModel
from oncorobust.training.recipes import measure, train


def clean_model(opened: ModelTraining, settings: Dataset) -> TrainedModel:
    """Train the clean model on the training images, or only measure a finished one.

    Raises InputError when the model's file, the data set or the recipe does not fit.
    """
    data, classes = opened.data, len(opened.data.class_names)
    if isinstance(settings.model, OwnModel):
        summary = read_results(f"{layout.processed(opened.dataset)}/summary.json")
        order, tree = summary["class_order"], layout.raw(opened.dataset)
        check_class_order(settings.model, data.class_names, order=order, tree=tree)
    network = build_model(settings.model, size=data.pixels.shape[1], n_classes=classes, seed=opened.seed)
    record = model_record(settings.model)
    if isinstance(settings.model, OwnModel) and not settings.model.fine_tune:
        validation = data.select("validation") if data.has("validation") else None
        batch_size = settings.train.batch_size
        measured = measure(network, validation, settings=settings.model, batch_size=batch_size)
        return TrainedModel(network, measured, record, None)
    return opened.fit(train, network, settings.train, record=record, decided_by=[settings.model])
