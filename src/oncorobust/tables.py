"""The paper's Tables 1, 2 and S5 from metrics files: cells with their sources, and the paper's numbers beside ours.

    Table 1   accuracy of the clean-trained model, baseline and attacked, over the attacks and `table_epsilons`
    Table 2   accuracy on all ranked images and without the most sensitive ones, coverage attained, epsilon left out
    Table S5  accuracy under attack before and after adversarial training, at one epsilon

Robust accuracy stands twice: attacked away from the model's own prediction (predicted labels, ART's default and the
paper's) and away from the true label. With predicted labels and two classes the first cannot fall below
1 - clean accuracy, because an attack on an image that is already wrong corrects it.

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Tables 1, 2, S5. Values are fractions; `table_text` shows them.
"""

from collections.abc import Sequence

from oncorobust.cell_sources import (
    BASELINE,
    Metrics,
    accuracy_source,
    paper_cells,
    row_key,
    sensitivity_source,
    sourced_cell,
)
from oncorobust.cells import Cell, Field, Statistic, Table, TableColumn, Unit, epsilon_text
from oncorobust.errors import InputError
from oncorobust.settings import Column, Report

ATTACKS = ("fgsm", "pgd", "bim")
"""The attacks in the order of the paper's tables."""

_LABELS = {"": "predicted", "_true_labels": "true"}
"""Ending of a field's name, and the labels that its attacks move away from."""

_TABLE_1_CAPTION = (
    "Accuracy (%) of the clean-trained models, without attack (Baseline) and under attack by epsilon (l_inf radius in "
    "[0, 1] pixel units). Predicted labels: the attack moves away from the model's own prediction, as in the paper; "
    "true labels: away from the true label; paper: the paper's Table 1."
)
_TABLE_1_FIELDS = (
    Field("accuracy", "", "predicted labels", "percent"),
    Field("accuracy_true_labels", "", "true labels", "percent"),
    Field("paper", "", "paper", "percent"),
)
_TABLE_2_CAPTION = (
    "Accuracy (%) of the clean-trained models on all ranked images and without the most sensitive ones, whose "
    "prediction PGD changes at the smallest epsilons. Coverage: share of the images kept; threshold: largest epsilon "
    "among the excluded, in [0, 1] pixel units; paper: the paper's Table 2."
)
_TABLE_2_FIELDS = (
    Field("accuracy_all", "", "all ranked images", "percent"),
    Field("accuracy_kept", "", "after exclusion", "percent"),
    Field("accuracy_change", "", "change", "points"),
    Field("coverage", "", "coverage", "percent"),
    Field("threshold_epsilon", "", "threshold epsilon", "epsilon"),
    Field("paper_accuracy_all", "paper", "all test images", "percent"),
    Field("paper_accuracy_kept", "paper", "after exclusion", "percent"),
    Field("paper_accuracy_change", "paper", "change", "points"),
    Field("paper_threshold_epsilon", "paper", "threshold epsilon", "epsilon"),
)
_TABLE_2_STATISTICS: dict[str, tuple[tuple[Statistic, int], ...]] = {
    "accuracy_all": (("accuracy", 1),),
    "accuracy_kept": (("accuracy_kept", 1),),
    "accuracy_change": (("accuracy_kept", 1), ("accuracy", -1)),
    "coverage": (("coverage", 1),),
    "threshold_epsilon": (("threshold", 1),),
}
_TABLE_S5_CAPTION = (
    "Accuracy (%) under attack at epsilon {epsilon} of the clean-trained (original) and the adversarially trained "
    "models, and the difference in percentage points: with predicted labels as in the paper, with true labels, and the "
    "paper's Table S5."
)
_BEFORE_AND_AFTER: tuple[tuple[str, str, Unit], ...] = (
    ("original", "original", "percent"),
    ("adversarially_trained", "adv. trained", "percent"),
    ("difference", "difference", "points"),
)
_TABLE_S5_FIELDS = tuple(
    Field(name.format(field), group, heading, unit)
    for name, group in (("{}", "predicted labels"), ("{}_true_labels", "true labels"), ("paper_{}", "paper"))
    for field, heading, unit in _BEFORE_AND_AFTER
)


def build_tables(
    attack: Metrics, rank: Metrics, *, report: Report, table_epsilons: Sequence[float]
) -> tuple[Table, Table, Table]:
    """Tables 1, 2 and S5 from the metrics of `attack` and `rank`, data sets in their order.

    Raises InputError where a metrics file lacks a number, or where the two models of a data set were attacked on
    different numbers of images or disagree on being synthetic.
    """
    for dataset, models in attack.items():
        for key in ("n_images", "synthetic"):
            if len({models[model][key] for model in models}) > 1:
                found = {model: models[model][key] for model in models}
                raise InputError(f"expected one {key} for both models, got {found} in reports/{dataset}/*/attack.json")
    return (
        table_1(attack, report=report, table_epsilons=table_epsilons),
        table_2(rank, report=report),
        table_s5(attack, report=report),
    )


def table_1(attack: Metrics, *, report: Report, table_epsilons: Sequence[float]) -> Table:
    """Table 1: accuracy of the clean-trained models, without attack and under each attack at each epsilon."""
    points = [(BASELINE, 0.0), *((one, epsilon) for one in ATTACKS for epsilon in table_epsilons)]
    return Table(
        name="Table 1",
        file="reports/tables/table1.csv",
        caption=_TABLE_1_CAPTION,
        rows=tuple(row_key(one, epsilon) for one, epsilon in points),
        data_sets="across",
        columns=_columns(attack, report),
        fields=_TABLE_1_FIELDS,
        cells=tuple(
            cell
            for dataset in attack
            for one, epsilon in points
            for cell in _table_1_cells(attack, dataset, one, epsilon=epsilon, paper=shown_as(dataset, report).paper)
        ),
    )


def _table_1_cells(attack: Metrics, dataset: str, one: str, *, epsilon: float, paper: str | None) -> list[Cell]:
    row = row_key(one, epsilon)
    cells = [
        sourced_cell(
            attack,
            accuracy_source(dataset, "clean", attack=one, epsilon=epsilon, attacked_label=labels),
            table="Table 1",
            row=row,
            dataset=dataset,
            field=f"accuracy{ending}",
        )
        for ending, labels in _LABELS.items()
    ]
    places = {"paper": (row, paper)} if paper else {}
    return cells + paper_cells("table1", places, table="Table 1", row=row, dataset=dataset)


def table_2(rank: Metrics, *, report: Report) -> Table:
    """Table 2: accuracy of the clean-trained models before and after leaving out the most sensitive test images."""
    return Table(
        name="Table 2",
        file="reports/tables/table2.csv",
        caption=_TABLE_2_CAPTION,
        rows=tuple(rank),
        data_sets="rows",
        columns=_columns(rank, report),
        fields=_TABLE_2_FIELDS,
        cells=tuple(
            cell for dataset in rank for cell in _table_2_cells(rank, dataset, paper=shown_as(dataset, report).paper)
        ),
    )


def _table_2_cells(rank: Metrics, dataset: str, *, paper: str | None) -> list[Cell]:
    cells = [
        sourced_cell(
            rank,
            sensitivity_source(dataset, "clean", metric=field, statistics=statistics),
            table="Table 2",
            row=dataset,
            dataset=dataset,
            field=field,
        )
        for field, statistics in _TABLE_2_STATISTICS.items()
        # the threshold is absent when ties at the smallest epsilon leave nothing to exclude
        if field in rank[dataset]["clean"] or field != "threshold_epsilon"
    ]
    places = {f"paper_{field}": (paper, field) for field in _TABLE_2_STATISTICS} if paper else {}
    return cells + paper_cells("table2", places, table="Table 2", row=dataset, dataset=dataset)


def table_s5(attack: Metrics, *, report: Report) -> Table:
    """Table S5: accuracy under attack of the clean-trained and the adversarially trained models, at one epsilon."""
    epsilon = report.adversarial_training_epsilon
    return Table(
        name="Table S5",
        file="reports/tables/table_s5.csv",
        caption=_TABLE_S5_CAPTION.format(epsilon=epsilon_text(epsilon)),
        rows=tuple(one.upper() for one in ATTACKS),
        data_sets="blocks",
        columns=_columns(attack, report),
        fields=_TABLE_S5_FIELDS,
        cells=tuple(
            cell
            for dataset in attack
            for one in ATTACKS
            for cell in _table_s5_cells(attack, dataset, one, epsilon=epsilon, paper=shown_as(dataset, report).paper)
        ),
    )


def _table_s5_cells(attack: Metrics, dataset: str, one: str, *, epsilon: float, paper: str | None) -> list[Cell]:
    cells = []
    for ending, labels in _LABELS.items():
        before, after = (
            accuracy_source(dataset, model, attack=one, epsilon=epsilon, attacked_label=labels)
            for model in ("clean", "adversarial")
        )
        sources = {"original": before, "adversarially_trained": after, "difference": after.minus(before)}
        cells += [
            sourced_cell(attack, source, table="Table S5", row=one.upper(), dataset=dataset, field=field + ending)
            for field, source in sources.items()
        ]
    places = {
        f"paper_{field}": (row_key(one, epsilon), f"{paper} {field.replace('_', ' ')}")
        for field, _, _ in _BEFORE_AND_AFTER
    }
    return cells + paper_cells("table_s5", places, table="Table S5", row=one.upper(), dataset=dataset)


def shown_as(dataset: str, report: Report) -> Column:
    """Title and paper's column of a data set: its key, and no paper's column, where params.yaml names none."""
    return report.columns.get(dataset, Column(title=dataset, paper=None))


def _columns(metrics: Metrics, report: Report) -> tuple[TableColumn, ...]:
    return tuple(
        TableColumn(
            key=dataset,
            title=shown_as(dataset, report).title,
            paper=shown_as(dataset, report).paper,
            n_images=models["clean"]["n_images"],
            synthetic=models["clean"]["synthetic"],
        )
        for dataset, models in metrics.items()
    )
