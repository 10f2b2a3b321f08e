"""The evidence matrix: each line has a place on the page or a reason, as the run decides; no text claims to comply."""

import re

import pytest
from made_tables import made_cell, made_table
from results_fixture import REPOSITORY

from oncorobust.report import evidence_standards
from oncorobust.report.evidence_matrix import Run, evidence_matrix
from oncorobust.report.evidence_standards import Standard
from oncorobust.report.page.board import Board, Subgroup
from oncorobust.report.verdict_text import PolicyView

SECTIONS = {"radiologist", "reviewer", "board", "subgroups", "validity", "acceptance"}
"""Ids of sections that lines may point at, besides tables."""


def tables_of(*, strict=True, certified=True, hardened=True, rescanned=True):
    fields = {
        "Table 1": [("Baseline", "accuracy"), ("PGD:0.002", "accuracy")],
        "Table E": [("clean:Baseline", "sensitivity")],
        "Table S5": [("PGD", "original"), *([("PGD", "difference")] if hardened else [])],
        "Table M": [("clean", "median_first_flipped")] if strict else [],
        "Table T": [("tied:0.004", "clean")] if strict else [],
        "Table C": [("clean:0.01", "certified")] if certified else [],
        "Table A": [("Baseline:unchanged:clean", "accuracy"), ("jpeg:30:clean", "accuracy")] if rescanned else [],
    }
    return {name: made_table(name, [made_cell(name, *one) for one in cells]) for name, cells in fields.items()}


def board(*groups):
    found = tuple(Subgroup("Site A", "Lung CT", "accuracy", one, "met", "80 %") for one in groups)
    return Board((), (), (), (), found, "", (), ())


def answers(run):
    return {(one.standard.name, line.topic): line.answer for one in evidence_matrix(run) for line in one.lines}


def run_of(*, policies=(), groups=(), traced=True, **has):
    return Run(tables_of(**has), policies, board(*groups), traced)


POLICY = PolicyView("site_a", "Site A", "clean", "95 %", "undecided", "declared", True, ())
ACCEPTANCE = ("ACR ARCH-AI", "Acceptance test on local images")
PROOF = ("ISO/IEC 24029-2", "Proof that an answer stays the same in a region around an input")


@pytest.mark.parametrize(
    "run", [run_of(), run_of(strict=False, certified=False, hardened=False, rescanned=False, traced=False)]
)
def test_each_line_has_a_place_or_a_reason(run):
    places = SECTIONS | {name.lower().replace(" ", "-") for name in run.tables}
    for answer in answers(run).values():
        if answer.is_done:
            assert answer.anchor in places
        else:
            assert re.fullmatch(r"Not done, because .+\.", answer.text)
            assert not answer.trace


def test_without_a_policy_acceptance_is_not_done():
    found = answers(run_of())[ACCEPTANCE]
    assert found.text == "Not done, because params.yaml names no policy (acceptance)."
    with_policy = answers(run_of(policies=[POLICY]))[ACCEPTANCE]
    assert with_policy.text == "Verdicts on requirements that a policy states (Site A: undecided)."
    assert with_policy.anchor == "acceptance"


def test_without_certificates_the_proof_is_not_done():
    assert answers(run_of(certified=False))[PROOF].text == "Not done, because certify is null for all data sets."
    found = answers(run_of())[PROOF]
    assert found.anchor == "table-c"
    assert found.trace == 'oncorobust trace "Table C" --row clean:0.01 --column lidc'


def test_changes_of_the_acquisition_stand_for_no_other_source_of_images():
    scanners = ("FUTURE-AI", "Robustness: variation between scanners, sites and protocols")
    found = answers(run_of())[scanners]
    assert found.text.startswith("Table A: accuracy under simulated changes of scanner, protocol and archive;")
    assert found.anchor == "table-a"
    told = "Not done, because acquisition is null for all data sets, and the images of each have one source."
    assert answers(run_of(rescanned=False))[scanners].text == told


def test_without_the_strict_protocol_distances_are_not_done():
    topic = ("ISO/IEC DIS 24029-3", "Distance from each input to the nearest changed answer")
    assert answers(run_of())[topic].anchor == "table-m"
    assert answers(run_of(strict=False))[topic].text == (
        "Not done, because the run has no strict protocol (attacks.protocols)."
    )


def test_without_a_hardened_model_nothing_is_compared():
    topic = ("Regulation (EU) 2024/1689, Article 15", "Measures against adversarial examples")
    assert answers(run_of())[topic].trace == 'oncorobust trace "Table S5" --row PGD --column lidc'
    assert not answers(run_of(hardened=False))[topic].is_done


def test_subgroups_are_counted():
    topic = ("FUTURE-AI", "Fairness: performance in subgroups")
    assert not answers(run_of())[topic].is_done
    assert answers(run_of(groups=("sex F", "sex M", "sex F")))[topic].text == "Verdicts on 2 subgroups."


def test_an_attacked_cell_is_traced_where_there_is_one_and_none_without_a_repository():
    topic = ("FDA draft guidance", "Model evasion by changed inputs")
    assert answers(run_of())[topic].trace == 'oncorobust trace "Table 1" --row PGD:0.002 --column lidc'
    assert answers(run_of(traced=False))[topic].trace == ""


def test_each_standard_has_a_year_and_drafts_say_so():
    known = [one for one in vars(evidence_standards).values() if isinstance(one, Standard)]
    assert {one.standard for one in evidence_matrix(run_of())} == set(known)
    assert all(re.search(r"\b20\d\d\b", one.year) for one in known)
    assert all("draft" in one.year for one in known if "DIS" in one.name or "draft" in one.name)


def test_nothing_claims_to_comply():
    sources = [
        *REPOSITORY.glob("src/oncorobust/report/*.py"),
        *REPOSITORY.glob("src/oncorobust/report/templates/*"),
    ]
    assert len(sources) > 20
    assert [one.name for one in sources if re.search("complian|comply|complies", one.read_text("utf-8"), re.I)] == []
