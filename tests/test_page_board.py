"""Facts for a hospital's board: what is recorded, and what is not, with the reason."""

from dataclasses import replace as replaced

import pytest
import yaml
from made_tables import LUNG, PHANTOM, made_cell, made_table
from msgspec.structs import replace
from results_fixture import REPOSITORY

from oncorobust.report.board_facts import Fingerprint, data_lines, parameter_facts, software_facts
from oncorobust.report.page.board import Subgroup, board_view
from oncorobust.report.tables.cell import TableColumn
from oncorobust.report.verdict_text import PolicyView, VerdictLine
from oncorobust.settings.load import parse_params


@pytest.fixture(scope="module")
def params():
    return parse_params(yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")))


def board_of(tables=(), policies=(), columns=None):
    made = {"Table 1": made_table("Table 1", columns=(LUNG, PHANTOM)), "Table E": made_table("Table E")}
    return board_view(
        made | {one.name: one for one in tables},
        facts=(),
        parameters=(),
        data=(),
        models={"clean": "clean", "adversarial": "adversarially trained"},
        policies=policies,
        columns=columns or {},
    )


def test_a_repository_states_version_and_code_and_how_to_find_the_commit():
    software, commit, code = software_facts("1.2.3", code_digest="abc", assessment=None)
    assert software.text == "oncorobust 1.2.3"
    assert commit.text.startswith("Not stated, because this page is one of the files that a commit records.")
    assert commit.command == "git log -1 --format=%H -- dvc.lock"
    assert code.text.startswith("MD5 abc of workflow/code/report.txt")


def test_code_without_digests_says_so():
    *_, code = software_facts("1.2.3", code_digest="", assessment=None)
    assert code.text == "Digest not recorded, because workflow/code/report.txt is missing."


def test_an_assessment_has_no_commit_but_the_digest_of_the_package():
    _, commit, code = software_facts("1.2.3", code_digest="", assessment={"code_sha256": "f00"})
    assert commit.text == "None: the assessment ran outside a repository."
    assert code.text == "SHA-256 f00 of the package’s files."


def test_the_origin_of_the_data_is_what_the_user_states_and_not_made_up(params):
    own = TableColumn("mnist", "MNIST", None, 12, synthetic=False)
    (line,) = data_lines(params, [own], {})
    assert line.origin.startswith("not stated (report.columns.mnist.origin in params.yaml), and not taken from files")
    columns = {**params.report.columns, "mnist": replace(params.report.columns["mnist"], origin="Ward 7, 2019")}
    (line,) = data_lines(replace(params, report=replace(params.report, columns=columns)), [own], {})
    assert line.origin == "Ward 7, 2019"
    (line,) = data_lines(params, [replaced(own, synthetic=True)], {})
    assert line.origin == "generated, so no scanner or patient has a date"


def test_a_data_set_has_its_fingerprint_and_hardening(params):
    found = Fingerprint("d41d8", 3, 4096)
    line, without = data_lines(
        params, [LUNG, TableColumn("mnist", "MNIST", None, 12, synthetic=False)], {"lidc": found}
    )
    assert (line.title, line.raw) == ("Lung CT", found)
    assert line.hardening == "loss mixture, epsilon 0.012, PGD 4 steps, at most 4 epochs"
    assert (without.title, without.raw) == ("MNIST", None)


def test_parameters_are_those_of_params_yaml(params):
    told = {one.name: one.text for one in parameter_facts(params)}
    assert told["Seed"] == "0; further training seeds: none"
    assert told["Epsilon of Tables S5 and E"] == "0.002"
    assert "PGD 5 steps of 0.25 epsilon, random starts: 1" in told["Attacks"]
    assert "Square 25 queries" in told["Attacks"]


def test_calibration_is_that_of_table_e():
    cells = [
        made_cell("Table E", f"{model}:Baseline", field)
        for model, field in (
            ("clean", "calibration_error"),
            ("clean", "brier_score"),
            ("adversarial", "calibration_error"),  # without a Brier score: not shown
        )
    ]
    (found,) = board_of([made_table("Table E", cells)]).calibration
    assert (found.row, found.column) == ("clean:Baseline", "lidc")
    assert (found.title, found.model, found.error, found.brier) == (
        "Lung CT",
        "clean",
        "0.50 (0.25 to 0.75)",
        "0.50 (0.25 to 0.75)",
    )


def policy(*groups):
    lines = [
        VerdictLine("Lung CT", "clean accuracy: at least 60 %", one, "met", "80.0 %", "9", "Wilson", "")
        for one in groups
    ]
    return PolicyView("site_a", "Site A", "clean", "95 %", "met", "declared", True, tuple(lines))


def test_subgroups_are_those_of_policies():
    found = board_of(policies=[policy("all images", "sex F")])
    assert found.subgroups == (
        Subgroup("Site A", "Lung CT", "clean accuracy: at least 60 %", "sex F", "met", "80.0 %"),
    )
    assert found.no_subgroups == ""


def test_without_subgroups_the_page_says_which_there_could_be():
    found = board_of(policies=[policy("all images")], columns={"Lung CT": ["sex", "scanner"], "MNIST": []})
    assert found.subgroups == ()
    assert found.no_subgroups == (
        "Not done, because no policy in params.yaml (acceptance) names a subgroup. "
        "Columns of index.csv that a policy can name: Lung CT: sex, scanner. "
        "The command oncorobust accept judges a policy that names one; "
        "if params.yaml lists it, its verdicts stand here."
    )


def test_limits_name_the_synthetic_data_sets():
    found = board_of()
    assert found.limits[0] == "Anything about patients from Brain phantom: these images were generated."
    assert any("Not for diagnosis or treatment" in one for one in found.intended_use)
