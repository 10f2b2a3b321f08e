"""The nearest examples of the paper's attacks, for a strict search that has missed them.

Attacks are not monotone in epsilon: FGSM may flip an image at a small epsilon and fail at a larger one, where a search
that looks for the edge of its success then stands. The paper's protocol attacks at each epsilon of a grid and knows
such images. Their examples are made again, which takes the gradients of these images and epsilons alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from oncorobust.attacks.minimal_epsilon import Given
from oncorobust.attacks.names import FROM_PAPER
from oncorobust.attacks.paper_attacks import PaperAttacks
from oncorobust.base.arrays import Images, Labels, PerImage
from oncorobust.settings.attacks import Attacks


def given_examples(
    attacks: PaperAttacks, rows: pd.DataFrame, image_ids: Sequence[str], answers: Labels, *, settings: Attacks
) -> Given | None:
    """Return the examples away from the model's own answers that the paper's attacks found; None without such attacks.

    attacks: on the images of one block, with its seed. rows: `paper.attack_rows` of at least this block. image_ids,
    answers: (n,) of the block's images, in order.
    """
    rows = rows[(rows["attacked_label"] == "predicted") & rows["image_id"].isin(image_ids)]
    if rows.empty:
        return None
    place = rows["image_id"].map({one: position for position, one in enumerate(image_ids)})
    rows = rows.assign(place=place)[rows["predicted"].to_numpy() != answers[place.to_numpy()]]
    return Given(FROM_PAPER, _Examples(attacks, rows, settings).nearest)


@dataclass(frozen=True)
class _Examples:
    """Rows of examples, with the places of their images in the block, and the attacks that make them again."""

    attacks: PaperAttacks
    rows: pd.DataFrame
    settings: Attacks

    def nearest(self, last_safe: PerImage) -> Iterator[tuple[np.ndarray, Images]]:
        """Make the nearest example of each image again that has one within last_safe; yield it with the places."""
        within = self.rows[self.rows["linf"].to_numpy() <= last_safe[self.rows["place"].to_numpy()]]
        chosen = within.sort_values("linf", kind="stable").drop_duplicates("place")
        for (attack, epsilon), part in chosen.groupby(["attack", "epsilon"]):
            at = part["place"].to_numpy()
            yield at, self.attacks.examples(str(attack), epsilon=float(epsilon), settings=self.settings, at=at)
