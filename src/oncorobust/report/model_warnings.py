"""Warnings about a model, to stand beside the numbers that they concern."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT
from oncorobust.evaluation.validity import Check, red_names
from oncorobust.report.described import Described
from oncorobust.report.page.text import percent, shown_percent
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.validity import Gate


@dataclass(frozen=True)
class ModelWarning:
    """Why numbers of a model must be read with care.

    spoils: whether its numbers under attack are no evidence of robustness. anchor: id of the element of the page that
    shows what was found.
    """

    text: str
    spoils: bool
    anchor: str


def training_anchor(dataset: str, model: str) -> str:
    """Return the id of the element of the page that shows a model's training."""
    return f"training-{dataset}-{model}"


def validity_anchor(dataset: str, model: str) -> str:
    """Return the id of the element of the page that shows a model's checks of the validity gate."""
    return f"validity-{dataset}-{model}"


def warnings_of(part: Described, gates: Sequence[Gate], answers: Table) -> dict[str, tuple[ModelWarning, ...]]:
    """Return the warnings about each model of a data set, by model; those that spoil its numbers come first.

    gates: the checks of all models. answers: Table E. A sound model has an empty tuple.
    """
    checks = {gate.model: gate.checks for gate in gates if gate.dataset == part.key}
    return {
        model: tuple(sorted(_found(part, model, checks.get(model, ()), answers), key=lambda one: not one.spoils))
        for model in part.training
    }


def _found(part: Described, model: str, checks: Sequence[Check], answers: Table) -> Iterator[ModelWarning]:
    yield from _of_training(part.key, model, part.training[model])
    if not part.training[model]["collapsed"]:
        yield from _of_answers(part, model, answers)
    yield from _of_attack(part.key, model, part.attack.get(model, {}))
    for name in red_names(checks):
        yield ModelWarning(f"Validity check not passed: {name}.", True, validity_anchor(part.key, model))


def _of_training(dataset: str, model: str, training: Mapping[str, Any]) -> Iterator[ModelWarning]:
    epochs, anchor = training["collapsed_epochs"], training_anchor(dataset, model)
    after = f"after epoch{'' if len(epochs) == 1 else 's'} {', '.join(map(str, epochs))}"
    if training["collapsed"]:
        text = "Training collapsed: the model is no better than one answer for all images. "
        yield ModelWarning(text + "High accuracy under attack is then no robustness.", True, anchor)
    elif epochs:
        kept = training["best"]["epoch"]
        yield ModelWarning(f"Training collapsed {after}; the weights of epoch {kept} were kept.", False, anchor)


def _of_answers(part: Described, model: str, answers: Table) -> Iterator[ModelWarning]:
    """Yield a warning where the interval of balanced accuracy holds that of one answer for all images."""
    cell = answers.find(row=f"{model}:{BASELINE}", column=part.key, field="balanced_accuracy")
    by_chance = 1 / len(part.summary["class_names"])
    low = None if cell is None or cell.interval is None else cell.interval.low
    if cell is not None and low is not None and low <= by_chance:
        text = (
            f"It is not shown that the model tells the classes apart: balanced accuracy {shown_percent(cell)}, where "
            f"one answer for all images has {100 * by_chance:.0f}\u00a0%. Such an answer never changes under "
            "attack, so accuracy under attack may be no robustness."
        )
        yield ModelWarning(text, False, training_anchor(part.key, model))


def _of_attack(dataset: str, model: str, attack: Mapping[str, Any]) -> Iterator[ModelWarning]:
    share = attack.get("share_without_gradient", 0)
    if share > FEW_WITHOUT_GRADIENT:
        text = f"{percent(share)} of the attacked images have no gradient: accuracy under attack may be too high."
        yield ModelWarning(text, True, training_anchor(dataset, model))
