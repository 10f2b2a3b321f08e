"""All tables with intervals, and the validity gate: the stage `tabulate`."""

from oncorobust.base.files import file_md5
from oncorobust.pipeline.gates import judge_run
from oncorobust.pipeline.table_outputs import write_tables
from oncorobust.report.tables.acquisition import table_a
from oncorobust.report.tables.build import build_tables, evidence_tables
from oncorobust.report.tables.certificates import table_c
from oncorobust.report.tables.intervals import row_files, with_intervals
from oncorobust.report.tables.paired_tests import with_tests
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.sources import metric_files, read_metrics, read_summaries
from oncorobust.report.tables.training_seeds import Repeats
from oncorobust.report.tables.validity import mark_tables
from oncorobust.settings.pipeline import Params


def tabulate(params: Params) -> None:
    """Read all metrics, rows and gates; write the tables, cells.json, metrics.json and validity.json.

    Raises InputError naming a file that is missing or does not fit the others.
    """
    attack, rank = (read_metrics(params.models, file) for file in ("attack.json", "rank.json"))
    certify, report = read_metrics(params.certified, "certify.json"), params.report
    epsilons, threats = params.attacks.table_epsilons, params.attacks.threats
    built = build_tables(attack, rank, report=report, table_epsilons=epsilons, threats=threats, certify=certify)
    summaries, repeats = read_summaries(params.models), Repeats(params.seed, params.repeats)
    built += evidence_tables(attack, rank, report=report, summaries=summaries, repeats=repeats)
    built += (table_c(certify, report=report, table_epsilons=epsilons),)
    built += (table_a(read_metrics(params.rescanned, "acquisition.json"), attack=attack, report=report),)
    rows = {file: read_rows(file) for file in row_files(built)}
    tables = with_tests(with_intervals(built, rows, seed=repeats.seed), rows)
    gates = judge_run(params, rows)
    files = {file: file_md5(file) for file in sorted({*rows, *metric_files(built)})}
    write_tables(mark_tables(tables, gates), gates, files=files)
