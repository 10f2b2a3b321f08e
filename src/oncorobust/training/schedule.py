"""Epsilon over the epochs of adversarial training.

A barely trained model that faces the full epsilon at once may collapse to one answer for everything; a warm-up
    epsilon_t = epsilon x min(t / epochs, 1)        t = 1, 2, ...
prevents that. The paper's released code trains in two stages, the first with a smaller epsilon.
"""

from oncorobust.settings.training import Harden, Stages, WarmUp


def epsilon_at(settings: Harden, epoch: int) -> float:
    """Return the l_inf radius of the attack in an epoch, counted from 1."""
    match settings.schedule:
        case WarmUp(epochs=epochs):
            return settings.epsilon * min(epoch / epochs, 1.0)
        case Stages(first_epsilon=first, epochs=epochs):
            return first if epoch <= epochs else settings.epsilon
        case _:
            return settings.epsilon
