"""Intervals and tests of the tables' cells, the bands of the curves, and how both are shown."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from results_fixture import DATASETS, TABLE_EPSILONS, write_results
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.added_value import added_value
from oncorobust.evaluation.comparisons import holm
from oncorobust.evaluation.guarantee import coverage_estimate, guaranteed_thresholds, risk_estimate
from oncorobust.evaluation.intervals import ratio_intervals
from oncorobust.evaluation.resampling import LEVEL, draw_patients, patient_sums
from oncorobust.evaluation.selective import Aims
from oncorobust.evaluation.share_bounds import Term
from oncorobust.evaluation.wrong_accepted import wrong_accepted
from oncorobust.report.figures.bands import curve_bands
from oncorobust.report.measures import STRICT
from oncorobust.report.tables.build import build_tables, evidence_tables
from oncorobust.report.tables.cell import Cell, Field, Interval, PairedTest, RowsSource, Table
from oncorobust.report.tables.decision_rules import table_d
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.metrics import tables_to_metrics
from oncorobust.report.tables.numbers import display_cell, p_text
from oncorobust.report.tables.paired_tests import difference_test, with_tests
from oncorobust.report.tables.recomputed import all_computed_again
from oncorobust.report.tables.render import to_frame
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.training_seeds import Repeats
from oncorobust.settings.pipeline import Column, Report

REPORT = Report(
    columns={key: Column(title=one.title, paper=one.paper, kind=one.kind) for key, one in DATASETS.items()},
    adversarial_training_epsilon=0.002,
)
N_DRAWS = 400


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    write_results(root)
    return root


@pytest.fixture(scope="module")
def built(root):
    attack, rank = (
        {
            key: {model: read_results(root / f"reports/{key}/{model}/{name}") for model in ("clean", "adversarial")}
            for key in DATASETS
        }
        for name in ("attack.json", "rank.json")
    )
    summaries = {key: read_results(root / f"data/processed/{key}/summary.json") for key in DATASETS}
    built = build_tables(attack, rank, report=REPORT, table_epsilons=TABLE_EPSILONS)
    return built + evidence_tables(attack, rank, report=REPORT, summaries=summaries, repeats=Repeats(7, {}))


@pytest.fixture(scope="module")
def rows(root, built):
    return {file: read_rows(root / file) for file in row_files(built)}


@pytest.fixture(scope="module")
def tables(built, rows):
    return with_tests(with_intervals(built, rows, seed=7, n_draws=N_DRAWS), rows)


def cell_of(source, *, value=0.0, interval=None, no_interval="", n_patients=None, test=None):
    """A cell that shows a statistic of the file `rows`."""
    rows = () if source is None else (source,)
    return Cell("T", "r", "d", "f", value, interval, no_interval, None, n_patients, (), rows, None, test)


def test_every_number_of_ours_has_an_interval_around_it_or_says_why_not(tables):
    ours = [cell for table in tables for cell in table.cells if cell.paper is None and cell.rows]
    for cell in ours:
        if cell.interval is None:
            assert cell.no_interval, cell
            assert not cell.metrics or cell.field == "n_images", cell
        else:
            assert cell.interval.low <= cell.value
            assert cell.interval.high is None or cell.value <= cell.interval.high
            assert (cell.no_interval, cell.interval.level, cell.interval.n_draws) == ("", 0.95, N_DRAWS)
            assert cell.interval.method
        assert cell.n_patients is not None
    assert {cell.no_interval for table in tables for cell in table.cells if cell.paper} == {"the paper states none"}


def test_an_interval_is_that_of_the_rows_by_patient(tables, rows):
    """Computed here from the rows of the file, without the tables' sources."""
    cell = tables[2].find(row="ALL", column="lidc", field="difference_strict")
    terms, patients = [], set()
    for sign, model in ((1.0, "adversarial"), (-1.0, "clean")):
        frame = rows[f"reports/lidc/{model}/intervals.csv"].query("attack == 'paper'")
        robust = (frame["label"] == frame["predicted"]) & (frame["first_flipped"] > 0.002)
        terms.append((sign, robust.to_numpy(float), frame["patient_id"].to_numpy()))
        patients |= set(frame["patient_id"])
    draws = draw_patients(patients, n_draws=N_DRAWS, seed=child_seed(7, "patients", "lidc"))
    summed = tuple(
        Term(sign, patient_sums(robust, ids, draws), patient_sums(np.ones(len(ids)), ids, draws))
        for sign, robust, ids in terms
    )
    (expected,) = ratio_intervals([summed], draws, level=LEVEL)
    assert (cell.interval.low, cell.interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert cell.interval.method == expected.method
    assert cell.n_patients == len(patients)


def test_the_threshold_of_each_sample_leaves_out_the_same_share(rows, tables):
    cell = tables[1].find(row="lidc", column="lidc", field="threshold_epsilon_strict")
    frame = rows["reports/lidc/clean/sensitivity.csv"]
    draws = draw_patients(frame["patient_id"], n_draws=N_DRAWS, seed=child_seed(7, "patients", "lidc"))
    found = []
    for counts in draws.counts:
        times = pd.Series(counts, index=draws.patients)[frame["patient_id"]].astype(int).to_numpy()
        values = np.repeat(frame["first_flipped"].to_numpy(), times)
        candidates = [0.0, *np.unique(values[np.isfinite(values)])]
        shares = [np.mean(values <= one) if one else 0.0 for one in candidates]
        found.append(candidates[int(np.argmin(np.abs(np.array(shares) - frame["excluded_strict"].mean())))])
    expected = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    assert [cell.interval.low, cell.interval.high] == pytest.approx(list(expected))
    assert cell.interval.method == "percentile bootstrap"


def test_the_same_seed_gives_the_same_interval_and_a_trace_finds_it(built, rows, tables):
    again = with_intervals(built, rows, seed=7, n_draws=N_DRAWS)
    other = with_intervals(built, rows, seed=8, n_draws=N_DRAWS)
    ours = [cell for table in tables for cell in table.cells if cell.interval]
    assert [cell.interval for cell in ours] == [
        cell.interval for table in again for cell in table.cells if cell.interval
    ]
    assert [cell.interval for cell in ours] != [
        cell.interval for table in other for cell in table.cells if cell.interval
    ]
    for cell in ours[::7]:
        (found,) = all_computed_again([cell], {one.file: rows[one.file] for one in cell.rows})
        assert found.value == pytest.approx(cell.value, rel=1e-12)
        for end in ("low", "high"):
            here, there = getattr(found.interval, end), getattr(cell.interval, end)
            assert here is there is None or here == pytest.approx(there, rel=1e-12), cell


def test_one_patient_has_no_interval_and_says_so():
    frame = pd.DataFrame({"patient_id": ["p"] * 3, "image_id": ["a", "b", "c"], "label": [0, 1, 1], "predicted": 1})
    source = RowsSource("rows", {}, "accuracy", 1)
    table = replace(_table(), cells=(cell_of(source, value=2 / 3),))
    (found,) = with_intervals([table], {"rows": frame}, seed=0, n_draws=20)
    (cell,) = found.cells
    assert cell.interval is None
    assert "one patient" in cell.no_interval or "1 patient" in cell.no_interval
    assert display_cell(cell, "percent") == f"66.67 (no interval: {cell.no_interval})"


def _table():
    return Table("T", "t.csv", "", (), ("r",), "across", (), (Field("f", "", "f", "percent"),), ())


def test_differences_between_models_are_tested_by_patient_and_adjusted_over_the_table(tables, rows):
    tested = [cell for cell in tables[2].cells if cell.test]
    assert {cell.field for cell in tested} == {"difference", "difference_true_labels", "difference_strict"}
    assert [cell.test.p_holm for cell in tested] == holm([cell.test.p_value for cell in tested])
    assert not [cell for table in tables if table.name != "Table S5" for cell in table.cells if cell.test]
    for cell in tested:
        assert (cell.test.p_value, cell.test.method) == difference_test(cell, rows)


def test_a_test_with_one_image_a_patient_is_mcnemars():
    label = np.ones(12, int)
    first, second = label.copy(), label.copy()
    first[:7], second[5:7] = 0, 0  # wrong in the first model: 7; 5 of them right in the second, which has none alone
    second[7] = 0
    rows = {
        f"reports/d/{model}/predictions.csv": pd.DataFrame(
            {
                "image_id": [f"i{i}" for i in range(12)],
                "patient_id": [f"p{i}" for i in range(12)],
                "label": label,
                "predicted": predicted,
            }
        )
        for model, predicted in (("clean", first), ("adversarial", second))
    }
    clean, adversarial = (
        RowsSource(f"reports/d/{model}/predictions.csv", {}, "accuracy", sign)
        for model, sign in (("clean", -1), ("adversarial", 1))
    )
    cell = replace(cell_of(clean), rows=(adversarial, clean))
    p_value, method = difference_test(cell, rows)
    assert method == "exact McNemar"
    assert p_value == pytest.approx(binomtest(1, 6).pvalue)  # 5 against 1 discordant patients


def test_rows_of_two_models_on_other_images_are_refused(tables, rows):
    cell = tables[2].find(row="ALL", column="lidc", field="difference_strict")
    file = "reports/lidc/adversarial/intervals.csv"
    renamed = rows[file].assign(image_id=rows[file]["image_id"].replace("lidc-003", "lidc-999"))
    with pytest.raises(InputError, match=r"expected rows of two models on the same images.*lidc-999"):
        difference_test(cell, rows | {file: renamed})
    of_another = rows[file].assign(patient_id=rows[file]["patient_id"].replace("p003", "p999"))
    with pytest.raises(InputError, match=r"2 images have another patient_id"):
        difference_test(cell, rows | {file: of_another})


def test_a_pair_of_rows_may_stand_in_any_order(tables, rows):
    cell = tables[2].find(row="ALL", column="lidc", field="difference_strict")
    file = "reports/lidc/adversarial/intervals.csv"
    turned = rows[file].iloc[::-1].reset_index(drop=True)
    assert difference_test(cell, rows | {file: turned}) == difference_test(cell, rows)


def test_metrics_hold_every_number_with_its_interval_and_no_dot_in_a_key(tables):
    content = tables_to_metrics(tables)
    cell = tables[0].find(row="PGD:0.002", column="lidc", field="accuracy_strict")
    assert content["table_1"]["lidc"]["PGD_eps_0_002"]["accuracy_strict"] == {
        "value": cell.value,
        "low": cell.interval.low,
        "high": cell.interval.high,
        "n_images": 40,
        "n_patients": cell.n_patients,
    }
    assert "accuracy_kept_strict" in content["table_2"]["mnist"]["all"]

    def keys(part):
        return [key for key, value in part.items() for key in [key, *(keys(value) if isinstance(value, dict) else [])]]

    assert not [key for key in keys(content) if "." in key]
    assert "paper" not in json.dumps(content).replace("paper_protocol", "")


def test_the_csv_has_the_ends_of_each_interval(tables):
    frame = to_frame(tables[0]).set_index("row")
    cell = tables[0].find(row="BIM:0.004", column="mnist", field="accuracy")
    found = frame.loc["BIM:0.004", ["mnist.accuracy_low", "mnist.accuracy_high"]]
    assert list(found) == [cell.interval.low, cell.interval.high]
    assert not [name for name in frame if name.startswith("lidc.paper_")]


def test_a_band_has_the_tables_intervals_at_the_tables_epsilons(root, rows):
    attack = {model: read_results(root / f"reports/lidc/{model}/attack.json") for model in ("clean", "adversarial")}
    built = build_tables(
        {"lidc": attack},
        {"lidc": {model: read_results(root / f"reports/lidc/{model}/rank.json") for model in attack}},
        report=REPORT,
        table_epsilons=TABLE_EPSILONS,
    )
    tables = with_intervals(built, rows, seed=7)
    files = [f"reports/lidc/{model}/{name}.csv" for model in attack for name in ("predictions", "intervals")]
    bands = curve_bands("lidc", attack, {file: rows[file] for file in files}, seed=7)
    low, high = bands["clean", "paper", STRICT.ending]
    grid = [0.0, *sorted({*DATASETS["lidc"].grid, *TABLE_EPSILONS})]
    assert len(low) == len(high) == len(grid)
    for epsilon in TABLE_EPSILONS:
        cell = tables[0].find(row=f"ALL:{epsilon_text(epsilon)}", column="lidc", field="accuracy_strict")
        at = grid.index(epsilon)
        assert (low[at], high[at]) == pytest.approx((100 * cell.interval.low, 100 * cell.interval.high))


def of(tables, name, row, dataset, field):
    table = next(one for one in tables if one.name == name)
    return table.find(row=row, column=dataset, field=field)


def test_table_e_by_plain_pandas(tables, rows):
    """Of two classes; the positive class is the last one: malignant."""
    frame = rows["reports/lidc/clean/predictions.csv"]
    clean = frame[frame["attack"] == "none"].set_index("image_id")
    attacked = frame.query("attack == 'pgd' and epsilon == 0.002 and attacked_label == 'true'").set_index("image_id")
    positive, negative = (clean["label"] == one for one in (1, 0))
    for row, part in (("clean:Baseline", clean), ("clean:PGD:0.002", attacked)):
        right = part["label"] == part["predicted"]
        assert of(tables, "Table E", row, "lidc", "sensitivity").value == pytest.approx(right[positive].mean())
        assert of(tables, "Table E", row, "lidc", "specificity").value == pytest.approx(right[negative].mean())
        balanced = (right[positive].mean() + right[negative].mean()) / 2
        assert of(tables, "Table E", row, "lidc", "balanced_accuracy").value == pytest.approx(balanced)
        scores = np.where(part["label"] == 1, part["margin"], -part["margin"])
        auc = roc_auc_score(part["label"], scores)
        assert of(tables, "Table E", row, "lidc", "auc").value == pytest.approx(auc)
        brier = np.mean((1 / (1 + np.exp(-part["margin"])) - 1) ** 2)
        assert of(tables, "Table E", row, "lidc", "brier_score").value == pytest.approx(brier)
    flipped = (clean["predicted"] == clean["label"]) & (attacked["predicted"] != attacked["label"])
    assert of(tables, "Table E", "clean:PGD:0.002", "lidc", "missed").value == pytest.approx(flipped[positive].mean())
    alarms = of(tables, "Table E", "clean:PGD:0.002", "lidc", "false_alarms").value
    assert alarms == pytest.approx(flipped[negative].mean())
    assert of(tables, "Table E", "clean:Baseline", "lidc", "missed") is None


def test_the_worst_case_counts_every_image_that_any_attack_flips(tables, rows):
    frame = rows["reports/lidc/adversarial/intervals.csv"].query("attack == 'paper'")
    robust = (frame["label"] == frame["predicted"]) & (frame["first_flipped"] > 0.002)
    found = of(tables, "Table E", "adversarial:ALL:0.002", "lidc", "sensitivity").value
    assert found == pytest.approx(robust[frame["label"] == 1].mean())
    lost = (frame["label"] == frame["predicted"]) & (frame["first_flipped"] <= 0.002)
    missed = of(tables, "Table E", "adversarial:ALL:0.002", "lidc", "missed").value
    assert missed == pytest.approx(lost[frame["label"] == 1].mean())
    assert of(tables, "Table E", "adversarial:ALL:0.002", "lidc", "auc") is None


def test_more_than_two_classes_have_balanced_accuracy_alone(tables, rows):
    table = next(one for one in tables if one.name == "Table E")
    assert {cell.field for cell in table.cells if cell.column == "mnist"} == {"balanced_accuracy"}
    frame = rows["reports/mnist/clean/predictions.csv"].query("attack == 'none'")
    recalls = [np.mean(part["label"] == part["predicted"]) for _, part in frame.groupby("label")]
    cell = of(tables, "Table E", "clean:Baseline", "mnist", "balanced_accuracy")
    assert cell.value == pytest.approx(np.mean(recalls)) or "patient" in cell.no_interval


def test_the_positive_class_is_the_last_or_the_one_that_params_name():
    names = ("cancer", "normal")
    column = Column(title="X", paper=None, positive="cancer")
    report = Report(columns={"x": column, "y": Column(title="Y", paper=None)}, adversarial_training_epsilon=0.002)
    assert [report.positive_class(one, names) for one in ("x", "y", "z")] == [0, 1, 1]
    with pytest.raises(InputError, match=r"report.columns.x.positive to be one of benign, malignant, got cancer"):
        report.positive_class("x", ("benign", "malignant"))


def test_table_m_by_plain_pandas(tables, rows):
    frame = rows["reports/lidc/clean/intervals.csv"].query("attack == 'paper' and label == predicted")
    reach = max(DATASETS["lidc"].grid)
    assert of(tables, "Table M", "clean", "lidc", "share_censored").value == np.isinf(frame["first_flipped"]).mean()
    for field in ("first_flipped", "last_safe"):
        ordered = np.sort(frame[field])
        assert of(tables, "Table M", "clean", "lidc", f"median_{field}").value == ordered[(len(ordered) - 1) // 2]
    mean = np.minimum(frame["first_flipped"], reach).mean()
    assert of(tables, "Table M", "clean", "lidc", "restricted_mean").value == pytest.approx(mean)


def test_table_d_by_the_functions_of_the_library(tables, rows):
    frame = rows["reports/lidc/clean/scores.csv"]
    table = next(one for one in tables if one.name == "Table D")
    draws = draw_patients(
        frame.loc[frame["split"] == "test", "patient_id"], n_draws=N_DRAWS, seed=child_seed(7, "patients", "lidc")
    )
    added = added_value(frame, score="min_epsilon_strict", given="margin", draws=draws, level=0.95)
    seed = child_seed(7, "guarantee", "lidc")
    guaranteed = guaranteed_thresholds(frame, alpha=0.1, delta=1 - 0.95, seed=seed)["min_epsilon_strict"]
    aims = Aims(exclude_share=0.2, risk=0.1)
    attacked = wrong_accepted(frame, score="min_epsilon_strict", aims=aims, draws=draws, level=0.95)
    expected = {
        "guaranteed_coverage": coverage_estimate(guaranteed, level=0.95),
        "guaranteed_risk": risk_estimate(guaranteed),
        "partial_correlation": added.partial_correlation,
        "auroc_given": added.auroc_given,
        "auroc_both": added.auroc_both,
        "auroc_gain": added.auroc_gain,
        **{f"wrong_accepted_{name}": estimate for name, estimate in attacked.items()},
    }
    assert [one.name for one in table.fields] == list(expected)
    for field, estimate in expected.items():
        cell = table.find(row="clean:min_epsilon_strict", column="lidc", field=field)
        assert cell.value == estimate.value
        assert (cell.interval and cell.interval.low) == estimate.low
        assert cell.no_interval == ("" if cell.interval else estimate.reason)
    # Of the scores that are no minimal epsilon, only guarantee and attacks.
    assert {cell.field for cell in table.cells if cell.row == "clean:entropy"} == {
        field for field in expected if field.startswith(("guaranteed", "wrong_accepted"))
    }


def test_no_attack_on_a_rule_is_below_the_one_before_it(tables):
    for column in DATASETS:
        for score in ("margin", "min_epsilon", "noise_flips", "random"):
            values = [
                of(tables, "Table D", f"clean:{score}", column, f"wrong_accepted_{attack}").value
                for attack in ("none", "pgd", "adaptive")
            ]
            assert values == sorted(values)


def test_without_attacks_on_the_rules_table_d_has_no_columns_of_them(root):
    attack, rank = (
        {"lidc": {"clean": read_results(root / f"reports/lidc/clean/{name}")}} for name in ("attack.json", "rank.json")
    )
    rank["lidc"]["clean"]["reject_epsilon"] = None
    table = table_d(attack, rank, report=REPORT, seed=0)
    assert not [cell for cell in table.cells if cell.field.startswith("wrong_accepted")]
    assert "Epsilon" not in table.caption


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "shown"),
    [
        (0.6123, 0.5412, 0.6789, "percent", "61 (54 to 68)"),
        (0.6123, 0.6051, 0.6189, "percent", "61.2 (60.5 to 61.9)"),
        (0.61234, 0.61201, 0.61267, "percent", "61.23 (61.20 to 61.27)"),
        (-0.0612, -0.1204, 0.0003, "points", "-6 (-12 to +0)"),
        (0.0042137, 0.00312, 0.0051, "epsilon", "0.00421 (0.00312 to 0.0051)"),
        (0.0042137, 0.00312, None, "epsilon", "0.00421 (0.00312 to not reached)"),
        (0.8123, 0.7, 0.9, "score", "0.81 (0.70 to 0.90)"),
    ],
)
def test_a_number_has_the_decimals_that_its_interval_carries(value, low, high, unit, shown):
    cell = cell_of(None, value=value, interval=Interval(low, high, 0.95, "m", 0, 10))
    assert display_cell(cell, unit) == shown


def test_a_difference_is_shown_with_its_adjusted_p_value():
    interval = Interval(-0.1, 0.2, 0.95, "m", 0, 10)
    cell = cell_of(None, value=0.05, interval=interval, test=PairedTest(0.01, 0.04, "exact McNemar"))
    assert display_cell(cell, "points") == "+5 (-10 to +20), p = 0.040"
    assert [p_text(one) for one in (1.0, 0.1, 0.0994, 0.00099)] == ["p = 1.00", "p = 0.10", "p = 0.099", "p < 0.001"]


def test_numbers_without_rows_keep_two_decimals():
    assert display_cell(cell_of(None, value=0.123456, no_interval="not computed"), "percent") == "12.35"
    assert display_cell(cell_of(None, value=40.0, no_interval="a count"), "count") == "40"


def test_a_number_that_the_rows_do_not_give_says_why():
    cell = cell_of(None, value=None, no_interval="not reached")
    assert display_cell(cell, "epsilon") == "none: not reached"
