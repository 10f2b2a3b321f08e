"""Warnings about a model, which stand beside its numbers."""

from dataclasses import dataclass, field

from oncorobust.evaluation.validity import Check
from oncorobust.report.model_warnings import ModelWarning, warnings_of
from oncorobust.report.tables.cell import Cell, Field, Interval, Table, TableColumn
from oncorobust.report.tables.validity import Gate


@dataclass
class Part:
    """A data set with one trained model."""

    training: dict
    attack: dict = field(default_factory=dict)
    summary: dict = field(default_factory=lambda: {"class_names": ["benign", "malignant"]})
    key: str = "lidc"


def trained(*epochs, collapsed=False):
    return {"clean": {"collapsed_epochs": list(epochs), "collapsed": collapsed, "best": {"epoch": 2}}}


def table_e(*, low: float | None = 0.6, column: str = "lidc") -> Table:
    """Table E with the balanced accuracy of one model."""
    interval = None if low is None else Interval(low, 0.9, 0.95, "made up", 0, 10)
    cell = Cell(
        "Table E", "clean:Baseline", column, "balanced_accuracy", 0.75, interval, "", 40, 38, (), (), paper=None
    )
    fields = (Field(cell.field, "", "", "percent"),)
    columns = (TableColumn(column, "Lung CT", None, 40, False),)
    return Table("Table E", "e", "", (), (cell.row,), "blocks", columns, fields, (cell,))


def gate(*checks, dataset="lidc", model="clean"):
    return Gate(
        dataset, "Lung CT", model, False, tuple(Check(name, status, "found", "wanted") for name, status in checks)
    )


def test_a_sound_model_has_none():
    part = Part(trained(), attack={"clean": {"share_without_gradient": 0.01}})
    assert warnings_of(part, [gate(("noise", "green"), ("transfer", "not done"))], table_e()) == {"clean": ()}


def test_a_collapsed_model_spoils_its_numbers():
    (found,) = warnings_of(Part(trained(2, 3, collapsed=True)), [], table_e())["clean"]
    told = "Training collapsed: the model is no better than one answer for all images. "
    assert found == ModelWarning(
        told + "High accuracy under attack is then no robustness.", spoils=True, anchor="training-lidc-clean"
    )


def test_a_model_that_is_not_shown_to_tell_the_classes_apart_is_told():
    (found,) = warnings_of(Part(trained()), [], table_e(low=0.5))["clean"]
    assert found == ModelWarning(
        "It is not shown that the model tells the classes apart: balanced accuracy 75\u00a0% (50 to 90), where one "
        "answer for all images has 50\u00a0%. Such an answer never changes under attack, so accuracy under "
        "attack may be no robustness.",
        False,
        "training-lidc-clean",
    )
    for table in (table_e(low=0.51), table_e(low=None), table_e(low=0.5, column="mnist")):
        assert warnings_of(Part(trained()), [], table) == {"clean": ()}
    (found,) = warnings_of(Part(trained(collapsed=True)), [], table_e(low=0.5))["clean"]
    assert found.text.startswith("Training collapsed"), "which says it already"


def test_collapsed_epochs_before_a_sound_model_do_not():
    (found,) = warnings_of(Part(trained(3)), [], table_e())["clean"]
    assert found == ModelWarning(
        "Training collapsed after epoch 3; the weights of epoch 2 were kept.", False, "training-lidc-clean"
    )
    (found,) = warnings_of(Part(trained(3, 5)), [], table_e())["clean"]
    assert found.text == "Training collapsed after epochs 3, 5; the weights of epoch 2 were kept."


def test_those_that_spoil_come_first():
    part = Part(trained(3), attack={"clean": {"share_without_gradient": 0.125}})
    gates = [
        gate(("noise", "red")),
        gate(("noise", "red"), dataset="mnist"),
        gate(("noise", "red"), model="adversarial"),
    ]
    found = warnings_of(part, gates, table_e())["clean"]
    assert [one.spoils for one in found] == [True, True, False]
    assert found[0].text == (
        "12.50\u00a0% of the attacked images have no gradient: accuracy under attack may be too high."
    )
    assert found[1] == ModelWarning("Validity check not passed: noise.", True, "validity-lidc-clean")
