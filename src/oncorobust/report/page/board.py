"""What a hospital's board asks of the page: facts, parameters, calibration, subgroups, intended use, limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from oncorobust.report.board_facts import DataLine, Fact
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.numbers import display_estimate
from oncorobust.report.tables.render import marked_title
from oncorobust.report.verdict_text import ALL_IMAGES, PolicyView

INTENDED_USE = (
    "Research and evaluation: to measure how stable an image classifier is under small pixel changes, to compare "
    "models, and to prepare a local acceptance test.",
    "Not for diagnosis or treatment. The classifiers trained here are no medical devices.",
)

_LIMITS = (
    "Accuracy on other scanners, protocols, sites or patients than those of the test images.",
    "Stability under other changes than those of pixel values up to epsilon, such as shifts, rotations, motion or "
    "another reconstruction.",
    "How likely a change of the size of epsilon is: attacks search for the worst change.",
    "The effect on readers or patients: no reader saw the images, and no outcome was followed.",
    "Safety against manipulated training data: attacks change the images at use alone.",
)
_SYNTHETIC_LIMIT = "Anything about patients from {titles}: these images were generated."


@dataclass(frozen=True)
class Calibration:
    """Calibration error and Brier score of a model without attack, with their intervals.

    row, column: their place in Table E.
    """

    title: str
    model: str
    error: str
    brier: str
    row: str
    column: str


@dataclass(frozen=True)
class Subgroup:
    """A verdict of a policy on a subgroup."""

    policy: str
    title: str
    requirement: str
    group: str
    outcome: str
    value: str


@dataclass(frozen=True)
class Board:
    """What the board reads. no_subgroups: why there are none; empty where there are some."""

    facts: tuple[Fact, ...]
    parameters: tuple[Fact, ...]
    data: tuple[DataLine, ...]
    calibration: tuple[Calibration, ...]
    subgroups: tuple[Subgroup, ...]
    no_subgroups: str
    intended_use: tuple[str, ...]
    limits: tuple[str, ...]


def board_view(
    tables: Mapping[str, Table],
    *,
    facts: Sequence[Fact],
    parameters: Sequence[Fact],
    data: Sequence[DataLine],
    models: Mapping[str, str],
    policies: Sequence[PolicyView],
    columns: Mapping[str, Sequence[str]],
) -> Board:
    """Return what the board reads.

    tables: by name. facts, parameters, data: of `board_facts`. models: their names by key. columns: those of index.csv
    that a policy can name, by the title of the data set.
    """
    first = tables["Table 1"]
    subgroups = tuple(_subgroups(policies))
    return Board(
        facts=tuple(facts),
        parameters=tuple(parameters),
        data=tuple(data),
        calibration=tuple(_calibrations(tables["Table E"], models)),
        subgroups=subgroups,
        no_subgroups="" if subgroups else _no_subgroups(columns),
        intended_use=INTENDED_USE,
        limits=tuple(_limits([one.title for one in first.columns if one.synthetic])),
    )


def _calibrations(table: Table, models: Mapping[str, str]) -> Iterator[Calibration]:
    for column in table.columns:
        for model, name in models.items():
            row = f"{model}:{BASELINE}"
            error, brier = (
                table.find(row=row, column=column.key, field=one) for one in ("calibration_error", "brier_score")
            )
            if error and brier:
                yield Calibration(
                    title=marked_title(column),
                    model=name,
                    error=display_estimate(error, "score"),
                    brier=display_estimate(brier, "score"),
                    row=row,
                    column=column.key,
                )


def _subgroups(policies: Sequence[PolicyView]) -> Iterator[Subgroup]:
    for policy in policies:
        for line in policy.lines:
            if line.group != ALL_IMAGES:
                yield Subgroup(policy.name, line.dataset, line.requirement, line.group, line.outcome, line.value)


def _no_subgroups(columns: Mapping[str, Sequence[str]]) -> str:
    told = "; ".join(f"{title}: {', '.join(names)}" for title, names in columns.items() if names)
    offered = f" Columns of index.csv that a policy can name: {told}." if told else ""
    return (
        f"Not done, because no policy in params.yaml (acceptance) names a subgroup.{offered} The "
        "command oncorobust accept judges a policy that names one; if params.yaml lists it, its verdicts stand here."
    )


def _limits(synthetic: Sequence[str]) -> Iterator[str]:
    """Yield what the numbers do not show. synthetic: titles of the data sets whose images were generated."""
    if synthetic:
        yield _SYNTHETIC_LIMIT.format(titles=", ".join(synthetic))
    yield from _LIMITS
