"""The first screen: its numbers, what hardening did, warnings, lights, verdicts, and the small curve."""

import json
from pathlib import Path

import pytest
from results_fixture import DATASETS, write_results

from oncorobust.evaluation.validity import Check
from oncorobust.report.page import summary
from oncorobust.report.page.curve import CurvePoint, ModelCurve, curve_files, curve_svg, model_curves
from oncorobust.report.page.parts import DatasetPart
from oncorobust.report.page.summary import Light
from oncorobust.report.page.text import change_text
from oncorobust.report.tables.cell import Cell, Interval, PairedTest, Table
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.validity import Gate
from oncorobust.report.verdict_text import dataset_outcome


def difference(value: float, p_holm: float) -> Cell:
    interval = Interval(value - 0.1, value + 0.1, 0.95, "m", 0, 10)
    test = PairedTest(p_value=p_holm, p_holm=p_holm, method="m")
    return Cell("Table S5", "ALL", "ct", "difference", value, interval, "", 20, 12, (), (), None, test)


@pytest.mark.parametrize(
    ("value", "p_holm", "unit", "told"),
    [
        (0.17, 0.01, "", "a gain: +17 percentage points (+7 to +27), p = 0.010"),
        (-0.17, 0.01, "", "a loss: -17 percentage points (-27 to -7), p = 0.010"),
        (0.17, 0.06, "", "no difference shown (p = 0.060)"),
        (-0.17, 0.06, "patients", "no difference shown with 12 patients (p = 0.060)"),
    ],
)
def test_hardening_is_a_gain_a_loss_or_no_shown_difference(value: float, p_holm: float, unit: str, told: str) -> None:
    assert change_text(difference(value, p_holm), unit) == told


def gate(model: str, *statuses: str) -> Gate:
    checks = tuple(Check(f"check {place}", one, "", "") for place, one in enumerate(statuses))
    return Gate("ct", "CT", model, False, checks)


def test_a_red_check_names_its_model_and_the_others_are_counted_together() -> None:
    found = list(summary._lights([gate("clean", "green", "not done"), gate("adversarial", "green", "green")]))
    assert found == [Light("green", "3 checks passed, 1 not done")]
    found = list(summary._lights([gate("clean", "green"), gate("adversarial", "red", "green", "red")]))
    assert found == [
        Light("red", "adversarially trained model not valid: check 0, check 2"),
        Light("green", "1 check passed, 0 not done"),
    ]


NOTHING = Table("Table E", "e", "", (), (), "blocks", (), (), ())


def trained(*epochs: int, kept: bool = False) -> dict[str, object]:
    return {"collapsed_epochs": list(epochs), "collapsed": kept, "best": {"epoch": 1}}


def part_of(*, training: dict[str, object], attack: dict[str, object] | None = None) -> DatasetPart:
    return DatasetPart(
        "ct", {"class_names": ["benign", "malignant"]}, training, attack or {}, {}, {}, None, (), b"", {}
    )


def test_a_collapsed_training_and_images_without_a_gradient_stand_on_the_card() -> None:
    attack = {"clean": {"share_without_gradient": 0.01}, "adversarial": {"share_without_gradient": 0.125}}
    part = part_of(training={"clean": trained(), "adversarial": trained(2, 3)}, attack=attack)
    assert [(name, one.text, one.spoils) for name, one in summary._warnings(part, NOTHING)] == [
        (
            "adversarially trained",
            "12.50\u00a0% of the attacked images have no gradient: accuracy under attack may be too high.",
            True,
        ),
        ("adversarially trained", "Training collapsed after epochs 2, 3; the weights of epoch 1 were kept.", False),
    ]
    part = part_of(training={"clean": trained(4, kept=True)})
    ((name, found),) = summary._warnings(part, NOTHING)
    assert (name, found.spoils) == ("clean", True)
    assert found.text.startswith("Training collapsed: the model is no better than one answer for all images.")
    assert list(summary._warnings(part_of(training={"clean": trained()}), NOTHING)) == []


def test_a_model_with_a_red_check_or_collapsed_weights_is_marked_beside_its_numbers() -> None:
    part = part_of(training={"clean": trained(4, kept=True), "adversarial": trained(4), "noise": trained()})
    assert summary._spoiled(part, [gate("clean", "green"), gate("adversarial", "not done")]) == {"clean": "collapsed"}
    assert summary._spoiled(part, [gate("adversarial", "green", "red")]) == {
        "clean": "collapsed",
        "adversarial": "not valid",
    }


def verdict(dataset: str, outcome: str, *, small: bool = False) -> dict[str, object]:
    return {"dataset": dataset, "outcome": outcome, "subgroup": {"small": small}}


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ([("met", False), ("met", False)], "met"),
        ([("met", False), ("undecided", True)], "met"),
        ([("met", False), ("undecided", False)], "undecided"),
        ([("undecided", False), ("not met", True)], "not met"),
        ([("undecided", True)], "undecided"),
        ([], ""),
    ],
)
def test_the_verdict_of_a_data_set_is_that_of_its_own_requirements(
    verdicts: list[tuple[str, bool]], outcome: str
) -> None:
    held = [verdict("ct", found, small=small) for found, small in verdicts]
    assert dataset_outcome({"verdicts": [*held, verdict("mr", "not met")]}, "ct") == outcome


def test_the_curve_is_drawn_from_its_points() -> None:
    points = (CurvePoint(0.0, 1.0, 0.8, 1.0), CurvePoint(0.01, 0.5, None, None), CurvePoint(0.02, 0.0, 0.0, 0.25))
    drawn = curve_svg([ModelCurve("clean", points)], stated=0.01, axis="0.02", label="what it shows")
    # 300 wide from 34, 96 high down to 104
    assert '<polyline class="line clean" points="34.0,8.0 184.0,56.0 334.0,104.0"/>' in drawn
    assert '<polygon class="band clean" points="34.0,8.0 334.0,80.0 334.0,104.0 34.0,27.2"/>' in drawn
    assert '<line class="stated" x1="184.0" x2="184.0"' in drawn
    assert 'role="img" aria-label="what it shows"' in drawn


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_results(root, {"lidc": DATASETS["lidc"]})
    return root


@pytest.mark.parametrize("protocols", [("strict", "paper"), ("paper",)])
def test_the_curve_has_the_accuracies_of_attack_json(
    root: Path, protocols: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    attack = {
        model: json.loads(Path(f"reports/lidc/{model}/attack.json").read_text()) for model in ("clean", "adversarial")
    }
    if "strict" not in protocols:
        attack = {model: {key: one for key, one in of.items() if key != "strict"} for model, of in attack.items()}
    rows = {file: read_rows(file) for file in curve_files("lidc", attack)}
    assert {Path(one).name for one in rows} == {"intervals.csv" if "strict" in protocols else "predictions.csv"}
    for curve in model_curves("lidc", attack, rows, seed=0):
        metrics = attack[curve.model]
        expected = (
            metrics["strict"]["robust_accuracy"]["paper"]
            if "strict" in protocols
            else metrics["robust_accuracy"]["true"]["pgd"]
        )
        assert [one.value for one in curve.points] == pytest.approx([metrics["clean_accuracy"], *expected.values()])
        assert all(one.low <= one.value <= one.high for one in curve.points)
