"""Table A: accuracy and changed answers under changes of the acquisition, from rows that are counted by hand."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from acquisition_rows_fixture import CHANGES
from results_fixture import DATASETS, params_content, write_results

from oncorobust.base.errors import InputError
from oncorobust.base.layout import FIGURE_NUMBERS
from oncorobust.base.schema.version import read_results
from oncorobust.evaluation.comparisons import exchange_test
from oncorobust.evaluation.resampling import draw_patients
from oncorobust.report.acquisition_text import acquisition_finding, acquisition_sentences
from oncorobust.report.exchange.latex import to_latex
from oncorobust.report.exchange.results import results_content
from oncorobust.report.exchange.workbook import to_sheets
from oncorobust.report.page.table_views import table_view
from oncorobust.report.tables.acquisition import _order, changed_row, table_a
from oncorobust.report.tables.acquisition_estimates import times_estimate
from oncorobust.report.tables.acquisition_sources import strict_rows, times_rows
from oncorobust.report.tables.cell import Cell, Table, TableColumn, tables_from_json, tables_to_json
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.metrics import tables_to_metrics
from oncorobust.report.tables.paired_tests import with_tests
from oncorobust.report.tables.recomputed import all_computed_again
from oncorobust.report.tables.render import to_frame, to_markdown
from oncorobust.report.tables.row_statistics import read_rows, rows_value, same_number
from oncorobust.report.tables.words import cell_words, interval_words, source_words
from oncorobust.settings.load import parse_params

MODELS = ("clean", "adversarial")
REPOSITORY = Path(__file__).resolve().parent.parent
REPORT = parse_params(params_content(DATASETS)).report


def contents(root: Path, file: str, names: list[str]) -> dict[str, dict[str, dict]]:
    return {name: {model: read_results(root / f"reports/{name}/{model}/{file}") for model in MODELS} for name in names}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rescanned")
    write_results(root)
    return root


@pytest.fixture(scope="module")
def acquisition(root: Path) -> dict[str, dict[str, dict]]:
    return contents(root, "acquisition.json", ["lidc"])


@pytest.fixture(scope="module")
def table(root: Path, acquisition: dict[str, dict[str, dict]]) -> Table:
    built = [table_a(acquisition, attack=contents(root, "attack.json", list(DATASETS)), report=REPORT)]
    rows = {file: read_rows(root / file) for file in row_files(built)}
    (found,) = with_tests(with_intervals(built, rows, seed=0, n_draws=200), rows)
    return found


@pytest.fixture(scope="module")
def rows(root: Path) -> dict[str, pd.DataFrame]:
    return {model: pd.read_csv(root / f"reports/lidc/{model}/acquisition.csv") for model in MODELS}


def cell(table: Table, row: str, field: str) -> Cell:
    found = table.find(row=row, column="lidc", field=field)
    assert found is not None, (row, field)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_each_severity_is_counted_from_its_rows(table: Table, rows: dict[str, pd.DataFrame], model: str) -> None:
    for change, (_, _, severities, _) in CHANGES.items():
        for severity in severities:
            frame = rows[model].query("change == @change and severity == @severity")
            expected = {
                "accuracy": (frame["changed_predicted"] == frame["label"]).mean(),
                "noise_l_inf": (frame["noise_l_inf_predicted"] == frame["label"]).mean(),
                "noise_l2": (frame["noise_l2_predicted"] == frame["label"]).mean(),
                "flipped": (frame["changed_predicted"] != frame["predicted"]).mean(),
                "l_inf": np.median(frame["l_inf"]),
                "l2": np.median(frame["l2"]),
            }
            found = {field: cell(table, changed_row(change, severity, model), field) for field in expected}
            assert {field: one.value for field, one in found.items()} == pytest.approx(expected)
            assert {field for field, one in found.items() if one.interval is None} == {"l_inf", "l2"}
            assert {(one.n_images, one.n_patients) for one in found.values()} == {(40, 20)}
    values = [cell(table, changed_row("dose_noise", one, model), "accuracy").value for one in CHANGES["dose_noise"][2]]
    assert len(set(values)) > 2, "the made-up changes differ"


@pytest.mark.parametrize("model", MODELS)
def test_the_worst_case_counts_images_that_are_always_right(
    table: Table, rows: dict[str, pd.DataFrame], model: str
) -> None:
    frame = rows[model]
    right = (frame["predicted"] == frame["label"]) & (frame["changed_predicted"] == frame["label"])
    for change in CHANGES:
        of_change = right[frame["change"] == change].groupby(frame["image_id"]).all()
        worst = cell(table, f"{change}:worst:{model}", "accuracy")
        assert worst.value == pytest.approx(of_change.mean())
        assert (worst.n_images, worst.interval is not None) == (40, True)
        severities = CHANGES[change][2]
        assert worst.value <= min(cell(table, changed_row(change, one, model), "accuracy").value for one in severities)
    assert cell(table, f"all:worst:{model}", "accuracy").value == pytest.approx(
        right.groupby(frame["image_id"]).all().mean()
    )
    unchanged = cell(table, f"Baseline:unchanged:{model}", "accuracy")
    assert unchanged.value == pytest.approx(
        (frame["predicted"] == frame["label"]).groupby(frame["image_id"]).all().mean()
    )


@pytest.mark.parametrize("row", ["dose_noise:20", "dose_noise:worst", "all:worst"])
def test_the_difference_to_the_clean_model_is_paired_by_patient(
    table: Table, rows: dict[str, pd.DataFrame], row: str
) -> None:
    difference = cell(table, f"{row}:adversarial", "difference")
    before, after = (cell(table, f"{row}:{model}", "accuracy").value for model in MODELS)
    assert difference.value == pytest.approx(after - before)
    assert table.find(row=f"{row}:clean", column="lidc", field="difference") is None
    change, severity = row.split(":")
    by_patient = {}
    for model, frame in rows.items():
        chosen = frame if change == "all" else frame[frame["change"] == change]
        right = chosen["changed_predicted"] == chosen["label"]
        if severity == "worst":
            right &= chosen["predicted"] == chosen["label"]
        else:
            chosen, right = chosen[chosen["severity"] == 20], right[chosen["severity"] == 20]
        by_image = right.groupby(chosen["image_id"]).all()
        patients = chosen.drop_duplicates("image_id").set_index("image_id")["patient_id"]
        by_patient[model] = by_image.groupby(patients).sum()
    expected = exchange_test((by_patient["adversarial"] - by_patient["clean"]).to_numpy(int))
    assert difference.test is not None
    assert difference.test.p_value == pytest.approx(expected)
    assert difference.test.p_holm >= difference.test.p_value


def made(sizes: list[float], minimal: list[float], *, wrong: tuple[int, ...] = ()) -> pd.DataFrame:
    """Rows of one change at one severity, an image for each patient."""
    n = len(sizes)
    label = [0] * n
    return pd.DataFrame(
        {
            **{"image_id": [f"i{one}" for one in range(n)], "patient_id": [f"p{one}" for one in range(n)]},
            **{"label": label, "predicted": [int(one in wrong) for one in range(n)], "change": "blur"},
            **{"severity": 1.0, "l_inf": sizes, "l2": sizes, "minimal_l2": minimal, "changed_predicted": label},
        }
    )


def times(frame: pd.DataFrame, searched: list[float] | None = None, *, n_draws: int = 500) -> Any:
    file, other = "reports/lidc/clean/acquisition.csv", "reports/lidc/clean/intervals.csv"
    intervals = frame.assign(attack="fmn", first_flipped=searched) if searched else frame
    source = strict_rows("lidc", "clean", attack="fmn", reach=0.5) if searched else None
    sources = times_rows("lidc", "clean", "blur", 1.0, searched=source)
    draws = draw_patients(frame["patient_id"], n_draws=n_draws, seed=0)
    return times_estimate(sources, {file: frame, other: intervals.sample(frac=1, random_state=0)}, draws)


def test_times_the_minimal_divides_medians_of_the_same_images() -> None:
    # Sizes 1 to 8: median 4.5. Minimal distances of the seven right images 0.1 to 0.7: median 0.4; image 7 is wrong.
    frame = made([1.0, 2, 3, 4, 5, 6, 7, 8], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.001], wrong=(7,))
    found = times(frame)
    assert found.value == pytest.approx(4.5 / 0.4)
    assert (found.n_images, found.n_patients, found.method) == (8, 8, "percentile bootstrap")
    assert found.low < found.value < found.high
    by_epsilon = times(frame, [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, np.inf, 0.001])
    assert by_epsilon.value == pytest.approx(4.5 / 0.8)


def test_times_the_minimal_is_none_where_more_than_half_withstand() -> None:
    found = times(made([1.0] * 8, [0.1, 0.2, 0.3, np.nan, np.nan, np.nan, np.nan, np.nan]))
    assert (found.value, found.low, found.method) == (None, None, "none")
    assert found.reason == "more than half of the images that are predicted as labelled withstand the search"
    half = times(made([1.0] * 8, [0.1, 0.2, 0.3, 0.4, np.nan, np.nan, np.nan, np.nan]))
    assert half.value == pytest.approx(1 / 0.4), "the smallest distance that at most half withstand"
    assert half.low == 0.0, "in some samples of patients more than half withstand"


def test_times_the_minimal_needs_six_patients_for_an_interval_and_a_right_image() -> None:
    few = times(made([1.0, 2, 3, 4, 5], [0.1] * 5))
    assert (few.value, few.low) == (pytest.approx(30), None)
    assert few.reason == "an interval of a median needs 6 patients, there are 5"
    none = times(made([1.0, 2], [0.1, 0.1], wrong=(0, 1)))
    assert (none.value, none.reason) == (None, "no image is classified correctly")


def test_an_image_that_the_strict_search_lacks_is_named() -> None:
    frame = made([1.0] * 8, [0.1] * 8)
    file, other = "reports/lidc/clean/acquisition.csv", "reports/lidc/clean/intervals.csv"
    sources = times_rows("lidc", "clean", "blur", 1.0, searched=strict_rows("lidc", "clean", attack="fmn", reach=0.5))
    lacking = frame.assign(attack="fmn", first_flipped=0.1)[:-1]
    draws = draw_patients(frame["patient_id"], n_draws=5, seed=0)
    told = "intervals.csv: no row of image i7 .expected every image of reports/lidc/clean/acquisition.csv"
    with pytest.raises(InputError, match=told):
        times_estimate(sources, {file: frame, other: lacking}, draws)


def test_the_table_divides_by_the_minimal_epsilons_of_the_strict_search(
    root: Path, table: Table, rows: dict[str, pd.DataFrame]
) -> None:
    intervals = pd.read_csv(root / "reports/lidc/clean/intervals.csv")
    last = read_results(root / "reports/lidc/clean/attack.json")["strict"]["attacks"][-1]
    flipped = intervals[intervals["attack"] == last].query("label == predicted")["first_flipped"]
    right = rows["clean"].drop_duplicates("image_id").query("label == predicted")
    distances = np.sort(right["minimal_l2"].fillna(np.inf))
    size = rows["clean"].query("change == 'jpeg' and severity == 30")
    least = np.sort(flipped)[(len(flipped) - 1) // 2]
    assert cell(table, "jpeg:30:clean", "times_l_inf").value == pytest.approx(np.median(size["l_inf"]) / least)
    least = distances[(len(distances) - 1) // 2]
    assert cell(table, "jpeg:30:clean", "times_l2").value == pytest.approx(np.median(size["l2"]) / least)


def test_changes_that_do_not_apply_are_rows_with_the_reason(table: Table) -> None:
    found = cell(table, "bias_field", "accuracy")
    assert (found.value, found.no_interval, found.rows, found.metrics) == (None, "needs an MR image, found CT", (), ())
    assert table.rows[-1] == "bias_field"
    assert "| Bias field |  |  | none: needs an MR image, found CT |" in to_markdown(table)
    assert cell_words(found) == "no number: needs an MR image, found CT"


def test_a_change_that_applies_to_some_images_says_to_how_many(root: Path, acquisition: dict[str, Any]) -> None:
    clean = acquisition["lidc"]["clean"]
    part = {**clean, "changes": {**clean["changes"], "jpeg": {**clean["changes"]["jpeg"], "n_images": 30}}}
    part["not_possible"] = {"jpeg": [{"reason": "needs one channel", "n_images": 10}]}
    found = table_a({"lidc": {"clean": part}}, attack=contents(root, "attack.json", list(DATASETS)), report=REPORT)
    assert "10 of 40 images of LIDC have no JPEG compression (needs one channel)." in found.caption
    assert "jpeg:unchanged:clean" in found.rows
    assert "dose_noise:unchanged:clean" not in found.rows


def test_the_reason_for_a_change_stands_before_its_numbers(root: Path, acquisition: dict[str, Any]) -> None:
    """Rows are a set, which each process orders in its own way: rows of one place would make tables differ."""
    clean = acquisition["lidc"]["clean"]
    part = {**clean, "changes": {**clean["changes"], "jpeg": {**clean["changes"]["jpeg"], "n_images": 30}}}
    none = {**clean, "changes": {name: one for name, one in clean["changes"].items() if name != "jpeg"}}
    part["not_possible"] = none["not_possible"] = {"jpeg": [{"reason": "needs one channel", "n_images": 10}]}
    attack = contents(root, "attack.json", list(DATASETS))
    found = table_a({"lidc": {"clean": part}, "mnist": {"clean": none}}, attack=attack, report=REPORT)
    jpeg = [row for row in found.rows if row.startswith("jpeg")]
    assert jpeg[:2] == ["jpeg", "jpeg:unchanged:clean"] and jpeg[-1] == "jpeg:worst:clean"
    changes = ["jpeg", *clean["changes"]]
    assert len({_order(row, changes) for row in found.rows}) == len(found.rows)


def test_rows_go_by_change_severity_and_model(table: Table) -> None:
    assert table.rows[:4] == (
        *("Baseline:unchanged:clean", "Baseline:unchanged:adversarial"),
        *("all:worst:clean", "all:worst:adversarial"),
    )
    shift = [one.rpartition(":")[0] for one in table.rows if one.startswith("hu_shift") and one.endswith("clean")]
    assert shift == ["hu_shift:-20", "hu_shift:2.5", "hu_shift:30", "hu_shift:worst"]


def test_readers_see_titles_and_units_in_place_of_keys(table: Table) -> None:
    text = to_markdown(table)
    assert "| LIDC | shift of CT numbers | 2.5 HU | adversarial |" in text
    assert "| LIDC | Baseline |  | clean |" in text
    assert "| LIDC | all changes | worst | clean |" in text
    assert "hu_shift" not in text
    assert "& 8 : 1 & clean &" in to_latex(table)
    (sheet,) = [one for one in to_sheets([table], []) if one.name == "Table A"]
    assert ["LIDC", "JPEG compression", "8 : 1", "clean"] in [[one.value for one in row[:4]] for row in sheet.rows]
    (block,) = table_view(table, {"lidc": (1400.0, "HU")}).blocks
    assert block.label_heads == ("Change", "Severity", "Model")
    assert (("shift of CT numbers", "hu_shift"), ("-20 HU", "-20"), ("clean", "clean")) in [
        line.labels for line in block.lines
    ], "sorted by the severity, not by its text"


def test_a_trace_computes_each_number_again(root: Path, table: Table) -> None:
    counted = [one for one in table.cells if one.rows]
    with contextlib.chdir(root):
        read = {file: read_rows(file) for file in row_files([table])}
    for one, again in zip(counted, all_computed_again(counted, read), strict=True):
        assert (again.interval, again.n_patients) == (one.interval, one.n_patients)
        value = rows_value(one, read) if one.metrics else again.value
        assert value == one.value or same_number(value, one.value)
    with_metrics = [one for one in counted if one.metrics]
    assert (len(with_metrics), len(counted) - len(with_metrics)) == (2 * (5 + 6 * 11) + 5 + 11, 2 * 2 * 11)


def test_the_words_of_a_cell_say_what_it_is(table: Table) -> None:
    told = cell_words(cell(table, "dose_noise:20:adversarial", "difference"))
    assert told == (
        "share of the 40 changed test images that are predicted as labelled under the change dose_noise, severity 20; "
        "adversarial model minus clean model, data set lidc"
    )
    found = cell(table, "jpeg:30:clean", "times_l_inf")
    assert cell_words(found).startswith(
        "median l_inf size of the change jpeg, severity 30, divided by the median first"
    )
    assert source_words(found)[1].startswith("+ times_l_inf at epsilon 0.008 of reports/lidc/clean/intervals.csv where")
    assert "percentiles of the bootstrap of patients" in interval_words(found)
    worst = cell_words(cell(table, "jpeg:worst:clean", "accuracy"))
    assert "to which the change jpeg applies that are predicted as labelled unchanged and at every severity" in worst


def test_other_programs_get_it_with_units_and_labels(table: Table) -> None:
    content = results_content([table], mark="")
    (listed,) = content["tables"]
    assert {one["name"]: one["unit"] for one in listed["fields"]} == {
        **dict.fromkeys(("accuracy", "noise_l_inf", "noise_l2", "flipped"), "fraction"),
        **{"difference": "difference of fractions", "l_inf": "epsilon", "l2": "l2 distance"},
        **dict.fromkeys(("times_l_inf", "times_l2"), "ratio"),
    }
    assert listed["labels"]["hu_shift:2.5"] == "2.5 HU"
    metrics = tables_to_metrics([table])["table_a"]["lidc"]
    assert metrics["hu_shift_2_5_clean"]["accuracy"]["value"] == cell(table, "hu_shift:2.5:clean", "accuracy").value
    assert not [key for key in metrics if "." in key]
    frame = to_frame(table)
    assert frame.loc[frame["row"] == "jpeg:30:clean", "lidc.times_l2_low"].notna().all()
    assert tables_from_json(tables_to_json([table])) == (table,)


def test_without_the_block_the_table_says_so(root: Path) -> None:
    empty = table_a({}, attack=contents(root, "attack.json", list(DATASETS)), report=REPORT)
    assert (empty.rows, empty.cells, empty.columns) == ((), (), ())
    assert empty.caption == "Empty, because no data set has changes of the acquisition (`acquisition` in params.yaml)."


def test_where_no_change_applies_the_reasons_are_left(root: Path, acquisition: dict[str, Any]) -> None:
    bare = {"n_images": 0, "clean_accuracy": None, "worst_accuracy": None, "changes": {}}
    bare["not_possible"] = {"jpeg": [{"reason": "needs values that a file holds", "n_images": 40}]}
    found = table_a({"lidc": {"clean": bare}}, attack=contents(root, "attack.json", list(DATASETS)), report=REPORT)
    assert [(one.row, one.no_interval) for one in found.cells] == [("jpeg", "needs values that a file holds")]


def test_a_model_that_is_not_attacked_has_no_minimal_epsilons(root: Path, acquisition: dict[str, Any]) -> None:
    three = {"lidc": {**acquisition["lidc"], "noise": acquisition["lidc"]["clean"]}}
    found = table_a(three, attack=contents(root, "attack.json", list(DATASETS)), report=REPORT)
    assert "for l2 the nearest adversarial image found, for l_inf first flipped of the strict search." in found.caption
    held = {one.field for one in found.cells if one.row == "jpeg:30:noise"}
    assert held == {"accuracy", "difference", "noise_l_inf", "noise_l2", "flipped", "l_inf", "l2", "times_l2"}


def test_without_the_strict_protocol_nothing_is_said_of_minimal_epsilons(
    root: Path, acquisition: dict[str, Any]
) -> None:
    attack = contents(root, "attack.json", list(DATASETS))
    for metrics in attack["lidc"].values():
        del metrics["strict"]
    found = table_a(acquisition, attack=attack, report=REPORT)
    assert not [one for one in found.cells if one.field == "times_l_inf"]
    assert found.caption.endswith("for l2 the nearest adversarial image found.")


def test_the_page_tells_the_worst_change_and_what_does_not_apply(table: Table, acquisition: dict[str, Any]) -> None:
    column = TableColumn("lidc", "LIDC", "CT", 40, False)
    told = acquisition_sentences(table, column, acquisition["lidc"], unit="patients")
    accuracies = {
        (change, severity): cell(table, changed_row(change, severity, "clean"), "accuracy").value
        for change, one in CHANGES.items()
        for severity in one[2]
    }
    change, severity = min(accuracies, key=accuracies.__getitem__)
    assert (change, severity) == ("dose_noise", 80.0)
    lowest, unchanged = 100 * accuracies[change, severity], cell(table, "Baseline:unchanged:clean", "accuracy").value
    assert told[0].startswith(f"Clean model: accuracy {100 * unchanged:.0f}\u00a0% (")
    assert f"The lowest of 3 changes at 11 severities is {lowest:.0f}\u00a0% (" in told[0]
    assert "with “noise of a lower dose” (80 HU); noise of the same l_inf size leaves" in told[0]
    assert told[1].startswith("Clean model, worst case: ")
    larger = cell(table, "dose_noise:80:clean", "times_l_inf").value
    assert f"The change is {larger:.3g} (" in told[0]
    assert "times in l2 as large as the median minimal perturbation of an attack." in told[0]
    assert [one for one in told if "against the clean model," in one]
    assert told[-1] == "Does not apply: Bias field (needs an MR image, found CT)."
    (finding,) = acquisition_finding(table, column, acquisition["lidc"])
    assert finding.startswith(
        "Without an attacker: of 3 changes at 11 severities that a scanner, a protocol or an archive"
    )
    assert acquisition_finding(table, column, {}) == []


def test_each_figure_and_table_has_a_caption_in_the_runner_s_report() -> None:
    names = [f"figure{number}" for number in FIGURE_NUMBERS] + ["acquisition_changes", "acquisition"]
    missing = [name for name in names if not (REPOSITORY / "workflow" / "report" / f"{name}.rst").is_file()]
    assert missing == []
