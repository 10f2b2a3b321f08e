"""One update of the weights as one compiled function: attack, gradient, optimiser, moving average.

    start   x' = clip(x + epsilon u), u uniform in [-1, 1]                     (or x' = x)
    attack  max_iter times  x' <- clip(x' + eps_step sign(d/dx' attack loss))  (Madry 2018)
    AWP     each layer's weights w move by gamma |w| g / |g|, g the gradient of the training loss   (Wu 2020)
    update  the optimiser takes the gradient found there, from the weights before the move; Keras's constraints follow
    average a <- m a + (1 - m) w,  m = min(momentum, (1 + t) / (10 + t)) at update t

The growing m keeps the initial weights from dominating an average of few updates. The random numbers u are an
argument, so that the attack starts from the same points on every backend. `training.noise_step` trains under noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from oncorobust.attacks.projected_step import ascend, box_around, project
from oncorobust.backend.fastest_precision import training_precision
from oncorobust.backend.functions import Network
from oncorobust.backend.updates import Forward, Learner, TrainingLoss, compile_update
from oncorobust.base.arrays import Images
from oncorobust.settings.training import Harden, Mixture, Trades, Train
from oncorobust.training.losses import attack_loss, mean_cross_entropy, n_adversarial, training_loss
from oncorobust.training.optimizers import make_optimizer


@dataclass(frozen=True)
class Trainee:
    """A model with everything else that an update changes.

    averages: moving averages of the trainable weights, in their order; empty if none are wanted.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    averages: Sequence[keras.Variable]

    @property
    def variables(self) -> list[keras.Variable]:
        """Return everything that training changes, including the states of random layers: what a resumed run needs."""
        return [*self.model.variables, *self.optimizer.variables, *self.averages]


def make_trainee(model: keras.Model, settings: Train | Harden) -> Trainee:
    """Return the model with a new optimiser and, if `settings.average` is set, averages that start at its weights."""
    optimizer = make_optimizer(settings.optimizer)
    optimizer.build(model.trainable_variables)
    averaged = model.trainable_variables if settings.average is not None else []
    averages = [keras.Variable(variable.numpy(), trainable=False) for variable in averaged]
    return Trainee(model, optimizer, averages)


def compile_clean_step(trainee: Trainee, settings: Train) -> Callable[..., tuple[Any, ...]]:
    """Compile (x, one_hot) -> mean loss and number of right answers of the batch, before the update."""

    def body(learner: Learner, x: Any, one_hot: Any) -> tuple[Any, Any]:
        def loss(forward: Forward) -> tuple[Any, Any]:
            logits = forward(x)
            return mean_cross_entropy(logits, one_hot), logits

        value, logits, gradients = learner.weight_gradients(loss)
        _apply(trainee, gradients, settings.average)
        return value, n_right(logits, one_hot)

    return compile_step(trainee, body, settings.precision)


def compile_adversarial_step(
    trainee: Trainee, settings: Harden, loss: Mixture | Trades
) -> Callable[..., tuple[Any, ...]]:
    """Compile (x, one_hot, start, epsilon, eps_step, max_iter) -> mean loss and right answers before the update.

    start: (n_adversarial, h, w, c) in [-1, 1], the random start of each attacked image in units of epsilon; 0 starts at
    the image. max_iter: int32.
    """

    def body(
        learner: Learner, x: Any, one_hot: Any, start: Any, epsilon: Any, eps_step: Any, max_iter: Any
    ) -> tuple[Any, Any]:
        n = ops.shape(start)[0]
        x_adv = perturb(learner, loss, x[:n], one_hot[:n], start * epsilon, epsilon, eps_step, max_iter)
        value, logits = descend(
            trainee, settings, learner, lambda forward: training_loss(loss, forward, x, x_adv, one_hot)
        )
        return value, n_right(logits, one_hot)

    return compile_step(trainee, body, settings.precision)


def start_noise(x: Images, settings: Harden, rng: np.random.Generator) -> np.ndarray:
    """Draw the start of the attack on the images that a step attacks, of a batch (n, h, w, c)."""
    shape = (n_adversarial(settings.loss, len(x)), *x.shape[1:])
    if settings.num_random_init == 0:
        return np.zeros(shape, dtype=np.float32)
    return rng.random(shape, dtype=np.float32) * 2 - 1


def compile_step(
    trainee: Trainee, body: Callable[..., tuple[Any, ...]], precision: str
) -> Callable[..., tuple[Any, ...]]:
    """Compile `body(learner, *tensors)`, which updates the trainee, in a precision of the settings."""
    changed = [*trainee.optimizer.variables, *trainee.averages]
    return compile_update(trainee.model, body, changed=changed, precision=training_precision(precision))


def perturb(
    network: Network,
    loss: Mixture | Trades,
    x: Any,
    one_hot: Any,
    move: Any,
    epsilon: Any,
    eps_step: Any,
    max_iter: Any,
) -> Any:
    """Return PGD's last iterate for images x, from x + move, in keras.ops; the attack maximises `loss`."""
    clean_logits = network.logits(x) if isinstance(loss, Trades) else None
    climbed = attack_loss(loss, clean_logits, one_hot)
    return climb(lambda x_adv: network.logits_and_gradient(climbed, x_adv)[1], x, move, epsilon, eps_step, max_iter)


def climb(gradient: Callable[[Any], Any], x: Any, move: Any, epsilon: Any, eps_step: Any, max_iter: Any) -> Any:
    """Return the last iterate of projected steps up a gradient in the ball around x, from x + move."""
    box = box_around(x, epsilon)

    def step(_: Any, x_adv: Any) -> Any:
        return ascend(x_adv, gradient(x_adv), eps_step, box)

    return ops.fori_loop(0, max_iter, step, project(x + move, box))


def descend(trainee: Trainee, settings: Harden, learner: Learner, loss: TrainingLoss) -> tuple[Any, Any]:
    """Update the weights, at AWP's worst ones if asked for; return loss and logits before."""
    value, logits, gradients = learner.weight_gradients(loss)
    if settings.weight_perturbation is not None:
        shift = _worst_shift(trainee.model, gradients, settings.weight_perturbation)
        _, _, gradients = learner.weight_gradients(loss, shift=shift)
    _apply(trainee, gradients, settings.average)
    return value, logits


def _worst_shift(model: keras.Model, gradients: Sequence[Any], gamma: float) -> list[Any]:
    """Return AWP's shift of each kernel; vectors (biases, statistics) are not shifted, as in the authors' code."""
    shift = []
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        norm = ops.norm(ops.reshape(gradient, (-1,)))
        size = gamma * ops.norm(ops.reshape(variable.value, (-1,))) / (norm + 1e-20)
        shift.append(gradient * size if len(variable.shape) > 1 else ops.zeros_like(gradient))
    return shift


def _apply(trainee: Trainee, gradients: Sequence[Any], momentum: float | None) -> None:
    trainee.optimizer.apply(list(gradients), trainee.model.trainable_variables)
    if momentum is None:
        return
    done = ops.cast(trainee.optimizer.iterations, "float32")
    kept = ops.minimum(momentum, (1.0 + done) / (10.0 + done))
    for average, variable in zip(trainee.averages, trainee.model.trainable_variables, strict=True):
        average.assign(kept * average.value + (1.0 - kept) * variable.value)


def n_right(logits: Any, one_hot: Any) -> Any:
    """Return the number of right answers, in float32."""
    return ops.sum(ops.cast(ops.argmax(logits, axis=-1) == ops.argmax(one_hot, axis=-1), "float32"))
