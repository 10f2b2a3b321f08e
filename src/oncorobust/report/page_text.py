"""What the page says in words and small numbers: findings, captions, both protocols, training, the strict search.

Sentences about a protocol are there only where a run holds it. Every number is a table's cell or stands in a metrics
file; nothing is computed here but the conversion of an epsilon into units that a reader knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oncorobust.base.epsilons import FEW_WITHOUT_GRADIENT
from oncorobust.base.units import readable_unit
from oncorobust.report.tables.cell import Table, TableColumn
from oncorobust.report.tables.render import ReadableUnit, display, in_units
from oncorobust.settings.attacks import Protocol

PROTOCOLS: dict[Protocol, tuple[str, str]] = {
    "paper": (
        "The paper’s protocol.",
        "ART’s own FGSM, BIM and PGD attack every image anew at each epsilon of a grid, and the image that the last "
        "step leaves is what counts. Like ART’s by default, the paper’s attacks move an image away from the model’s "
        "own prediction. An image that the model already has wrong is then moved towards being right: with two classes "
        "the accuracy cannot fall below 1 − clean accuracy, however strong the attack. The columns with true labels "
        "are the same attacks away from the truth. Compare the paper’s numbers with the predicted labels.",
    ),
    "strict": (
        "The strict protocol.",
        "For each image it searches the smallest epsilon at which anything found changes the model’s answer: a cascade "
        "of attacks, each asked where all before it failed, with random starts, the margin of the logits as loss, and "
        "any image on the way counted. An image is right at an epsilon only if its clean answer is right and nothing "
        "within that epsilon changes it, so clean errors count as errors and no curve rises. One search gives the "
        "accuracy at every epsilon; an image that nothing changes up to the largest epsilon is called censored.",
    ),
}
"""Name of a protocol and what it is."""

_FIGURE_2: dict[Protocol, str] = {
    "paper": "Solid: attacked away from the predicted labels, as in the paper; dashed: away from the true labels. "
    "Dotted: with two classes, the floor of the accuracy with predicted labels, 1 − clean accuracy.",
    "strict": "Heavy black line: strict, the worst case over all attacks.",
}
_FIGURE_3: dict[Protocol, str] = {
    "paper": "Predicted labels and true labels: what the paper’s attacks move away from.",
    "strict": "Strict: each attack with all before it, in the order FGSM, BIM, PGD; black: the worst case over all.",
}


@dataclass(frozen=True)
class SearchLine:
    """What the strict search found of one model and what it cost, as the page shows it."""

    censored: str
    median: str
    median_in_units: str
    gradients: str
    forwards: str
    without_gradient: str
    flagged: bool


def figure_captions(protocols: frozenset[Protocol]) -> tuple[str, str, str]:
    """Captions of Figures 1, 2 and 3."""
    return (
        "Clean images and their adversarial counterparts by FGSM, PGD and BIM, with the class that the clean-trained "
        "model predicts and its probability; bold with a cross: no longer the clean prediction. The small images are "
        "the differences, magnified by the factor below them about middle grey.",
        f"Accuracy of the clean-trained models under attack over epsilon. {_join(_FIGURE_2, protocols)} Hollow "
        "diamonds: the paper’s Table 1.",
        "Accuracy under attack before (dashed, hollow) and after (solid, filled) adversarial training. "
        f"{_join(_FIGURE_3, protocols)} Dotted: the epsilon of Table S5.",
    )


def _join(texts: Mapping[Protocol, str], protocols: frozenset[Protocol]) -> str:
    return " ".join(text for protocol, text in texts.items() if protocol in protocols)


def findings(
    column: TableColumn, tables: Mapping[str, Table], attack: Mapping[str, Any], protocols: frozenset[Protocol]
) -> list[str]:
    """The main numbers of one data set in sentences; tables by name, attack: contents of attack.json by model."""
    clean, adversarial = (percent(attack[model]["clean_accuracy"]) for model in ("clean", "adversarial"))
    told = [f"Without attack the clean-trained model is right on {clean} of {column.n_images} test images."]
    if "paper" in protocols:
        told += _paper_findings(column, tables)
    if "strict" in protocols:
        told += _strict_findings(column, tables)
    return [*told, f"Adversarial training changes the accuracy without attack from {clean} to {adversarial}."]


def _paper_findings(column: TableColumn, tables: Mapping[str, Table]) -> list[str]:
    first, second, s5 = (tables[name] for name in ("Table 1", "Table 2", "Table S5"))
    row = next(row for row in reversed(first.rows) if row.startswith("PGD:"))
    return [
        f"Under PGD at epsilon {row.partition(':')[2]} it is right on {_shown(first, row, column, 'accuracy')} with "
        f"predicted labels, as in the paper, and {_shown(first, row, column, 'accuracy_true_labels')} with true "
        "labels.",
        f"Adversarial training changes the accuracy under PGD at the epsilon of Table S5 from "
        f"{_shown(s5, 'PGD', column, 'original')} to {_shown(s5, 'PGD', column, 'adversarially_trained')} (predicted "
        "labels).",
        f"Leaving out the most sensitive images (coverage {_shown(second, column.key, column, 'coverage')}) changes "
        f"accuracy from {_shown(second, column.key, column, 'accuracy_all')} to "
        f"{_shown(second, column.key, column, 'accuracy_kept')}.",
    ]


def _strict_findings(column: TableColumn, tables: Mapping[str, Table]) -> list[str]:
    first, second, s5 = (tables[name] for name in ("Table 1", "Table 2", "Table S5"))
    row = first.rows[-1]
    return [
        f"Strictly, in the worst case over all attacks at epsilon {row.partition(':')[2]}, it is right on "
        f"{_shown(first, row, column, 'accuracy_strict')}; adversarial training changes that number at the epsilon of "
        f"Table S5 from {_shown(s5, 'ALL', column, 'original_strict')} to "
        f"{_shown(s5, 'ALL', column, 'adversarially_trained_strict')}.",
        f"Leaving out the images most sensitive in the strict search (coverage "
        f"{_shown(second, column.key, column, 'coverage_strict')}) changes accuracy from "
        f"{_shown(second, column.key, column, 'accuracy_all')} to "
        f"{_shown(second, column.key, column, 'accuracy_kept_strict')}.",
    ]


def _shown(table: Table, row: str, column: TableColumn, field: str) -> str:
    cell = table.find(row=row, column=column.key, field=field)
    return percent(cell.value) if cell else "no number"


def percent(share: float) -> str:
    """A share as the page's text gives it; the space before the sign does not break."""
    return f"{display(share, 'percent')}\u00a0%"


def readable_unit_of(summary: Mapping[str, Any]) -> ReadableUnit:
    """What epsilon 1 is in the unit that a reader knows, and its name, out of a data set's summary.json."""
    low, high = map(float, summary["intensity_range"])
    return readable_unit((low, high), summary["intensity_unit"])


def search_line(attack: Mapping[str, Any], summary: Mapping[str, Any]) -> SearchLine:
    """One model's strict search, out of its attack.json and the summary.json of its data set.

    Flagged are models with images whose gradient is zero: attacks by gradient cannot move those.
    """
    strict, without_gradient = attack["strict"], attack["share_without_gradient"]
    median = strict.get("median_min_epsilon")  # absent where more than half of the images are censored
    return SearchLine(
        censored=percent(strict["share_censored"]),
        median="censored" if median is None else display(median, "epsilon"),
        median_in_units="" if median is None else in_units(median, readable_unit_of(summary)),
        gradients=f"{strict['gradients_per_image']:,.0f}",
        forwards=f"{strict['forwards_per_image']:,.0f}",
        without_gradient=percent(without_gradient),
        flagged=without_gradient > FEW_WITHOUT_GRADIENT,
    )


@dataclass(frozen=True)
class TrainingText:
    """How a model was trained, in sentences; warning: empty where training did not collapse."""

    sentences: str
    warning: str


_ENDED = {
    "all epochs": "all that were asked for",
    "patience": "then patience ended it, because no better epoch came",
    "collapse": "then the guard against collapse ended it, because accuracy under attack fell too far below its best",
}


def training_text(training: Mapping[str, Any]) -> TrainingText:
    """One model's training, out of its training.json."""
    collapsed, warnings = training["collapsed_epochs"], []
    if collapsed:
        epochs = f"epoch{'' if len(collapsed) == 1 else 's'} {', '.join(map(str, collapsed))}"
        warnings.append(f"Collapsed: after {epochs} validation accuracy was no better than one answer for all.")
    if training["collapsed"]:
        warnings.append("The kept weights are such: that no attack turns their answers is no robustness.")
    return TrainingText(_course(training), " ".join(warnings))


def _course(training: Mapping[str, Any]) -> str:
    """How long training ran, why it ended, and what the kept and the last epoch are worth."""
    best, last, n_epochs = training["best"], training["last"], training["epochs_run"]
    if not n_epochs:
        return f"Not trained: the model as it came is {_validated(best)}."
    kept = f"epoch {best['epoch']}" if best["epoch"] else "epoch 0, the model before"
    told = f"Trained for {n_epochs} epoch{'' if n_epochs == 1 else 's'}, {_ENDED[training['ended']]}. "
    told += f"Kept were the weights of {kept}: {_validated(best)}."
    return told if last["epoch"] == best["epoch"] else f"{told} After the last epoch it was {_validated(last)}."


def _validated(checkpoint: Mapping[str, Any]) -> str:
    """Both validation accuracies of a checkpoint in words; the second only where it was measured."""
    told = f"right on {percent(checkpoint['validation_accuracy'])} of the validation images"
    robust = checkpoint.get("validation_robust_accuracy")
    return told if robust is None else f"{told}, under attack on {percent(robust)}"
