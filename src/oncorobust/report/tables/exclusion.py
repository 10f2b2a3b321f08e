"""Table 2: accuracy of the clean-trained models before and after leaving out the most sensitive test images.

Sensitivity is measured twice. The paper's is the smallest epsilon of a grid at which PGD changes the prediction; the
strict one is `first_flipped`, the upper end of the interval that the whole cascade of attacks closes about the minimal
adversarial perturbation. Each leaves out its own images, so each has its own coverage and threshold. The accuracy on
all images is the same number for both, and stands once.
"""

from collections.abc import Mapping
from typing import Any

from oncorobust.report.tables.cell import Cell, Field, Statistic, Table, Unit
from oncorobust.report.tables.common import shown_as, table_columns
from oncorobust.report.tables.sources import Metrics, paper_cells, sensitivity_source, sourced_cell
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

_CAPTION = (
    "Accuracy (%) of the clean-trained models on all ranked images and without the most sensitive ones. {by}. "
    "Coverage: share of the images kept; threshold: largest epsilon among the excluded, in [0, 1] pixel units; paper: "
    "the paper's Table 2."
)
_BY: dict[Protocol, str] = {
    "paper": "Paper's protocol: without those whose prediction PGD changes at the smallest epsilons of a grid",
    "strict": "Strict protocol: without those whose prediction any attack changes at the smallest epsilons",
}
_GROUPS: dict[Protocol, str] = {"paper": "paper's protocol", "strict": "strict protocol"}
_ENDINGS: dict[Protocol, str] = {"paper": "", "strict": "_strict"}
"""Ending of the names of a protocol's fields."""

_AFTER: tuple[tuple[str, str, Unit], ...] = (
    ("accuracy_kept", "after exclusion", "percent"),
    ("accuracy_change", "change", "points"),
    ("coverage", "coverage", "percent"),
    ("threshold_epsilon", "threshold epsilon", "epsilon"),
)
_PRINTED: tuple[tuple[str, str, Unit], ...] = (
    ("accuracy_all", "all test images", "percent"),
    *(one for one in _AFTER if one[0] != "coverage"),  # the paper gives none
)
_STATISTICS: dict[str, tuple[tuple[Statistic, int], ...]] = {
    "accuracy_all": (("accuracy", 1),),
    "accuracy_kept": (("accuracy_kept", 1),),
    "accuracy_change": (("accuracy_kept", 1), ("accuracy", -1)),
    "coverage": (("coverage", 1),),
    "threshold_epsilon": (("threshold", 1),),
    "accuracy_kept_strict": (("accuracy_kept_strict", 1),),
    "accuracy_change_strict": (("accuracy_kept_strict", 1), ("accuracy", -1)),
    "coverage_strict": (("coverage_strict", 1),),
    "threshold_epsilon_strict": (("threshold_strict", 1),),
}
"""The signed statistics of the rows that make up a field."""


def table_2(rank: Metrics, *, report: Report, protocols: frozenset[Protocol]) -> Table:
    """Table 2 from the metrics of `rank`."""
    shown = [protocol for protocol in _GROUPS if protocol in protocols]
    # the number of images stands with the protocol that counted them
    counted = {key: {"clean": {**one["clean"].get("strict", {}), **one["clean"]}} for key, one in rank.items()}
    return Table(
        name="Table 2",
        file="reports/tables/table2.csv",
        caption=_CAPTION.format(by=". ".join(_BY[protocol] for protocol in shown)),
        row_heads=(),
        rows=tuple(rank),
        data_sets="rows",
        columns=table_columns(counted, report),
        fields=(
            Field("accuracy_all", "", "all ranked images", "percent"),
            *(
                Field(field + _ENDINGS[protocol], _GROUPS[protocol], heading, unit)
                for protocol in shown
                for field, heading, unit in _AFTER
            ),
            *(Field(f"paper_{field}", "paper", heading, unit) for field, heading, unit in _PRINTED),
        ),
        cells=tuple(
            cell for dataset in rank for cell in _cells(rank, dataset, shown, paper=shown_as(dataset, report).paper)
        ),
    )


def _cells(rank: Metrics, dataset: str, shown: list[Protocol], *, paper: str | None) -> list[Cell]:
    place = {"table": "Table 2", "row": dataset, "dataset": dataset}
    ours = [
        sourced_cell(
            rank,
            sensitivity_source(dataset, "clean", metric=metric, statistics=_STATISTICS[field]),
            field=field,
            **place,
        )
        for field, metric in _measured(rank[dataset]["clean"], shown).items()
    ]
    if paper is None:
        return ours
    return ours + paper_cells("table2", {f"paper_{field}": (paper, field) for field, _, _ in _PRINTED}, **place)


def _measured(metrics: Mapping[str, Any], shown: list[Protocol]) -> dict[str, str]:
    """The fields that rank.json has a number for, and its path there."""
    folders: dict[Protocol, str] = {"paper": "", "strict": "strict/"}
    parts: dict[Protocol, Mapping[str, Any]] = {"paper": metrics, "strict": metrics.get("strict", {})}
    after = {
        field + _ENDINGS[protocol]: folders[protocol] + field
        for protocol in shown
        for field, _, _ in _AFTER
        # the threshold is absent when ties at the smallest epsilon leave nothing to exclude
        if field in parts[protocol] or field != "threshold_epsilon"
    }
    return {"accuracy_all": f"{folders[shown[0]]}accuracy_all", **after}
