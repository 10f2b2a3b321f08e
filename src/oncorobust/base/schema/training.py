"""Schema of a training: history.csv, training.json and <model>.answers.json."""

from collections.abc import Iterator

from oncorobust.base import layout
from oncorobust.base.schema.entries import (
    DATASET,
    EPSILON,
    FRACTION,
    MODEL,
    NO_UNIT,
    SYNTHETIC,
    VERSION,
    Column,
    Document,
    Key,
    Table,
)

_TRAINED = "the model was trained, not only measured"
_HARDENED = "model adversarial or noise"
_NOISY = f"{_HARDENED}, and its loss is noise or noise_adversarial"
_ATTACKED = f"{_HARDENED}, and its loss is not noise"
_CLEAN = "model clean"
_EXPECTED = "model clean, with model.expected_accuracy"
_WITHOUT = "the model was trained, and some training images have no label"
_VALIDATED = "the data set has validation images"

HISTORY = Table(
    layout.results_file("<data set>", "<model>", "history.csv"),
    "one epoch; epoch 0 is the model before training",
    (
        Column("epoch", "integer", "epochs", "Number of the epoch, from 0."),
        Column("loss", "number or empty", "nats", "Mean training loss; empty for epoch 0.", _TRAINED),
        Column("accuracy", "number or empty", FRACTION, "Accuracy on the training batches; empty for 0.", _TRAINED),
        Column("epsilon", "number or empty", EPSILON, "Epsilon of the attack in training; empty for 0.", _ATTACKED),
        Column("validation_loss", "number", "nats", "Mean loss on the validation images, as in training.", _VALIDATED),
        Column("validation_accuracy", "number", FRACTION, "Clean accuracy on the validation images.", _VALIDATED),
        Column(
            "validation_floor",
            "number",
            FRACTION,
            "Accuracy of predicting the most frequent validation class for every image, plus one standard error.",
            _VALIDATED,
        ),
        Column("collapsed", "boolean", NO_UNIT, "Whether validation_accuracy is at most validation_floor."),
        Column(
            "validation_robust_accuracy",
            "number",
            FRACTION,
            "Robust accuracy on the validation images under PGD at the epsilon of params.yaml.",
            _HARDENED,
        ),
        Column(
            "validation_noise_accuracy",
            "number",
            FRACTION,
            "Accuracy on the validation images under Gaussian noise, averaged over 8 fixed draws for each image.",
            _NOISY,
        ),
    ),
)


def _checkpoint(name: str, described: str, when: str = "") -> Iterator[Key]:
    """The keys of one of the three models that training.json reports."""
    both, noisy, validated = (f"{one}{', and ' * bool(when)}{when}" for one in (_HARDENED, _NOISY, _VALIDATED))
    if name != "start":
        yield Key(f"{name}/epoch", "integer", "epochs", f"Epoch of {described}.", when)
        yield Key(f"{name}/train_accuracy", "number", FRACTION, f"Training accuracy of {described}.", _TRAINED)
    yield Key(f"{name}/validation_loss", "number", "nats", f"Mean validation loss of {described}.", validated)
    yield Key(
        f"{name}/validation_accuracy", "number", FRACTION, f"Clean validation accuracy of {described}.", validated
    )
    yield Key(
        f"{name}/validation_robust_accuracy", "number", FRACTION, f"Robust validation accuracy of {described}.", both
    )
    yield Key(
        f"{name}/validation_noise_accuracy",
        "number",
        FRACTION,
        f"Validation accuracy under noise of {described}.",
        noisy,
    )


TRAINING = Document(
    layout.results_file("<data set>", "<model>", "training.json"),
    "one training: the model it started from, the one it kept and the last one",
    (
        VERSION,
        DATASET,
        MODEL,
        SYNTHETIC,
        Key("backend", "string", NO_UNIT, "Keras backend: tensorflow, torch or jax."),
        Key("precision", "string", NO_UNIT, "Precision of training: float32 or mixed.", _TRAINED),
        Key("source", "string", NO_UNIT, "model.source of params.yaml.", _CLEAN),
        Key("architecture", "string or null", NO_UNIT, "Architecture; null for a model of your own.", _CLEAN),
        Key("weights", "string", NO_UNIT, "Weights that training started from: a name or a file."),
        Key("weights_sha256", "string or null", NO_UNIT, "SHA-256 of the weights' file; null without a file."),
        Key("accuracy_as_brought", "number", FRACTION, "Accuracy on validation images before training.", _EXPECTED),
        Key("expected_accuracy", "number", FRACTION, "model.expected_accuracy.value of params.yaml.", _EXPECTED),
        Key(
            "loss",
            "string",
            NO_UNIT,
            "Loss of hardening: mixture, trades, unlabelled, noise or noise_adversarial.",
            _HARDENED,
        ),
        Key("sigma", "number", FRACTION, "Standard deviation of the noise in training, of pixels in [0, 1].", _NOISY),
        Key("noise", "string", NO_UNIT, "Noise in training: tied or untied across channels.", _NOISY),
        Key("labelled_patients", "integer", "patients", "Training patients with labelled images.", _WITHOUT),
        Key("labelled_images", "integer", "images", "Labelled training images.", _WITHOUT),
        Key("unlabelled_patients", "integer", "patients", "Patients of images used without a label.", _WITHOUT),
        Key("unlabelled_images", "integer", "images", "Training images used without a label.", _WITHOUT),
        Key("model_md5", "string", NO_UNIT, "MD5 of the model's file.", "written by this version or a later one"),
        Key(
            "model_sha256", "string", NO_UNIT, "SHA-256 of the model's file.", "written by this version or a later one"
        ),
        Key("parameters", "integer", "parameters", "Number of parameters of the model."),
        Key("epochs_run", "integer", "epochs", "Number of epochs of training."),
        Key("ended", "string", NO_UNIT, "Why training ended: all epochs, patience, collapse or not trained."),
        *_checkpoint("start", "the model before training"),
        *_checkpoint("best", "the model that was kept"),
        *_checkpoint("last", "the model after the last epoch"),
        Key("collapsed_epochs", "list of integers", "epochs", "Epochs in which a model that had learnt collapsed."),
        Key("collapsed", "boolean", NO_UNIT, "Whether the model that was kept is a collapsed one."),
    ),
)

ANSWERS = Document(
    layout.answers_file("<data set>", "<model>"),
    "the answers of one model on eight fixed noise images, for comparison on other backends",
    (
        VERSION,
        Key("keras", "string", NO_UNIT, "Version of Keras that computed the logits."),
        Key("backend", "string", NO_UNIT, "Keras backend that computed them: tensorflow, torch or jax."),
        Key("backend_version", "string", NO_UNIT, "Version of the backend's package."),
        Key("logits", "list of numbers", NO_UNIT, "Logits of each image, one image after the other."),
    ),
)
