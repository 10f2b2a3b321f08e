"""What the rows of a training history say together."""

import pandas as pd


def collapsed_epochs(history: pd.DataFrame) -> list[int]:
    """Epochs that were no better than one answer for all after an earlier one was: what had been learnt is lost.

    history: columns epoch, collapsed. Epochs before anything was learnt are not among them.
    """
    learnt = (~history["collapsed"]).cummax()
    return history.loc[learnt & history["collapsed"], "epoch"].astype(int).tolist()
