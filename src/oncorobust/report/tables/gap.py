"""Table G: why a clean model's strict accuracy differs from the paper's accuracy, in five parts that add up.

All accuracies are those of the same images at the same epsilon:

    paper's PGD, away from the predicted label
      + labels      = paper's PGD, away from the true label
      + restarts    = strict accuracy after PGD: random starts, any iterate kept, margin loss, FGSM and BIM counted
      + worst case  = strict accuracy after the last attack of the suite before the converged one
      + steps       = strict accuracy after the converged attack, PGD of many more steps
      + missed      = strict accuracy: examples of the paper's attacks count that the search has missed
      total         = strict accuracy - paper's accuracy

The table needs both protocols. Where one was not run, it has no rows and its caption says so, because the pipeline
names its files before it runs.
"""

from collections.abc import Sequence

from oncorobust.attacks.names import CONVERGED
from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import table_file
from oncorobust.report.shown_attacks import PGD
from oncorobust.report.tables.cell import Cell, Field, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.sources import Metrics, Source, accuracy_source, sourced_cell, strict_source
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

_CAPTION = (
    "The gap between the paper's accuracy under PGD and the strict accuracy of the clean models, by epsilon: "
    "accuracies in %, parts in percentage points, which add up to the total before rounding. Labels: the attack moves "
    "away from the true label, not from the prediction. Restarts: any adversarial iterate of any restart of PGD "
    "counts, FGSM and BIM too. Worst case: all other attacks of the suite. Steps: PGD with many more steps. "
    "Missed: images that an attack of the paper's protocol flips at an epsilon that the search took for safe."
)
_MISSING = (
    "Empty, because it needs both protocols and the {missing} protocol was not run (attacks.protocols in params.yaml)."
)
_FIELDS = (
    Field("paper_protocol", "accuracy", "paper's PGD", "percent"),
    Field("labels", "parts of the gap", "labels", "points"),
    Field("restarts", "parts of the gap", "restarts", "points"),
    Field("worst_case", "parts of the gap", "worst case", "points"),
    Field("steps", "parts of the gap", "steps", "points"),
    Field("missed", "parts of the gap", "missed", "points"),
    Field("total", "parts of the gap", "total", "points"),
    Field("strict", "accuracy", "strict", "percent"),
)


def table_g(
    attack: Metrics,
    *,
    report: Report,
    table_epsilons: Sequence[float],
    protocols: frozenset[Protocol],
    cascade: Sequence[str],
) -> Table:
    """Return Table G from the metrics of `attack`.

    cascade: the attacks of the strict protocol in order, empty without it.
    """
    both = protocols >= {"paper", "strict"}
    epsilons = table_epsilons if both else ()
    return Table(
        name="Table G",
        file=table_file("gap"),
        caption=_CAPTION if both else _MISSING.format(missing="paper's" if "strict" in protocols else "strict"),
        row_heads=("Epsilon",),
        rows=tuple(epsilon_text(epsilon) for epsilon in epsilons),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=_FIELDS,
        cells=tuple(
            cell for dataset in attack for epsilon in epsilons for cell in _cells(attack, dataset, epsilon, cascade)
        ),
    )


def _cells(attack: Metrics, dataset: str, epsilon: float, cascade: Sequence[str]) -> list[Cell]:
    return [
        sourced_cell(attack, source, table="Table G", row=epsilon_text(epsilon), dataset=dataset, field=field)
        for field, source in _sources(dataset, epsilon, cascade).items()
    ]


def _sources(dataset: str, epsilon: float, cascade: Sequence[str]) -> dict[str, Source]:
    predicted, true = (
        accuracy_source(dataset, "clean", attack=PGD.name, epsilon=epsilon, attacked_label=label)
        for label in ("predicted", "true")
    )
    suite_end = cascade[cascade.index(CONVERGED) - 1]
    after_pgd, after_suite, after_steps, strict = (
        strict_source(dataset, "clean", attack=one, epsilon=epsilon)
        for one in (PGD.name, suite_end, CONVERGED, cascade[-1])
    )
    return {
        "paper_protocol": predicted,
        "labels": true.minus(predicted),
        "restarts": after_pgd.minus(true),
        "worst_case": after_suite.minus(after_pgd),
        "steps": after_steps.minus(after_suite),
        "missed": strict.minus(after_steps),
        "total": strict.minus(predicted),
        "strict": strict,
    }
