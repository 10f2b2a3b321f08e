"""Table D: what a score of certainty guarantees as a rule, what minimal epsilon adds to the margin, and attacks.

Table R judges the scores on the images at hand. Table D says what holds for future patients (the coverage of a
threshold whose risk is guaranteed), whether minimal epsilon predicts errors that the margin does not, and how often an
attack that knows the rule gets a wrong answer accepted.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import results_file, table_file
from oncorobust.base.seeds import child_seed
from oncorobust.report.tables.cell import Cell, Field, RowsSource, Table
from oncorobust.report.tables.common import shown_as, table_columns
from oncorobust.report.tables.sources import Metrics, rows_cell
from oncorobust.settings.pipeline import Report

_MINIMAL_EPSILON = "min_epsilon"
"""Beginning of the names of the scores that are minimal epsilons."""

_CAPTION = (
    "Rules that decide which images are accepted. Guaranteed: the lowest threshold whose risk, the share of errors "
    "among the accepted images, is at most {risks} with confidence {confidences}; validation patients place the "
    "thresholds, test patients confirm them with one image each. In brackets after the risk: 0 to its upper bound. "
    "Given the margin: Spearman's partial correlation of minimal epsilon and correctness, and the AUROC of error "
    "prediction by the margin alone and by both, which a logistic regression on ranks combines, fitted on validation "
    "patients; a gain of 0 means that minimal epsilon adds nothing."
)
_CAPTION_OF_ATTACKS = (
    " Accepted and wrong: share of all test images that the model answers wrong and the rule accepts, at the threshold "
    "that validation patients choose for the coverage of Table 2; without attack, under PGD, and under an adaptive "
    "attack that also climbs the score. Epsilon: {epsilons}."
)
_GUARANTEE = (
    Field("guaranteed_coverage", "guaranteed", "coverage", "percent"),
    Field("guaranteed_risk", "guaranteed", "risk", "percent"),
)
_ADDED = (
    Field("partial_correlation", "given the margin", "partial correlation", "score"),
    Field("auroc_given", "given the margin", "AUROC of the margin", "score"),
    Field("auroc_both", "given the margin", "AUROC of both", "score"),
    Field("auroc_gain", "given the margin", "gain", "score"),
)
_ATTACKED = (
    Field("wrong_accepted_none", "accepted and wrong", "no attack", "percent"),
    Field("wrong_accepted_pgd", "accepted and wrong", "PGD", "percent"),
    Field("wrong_accepted_adaptive", "accepted and wrong", "adaptive", "percent"),
)


def table_d(attack: Metrics, rank: Metrics, *, report: Report, seed: int) -> Table:
    """Return Table D, whose values and intervals are computed from scores.csv (`intervals.with_intervals`).

    seed: of the run; it chooses the image of each patient that confirms a threshold.
    """
    found = [
        cell
        for dataset, models in rank.items()
        for model, metrics in models.items()
        for cell in _cells(dataset, model, metrics, seed=child_seed(seed, "guarantee", dataset))
    ]
    return Table(
        name="Table D",
        file=table_file("decision_rules"),
        caption=_caption(rank, report),
        row_heads=("Model", "Score"),
        rows=tuple(dict.fromkeys(cell.row for cell in found)),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=(*_GUARANTEE, *_ADDED, *_ATTACKED),
        cells=tuple(found),
    )


def _caption(rank: Metrics, report: Report) -> str:
    text = _CAPTION.format(risks=_shares(rank, "largest_risk"), confidences=_shares(rank, "guarantee_confidence"))
    found = {dataset: models["clean"]["reject_epsilon"] for dataset, models in rank.items()}
    epsilons = [f"{epsilon_text(one)} ({shown_as(key, report).title})" for key, one in found.items() if one is not None]
    return text + (_CAPTION_OF_ATTACKS.format(epsilons=", ".join(epsilons)) if epsilons else "")


def _shares(rank: Metrics, key: str) -> str:
    """Return the shares that the models' metrics hold under a key, each once."""
    return " or ".join(sorted({f"{100 * one[key]:g} %" for models in rank.values() for one in models.values()}))


def _cells(dataset: str, model: str, metrics: Mapping[str, Any], *, seed: int) -> Iterator[Cell]:
    epsilon = metrics["reject_epsilon"]
    for name in metrics["scores"]:
        options: dict[str, str | int | float] = {
            "score": name,
            "exclude_share": metrics["exclude_share"],
            "risk": metrics["largest_risk"],
            "confidence": metrics["guarantee_confidence"],
            "seed": seed,
        }
        for field in _fields(name, attacked=epsilon is not None):
            statistic: Any = field.name
            within = epsilon if field in _ATTACKED else None
            source = RowsSource(results_file(dataset, model, "scores.csv"), {}, statistic, 1, within, options)
            yield rows_cell(source, table="Table D", row=f"{model}:{name}", dataset=dataset, field=field.name)


def _fields(score: str, *, attacked: bool) -> tuple[Field, ...]:
    added = _ADDED if score.startswith(_MINIMAL_EPSILON) else ()
    return (*_GUARANTEE, *added, *(_ATTACKED if attacked else ()))
