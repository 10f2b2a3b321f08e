"""Where an attack of the paper's protocol leaves a lower accuracy than the strict search."""

import pytest
from made_tables import made_cell

from oncorobust.report.tables.missed import missed_epsilons, missed_text


def cells(row, *, strict=None, column="lidc", **true):
    own = [
        made_cell("Table 1", f"{name}:{row}", "accuracy_true_labels", value, column=column)
        for name, value in true.items()
    ]
    worst = [] if strict is None else [made_cell("Table 1", f"ALL:{row}", "accuracy_strict", strict, column=column)]
    return own + worst


def test_an_epsilon_is_named_where_the_lowest_true_label_accuracy_is_below_the_worst_case() -> None:
    found = [
        made_cell("Table 1", "Baseline", "accuracy_true_labels", 0.1),
        *cells("0.006", strict=5 / 12, FGSM=0.5, PGD=4 / 12),
        *cells("0.004", strict=0.5, FGSM=5 / 12),
        *cells("0.002", strict=0.5, FGSM=0.5 + 1e-12, PGD=0.5 - 1e-12),
        *cells("0.002", strict=0.5, FGSM=0.2, column="mnist"),
    ]
    assert missed_epsilons(found, "lidc") == (0.004, 0.006)
    assert missed_epsilons(found, "mnist") == (0.002,)
    assert missed_text((0.004, 0.006)).startswith("At epsilon 0.004, 0.006, an attack of the paper")


@pytest.mark.parametrize("found", [cells("0.002", strict=0.5), cells("0.002", FGSM=0.1), cells("0.002", strict=None)])
def test_one_protocol_alone_says_nothing(found: list) -> None:
    assert missed_epsilons(found, "lidc") == ()
    assert missed_text(()) == ""
