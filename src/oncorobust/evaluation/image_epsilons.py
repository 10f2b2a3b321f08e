"""The minimal epsilon of each image, from the rows of whichever protocol a run holds. Imports no framework."""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def minimal_epsilons(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return last_safe and first_flipped by image_id, from the strict search, or else from the paper's predictions.

    tables: `predictions` and `intervals` of stage attack. Under the paper's protocol first_flipped is the smallest
    epsilon at which an attack away from the predicted label changed the answer (inf if none did), and last_safe the
    largest epsilon of the grid below it. Without any attack the frame is empty.
    """
    columns = ["last_safe", "first_flipped"]
    if len(tables["intervals"]):
        last = tables["intervals"].groupby("image_id", sort=False).tail(1)
        return last.set_index("image_id")[columns].astype(float)
    rows = tables["predictions"]
    clean = rows[rows["attack"] == "none"].set_index("image_id")["predicted"]
    attacked = rows[rows["attacked_label"] == "predicted"]
    if attacked.empty:
        return pd.DataFrame(columns=columns, dtype=float)
    grid = np.array([0.0, *np.sort(attacked["epsilon"].unique())])
    changed = attacked["predicted"].to_numpy() != clean.reindex(attacked["image_id"]).to_numpy()
    found = attacked[changed].groupby("image_id")["epsilon"].min().reindex(clean.index, fill_value=np.inf)
    below = grid[np.searchsorted(grid, found.to_numpy()) - 1]
    return pd.DataFrame({"last_safe": below, "first_flipped": found})
