"""Losses of adversarial training and of training under noise, for the attack and for the update, in keras.ops.

    mixture     attack: CE(f(x'), y)            update: mean CE over the batch, of which a share is x' for x
    TRADES      attack: KL(f(x) || f(x'))       update: mean CE(f(x), y) + beta mean KL(f(x) || f(x'))
    noise       attack: -log q(x')[y]           update: mean over the copies i of CE(f(x' + sigma g_i), y)
                                                        + consistency KL(q || p_i), and + entropy H(q)

p_i is the softmax of copy i, q the mean of the p_i. `noise` itself has no attack: x' is x. `noise_adversarial` takes
the same g_i in its attack and in the update. `training.unlabelled_step` has the loss on images without a label.

Sources: Madry 2018 and the paper (mixture, half of each batch); Zhang 2019 (TRADES); Cohen 2019 (noise); Jeong and Shin
2020 (consistency and entropy); Salman 2019 (the attack on q).
"""

import math
from typing import Any

from keras import ops

from oncorobust.backend.functions import cross_entropy, log_probability
from oncorobust.backend.updates import Forward
from oncorobust.settings.training import Loss, Mixture, Noise, NoiseAdversarial, Trades, Unlabelled


def n_adversarial(loss: Loss, n: int) -> int:
    """Return how many of a batch's n images are attacked; they are its first ones.

    With the loss `unlabelled` n counts the labelled images, and the images without a label are attacked as well.
    A share of a small batch may round to 0, but attacks at least one image; a batch of one image therefore consists of
    its adversarial example.
    """
    match loss:
        case Mixture(adversarial_share=share):
            return max(round(n * share), 1)
        case Unlabelled(unlabelled_ratio=ratio):
            return n_adversarial(loss.supervised, n) + n * ratio
        case Noise():
            return 0
        case _:
            return n


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


def with_noise(x: Any, gaussian: Any, sigma: float) -> Any:
    """Return the noisy copies x + sigma g of each image, one image's copies after the other, not clipped.

    x: (n, h, w, c). gaussian: (n, copies, h, w, c), or 1 for c to tie the channels. Returns (n copies, h, w, c).
    """
    noisy = ops.expand_dims(x, 1) + sigma * gaussian
    return ops.reshape(noisy, (-1, *x.shape[1:]))


def smoothed_attack_loss(copies: int, one_hot: Any) -> Any:
    """Return the function of the copies' logits that the attack maximises: the sum of -log q[y], up to a constant.

    one_hot: (n, classes), true labels of the images.
    """

    def loss(logits: Any) -> Any:
        log_p = log_probability(logits, ops.repeat(one_hot, copies, axis=0))
        return -ops.sum(ops.logsumexp(ops.reshape(log_p, (-1, copies)), axis=1))

    return loss


def noise_loss(loss: Noise | NoiseAdversarial, logits: Any, one_hot: Any) -> Any:
    """Return the loss that an update under noise minimises.

    logits: (n copies, classes), of the copies as `with_noise` orders them. one_hot: (n, classes), true labels.
    """
    log_p = ops.reshape(ops.log_softmax(logits), (-1, loss.copies, logits.shape[-1]))
    log_mean = ops.logsumexp(log_p, axis=1, keepdims=True) - math.log(loss.copies)
    mean = ops.exp(log_mean)
    value = -ops.mean(ops.sum(ops.expand_dims(one_hot, 1) * log_p, axis=-1))
    value += loss.consistency * ops.mean(ops.sum(mean * (log_mean - log_p), axis=-1))
    return value - loss.entropy * ops.mean(ops.sum(mean * log_mean, axis=-1))


def mean_cross_entropy(logits: Any, one_hot: Any) -> Any:
    """Return the mean cross-entropy on logits over a batch."""
    return -ops.mean(ops.sum(one_hot * ops.log_softmax(logits), axis=-1))


def divergence_from(targets: Any, logits: Any) -> Any:
    """Return KL(targets || softmax(logits)) of each image, (n,). targets: (n, classes), probabilities; 0 log 0 is 0."""
    own = ops.log(ops.maximum(targets, 1e-37))
    return ops.sum(targets * (own - ops.log_softmax(logits)), axis=-1)


def divergence(logits: Any, other: Any) -> Any:
    """Return KL(softmax(logits) || softmax(other)) of each image, (n,)."""
    log_p, log_q = ops.log_softmax(logits), ops.log_softmax(other)
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
