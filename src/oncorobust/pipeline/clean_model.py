"""The clean model of a data set, made from its settings: one way for all stages that train."""

import keras

from oncorobust.base import layout
from oncorobust.base.schema.version import read_results
from oncorobust.models.build import build_model, model_record
from oncorobust.models.own import check_class_order
from oncorobust.pipeline.model_training import ModelTraining, TrainedModel
from oncorobust.pipeline.stage_log import tell
from oncorobust.settings.own_models import Brought
from oncorobust.settings.pipeline import Dataset
from oncorobust.training.expected_accuracy import accuracy_as_brought
from oncorobust.training.recipes import measure, train


def clean_model(opened: ModelTraining, settings: Dataset) -> TrainedModel:
    """Train the clean model on the training images, or only measure a finished one.

    Raises InputError when the model's file, the data set or the recipe does not fit.
    """
    data, classes = opened.data, len(opened.data.class_names)
    if isinstance(settings.model, Brought):
        summary = read_results(f"{layout.processed(opened.dataset)}/summary.json")
        order, tree = summary["class_order"], layout.raw(opened.dataset)
        check_class_order(settings.model, data.class_names, order=order, tree=tree)
    network = _built(opened, settings, n_classes=classes)
    model, record = settings.model, model_record(settings.model)
    if not isinstance(model, Brought):
        return opened.fit(train, network, settings.train, record=record, decided_by=[model])
    validation = data.select("validation") if data.has("validation") else None
    batch_size = settings.train.batch_size
    if model.expected_accuracy is not None:
        found = accuracy_as_brought(network, validation, settings=model, batch_size=batch_size)
        tell(
            f"train {opened.dataset}: as brought, {model.named} is right on {found:.1%} of the validation images; "
            f"{model.expected_accuracy.value:.1%} was expected"
        )
        record |= {"accuracy_as_brought": found, "expected_accuracy": model.expected_accuracy.value}
    if model.fine_tune:
        return opened.fit(train, network, settings.train, record=record, decided_by=[model])
    measured = measure(network, validation, settings=model, batch_size=batch_size)
    return TrainedModel(network, measured, record, None)


def _built(opened: ModelTraining, settings: Dataset, *, n_classes: int) -> keras.Model:
    limits = settings.preprocess.intensity_range
    size = opened.data.pixels.shape[1]
    ranged = {} if isinstance(limits, str) else {"intensity_range": limits}
    return build_model(settings.model, size=size, n_classes=n_classes, seed=opened.seed, **ranged)
