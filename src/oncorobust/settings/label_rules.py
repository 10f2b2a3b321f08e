"""Rules on training images whose labels are withheld or missing."""

from oncorobust.base.errors import InputError
from oncorobust.settings.data import Manifest
from oncorobust.settings.own_models import Brought
from oncorobust.settings.pipeline import Dataset
from oncorobust.settings.training import Unlabelled


def check_labels(dataset: Dataset, where: str) -> None:
    """Check what depends on labels that training may not know. where: path of the block. Raises InputError."""
    preprocess, model = dataset.preprocess, dataset.model
    uses_others = dataset.harden is not None and isinstance(dataset.harden.loss, Unlabelled)
    if uses_others and preprocess.labelled_share == 1 and not isinstance(preprocess.format, Manifest):
        raise InputError(
            f"{where}.harden.loss.name: expected images without a label for unlabelled, got none: set "
            f"{where}.preprocess.labelled_share below 1, which withholds the labels of the other training patients"
        )
    if preprocess.labelled_share == 1:
        return
    if preprocess.per_class is not None:
        raise InputError(
            f"{where}.preprocess.per_class: expected null with a labelled_share below 1, because it draws by the "
            f"labels that are withheld, got {preprocess.per_class}"
        )
    if isinstance(model, Brought) and not model.fine_tune:
        raise InputError(
            f"{where}.preprocess.labelled_share: expected 1 with model.fine_tune false, because the finished model may "
            f"have been trained with the labels that are withheld, got {preprocess.labelled_share:g}"
        )
