"""The clean model of a data set, trained or only measured: the stage `train`."""

from oncorobust.base import layout
from oncorobust.pipeline.clean_model import clean_model
from oncorobust.pipeline.model_training import open_training
from oncorobust.settings.pipeline import Params


def train(dataset: str, params: Params) -> None:
    """Read the processed images, train or measure the model, and write it.

    Raises InputError when the model's file, the data set or the recipe does not fit.
    """
    opened = open_training("train", dataset, params, model=layout.CLEAN)
    opened.write(clean_model(opened, params.datasets[dataset]))
