"""The clean-against-robust front: by hand, as a figure, and from experiments that DVC ran in a toy repository."""

from contextlib import chdir
from dataclasses import replace

import pandas as pd
import pytest
import toy_pipeline as toy
from schema_check import table_problems

from oncorobust.base.errors import InputError
from oncorobust.base.files import write_csv
from oncorobust.base.schema.front import FRONT
from oncorobust.cli.front import collect_front
from oncorobust.cli.main import main
from oncorobust.report.figures.pareto import (
    Accuracies,
    Experiment,
    clean_robust_front,
    experiment_labels,
    front_frame,
    non_dominated,
)
from oncorobust.report.figures.pareto_figure import front_figure

INPUTS = {"data/processed/lidc/images.npy": "a", "models/lidc/clean.keras": "b"}
START = Accuracies(clean=0.9, robust=0.2)

TOY_HARDEN = """
import json

settings = params["datasets"]["mnist"]["harden"]
share, beta = (settings["loss"].get(name, 0) for name in ("adversarial_share", "beta"))
best = {"validation_accuracy": 0.9 - share / 10 - beta / 50, "validation_robust_accuracy": 0.4 + share / 4 + beta / 100}
start = {"validation_accuracy": 0.95, "validation_robust_accuracy": 0.25}
told = {"schema_version": 1, "synthetic": False, "start": start, "best": best}
Path("reports/mnist/adversarial/training.json").write_text(json.dumps(told))
"""
"""The toy's hardening: accuracies 0.85 and 0.525 at share 0.5, 0.875 and 0.4625 at 0.25, 0.78 and 0.46 by TRADES with
beta 6, which both dominate."""

HARDEN = "datasets.mnist.harden"
SWEEP = [
    f"-n quarter -S {HARDEN}.loss.adversarial_share=0.25",
    f"-n trades -S '~{HARDEN}.loss' -S '+{HARDEN}.loss={{name: trades, beta: 6}}'",
]


def mixture(share):
    return {"name": "mixture", "adversarial_share": share}


def trades(beta):
    return {"name": "trades", "beta": beta}


def experiment(name, clean, robust, loss=(), *, epsilon=0.008, inputs=None):
    return Experiment(
        name=name,
        settings={"epsilon": epsilon, "validation_max_iter": 10}
        | {f"loss.{key}": one for key, one in dict(loss).items()},
        inputs=inputs or INPUTS,
        accuracies=Accuracies(clean=clean, robust=robust),
        start=START,
        synthetic=True,
    )


SIX = [
    experiment("one", 0.88, 0.40, mixture(0.25)),
    experiment("two", 0.85, 0.55, mixture(0.5)),
    experiment("three", 0.80, 0.52, mixture(1.0)),
    experiment("four", 0.85, 0.50, trades(1.0)),
    experiment("five", 0.82, 0.55, trades(3.0)),
    experiment("six", 0.75, 0.60, trades(6.0)),
]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.9, 0.2), (0.8, 0.5), (0.7, 0.4)], [True, True, False]),
        ([(0.9, 0.2), (0.9, 0.3)], [False, True]),
        ([(0.9, 0.3), (0.8, 0.3)], [True, False]),
        ([(0.8, 0.5), (0.8, 0.5)], [True, True]),
        ([(0.5, 0.5)], [True]),
    ],
)
def test_a_point_is_dominated_by_one_that_is_no_worse_and_somewhere_better(pairs, expected):
    assert non_dominated([Accuracies(clean=clean, robust=robust) for clean, robust in pairs]) == expected


def test_the_front_of_six_experiments():
    frame = front_frame(clean_robust_front(SIX))
    assert frame["label"].tolist() == [
        "clean model",
        *(f"mixture, adversarial_share {share}" for share in ("0.25", "0.5", "1")),
        *(f"trades, beta {beta}" for beta in (1, 3, 6)),
    ]
    assert frame["on_front"].tolist() == [True, True, True, False, False, False, True]
    assert frame["experiment"].tolist()[1:] == ["one", "two", "three", "four", "five", "six"]
    assert frame.loc[0, ["validation_accuracy", "validation_robust_accuracy"]].tolist() == [0.9, 0.2]


def test_the_points_fit_their_schema(tmp_path):
    write_csv(tmp_path / "front.csv", front_frame(clean_robust_front(SIX)))
    assert table_problems(tmp_path / "front.csv", FRONT) == []


def test_experiments_that_do_not_compare_are_left_out_with_the_reason():
    other_model = INPUTS | {"models/lidc/clean.keras": "c"}
    compared = clean_robust_front(
        [*SIX[:2], experiment("x", 1.0, 1.0, epsilon=0.1), experiment("y", 1.0, 1.0, inputs=other_model)]
    )
    assert compared.left_out == (
        "x: epsilon is 0.1, but 0.008 for one",
        "y: models/lidc/clean.keras differs from that of one",
    )
    assert [one.experiment for one in compared.points] == [None, "one", "two"]


def test_what_stands_twice_is_shown_once_by_its_last_name():
    same = experiment("applied", 0.88, 0.40, mixture(0.25))
    assert [one.experiment for one in clean_robust_front([*SIX[:2], same]).points] == [None, "two", "applied"]


def test_names_that_end_alike_are_told_apart_and_equal_settings_go_by_the_experiment():
    first, second = experiment("one", 0.8, 0.5), experiment("two", 0.8, 0.4)
    assert experiment_labels([first, second]) == ["one", "two"]
    settings = (
        {"epochs": 3, "schedule.epochs": 1, "average": None},
        {"epochs": 4, "schedule.epochs": 2, "average": 0.9},
    )
    labels = experiment_labels(
        [Experiment(str(number), one, INPUTS, START, START, False) for number, one in enumerate(settings)]
    )
    assert labels == ["epochs 3, schedule.epochs 1, average none", "epochs 4, schedule.epochs 2, average 0.9"]
    assert experiment_labels([SIX[0], SIX[1], experiment("b", 0.0, 0.0, mixture(0.5))])[1:] == [
        "adversarial_share 0.5 (two)",
        "adversarial_share 0.5 (b)",
    ]


def test_the_figure_shows_every_point_and_says_whose_images():
    front = clean_robust_front(SIX)
    figure = front_figure(front, title="Lung CT")
    (axes,), (legend,) = figure.axes, figure.legends
    joined, *points = axes.lines
    assert joined.get_xydata().round(6).tolist() == [[75, 60], [85, 55], [88, 40], [90, 20]]
    assert [line.get_label() for line in points] == [one.label for one in front.points]
    expected = [[100 * one.accuracies.clean, 100 * one.accuracies.robust] for one in front.points]
    assert [line.get_xydata()[0].tolist() for line in points] == expected
    assert [line.get_fillstyle() == "full" for line in points] == [one.on_front for one in front.points]
    assert [text.get_text() for text in legend.get_texts()] == [
        *(one.label for one in front.points),
        "on the front",
        "dominated by another",
    ]
    assert axes.get_xlabel() == "validation accuracy (%)"
    assert axes.get_ylabel().replace("\n", " ") == "validation accuracy under PGD at epsilon 0.008 (%)"
    assert axes.get_title().startswith("Lung CT (SYNTHETIC images)")
    assert "not of test images" in legend.get_title().get_text()


def test_every_point_looks_different():
    many = [experiment(f"e{number}", 0.5 + number / 100, 0.5, mixture(number / 42)) for number in range(1, 43)]
    (axes,) = front_figure(clean_robust_front(many), title="CT").axes
    looks = [(line.get_color(), line.get_marker()) for line in axes.lines[1:]]
    assert len(looks) == len(set(looks)) == 43


def test_the_axes_end_where_accuracies_do():
    alike = [
        replace(one, accuracies=Accuracies(0.97, one.accuracies.robust), start=Accuracies(0.97, 0.2)) for one in SIX
    ]
    (axes,) = front_figure(clean_robust_front(alike), title="CT").axes
    assert axes.get_xlim()[1] <= 101


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The toy, hardened and committed, and then two experiments beside it."""
    folder = toy.make_toy(tmp_path_factory.mktemp("toy"), toy.small_params())
    script = folder / "workflow" / "scripts" / "harden.py"
    script.write_text(script.read_text(encoding="utf-8") + TOY_HARDEN, encoding="utf-8")
    toy.run(folder, "oncorobust graph && git commit -qam harden")
    toy.run(folder, "dvc repro -q harden@mnist && git add -A && git commit -q -m results")
    toy.run(folder, " && ".join(f"dvc exp run -q --temp --single-item {values} harden@mnist" for values in SWEEP))
    return folder


def front(folder, *arguments):
    with chdir(folder):
        return main(["front", *arguments])


@pytest.mark.slow
def test_experiments_of_dvc_become_points(swept):
    assert toy.run(swept, "git status --porcelain") == ""
    collected = collect_front(swept, "mnist")
    points = {one.label: (one.accuracies.clean, one.accuracies.robust, one.on_front) for one in collected.points}
    assert points == {
        "clean model": (0.95, 0.25, True),
        "mixture, adversarial_share 0.5": (pytest.approx(0.85), pytest.approx(0.525), True),
        "mixture, adversarial_share 0.25": (pytest.approx(0.875), pytest.approx(0.4625), True),
        "trades, beta 6": (pytest.approx(0.78), pytest.approx(0.46), False),
    }
    assert [one.experiment for one in collected.points] == [None, "HEAD", "quarter", "trades"]
    assert collected.left_out == ()


@pytest.mark.slow
def test_the_figure_beside_the_results_leaves_git_clean(swept):
    assert front(swept, "mnist") == 0
    assert toy.run(swept, "git status --porcelain") == ""


@pytest.mark.slow
def test_the_command_writes_figure_and_points(swept, tmp_path, capsys):
    assert front(swept, "mnist", "--output", f"{tmp_path}/front.png") == 0
    printed = capsys.readouterr().out
    assert "  trades, beta 6                   clean  78.00 %  under attack  46.00 %  trades\n" in printed
    assert "* mixture, adversarial_share 0.25  clean  87.50 %  under attack  46.25 %  quarter\n" in printed
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    frame = pd.read_csv(tmp_path / "front.csv")
    assert frame["label"].tolist()[-1] == "trades, beta 6"
    assert frame["on_front"].tolist() == [True, True, True, False]
    assert frame["synthetic"].tolist() == [False] * 4


@pytest.mark.slow
def test_a_wrong_data_set_or_file_name_is_refused(swept, capsys):
    assert front(swept, "lidc") == front(swept, "mnist", "--output", "front.pdf") == 1
    printed = capsys.readouterr().err
    assert "oncorobust: expected a data set of run.datasets (mnist), got 'lidc'" in printed
    assert "oncorobust: expected a file name that ends in .png, got front.pdf" in printed


@pytest.mark.slow
def test_numbers_that_dvc_did_not_record_are_left_out(swept):
    path = swept / "reports" / "mnist" / "adversarial" / "training.json"
    recorded = path.read_bytes()
    path.write_text("{}")
    (sentence,) = collect_front(swept, "mnist").left_out
    assert sentence == f"work tree: {path.relative_to(swept)} is not the file that dvc.lock records"
    path.write_bytes(recorded)


def test_without_experiments_the_commands_are_told(tmp_path):
    (tmp_path / ".dvc").mkdir()
    toy.run(tmp_path, "git init -q && dvc config -q core.analytics false && git add -A && git commit -q -m empty")
    with pytest.raises(InputError, match="expected at least two comparable hardening runs of lidc, got 0; run") as told:
        collect_front(tmp_path, "lidc")
    assert str(told.value).splitlines()[1:] == [
        "  dvc exp run --temp --single-item -S datasets.lidc.harden.loss.adversarial_share=0.25 harden@lidc",
        "  oncorobust front lidc",
    ]


def test_a_folder_without_dvc_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a DVC repository, got: you are not inside of a DVC repository"):
        collect_front(tmp_path, "mnist")
