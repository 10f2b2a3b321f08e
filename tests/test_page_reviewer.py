"""What the page tells a reviewer: the drawing of images, and methods counted from the cells."""

from dataclasses import dataclass, field, replace

import pandas as pd
from made_tables import made_cell, made_table

from oncorobust.report.page.reviewer import Sample, drawing_sentence, interval_sentence, sample_of, table_methods


@dataclass
class Part:
    """A data set of two classes with three attacked images."""

    summary: dict
    attack: dict
    key: str = "lidc"
    training: dict = field(default_factory=dict)


def part(n_patients, n_test_images):
    summary = {"class_names": ["benign", "malignant"], "split_unit": "patient", "n_images": 9, "n_patients": n_patients}
    return Part(summary, {"clean": {"n_test_images": n_test_images}})


PREDICTIONS = pd.DataFrame(
    {"patient_id": ["a", "a", "b", "b"], "label": [0, 1, 0, 0], "attack": ["none", "none", "none", "pgd"]}
)


def test_the_sample_is_counted_from_rows_without_attack():
    found = sample_of(part(4, 8), PREDICTIONS)
    assert found == Sample(
        n_images=3, n_test_images=8, n_patients=2, by_class="benign: 2, malignant: 1", split="by patient"
    )
    assert not found.is_all
    assert sample_of(part(4, 3), PREDICTIONS).is_all


def test_images_without_patients_are_split_by_image():
    found = sample_of(part(9, 8), PREDICTIONS)
    assert (found.split, found.n_patients) == ("by image", None)


def test_drawing():
    some = sample_of(part(4, 8), PREDICTIONS)
    told = drawing_sentence([some, replace(some, n_test_images=3)], seed=17)
    assert "drawn at random with the seed of the run (17)" in told
    assert "in the proportions of the classes and without regard to any answer" in told
    assert drawing_sentence([replace(some, n_test_images=3)], seed=17).startswith("All test images were attacked.")


def test_methods_are_counted_for_each_table():
    cells = [
        made_cell("Table S5", "PGD", "a", method="Wilson", test="exact McNemar"),
        made_cell("Table S5", "PGD", "b", method="MOVER", test="exact McNemar"),
        made_cell("Table S5", "PGD", "c", method="MOVER", test="permutation"),
    ]
    tested, plain = table_methods(
        [
            made_table("Table S5", cells),
            made_table("Table V"),
            made_table("Table 1", [made_cell("Table 1", "PGD", "a")]),
        ]
    )
    assert (tested.name, tested.n_cells, tested.intervals) == ("Table S5", 3, "MOVER (2), Wilson (1)")
    assert tested.tests == "exact McNemar (2), permutation (1); p adjusted by Holm for all 3 tests of the table"
    assert (plain.name, plain.intervals, plain.tests) == ("Table 1", "Wilson (1)", "")


def test_what_holds_for_all_intervals():
    told = interval_sentence([made_table("Table 1", [made_cell("Table 1", row, "a") for row in ("PGD", "BIM")])])
    assert told.startswith("2 intervals of 95 %, each for itself and not adjusted for their number.")
    assert "10,000 times" in told
    assert interval_sentence([made_table("Table 1")]) == "No interval was computed."
