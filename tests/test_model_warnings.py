"""Warnings about a model, which stand beside its numbers."""

from dataclasses import dataclass, field

from oncorobust.evaluation.validity import Check
from oncorobust.report.model_warnings import ModelWarning, warnings_of
from oncorobust.report.tables.validity import Gate


@dataclass
class Part:
    """A data set with one trained model."""

    training: dict
    attack: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    key: str = "lidc"


def trained(*epochs, collapsed=False):
    return {"clean": {"collapsed_epochs": list(epochs), "collapsed": collapsed, "best": {"epoch": 2}}}


def gate(*checks, dataset="lidc", model="clean"):
    return Gate(
        dataset, "Lung CT", model, False, tuple(Check(name, status, "found", "wanted") for name, status in checks)
    )


def test_a_sound_model_has_none():
    part = Part(trained(), attack={"clean": {"share_without_gradient": 0.01}})
    assert warnings_of(part, [gate(("noise", "green"), ("transfer", "not done"))]) == {"clean": ()}


def test_a_collapsed_model_spoils_its_numbers():
    (found,) = warnings_of(Part(trained(2, 3, collapsed=True)), [])["clean"]
    told = "Training collapsed: the model is no better than one answer for all images. "
    assert found == ModelWarning(
        told + "High accuracy under attack is then no robustness.", spoils=True, anchor="training-lidc-clean"
    )


def test_collapsed_epochs_before_a_sound_model_do_not():
    (found,) = warnings_of(Part(trained(3)), [])["clean"]
    assert found == ModelWarning(
        "Training collapsed after epoch 3; the weights of epoch 2 were kept.", False, "training-lidc-clean"
    )
    (found,) = warnings_of(Part(trained(3, 5)), [])["clean"]
    assert found.text == "Training collapsed after epochs 3, 5; the weights of epoch 2 were kept."


def test_those_that_spoil_come_first():
    part = Part(trained(3), attack={"clean": {"share_without_gradient": 0.125}})
    gates = [
        gate(("noise", "red")),
        gate(("noise", "red"), dataset="mnist"),
        gate(("noise", "red"), model="adversarial"),
    ]
    found = warnings_of(part, gates)["clean"]
    assert [one.spoils for one in found] == [True, True, False]
    assert found[0].text == (
        "12.50\u00a0% of the attacked images have no gradient: accuracy under attack may be too high."
    )
    assert found[1] == ModelWarning("Validity check not passed: noise.", True, "validity-lidc-clean")
