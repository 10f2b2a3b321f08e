"""Every written file is as its schema says, and results of another schema version are refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from results_fixture import DATASETS, TABLE_EPSILONS, certified_images_of, params_content, write_results
from schema_check import IN_CSV, IN_JSON, problems_below, table_problems
from test_preprocess import make_settings

from oncorobust.acquire.phantoms.brain_mets_tree import write_brain_mets_nifti_phantom, write_brain_mets_phantom
from oncorobust.acquire.phantoms.cbis_ddsm_tree import write_cbis_ddsm_phantom
from oncorobust.acquire.phantoms.lidc_tree import write_lidc_phantom
from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.acceptance import ACCEPTANCE, DECLARATION
from oncorobust.base.schema.acquisition import ACQUISITION
from oncorobust.base.schema.attack import INTERVALS, PREDICTIONS, THREATS
from oncorobust.base.schema.certify import CERTIFICATES
from oncorobust.base.schema.curves import CURVES
from oncorobust.base.schema.evidence_tables import TABLE_A, TABLE_C
from oncorobust.base.schema.files import DOCUMENTS, TABLES
from oncorobust.base.schema.front import FRONT
from oncorobust.base.schema.images import INDEX
from oncorobust.base.schema.points import POINTS
from oncorobust.base.schema.version import SCHEMA_VERSION, parse_results, read_results
from oncorobust.base.schema.version import write_results as write_json_results
from oncorobust.data.dataset import COLUMNS
from oncorobust.data.preprocess import process
from oncorobust.evaluation.acquisition_rows import ACQUISITION_COLUMNS
from oncorobust.evaluation.certificate_rows import CERTIFICATE_COLUMNS
from oncorobust.evaluation.strict import INTERVAL_COLUMNS
from oncorobust.evaluation.threats import THREAT_COLUMNS
from oncorobust.formats.open_raw import open_raw
from oncorobust.report.tables.acquisition import table_a
from oncorobust.report.tables.build import build_tables, evidence_tables
from oncorobust.report.tables.cell import tables_to_json
from oncorobust.report.tables.certificates import table_c
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.metrics import tables_to_metrics
from oncorobust.report.tables.paired_tests import with_tests
from oncorobust.report.tables.render import to_frame
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.training_seeds import Repeats
from oncorobust.report.tables.validity import certificate_checks, gates_frame, gates_of, gates_to_json
from oncorobust.settings.data import BrainMets, CbisDdsm, Format, Lidc, Phantom
from oncorobust.settings.load import parse_params

PHANTOM = Phantom(n_images=20, difficulty=1.0, seed=5)
LIDC = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(), crop_mm=50.0)
BRAIN = BrainMets(crop_mm=40.0, min_distance_mm=10.0, max_per_patient=None)


def write_all(root: Path, protocols: tuple[str, ...]) -> None:
    """The made-up results and the tables of them, through the writers of the stages."""
    write_results(root, protocols=protocols)
    report = parse_params(params_content(DATASETS)).report
    attack, rank, validity = (
        {
            key: {model: read_results(root / f"reports/{key}/{model}/{name}") for model in ("clean", "adversarial")}
            for key in DATASETS
        }
        for name in ("attack.json", "rank.json", "validity.json")
    )
    summaries = {key: read_results(root / f"data/processed/{key}/summary.json") for key in DATASETS}
    certified = [key for key, one in DATASETS.items() if one.certified]
    certify = {
        key: {model: read_results(root / f"reports/{key}/{model}/certify.json") for model in ("clean", "adversarial")}
        for key in certified
    }
    built = build_tables(attack, rank, report=report, table_epsilons=TABLE_EPSILONS, certify=certify)
    built += evidence_tables(attack, rank, report=report, summaries=summaries, repeats=Repeats(7, {}))
    built += (table_c(certify, report=report, table_epsilons=TABLE_EPSILONS),)
    acquisition = {
        key: {
            model: read_results(root / f"reports/{key}/{model}/acquisition.json") for model in ("clean", "adversarial")
        }
        for key, one in DATASETS.items()
        if one.rescanned
    }
    built += (table_a(acquisition, attack=attack, report=report),)
    rows = {file: read_rows(root / file) for file in row_files(built)}
    tables = with_tests(with_intervals(built, rows, seed=0, n_draws=50), rows)
    (root / "reports/tables").mkdir()
    for table in tables:
        write_csv(root / table.file, to_frame(table))
    write_json_results(root / "reports/tables/cells.json", tables_to_json(tables))
    write_json_results(root / "reports/metrics.json", tables_to_metrics(tables))
    images = {key: certified_images_of(root, key) for key in certify}
    gates = gates_of(validity, report, certified=certificate_checks(certify, rows, images))
    write_csv(root / "reports/tables/validity.csv", gates_frame(gates))
    write_json_results(root / "reports/tables/validity.json", gates_to_json(gates))


@pytest.mark.parametrize(
    "protocols", [("paper", "strict"), *(pytest.param((one,), marks=pytest.mark.long) for one in ("paper", "strict"))]
)
def test_results_and_tables_fit_their_schema(tmp_path: Path, protocols: tuple[str, ...]) -> None:
    write_all(tmp_path, protocols)
    problems, seen = problems_below(tmp_path)
    assert problems == []
    assert {CERTIFICATES.file, TABLE_C.file} <= seen
    assert TABLE_A.file in seen
    # test_acceptance.py, test_figure_points.py, test_page_charts.py
    elsewhere = {ACCEPTANCE.file, DECLARATION.file, POINTS.file, CURVES.file}
    assert {one.file for one in DOCUMENTS} - elsewhere <= seen


def test_the_check_of_a_file_finds_what_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "front.csv").write_text(
        "label,validation_accuracy,on_front,epsilon,synthetic,odd\na,high,1,0.1,True,0\n"
    )
    assert [
        problem.removeprefix(f"{tmp_path}/front.csv: ") for problem in table_problems(tmp_path / "front.csv", FRONT)
    ] == [
        "odd is not in the schema",
        "lacks experiment",
        "lacks validation_robust_accuracy",
        "validation_accuracy is 'high', not number",
        "on_front is '1', not boolean",
    ]


@pytest.mark.parametrize(
    ("write", "settings"),
    [
        (write_lidc_phantom, LIDC),
        (write_brain_mets_phantom, BRAIN),
        (write_brain_mets_nifti_phantom, BRAIN),
        (write_cbis_ddsm_phantom, CbisDdsm(abnormalities=("mass",))),
    ],
)
def test_the_index_of_each_format_fits_its_schema(
    tmp_path: Path, write: Callable[[Path, Phantom], None], settings: Format
) -> None:
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw", PHANTOM)
    raw = open_raw(tmp_path / "raw", settings, seed=0, on_progress=lambda *_: None)
    processed = process(raw, make_settings(format=settings, intensity_range=(0.0, 1.0)), dataset="phantom", seed=0)
    folder = tmp_path / "data" / "processed" / "phantom"
    folder.mkdir(parents=True)
    write_csv(folder / "index.csv", processed.index)
    write_json_results(folder / "summary.json", processed.summary)
    assert problems_below(tmp_path) == ([], {INDEX.file, "data/processed/<data set>/summary.json"})


def test_the_stages_name_the_columns_of_the_schema_in_its_order() -> None:
    assert tuple(INTERVAL_COLUMNS) == INTERVALS.names
    assert tuple(THREAT_COLUMNS) == THREATS.names
    assert tuple(CERTIFICATE_COLUMNS) == CERTIFICATES.names
    assert tuple(ACQUISITION_COLUMNS) == ACQUISITION.names
    assert tuple(column.name for column in INDEX.columns if not column.when) == COLUMNS
    assert PREDICTIONS.names[:3] == ("image_id", "patient_id", "label")


def test_each_entry_is_complete_and_stands_once() -> None:
    for one, entries, types in [
        *((table, table.columns, IN_CSV) for table in TABLES),
        *((document, document.keys, IN_JSON) for document in DOCUMENTS),
    ]:
        names = [entry.name for entry in entries]
        assert len(set(names)) == len(names), one.file
        for entry in entries:
            assert entry.type in types, entry
            assert re.fullmatch(r"\S.*[^.]\.", entry.meaning), entry


def test_no_key_of_a_document_holds_a_dot() -> None:
    """DVC separates the levels of a metric by dots."""
    assert [key.name for document in DOCUMENTS for key in document.keys if "." in key.name] == []


def test_results_carry_the_version_and_nothing_else_is_added(tmp_path: Path) -> None:
    write_json_results(tmp_path / "attack.json", {"b": 1})
    assert (tmp_path / "attack.json").read_text() == f'{{\n "b": 1,\n "schema_version": {SCHEMA_VERSION}\n}}\n'
    assert read_results(tmp_path / "attack.json") == {"b": 1, "schema_version": SCHEMA_VERSION}


@pytest.mark.parametrize(("content", "found"), [({"schema_version": 2}, "2"), ({"n_images": 3}, "none")])
def test_another_version_is_refused_with_what_to_do(tmp_path: Path, content: dict, found: str) -> None:
    path = tmp_path / "rank.json"
    path.write_text(json.dumps(content))
    told = (
        rf"expected schema_version 1, got {found} in {{}}: another version of oncorobust wrote this file; "
        r"run its stage again \(`snakemake --cores all --force {}`\)$"
    )
    with pytest.raises(InputError, match=told.format(path, path)):
        read_results(path)
    with pytest.raises(InputError, match=told.format("reports/a/rank.json", "reports/a/rank.json")):
        parse_results(path.read_bytes(), where="reports/a/rank.json")
