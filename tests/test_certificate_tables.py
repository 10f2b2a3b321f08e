"""Certified numbers in Tables C, 1 and S5 and on the page: counted by hand from the rows, and the same when traced."""

import contextlib
from pathlib import Path

import pandas as pd
import pytest
from results_fixture import DATASETS, TABLE_EPSILONS, certified_images_of, params_content, write_results

from oncorobust.base.schema.version import read_results
from oncorobust.report.certificate_text import certificate_sentences
from oncorobust.report.tables.build import build_tables
from oncorobust.report.tables.cell import Cell, Table, TableColumn
from oncorobust.report.tables.certificates import table_c
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.metrics import tables_to_metrics
from oncorobust.report.tables.paired_tests import with_tests
from oncorobust.report.tables.recomputed import all_computed_again
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.validity import certificate_checks
from oncorobust.settings.load import parse_params

MODELS = ("clean", "adversarial")
REPORT = parse_params(params_content(DATASETS)).report


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("certified")
    write_results(root)
    return root


def contents(root: Path, file: str, names: list[str]) -> dict[str, dict[str, dict]]:
    return {name: {model: read_results(root / f"reports/{name}/{model}/{file}") for model in MODELS} for name in names}


@pytest.fixture(scope="module")
def tables(root: Path) -> dict[str, Table]:
    attack, rank = (contents(root, file, list(DATASETS)) for file in ("attack.json", "rank.json"))
    certify = contents(root, "certify.json", ["lidc"])
    built = build_tables(attack, rank, report=REPORT, table_epsilons=TABLE_EPSILONS, certify=certify)
    chosen = [one for one in built if one.name in ("Table 1", "Table S5")]
    chosen.append(table_c(certify, report=REPORT, table_epsilons=TABLE_EPSILONS))
    rows = {file: read_rows(root / file) for file in row_files(chosen)}
    return {one.name: one for one in with_tests(with_intervals(chosen, rows, seed=0, n_draws=50), rows)}


@pytest.fixture(scope="module")
def rows(root: Path) -> dict[str, pd.DataFrame]:
    found = {model: pd.read_csv(root / f"reports/lidc/{model}/certificates.csv") for model in MODELS}
    return {model: frame[frame["split"] == "test"] for model, frame in found.items()}


def cell(table: Table, row: str, field: str) -> Cell:
    found = table.find(row=row, column="lidc", field=field)
    assert found is not None, (row, field)
    return found


def answered(frame: pd.DataFrame) -> pd.Series:
    return (frame["label"] == frame["predicted"]) & ~frame["abstained"]


@pytest.mark.parametrize("model", MODELS)
def test_table_c_counts_the_rows_of_the_test_images(
    tables: dict[str, Table], rows: dict[str, pd.DataFrame], model: str
) -> None:
    table, frame = tables["Table C"], rows[model]
    right = answered(frame)
    base = (frame["label"] == frame["base_predicted"]).mean()
    assert cell(table, f"{model}:Baseline", "accuracy").value == pytest.approx(right.mean())
    assert cell(table, f"{model}:Baseline", "base_accuracy").value == pytest.approx(base)
    assert cell(table, f"{model}:Baseline", "price").value == pytest.approx(right.mean() - base)
    assert cell(table, f"{model}:Baseline", "abstained").value == pytest.approx(frame["abstained"].mean())
    commonest = frame["label"].value_counts().max() / len(frame)
    assert cell(table, f"{model}:Baseline", "one_answer").value == pytest.approx(commonest)
    assert cell(table, f"{model}:Baseline", "above_one_answer").value == pytest.approx(right.mean() - commonest)
    for epsilon in TABLE_EPSILONS:
        certified = cell(table, f"{model}:{epsilon}", "certified")
        attacked = cell(table, f"{model}:{epsilon}", "attacked")
        assert certified.value == pytest.approx((right & (frame["certified_epsilon"] >= epsilon)).mean())
        assert attacked.value == pytest.approx((right & (frame["first_flipped"] > epsilon)).mean())
        assert certified.value <= attacked.value
        assert certified.interval is not None
        assert (certified.n_images, certified.n_patients) == (40, 20)
    values = [cell(table, f"{model}:{one}", "certified").value for one in TABLE_EPSILONS]
    assert len(set(values)) > 2, "the made-up certificates differ"


def test_the_caption_tells_sigma_samples_and_alpha_of_the_smoothed_models(tables: dict[str, Table]) -> None:
    told = (
        "LIDC: sigma 0.1 (clean), sigma 0.1 (adversarial), at most 400 samples for each image, which can certify up to"
    )
    for name in ("Table C", "Table 1", "Table S5"):
        assert told in tables[name].caption
        assert "alpha 0.001 for each image" in tables[name].caption
    assert "of the smoothed model of Table C, not of the model itself" in tables["Table 1"].caption


def test_tables_1_and_s5_have_the_certified_accuracy_of_table_c(tables: dict[str, Table]) -> None:
    first, s5, c = tables["Table 1"], tables["Table S5"], tables["Table C"]
    at = REPORT.adversarial_training_epsilon
    for row, place in (("Baseline", ("clean:Baseline", "accuracy")), (f"ALL:{at}", (f"clean:{at}", "certified"))):
        shown = cell(first, row, "accuracy_certified")
        assert (shown.value, shown.interval) == (cell(c, *place).value, cell(c, *place).interval)
        title = row.partition(":")[0]
        before, after = (cell(s5, title, f"{one}_certified") for one in ("original", "adversarially_trained"))
        difference = cell(s5, title, "difference_certified")
        assert before.value == shown.value
        assert difference.value == pytest.approx(after.value - before.value)
        assert difference.test is not None, "both models certify the same patients"
    assert first.find(row=f"PGD:{at}", column="lidc", field="accuracy_certified") is None
    assert first.find(row="Baseline", column="mnist", field="accuracy_certified") is None


def test_a_trace_computes_each_number_again(root: Path, tables: dict[str, Table]) -> None:
    with contextlib.chdir(root):
        read = {file: read_rows(file) for file in row_files([tables["Table C"]])}
    for one in tables["Table C"].cells:
        (again,) = all_computed_again([one], read)
        assert (again.value, again.interval) == (one.value, one.interval)


def test_metrics_hold_them(tables: dict[str, Table]) -> None:
    found = tables_to_metrics([tables["Table C"]])["table_c"]["lidc"]
    assert found["clean_eps_0_002"]["certified"]["value"] == cell(tables["Table C"], "clean:0.002", "certified").value
    assert set(found["clean_Baseline"]) == {
        "accuracy",
        "base_accuracy",
        "price",
        "abstained",
        "one_answer",
        "above_one_answer",
    }


def test_without_certificates_the_tables_say_so_and_have_no_certified_column(root: Path) -> None:
    empty = table_c({}, report=REPORT, table_epsilons=TABLE_EPSILONS)
    assert (empty.rows, empty.cells) == ((), ())
    assert empty.caption == "Empty, because no data set has certificates (`certify` in params.yaml)."
    attack, rank = (contents(root, file, list(DATASETS)) for file in ("attack.json", "rank.json"))
    for table in build_tables(attack, rank, report=REPORT, table_epsilons=TABLE_EPSILONS):
        assert "ertified" not in table.caption
        assert not [one for one in table.cells if one.field.endswith("_certified")]


def test_a_radiologist_reads_the_guarantee_in_hounsfield_units(root: Path, tables: dict[str, Table]) -> None:
    certify = contents(root, "certify.json", ["lidc"])["lidc"]
    column = TableColumn("lidc", "LIDC", "CT", 40, False)
    told = certificate_sentences(tables["Table C"], column, certify, (1400.0, "HU"), unit="patients")
    told = [one for one in told if not one.startswith("A model that gives every image the same answer")]
    assert len(told) == 4
    right = cell(tables["Table C"], "clean:Baseline", "accuracy").value
    enough = [e for e in TABLE_EPSILONS if cell(tables["Table C"], f"clean:{e}", "certified").value >= right / 2]
    percent = 100 * cell(tables["Table C"], f"clean:{enough[-1]}", "certified").value
    assert told[0].startswith(f"Clean model: for {percent:.0f}\u00a0% (")
    assert f"by up to {1400 * enough[-1]:.3g} HU each, as long as the image stays grey, can alter" in told[0]
    assert "with 99.9 % confidence for each image" in told[0]
    assert told[1].startswith("The price: without attack the smoothed clean model is right for")
    assert told[2].startswith("Adversarially trained model: for ")
    shared = {model: one | {"alpha_of": "table"} for model, one in certify.items()}
    told = certificate_sentences(tables["Table C"], column, shared, (1400.0, "HU"), unit="patients")
    assert "with 99.9 % confidence for all images together" in told[0]


def test_a_smoothed_model_of_one_answer_is_told_to_be_no_better_than_that(root: Path) -> None:
    """Its certified accuracy is half at every epsilon, and says nothing."""
    certify = contents(root, "certify.json", ["lidc"])
    table = table_c(certify, report=REPORT, table_epsilons=TABLE_EPSILONS)
    rows = {file: read_rows(root / file) for file in row_files([table])}
    constant = {"predicted": 1, "abstained": False, "certified_epsilon": 0.05}
    rows["reports/lidc/clean/certificates.csv"] = rows["reports/lidc/clean/certificates.csv"].assign(**constant)
    (table,) = with_intervals([table], rows, seed=0, n_draws=2000)
    column = TableColumn("lidc", "LIDC", "CT", 40, False)
    told = certificate_sentences(table, column, certify["lidc"], (1400.0, "HU"), unit="patients")
    labels = rows["reports/lidc/clean/certificates.csv"].query("split == 'test'")["label"]
    share, commonest = (labels == 1).mean(), max((labels == 1).mean(), (labels == 0).mean())
    assert told[0].startswith(f"Clean model: for {100 * share:.0f}\u00a0% (")
    assert told[2].startswith("A model that gives every image the same answer would be right, with this guarantee at")
    assert f"for {100 * commonest:.0f}\u00a0% (" in told[2]
    assert "It is not shown that the smoothed clean model is right more often: a difference of" in told[2]
    assert len(told) == 5, "the adversarially trained model is above one answer for all"


def test_the_gate_judges_the_certificates_of_each_model(root: Path) -> None:
    certify = contents(root, "certify.json", ["lidc"])
    files = {f"reports/lidc/{model}/certificates.csv": model for model in MODELS}
    rows = {file: read_rows(root / file) for file in files}
    images = {"lidc": certified_images_of(root, "lidc")}
    found = certificate_checks(certify, rows, images)["lidc"]
    assert {one.status for model in MODELS for one in found[model]} == {"green"}
    planted = rows["reports/lidc/clean/certificates.csv"].assign(n_free=32)
    found = certificate_checks(certify, rows | {"reports/lidc/clean/certificates.csv": planted}, images)["lidc"]
    assert "free values" in [one.name for one in found["clean"] if one.status == "red"]
    assert {one.status for one in found["adversarial"]} == {"green"}
