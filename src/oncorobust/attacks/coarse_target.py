"""Search in TF32 or bfloat16 where every success is confirmed in full float32.

A `CoarseTarget` takes gradients in a coarse precision and counts an image as adversarial only if its margin in full
float32 says so.

    float32     `Target`: everything in full float32
    tf32        products in TF32 on a GPU that has it; the same as float32 elsewhere
    bfloat16    the inner layers in bfloat16 (`backend.mixed_precision`)
"""

from contextlib import nullcontext

import numpy as np

from oncorobust.attacks.goals import Goal, Loss, margin_loss
from oncorobust.attacks.target import Target, Walk
from oncorobust.backend.classifier import Model
from oncorobust.backend.fastest_precision import fastest_precision
from oncorobust.backend.runtime import tf32_allowed
from oncorobust.base.arrays import Images, PerImage


def target_of(model: Model, *, precision: str) -> Target:
    """Return the target of a search. precision: float32, tf32, bfloat16, or auto for the fastest on this machine."""
    chosen = fastest_precision() if precision == "auto" else precision
    return Target(model) if chosen == "float32" else CoarseTarget(model, precision=chosen)


class CoarseTarget(Target):
    """A target that computes gradients in TF32 or bfloat16 and confirms every success in full float32.

    An image that only the coarse precision calls adversarial gets its float32 margin, which is not below 0, and stays
    under attack; therefore take steps one at a time. Larger margins are the coarse precision's own.
    """

    def __init__(self, model: Model, *, precision: str, loss: Loss = margin_loss) -> None:
        """Prepare the compiled functions. precision: `tf32` or `bfloat16`."""
        super().__init__(model, loss=loss, precision="mixed" if precision == "bfloat16" else "float32")
        self._allowed = tf32_allowed if precision == "tf32" else nullcontext
        self._exact = Target(model, loss=loss, cost=self.cost)

    def exact(self) -> Target:
        """Return the same model computed in full float32; it counts into the same cost."""
        return self._exact

    def walk(
        self, start: Images, x: Images, goal: Goal, *, radius: np.ndarray, eps_step: PerImage, n_steps: int
    ) -> Walk:
        """Walk as `Target.walk` does, coarsely; the margin of x_best is below 0 only if it is so in float32."""
        with self._allowed():
            found = super().walk(start, x, goal, radius=radius, eps_step=eps_step, n_steps=n_steps)
        return found._replace(margin=self._confirmed(found.x_best, found.margin, goal))

    def margin_gradient(self, x: Images, goal: Goal) -> tuple[PerImage, Images]:
        """Compute `Target.margin_gradient` coarsely; margins are below 0 only where they are so in float32."""
        with self._allowed():
            margin, gradient = super().margin_gradient(x, goal)
        return self._confirmed(x, margin, goal), gradient

    def _confirmed(self, x: Images, margin: PerImage, goal: Goal) -> PerImage:
        claimed = np.flatnonzero(margin <= 0)
        if len(claimed) == 0:
            return margin
        confirmed = np.array(margin)
        confirmed[claimed] = self.margins(x[claimed], goal.at(claimed))
        return confirmed
