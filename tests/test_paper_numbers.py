"""The transcription of the paper's tables against numbers typed independently from its text."""

import pytest

from oncorobust.base.errors import InputError
from oncorobust.report.tables.paper_numbers import load_paper_table, parse_paper_table

ABSTRACT_AND_RESULTS = [  # sentences of the abstract and the results, not the tables
    ("table1", "PGD:0.004", "CT", 0.2564),
    ("table1", "PGD:0.004", "Mammogram", 0.2393),
    ("table1", "PGD:0.004", "MRI", 0.0636),
    ("table1", "PGD:0.002", "CT", 0.2692),
    ("table1", "PGD:0.002", "Mammogram", 0.2768),
    ("table1", "PGD:0.002", "MRI", 0.2432),
    ("table_s5", "PGD:0.002", "CT adversarially trained", 0.6772),
    ("table_s5", "PGD:0.002", "Mammogram adversarially trained", 0.6339),
    ("table_s5", "PGD:0.002", "MRI adversarially trained", 0.8720),
]


@pytest.mark.parametrize(("table", "row", "column", "fraction"), ABSTRACT_AND_RESULTS)
def test_sentences_of_the_paper(table, row, column, fraction):
    assert load_paper_table(table)[row, column] == fraction


def test_sizes():
    assert len(load_paper_table("table1")) == 13 * 5
    assert len(load_paper_table("table2")) == 3 * 4
    assert len(load_paper_table("table_s5")) == 3 * 9


def test_drops_from_the_baseline_that_the_text_states():
    table = load_paper_table("table1")
    for column, drop in {"CT": 0.4848, "Mammogram": 0.4875, "CIFAR-10": 0.042}.items():
        # the text prints -48.48 where its table gives 48.49
        assert table["Baseline", column] - table["PGD:0.002", column] == pytest.approx(drop, abs=0.000101)


def test_floor_of_two_classes_is_one_minus_clean():
    table = load_paper_table("table1")
    for column in ("Mammogram", "MRI"):
        assert table["PGD:0.006", column] == pytest.approx(1 - table["Baseline", column])


def test_columns_sum_to_independently_added_totals():
    table = load_paper_table("table1")
    sums = {column: round(100 * sum(v for (_, c), v in table.items() if c == column), 2) for _, column in table}
    ct = 75.41 + 51.98 + 34.62 + 31.12 + 31.59 + 41.84 + 26.92 + 25.64 + 25.64 + 44.99 + 27.74 + 25.87 + 25.76
    mri = 93.64 + 77.27 + 56.36 + 43.03 + 40.38 + 61.36 + 24.32 + 6.36 + 6.36 + 64.24 + 29.02 + 6.44 + 6.36
    assert sums["CT"] == pytest.approx(ct)
    assert sums["MRI"] == pytest.approx(mri)


def test_tables_agree_with_each_other():
    first, second, s5 = (load_paper_table(name) for name in ("table1", "table2", "table_s5"))
    for column in ("CT", "Mammogram", "MRI"):
        assert second[column, "accuracy_all"] == first["Baseline", column]
        assert second[column, "accuracy_kept"] - second[column, "accuracy_all"] == pytest.approx(
            second[column, "accuracy_change"]
        )
        for row in ("FGSM:0.002", "PGD:0.002", "BIM:0.002"):
            assert s5[row, f"{column} original"] == first[row, column]
            assert s5[row, f"{column} adversarially trained"] - s5[row, f"{column} original"] == pytest.approx(
                s5[row, f"{column} difference"]
            )


def test_thresholds_of_the_caption_are_epsilons_not_percents():
    table = load_paper_table("table2")
    thresholds = {column: table[column, "threshold_epsilon"] for column in ("CT", "Mammogram", "MRI")}
    assert thresholds == {"CT": 0.0003, "Mammogram": 0.00025, "MRI": 0.0006}


def test_a_cell_that_is_no_number_is_named():
    with pytest.raises(InputError, match=r"table1, row PGD:0.002, column CT: 'x' \(expected a number\)"):
        parse_paper_table("row,CT\nPGD:0.002,x\n", where="table1")
