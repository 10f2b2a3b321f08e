"""Search in TF32 where every success is confirmed in full float32.

`Tf32Target` takes gradients in TF32 and counts an image as adversarial only if its margin in full float32 says so.
"""

import numpy as np

from oncorobust.attacks.goals import Goal
from oncorobust.attacks.target import Target, Walk
from oncorobust.backend.runtime import tf32_allowed
from oncorobust.base.arrays import Images, PerImage


class Tf32Target(Target):
    """A target that may compute gradients in TF32 and confirms every success in full float32.

    An image that only TF32 calls adversarial gets its float32 margin, which is not below 0, and stays under attack;
    therefore take steps one at a time. Margins of 0 and more are TF32's own.
    """

    def walk(
        self, start: Images, x: Images, goal: Goal, *, radius: np.ndarray, eps_step: PerImage, n_steps: int
    ) -> Walk:
        """Walk as `Target.walk` does, in TF32; the margin of x_best is below 0 only if it is so in float32."""
        with tf32_allowed():
            found = super().walk(start, x, goal, radius=radius, eps_step=eps_step, n_steps=n_steps)
        return found._replace(margin=self._confirmed(found.x_best, found.margin, goal))

    def margin_gradient(self, x: Images, goal: Goal) -> tuple[PerImage, Images]:
        """Compute `Target.margin_gradient` in TF32; margins are below 0 only where they are so in float32."""
        with tf32_allowed():
            margin, gradient = super().margin_gradient(x, goal)
        return self._confirmed(x, margin, goal), gradient

    def _confirmed(self, x: Images, margin: PerImage, goal: Goal) -> PerImage:
        claimed = np.flatnonzero(margin < 0)
        if len(claimed) == 0:
            return margin
        confirmed = np.array(margin)
        confirmed[claimed] = self.margins(x[claimed], goal.at(claimed))
        return confirmed


TARGETS = {"float32": Target, "tf32": Tf32Target}
"""The target for each precision of a search."""
