"""Detect collapsed epochs in a training history."""

import pandas as pd


def collapsed_epochs(history: pd.DataFrame) -> list[int]:
    """Return the epochs that were no better than one answer for all after an earlier epoch had been.

    history: columns epoch, collapsed. Epochs before the model learnt anything do not count as collapsed.
    """
    learnt = (~history["collapsed"]).cummax()
    return history.loc[learnt & history["collapsed"], "epoch"].astype(int).tolist()
