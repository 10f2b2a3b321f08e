"""The training loop: epochs, validation, choice of the best epoch, early stopping and resuming after a kill.

After each epoch the loop evaluates the weights, or their moving average if there is one, on validation patients, keeps
the weights that `keep` prefers, and saves the whole state; it also saves in the middle of an epoch when the process is
asked to end. Every decision (which epoch to keep, whether to stop) depends only on the rows of the history, so that a
resumed run decides the same.

A model that gives one answer to everything can look robust: with two balanced classes half of its answers are right and
no attack changes them. Robust accuracy therefore decides only between epochs that beat this baseline, by more than a
standard error, on clean images and under attack; if none does under attack, the mean of both accuracies decides, which
one answer for all cannot raise. Accuracy under noise decides in the same way. The loop never sees a test image.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Images, Labels
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Listener, Stopped
from oncorobust.base.run_state import RunState
from oncorobust.base.seeds import child_rng
from oncorobust.settings.training import Harden, Train
from oncorobust.training.batches import Batches
from oncorobust.training.step import Trainee
from oncorobust.training.validation import Scores


@dataclass(frozen=True)
class Trained:
    """The outcome of training besides the model's weights.

    history: one row per epoch; row 0 describes the weights before training. best_epoch: the epoch kept. ended: `all
    epochs`, `patience`, `collapse`, or `not trained`.
    """

    history: pd.DataFrame
    best_epoch: int
    ended: str


@dataclass(frozen=True)
class Course:
    """The functions that a recipe passes to the loop.

    step: (images, labels, epoch, random generator) -> mean loss and number of right answers; updates the weights.
    score: epoch -> the validation columns of its row.
    """

    step: Callable[[Images, Labels, int, np.random.Generator], tuple[float, float]]
    score: Callable[[int], Scores]


def fit(
    trainee: Trainee,
    batches: Batches,
    course: Course,
    *,
    settings: Train | Harden,
    checkpoint: RunState | None,
    listener: Listener,
) -> Trained:
    """Train in place; afterwards the model has the weights of the epoch kept.

    checkpoint: where the state is saved after each epoch and when `listener` raises Stopped, and taken up again; None
    saves nothing. Raises InputError when a loss is not a number, and where the state cannot be saved or read.
    """
    state = _State(trainee, trainee.model.get_weights())
    if checkpoint is None or not _taken_up(state, checkpoint, listener):
        state.rows.append({"epoch": 0} | course.score(0))
    listener.begin((len(state.rows) - 1) * batches.n + state.part.batches)
    while not how_ended(state.rows, settings):
        epoch = len(state.rows)
        try:
            row = _one_epoch(batches, course, state.part, epoch=epoch, epochs=settings.epochs, listener=listener)
        except Stopped:
            if checkpoint is not None:
                checkpoint.save(f"batch {state.part.batches} of epoch {epoch}", state.told(), state.arrays())
            raise
        state.part = _Part()
        with _averaged(trainee):
            state.rows.append(row | course.score(epoch))
            if best_epoch(state.rows, settings) == epoch:
                state.kept = trainee.model.get_weights()
        _tell(state.rows, settings, listener)
        if checkpoint is not None:
            checkpoint.save(f"epoch {epoch}", state.told(), state.arrays())
    trainee.model.set_weights(state.kept)
    return Trained(_frame(state.rows), best_epoch(state.rows, settings), how_ended(state.rows, settings))


def best_epoch(rows: list[Scores], settings: Train | Harden) -> int:
    """Return the epoch whose weights to keep, by `settings.keep`; the earliest if several are equal.

    Where robust accuracy, or accuracy under noise, is asked for, epoch 0, before training, is a candidate and epochs
    that collapsed are not; where accuracies are equal the smaller validation loss decides.
    """
    match settings.keep:
        case "last":
            return int(rows[-1]["epoch"])
        case "validation_robust_accuracy" | "validation_noise_accuracy" as kept_by:
            sound = [row for row in rows if not row["collapsed"]] or rows[:1]
            robust = [row for row in sound if row[kept_by] > row["validation_floor"]]
            names = [kept_by] if robust else [kept_by, "validation_accuracy"]
            best = max(robust or sound, key=lambda row: (sum(row[name] for name in names), -row["validation_loss"]))
        case _:
            best = min(rows[1:] or rows, key=lambda row: row["validation_loss"])
    return int(best["epoch"])


def how_ended(rows: list[Scores], settings: Train | Harden) -> str:
    """Return why training ends after these rows: `collapse`, `patience`, `all epochs`; empty if it continues."""
    epoch = rows[-1]["epoch"]
    max_drop = settings.max_drop if isinstance(settings, Harden) else None
    if max_drop is not None and best_robust_accuracy(rows) - rows[-1]["validation_robust_accuracy"] > max_drop:
        return "collapse"
    if epoch == settings.epochs:
        return "all epochs"
    # Like Keras's EarlyStopping: the first epoch is the first best, and patience 0 and 1 both stop at the first epoch
    # that is no better.
    if settings.patience is not None and epoch > 0:
        by_loss = min(rows[1:], key=lambda row: row["validation_loss"])["epoch"]
        best = by_loss if settings.keep == "last" else best_epoch(rows, settings)
        return "patience" if epoch - max(best, 1) >= max(settings.patience, 1) else ""
    return ""


def best_robust_accuracy(rows: list[Scores]) -> float:
    """Return the largest robust validation accuracy of epochs that beat one answer for all; 0 before there is one."""
    found = [row["validation_robust_accuracy"] for row in rows if not row["collapsed"]]
    return max((one for one in found if one > rows[0]["validation_floor"]), default=0.0)


@dataclass
class _Part:
    """Progress within an epoch: batches done, sums over their images, and the state of its random generator."""

    batches: int = 0
    images: int = 0
    loss_sum: float = 0.0
    right: float = 0.0
    random: dict[str, Any] | None = None


@dataclass
class _State:
    """The state of training: variables, weights to keep, history, and progress within the current epoch."""

    trainee: Trainee
    kept: list[np.ndarray]
    rows: list[Scores] = field(default_factory=list)
    part: _Part = field(default_factory=_Part)

    def told(self) -> dict[str, Any]:
        return {"rows": self.rows, "part": asdict(self.part)}

    def arrays(self) -> dict[str, list[np.ndarray]]:
        return {"variables": [np.asarray(one.numpy()) for one in self.trainee.variables], "kept": self.kept}


def _taken_up(state: _State, checkpoint: RunState, listener: Listener) -> bool:
    saved = checkpoint.load()
    if saved is None:
        if checkpoint.stale:
            listener.warn("the saved state has another recipe, data, code or starting weights: training starts anew")
        return False
    for variable, value in zip(state.trainee.variables, saved.arrays["variables"], strict=True):
        variable.assign(value)
    state.kept = saved.arrays["kept"]
    state.rows, state.part = saved.told["rows"], _Part(**saved.told["part"])
    listener.say(f"resumed after {saved.done}")
    return True


def _one_epoch(batches: Batches, course: Course, part: _Part, *, epoch: int, epochs: int, listener: Listener) -> Scores:
    """Run an epoch and return its row without the validation columns; `part` is updated with each batch.

    Raises InputError when a loss is not a number.
    """
    # The generator depends only on the epoch's number, so a resumed run draws the same numbers.
    rng = child_rng(batches.seed, "epoch", epoch)
    order = batches.order(rng)
    if part.random is not None:
        rng.bit_generator.state = part.random
    for x, y in batches.draw(order, first=part.batches):
        loss, right = course.step(x, y, epoch, rng)
        if not np.isfinite(loss):
            # The update has damaged the weights; the last saved state is still on disk.
            raise InputError(
                f"expected a finite loss, got {loss} in batch {part.batches + 1} of epoch {epoch}: lower learning_rate"
            )
        part.batches, part.images = part.batches + 1, part.images + len(y)
        part.loss_sum, part.right = part.loss_sum + loss * len(y), part.right + right
        part.random = dict(rng.bit_generator.state)
        done = (epoch - 1) * batches.n + part.batches
        listener.update(done, epochs * batches.n, f"batches, epoch {epoch}: {_text(_means(part))}")
    return {"epoch": epoch} | _means(part)


def _means(part: _Part) -> Scores:
    return {"loss": part.loss_sum / part.images, "accuracy": part.right / part.images}


def _tell(rows: list[Scores], settings: Train | Harden, listener: Listener) -> None:
    """Report an epoch's results, and warn of a collapse."""
    row = rows[-1]
    listener.say(f"epoch {row['epoch']} of {settings.epochs}: {_text(row)}")
    if row["collapsed"] and not all(one["collapsed"] for one in rows):
        listener.warn(
            f"COLLAPSED in epoch {row['epoch']}: validation accuracy is no better than one class for all images"
        )
    if how_ended(rows, settings) == "collapse":
        best = best_robust_accuracy(rows)
        listener.warn(
            f"COLLAPSED in epoch {row['epoch']}: robust validation accuracy fell from {best:.4f} to "
            f"{row['validation_robust_accuracy']:.4f}; training ends, the weights of epoch "
            f"{best_epoch(rows, settings)} are kept: a smaller epsilon, a longer warm_up or more steps may help"
        )


@contextmanager
def _averaged(trainee: Trainee) -> Iterator[None]:
    """Use the moving average of the weights, if there is one, inside the block."""
    variables = trainee.model.trainable_variables if trainee.averages else []
    before = [variable.numpy() for variable in variables]
    for variable, average in zip(variables, trainee.averages, strict=True):
        variable.assign(average.value)
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _frame(rows: list[Scores]) -> pd.DataFrame:
    # Row 0 lacks the columns of an epoch; the last row has every column, in order.
    return pd.DataFrame(rows, columns=list(rows[-1]))


def _text(row: Scores) -> str:
    shown = {name: value for name, value in row.items() if name not in ("epoch", "validation_floor", "collapsed")}
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in shown.items())
