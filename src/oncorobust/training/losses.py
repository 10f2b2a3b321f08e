"""Losses of adversarial training, for the attack and for the update, in keras.ops.

    mixture     attack: CE(f(x'), y)            update: mean CE over the batch, of which a share is x' for x
    TRADES      attack: KL(f(x) || f(x'))       update: mean CE(f(x), y) + beta mean KL(f(x) || f(x'))

Sources: Madry 2018 and the paper (mixture, half of each batch); Zhang 2019 (TRADES).
"""

from typing import Any

from keras import ops

from oncorobust.backend.functions import cross_entropy
from oncorobust.backend.updates import Forward
from oncorobust.settings.training import Mixture, Trades


def n_adversarial(loss: Mixture | Trades, n: int) -> int:
    """Return how many of a batch's n images are attacked, at least one; they are its first ones.

    A share of a small batch may round to 0; a batch of one image therefore consists of its adversarial example.
    """
    return n if isinstance(loss, Trades) else max(round(n * loss.adversarial_share), 1)


def attack_loss(loss: Mixture | Trades, clean_logits: Any, one_hot: Any) -> Any:
    """Return the function of logits that the attack maximises, summed over the images.

    clean_logits: of the images under attack; TRADES moves away from them. one_hot: (n, classes), true labels.
    """
    if isinstance(loss, Trades):
        return lambda logits: ops.sum(divergence(clean_logits, logits))
    return lambda logits: cross_entropy(logits, one_hot)


def training_loss(loss: Mixture | Trades, forward: Forward, x: Any, x_adv: Any, one_hot: Any) -> tuple[Any, Any]:
    """Return the loss that an update minimises, and logits for the images of the batch.

    x: (n, h, w, c). x_adv: adversarial examples of the first of them. one_hot: (n, classes).
    """
    n, n_adv = ops.shape(x)[0], ops.shape(x_adv)[0]
    if isinstance(loss, Trades):
        both = forward(ops.concatenate([x, x_adv]))
        clean, adversarial = both[:n], both[n:]
        clean_loss = mean_cross_entropy(clean, one_hot)
        return clean_loss + loss.beta * ops.mean(divergence(clean, adversarial)), clean
    logits = forward(ops.concatenate([x_adv, x[n_adv:]]))
    return mean_cross_entropy(logits, one_hot), logits


def mean_cross_entropy(logits: Any, one_hot: Any) -> Any:
    """Return the mean cross-entropy on logits over a batch."""
    return -ops.mean(ops.sum(one_hot * ops.log_softmax(logits), axis=-1))


def divergence(logits: Any, other: Any) -> Any:
    """Return KL(softmax(logits) || softmax(other)) of each image, (n,)."""
    log_p, log_q = ops.log_softmax(logits), ops.log_softmax(other)
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
