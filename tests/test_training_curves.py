"""Training curves and training.json, on histories written by hand."""

import numpy as np
import pandas as pd
import pytest

from oncorobust.pipeline.training_outputs import summarise_training
from oncorobust.report.figures.training_curves import training_curves
from oncorobust.training.history import collapsed_epochs
from oncorobust.training.loop import Trained

TRAIN = pd.DataFrame(
    {
        "epoch": [0, 1, 2, 3],
        "loss": [np.nan, 0.7, 0.5, 0.3],
        "accuracy": [np.nan, 0.5, 0.7, 0.9],
        "validation_loss": [0.71, 0.6, 0.55, 0.8],
        "validation_accuracy": [0.5, 0.6, 0.75, 0.7],
        "collapsed": [True, False, False, False],
    }
)
HARDEN = pd.DataFrame(
    {
        "epoch": [0, 1, 2, 3, 4],
        "loss": [np.nan, 0.9, 0.8, 0.8, 0.7],
        "accuracy": [np.nan, 0.6, 0.6, 0.5, 0.5],
        "epsilon": [np.nan, 0.004, 0.008, 0.008, 0.008],
        "validation_loss": [1.5, 0.9, 0.8, 0.75, 0.7],
        "validation_accuracy": [0.8, 0.78, 0.76, 0.5, 0.5],
        "collapsed": [False, False, False, True, True],
        "validation_robust_accuracy": [0.3, 0.5, 0.6, 0.5, 0.5],
    }
)


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def line(panel, label):
    (found,) = (one for one in panel.lines if one.get_label() == label)
    return found


def test_two_panels_show_the_history_and_the_kept_epoch():
    figure = training_curves(TRAIN, best_epoch=2, title="slices, clean training")
    losses, accuracies = figure.axes
    np.testing.assert_array_equal(line(losses, "training").get_xydata(), TRAIN[["epoch", "loss"]])
    np.testing.assert_array_equal(line(losses, "validation").get_xydata(), TRAIN[["epoch", "validation_loss"]])
    np.testing.assert_array_equal(line(accuracies, "validation").get_xydata(), TRAIN[["epoch", "validation_accuracy"]])
    assert line(accuracies, "epoch kept").get_xdata() == [2, 2]
    assert legend_texts(figure) == ["training", "validation", "epoch kept"]


def test_accuracy_under_noise_is_drawn_and_reported():
    history = HARDEN.drop(columns="epsilon").assign(validation_noise_accuracy=[0.6, 0.7, 0.75, 0.7, 0.7])
    figure = training_curves(history, best_epoch=2, title="slices, training under noise")
    drawn = line(figure.axes[1], "validation, under noise").get_xydata()
    np.testing.assert_array_equal(drawn, history[["epoch", "validation_noise_accuracy"]])
    summary = summarise_training(Trained(history, best_epoch=2, ended="all epochs"))
    assert summary["best"]["validation_noise_accuracy"] == 0.75
    assert summary["start"]["validation_noise_accuracy"] == 0.6


def test_collapsed_epochs_and_epochs_of_a_smaller_epsilon_are_marked():
    figure = training_curves(HARDEN, best_epoch=2, title="slices, adversarial training")
    losses, accuracies = figure.axes
    collapsed = line(accuracies, "collapsed")
    np.testing.assert_array_equal(collapsed.get_xydata(), [[3, 0.5], [4, 0.5]])
    for panel in (losses, accuracies):
        (shade,) = panel.patches
        assert (shade.get_x(), shade.get_x() + shade.get_width()) == (0.5, 1.5)
    assert "smaller epsilon" in legend_texts(figure)
    assert "validation, under attack" in legend_texts(figure)


@pytest.mark.parametrize("epsilons", [[np.nan, 0.01, 0.01, 0.01, 0.01], None])
def test_nothing_is_shaded_or_marked_where_there_is_nothing(epsilons):
    history = HARDEN.assign(collapsed=False).drop(columns="epsilon")
    if epsilons:
        history["epsilon"] = epsilons
    figure = training_curves(history, best_epoch=4, title="slices")
    assert not any(panel.patches for panel in figure.axes)
    assert "collapsed" not in legend_texts(figure)


def test_summary_reports_the_kept_and_the_last_checkpoint():
    assert summarise_training(Trained(TRAIN, 2, "all epochs")) == {
        "epochs_run": 3,
        "ended": "all epochs",
        "start": {"validation_loss": 0.71, "validation_accuracy": 0.5},
        "best": {"epoch": 2, "train_accuracy": 0.7, "validation_loss": 0.55, "validation_accuracy": 0.75},
        "last": {"epoch": 3, "train_accuracy": 0.9, "validation_loss": 0.8, "validation_accuracy": 0.7},
        "collapsed_epochs": [],
        "collapsed": False,
    }


def test_summary_of_the_model_before_hardening_has_no_training_accuracy():
    told = summarise_training(Trained(HARDEN, 0, "collapse"))
    start = {"validation_loss": 1.5, "validation_accuracy": 0.8, "validation_robust_accuracy": 0.3}
    assert told["best"] == {"epoch": 0} | start
    assert told["start"] == start
    assert told["last"]["validation_robust_accuracy"] == 0.5
    assert (told["collapsed_epochs"], told["collapsed"]) == ([3, 4], False)


def test_a_kept_epoch_that_collapsed_is_told():
    assert summarise_training(Trained(HARDEN, 4, "all epochs"))["collapsed"] is True
    assert summarise_training(Trained(TRAIN, 0, "all epochs"))["collapsed"] is True


def test_before_anything_is_learnt_nothing_collapses():
    def found(*collapsed):
        return collapsed_epochs(pd.DataFrame({"epoch": range(len(collapsed)), "collapsed": collapsed}))

    assert found(True, True, True) == []
    assert found(True, True, False, False) == []
    assert found(True, False, True, False, True) == [2, 4]
    assert found(False, True) == [1]
