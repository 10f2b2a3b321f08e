"""Table 2: accuracy of the clean models before and after leaving out the most sensitive test images.

Sensitivity is measured in two ways. The paper's is the smallest epsilon of a grid at which PGD changes the prediction;
the strict one is `first_flipped`, the upper end of the interval in which the cascade of attacks brackets the minimal
epsilon. Each excludes its own images, so each has its own coverage and threshold. The accuracy on all images is the
same number for both and stands once.
"""

from collections.abc import Mapping
from typing import Any

from oncorobust.base.layout import table_file
from oncorobust.report.tables.cell import Cell, Field, Statistic, Table, Unit
from oncorobust.report.tables.common import note_on_paper, shown_as, table_columns
from oncorobust.report.tables.sources import Metrics, paper_cells, sensitivity_source, sourced_cell
from oncorobust.settings.attacks import Protocol
from oncorobust.settings.pipeline import Report

_CAPTION = (
    "Accuracy (%) of the clean models on all ranked images and after excluding the most sensitive ones. {by}. "
    "Coverage: share of the images kept. Threshold: largest minimal epsilon among the excluded images (l_inf radius "
    "for pixel values in [0, 1])."
)
_BY: dict[Protocol, str] = {
    "paper": "Paper's protocol: excludes the images whose prediction PGD changes at the smallest epsilons of a grid",
    "strict": "Strict protocol: excludes the images whose prediction any attack changes at the smallest epsilons",
}
_GROUPS: dict[Protocol, str] = {"paper": "paper's protocol", "strict": "strict protocol"}
_ENDINGS: dict[Protocol, str] = {"paper": "", "strict": "_strict"}
"""Ending of the names of a protocol's fields."""

_FOLDERS: dict[Protocol, str] = {"paper": "", "strict": "strict/"}
"""Path of a protocol's numbers in rank.json."""

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
"""The statistics of the rows that add up to a field, each with its sign."""

_ALL_IMAGES = (("n_images", 1),)
_IMAGES = {"accuracy_kept": (("n_images", 1), ("n_excluded", -1))}
"""The counts of rank.json that add up to the number of images behind a field, if not all images, each with its sign."""


def table_2(rank: Metrics, *, report: Report, protocols: frozenset[Protocol]) -> Table:
    """Return Table 2 from the metrics of `rank`."""
    shown = [protocol for protocol in _GROUPS if protocol in protocols]
    # the number of images stands with the protocol that counted them
    counted = {key: {"clean": {**one["clean"].get("strict", {}), **one["clean"]}} for key, one in rank.items()}
    cells = tuple(
        cell for dataset in rank for cell in _cells(rank, dataset, shown, paper=shown_as(dataset, report).paper)
    )
    return Table(
        name="Table 2",
        file=table_file("table2"),
        caption=_CAPTION.format(by=". ".join(_BY[one] for one in shown)) + note_on_paper(cells, "Table 2"),
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
            *(Field(f"paper_{field}", "paper", heading, unit, paper=True) for field, heading, unit in _PRINTED),
        ),
        cells=cells,
    )


def _cells(rank: Metrics, dataset: str, shown: list[Protocol], *, paper: str | None) -> list[Cell]:
    place = {"table": "Table 2", "row": dataset, "dataset": dataset}
    ours = [
        sourced_cell(
            rank,
            sensitivity_source(
                dataset,
                metric=folder + metric,
                statistics=_STATISTICS[field],
                images=[(folder + name, sign) for name, sign in _IMAGES.get(metric, _ALL_IMAGES)],
            ),
            field=field,
            **place,
        )
        for field, (folder, metric) in _measured(rank[dataset]["clean"], shown).items()
    ]
    if paper is None:
        return ours
    return ours + paper_cells("table2", {f"paper_{field}": (paper, field) for field, _, _ in _PRINTED}, **place)


def _measured(metrics: Mapping[str, Any], shown: list[Protocol]) -> dict[str, tuple[str, str]]:
    """Return the fields that rank.json has a number for, each with its folder and its name there."""
    parts: dict[Protocol, Mapping[str, Any]] = {"paper": metrics, "strict": metrics.get("strict", {})}
    after = {
        field + _ENDINGS[protocol]: (_FOLDERS[protocol], field)
        for protocol in shown
        for field, _, _ in _AFTER
        # rank.json has no threshold where ties at the smallest epsilon leave nothing to exclude
        if field in parts[protocol] or field != "threshold_epsilon"
    }
    return {"accuracy_all": (_FOLDERS[shown[0]], "accuracy_all"), **after}
