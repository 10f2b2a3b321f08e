"""Build Keras optimisers from the settings.

Old Keras, which the paper used, divided the learning rate by 1 + decay x updates at every update; in Keras 3 that is a
schedule. Weight decay is decoupled (Loshchilov and Hutter 2019): w <- w - learning_rate x weight_decay x w.
"""

import keras

from oncorobust.settings.training import SGD, Adam


def make_optimizer(settings: SGD | Adam) -> keras.optimizers.Optimizer:
    """Return the optimiser of the settings, not yet built for a model's weights."""
    weight_decay = settings.weight_decay or None
    if isinstance(settings, Adam):
        return keras.optimizers.Adam(settings.learning_rate, weight_decay=weight_decay)
    rate = settings.learning_rate
    if settings.decay > 0:
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=settings.decay)
    return keras.optimizers.SGD(rate, momentum=settings.momentum, nesterov=settings.nesterov, weight_decay=weight_decay)
