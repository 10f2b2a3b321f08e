"""Sentences of the page about the models: which model it is, how it was trained, and which weights were kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oncorobust.base.layout import ADVERSARIAL, NOISE
from oncorobust.report.page.text import percent


@dataclass(frozen=True)
class TrainingText:
    """How a model was trained, in sentences; warning: empty where training did not collapse."""

    sentences: str
    warning: str


_ENDED = {
    "all epochs": "as many as were set",
    "patience": "then stopped early, because no later epoch was better",
    "collapse": "then stopped, because the validation accuracy under attack fell too far below its best value",
}
"""What ended a training, after the number of its epochs."""


_BROUGHT = {"path": "Keras", "torch_export": "PyTorch", "onnx": "ONNX", "timm": "timm", "monai": "MONAI"}
"""Where the models come from that a person brings, by `source`."""


def model_sentence(training: Mapping[str, Any]) -> str:
    """Return which model a data set has and whether it was trained, from the clean model's training.json."""
    if training["source"] in _BROUGHT:
        how = "fine-tuned on the training images" if training["epochs_run"] else "evaluated without further training"
        network = f"{training['architecture']} of {_BROUGHT[training['source']]}" if training["architecture"] else ""
        weights = "random initial weights" if training["weights"] == "none" else training["weights"]
        return f"Model: {', '.join(filter(None, [network, weights, how]))}.{_as_brought(training)}"
    weights = "random initial weights" if training["weights"] == "none" else f"initial weights {training['weights']}"
    return f"Model: {training['architecture']}, {weights}, trained on the training images."


def _as_brought(training: Mapping[str, Any]) -> str:
    if "expected_accuracy" not in training:
        return ""
    found, expected = percent(training["accuracy_as_brought"]), percent(training["expected_accuracy"])
    return f" As it was brought, it is right on {found} of the validation images; {expected} was expected."


def hardening_of(trainings: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what to call the hardening of a data set, empty without a hardened model. trainings: by model."""
    if ADVERSARIAL not in trainings:
        return ""
    return "training under noise" if trainings[ADVERSARIAL].get("loss") == "noise" else "adversarial training"


def noise_sentences(trainings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which models were trained under noise, and how; empty without such a model. trainings: by model."""
    found = {model: _under_noise(one) for model, one in trainings.items() if "sigma" in one}
    told = []
    if ADVERSARIAL in found:
        told.append(
            f"The hardened model, adversarially trained in the words of tables and figures, was trained "
            f"{found[ADVERSARIAL]}. Its accuracies are those of the model itself, without noise."
        )
    if NOISE in found:
        told.append(f"The noise-trained model was trained {found[NOISE]}. It is for certificates and is not attacked.")
    return told


def _under_noise(training: Mapping[str, Any]) -> str:
    noise = f"under Gaussian noise of standard deviation {training['sigma']:g}, "
    noise += "the same in all channels" if training["noise"] == "tied" else "drawn for each channel"
    return (
        f"on adversarial images {noise}"
        if training["loss"] == "noise_adversarial"
        else f"{noise}, and on no adversarial image"
    )


def training_text(training: Mapping[str, Any]) -> TrainingText:
    """Return one model's training in sentences, from its training.json."""
    collapsed, warnings = training["collapsed_epochs"], []
    if collapsed:
        epochs = f"epoch{'' if len(collapsed) == 1 else 's'} {', '.join(map(str, collapsed))}"
        warnings.append(f"Collapsed: after {epochs} the model was no better than one answer for all validation images.")
    if training["collapsed"]:
        warnings.append("The kept weights are no better either: high accuracy under attack is then no robustness.")
    return TrainingText(_course(training), " ".join(warnings))


def _course(training: Mapping[str, Any]) -> str:
    """Return how long training ran, why it ended, and how accurate the kept and the last epoch are."""
    best, last, n_epochs = training["best"], training["last"], training["epochs_run"]
    if not n_epochs:
        return f"Not trained: {_validated(best)}." if "validation_accuracy" in best else "Not trained."
    kept = f"epoch {best['epoch']}" if best["epoch"] else "epoch 0, the model before training,"
    text = f"Trained for {n_epochs} epoch{'' if n_epochs == 1 else 's'}, {_ENDED[training['ended']]}. "
    text += _labels(training)
    text += f"The weights of {kept} were kept: {_validated(best)}."
    return text if last["epoch"] == best["epoch"] else f"{text} After the last epoch: {_validated(last)}."


def _labels(training: Mapping[str, Any]) -> str:
    """Return on how many images training knew the label; empty where it knew all."""
    if "labelled_images" not in training:
        return ""
    known, others = (
        f"{training[f'{kind}_images']} image{'' if training[f'{kind}_images'] == 1 else 's'} of "
        f"{training[f'{kind}_patients']} patient{'' if training[f'{kind}_patients'] == 1 else 's'}"
        for kind in ("labelled", "unlabelled")
    )
    without = f", and {others} without them" if training["unlabelled_images"] else " alone"
    return f"Training used the labels of {known}{without}. "


def _validated(checkpoint: Mapping[str, Any]) -> str:
    """Return a checkpoint's validation accuracy, and those under attack and under noise where they were measured."""
    text = f"validation accuracy {percent(checkpoint['validation_accuracy'])}"
    for key, where in (("validation_robust_accuracy", "under attack"), ("validation_noise_accuracy", "under noise")):
        text += f", {where} {percent(checkpoint[key])}" if key in checkpoint else ""
    return text
