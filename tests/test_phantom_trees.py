"""Phantom trees as a stranger finds them: read with pydicom, csv, defusedxml and nibabel, then with the readers."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from defusedxml import ElementTree
from matplotlib.path import Path as Polygon
from scipy.ndimage import binary_dilation, binary_erosion

from oncorobust.acquire.phantoms import brain_mets_tree, lidc_tree
from oncorobust.acquire.phantoms.brain import BrainPhantom
from oncorobust.acquire.phantoms.brain_mets_tree import write_brain_mets_nifti_phantom, write_brain_mets_phantom
from oncorobust.acquire.phantoms.cbis_ddsm_tree import write_cbis_ddsm_phantom
from oncorobust.acquire.phantoms.cifar10_batches import write_cifar10_phantom
from oncorobust.acquire.phantoms.lidc_outlines import largest_region, trace_outline
from oncorobust.acquire.phantoms.lidc_reads import rate_malignancy, read_scan
from oncorobust.acquire.phantoms.lidc_tree import write_lidc_phantom
from oncorobust.acquire.phantoms.lung import LungPhantom, NoduleAttributes, sample_nodules
from oncorobust.formats.brain_mets.reader import open_brain_mets
from oncorobust.formats.cbis_ddsm.reader import open_cbis_ddsm
from oncorobust.formats.cifar10 import open_cifar10
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.settings.data import BrainMets, CbisDdsm, Lidc, Phantom

SETTINGS = Phantom(n_images=24, difficulty=1.0, seed=3)
NIH = "{http://www.nih.gov}"
WRITERS: dict[str, Callable[[Path, Phantom], None]] = {
    "lidc": write_lidc_phantom,
    "cbis_ddsm": write_cbis_ddsm_phantom,
    "brain_mets": write_brain_mets_phantom,
    "brain_mets_nifti": write_brain_mets_nifti_phantom,
    "cifar10": write_cifar10_phantom,
}


def silent(done: int, total: int, word: str) -> None:
    """Progress that nobody watches."""


def written(folder: Path, name: str, settings: Phantom = SETTINGS) -> Path:
    folder.mkdir()
    WRITERS[name](folder, settings)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=WRITERS)
def any_tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, written(tmp_path_factory.mktemp("any") / "tree", request.param)


def test_same_settings_same_bytes_other_seed_other_bytes(any_tree: tuple[str, Path], tmp_path: Path) -> None:
    name, folder = any_tree
    again = contents(written(tmp_path / "again", name))
    assert contents(folder) == again
    other = contents(written(tmp_path / "other", name, Phantom(n_images=24, difficulty=1.0, seed=4)))
    images = {path for path in other if path.endswith((".dcm", ".bin", ".nii.gz"))}
    assert images
    assert all(again.get(path) != other[path] for path in images)


def test_every_tree_says_that_it_is_synthetic(any_tree: tuple[str, Path]) -> None:
    _, folder = any_tree
    assert (folder / "SYNTHETIC.txt").read_text().startswith("SYNTHETIC: ")
    assert "n_images 24, difficulty 1, seed 3" in (folder / "SOURCE.txt").read_text()


# LIDC-IDRI


def recorded(patch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """What a module's renderer gave, in order."""
    found: list[Any] = []
    render = getattr(module, name)

    def record(*arguments: Any, **options: Any) -> Any:
        found.append(render(*arguments, **options))
        return found[-1]

    patch.setattr(module, name, record)
    return found


@pytest.fixture(scope="module")
def lidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[LungPhantom]]]:
    with pytest.MonkeyPatch.context() as patch:
        phantoms = recorded(patch, lidc_tree, "render_lung")
        yield written(tmp_path_factory.mktemp("lidc") / "tree", "lidc"), phantoms


def scans(folder: Path) -> Iterator[tuple[Any, list[pydicom.Dataset]]]:
    """Root element and slices, lowest first, of each folder, in the order in which they were made."""
    for path in sorted(folder.rglob("*.xml"), key=lambda path: path.name):
        slices = [pydicom.dcmread(file) for file in path.parent.glob("*.dcm")]
        lowest_first = sorted(slices, key=lambda slice_: slice_.get("SliceLocation", 0))
        yield ElementTree.parse(path).getroot(), lowest_first


def nodules(root: Any) -> list[Any]:
    """Nodules with ratings, over all sessions."""
    return [
        nodule
        for nodule in root.iterfind(f"{NIH}readingSession/{NIH}unblindedReadNodule")
        if len(nodule.find(f"{NIH}characteristics") or ())
    ]


def text(element: Any, name: str) -> str:
    found: str = element.findtext(NIH + name)
    return found


def outline(roi: Any) -> list[tuple[int, int]]:
    return [(int(text(edge, "xCoord")), int(text(edge, "yCoord"))) for edge in roi.iterfind(f"{NIH}edgeMap")]


def filled(points: list[tuple[int, int]], shape: tuple[int, int]) -> np.ndarray:
    """Pixels strictly inside a polygon."""
    rows, columns = np.indices(shape)
    inside = Polygon(points).contains_points(np.column_stack([columns.ravel(), rows.ravel()])).reshape(shape)
    inside[[y for _, y in points], [x for x, _ in points]] = False
    return inside


def test_lidc_layout_and_headers(lidc: tuple[Path, list[LungPhantom]]) -> None:
    folder, _ = lidc
    headers = {path: pydicom.dcmread(path) for path in folder.rglob("*.dcm")}
    ct = [header for header in headers.values() if header.Modality == "CT"]
    assert len({header.PatientID for header in ct}) == 17, "0.7 x 24"
    assert {header.PatientID for header in ct} == {f"LIDC-IDRI-{9001 + number}" for number in range(17)}
    assert len({header.SeriesInstanceUID for header in ct}) == 24
    assert Counter(header.Modality for header in headers.values()) == {"CT": 24 * 5, "CR": 1}
    assert len({header.SOPInstanceUID for header in headers.values()}) == len(headers)
    for path, header in headers.items():
        collection, patient, study, series, _ = path.relative_to(folder).parts
        assert (collection, patient) == ("LIDC-IDRI", header.PatientID)
        assert study == f"01-01-2000-NA-NA-{header.StudyInstanceUID[-5:]}"
        assert series == f"{header.SeriesNumber}.000000-NA-{header.SeriesInstanceUID[-5:]}"
        assert header.StudyDate == "20000101"
    assert len({header.file_meta.TransferSyntaxUID for header in ct}) == 2
    assert {header.PixelRepresentation for header in ct} == {0, 1}
    assert {("PixelPaddingValue" in header) == bool(header.PixelRepresentation) for header in ct} == {True}
    assert {type(number) for header in ct for number in header.ImagePositionPatient} == {pydicom.valuerep.DSfloat}
    assert max(len(str(number)) for header in ct for number in header.ImagePositionPatient) <= 16


def test_lidc_slices_hold_the_rendered_volume(lidc: tuple[Path, list[LungPhantom]]) -> None:
    folder, phantoms = lidc
    orders = set()
    for (_, slices), phantom in zip(list(scans(folder))[1:], phantoms, strict=True):
        z = np.array([slice_.ImagePositionPatient[2] for slice_ in slices])
        np.testing.assert_array_equal(np.diff(z), slices[0].SliceThickness)
        orders.add(tuple(int(slice_.InstanceNumber) for slice_ in slices))
        for slice_, expected in zip(slices, phantom.volume_hu, strict=True):
            hu = slice_.pixel_array.astype(float) * slice_.RescaleSlope + slice_.RescaleIntercept
            padded = slice_.pixel_array == -2000
            assert padded[0, 0] == bool(slice_.PixelRepresentation)
            assert not padded[60].any(), "the circle reaches the sides of the image"
            np.testing.assert_allclose(hu[~padded], expected[~padded], atol=0.501)
            assert not (padded & phantom.mask.any(0)).any()
    assert orders == {(1, 2, 3, 4, 5), (5, 4, 3, 2, 1)}


def test_lidc_reads_belong_to_their_series(lidc: tuple[Path, list[LungPhantom]]) -> None:
    folder, _ = lidc
    (radiograph, (image,)), *rest = scans(folder)
    assert radiograph.tag == "{http://www.nih.gov/idri}IdriReadMessage"
    assert image.Modality == "CR"
    for root, slices in rest:
        assert root.tag == f"{NIH}LidcReadMessage"
        header = root.find(f"{NIH}ResponseHeader")
        assert text(header, "SeriesInstanceUid") == slices[0].SeriesInstanceUID
        assert text(header, "StudyInstanceUID") == slices[0].StudyInstanceUID
        assert len(root.findall(f"{NIH}readingSession")) == 4
        z_mm = {slice_.SOPInstanceUID: slice_.ImagePositionPatient[2] for slice_ in slices}
        for mark in [*root.iter(f"{NIH}roi"), *root.iter(f"{NIH}nonNodule")]:
            assert float(text(mark, "imageZposition")) == z_mm[text(mark, "imageSOP_UID")]


def test_lidc_outlines_enclose_the_rendered_nodule(lidc: tuple[Path, list[LungPhantom]]) -> None:
    folder, phantoms = lidc
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    compared = 0
    for (root, slices), phantom in zip(list(scans(folder))[1:], phantoms, strict=True):
        index = {slice_.SOPInstanceUID: number for number, slice_ in enumerate(slices)}
        assert 1 <= len(nodules(root)) <= 4
        for roi in (roi for nodule in nodules(root) for roi in nodule.iterfind(f"{NIH}roi")):
            points = outline(roi)
            assert points[0] == points[-1]
            if text(roi, "inclusion") == "FALSE":
                continue
            region = largest_region(phantom.mask[index[text(roi, "imageSOP_UID")]])
            drawn = filled(points, region.shape)
            larger = binary_dilation(binary_dilation(region, cross), np.ones((3, 3)))
            assert not (drawn & ~larger).any()
            assert not (largest_region(binary_erosion(region, cross)) & ~drawn).any()
            compared += 1
    assert compared > 100


def test_lidc_consensus_is_the_class(lidc: tuple[Path, list[LungPhantom]]) -> None:
    folder, _ = lidc
    last = {"calcification": 6, "internalStructure": 4}
    means = []
    for root, _ in list(scans(folder))[1:]:
        ratings = [nodule.find(f"{NIH}characteristics") for nodule in nodules(root)]
        means.append(np.mean([int(text(rating, "malignancy")) for rating in ratings]))
        for element in (element for rating in ratings for element in rating):
            assert 1 <= int(element.text) <= last.get(element.tag.removeprefix(NIH), 5)
        assert {len(rating) for rating in ratings} == {9}
    assert sum(mean >= 3 for mean in means) == 12


def test_outline_of_a_pixel_and_of_a_bar() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2, 3] = True
    assert trace_outline(mask) == ((3, 1), (4, 2), (3, 3), (2, 2), (3, 1))
    mask[2, 4] = True
    assert trace_outline(mask) == ((3, 1), (4, 1), (5, 2), (4, 3), (3, 3), (2, 2), (3, 1))


@pytest.mark.parametrize("seed", range(20))
def test_filling_the_outline_of_an_ellipse_gives_it_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((50, 50)) - 25 + rng.uniform(-1, 1, (2, 1, 1))
    angle = rng.uniform(0, np.pi)
    along, across = rows * np.cos(angle) + columns * np.sin(angle), columns * np.cos(angle) - rows * np.sin(angle)
    region = (along / rng.uniform(3, 20)) ** 2 + (across / rng.uniform(3, 20)) ** 2 < 1
    points = trace_outline(region)
    assert np.abs(np.diff(np.array(points), axis=0)).max() == 1
    np.testing.assert_array_equal(filled(list(points), region.shape), region)


def test_largest_region_has_no_holes() -> None:
    mask = np.ones((5, 9), bool)
    mask[:, 5] = False
    mask[2, 2] = False
    expected = np.zeros((5, 9), bool)
    expected[:, :5] = True
    np.testing.assert_array_equal(largest_region(mask), expected)
    assert not largest_region(np.zeros((4, 4), bool)).any()


def test_simulated_readers_disagree_as_the_real_ones() -> None:
    """2,651 real nodules: readers 29, 18, 18, 34 %; mean malignancy 2.0 and 3.4; 1 in 42 contours is a cavity."""
    ball = np.linalg.norm(np.indices((3, 40, 40)) - np.array([1, 20, 20]).reshape(3, 1, 1, 1), axis=0) < 8
    counts: Counter[int] = Counter()
    means = defaultdict(list)
    rng = np.random.default_rng(0)
    marks: Counter[str] = Counter()
    for attributes in sample_nodules(300, rng=rng):
        sessions = read_scan(ball, attributes, rng=rng)
        found = [nodule for session in sessions for nodule in session.nodules]
        counts[len(found)] += 1
        means[attributes.malignant].append(np.mean([nodule.ratings["malignancy"] for nodule in found]))
        marks.update(str(contour.included) for nodule in found for contour in nodule.contours)
        marks["small"] += sum(len(session.small_nodules) for session in sessions)
        marks["non"] += sum(len(session.non_nodules) for session in sessions)
    shares = [counts[number] / 300 for number in (1, 2, 3, 4)]
    np.testing.assert_allclose(shares, [0.29, 0.185, 0.18, 0.34], atol=0.06)
    assert np.mean(means[False]) == pytest.approx(2.0, abs=0.1)
    assert np.mean(means[True]) == pytest.approx(3.4, abs=0.15)
    assert max(means[False]) < 3 <= min(means[True])
    assert 0.005 < marks["False"] / marks["True"] < 0.05
    assert min(marks["small"], marks["non"]) > 500


@pytest.mark.parametrize("n_readers", [1, 2, 3, 4])
def test_malignancy_ratings_agree_with_the_class(n_readers: int) -> None:
    rng = np.random.default_rng(n_readers)
    for malignant in (False, True):
        drawn = [rate_malignancy(malignant, n_readers, rng=rng) for _ in range(200)]
        assert {len(ratings) for ratings in drawn} == {n_readers}
        assert {rating for ratings in drawn for rating in ratings} <= {1, 2, 3, 4, 5}
        assert all((sum(ratings) >= 3 * n_readers) == malignant for ratings in drawn)


def test_a_nodule_beyond_the_image_is_outlined_inside() -> None:
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 5:20, 0:9] = True
    attributes = NoduleAttributes(
        diameter_mm=8.0,
        subtlety=3.0,
        internal_structure=1.0,
        calcification=6.0,
        sphericity=4.0,
        margin=4.0,
        lobulation=1.0,
        spiculation=1.0,
        texture=5.0,
        malignant=False,
    )
    for seed in range(6):
        sessions = read_scan(mask, attributes, rng=np.random.default_rng(seed))
        contours = [contour for session in sessions for nodule in session.nodules for contour in nodule.contours]
        assert {contour.slice_index for contour in contours} == {1}
        points = np.array([point for contour in contours for point in contour.outline])
        assert points.min() >= 0
        assert points.max() <= 19


# CBIS-DDSM


@pytest.fixture(scope="module")
def cbis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Phantom(n_images=60, difficulty=1.0, seed=3)
    return written(tmp_path_factory.mktemp("cbis") / "tree", "cbis_ddsm", settings)


def cases(folder: Path, part: str) -> list[dict[str, str]]:
    raw = (folder / f"mass_case_description_{part}_set.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(raw.decode(), newline="")))
    assert raw.count(b"\r\n") == len(rows) + 1
    assert raw.count(b"\n") == 2 * len(rows) + 1
    assert raw.count(b'\n"\r\n') == len(rows)
    return rows


def test_cbis_csvs_have_the_published_quirks(cbis: Path) -> None:
    train, test = (cases(cbis, part) for part in ("train", "test"))
    assert len(train) + len(test) == 60
    assert list(train[0]) == [
        *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type"),
        *("mass shape", "mass margins", "assessment", "pathology", "subtlety"),
        *("image file path", "cropped image file path", "ROI mask file path"),
    ]
    patients = [{row["patient_id"] for row in rows} for rows in (train, test)]
    assert not patients[0] & patients[1]
    assert min(map(len, patients)) > 3
    assert min(map(min, patients)) == "P_90001"
    outcomes = Counter(row["pathology"] for row in train + test)
    assert outcomes["MALIGNANT"] == 30
    assert outcomes["BENIGN"] + outcomes["BENIGN_WITHOUT_CALLBACK"] == 30
    assert outcomes["BENIGN_WITHOUT_CALLBACK"] > 0
    assert {row["ROI mask file path"][-1] for row in train + test} == {"\n"}
    assert not {"OTHER", "N/A"} & {row[name] for row in train + test for name in ("mass shape", "mass margins")}
    views = defaultdict(list)
    for row in train + test:
        views[row["patient_id"], row["left or right breast"], row["abnormality id"]].append(row["image view"])
    assert Counter(map(len, views.values()))[2] > len(views) / 2
    assert all(len(names) == len(set(names)) <= 2 for names in views.values())


def test_cbis_paths_lead_to_crop_and_mask_by_uid(cbis: Path) -> None:
    by_series = defaultdict(list)
    for path in cbis.rglob("*.dcm"):
        header = pydicom.dcmread(path)
        by_series[header.StudyInstanceUID, header.SeriesInstanceUID].append((path, header))
    descriptions, orders, separate = Counter(), Counter(), 0
    for part in ("train", "test"):
        for row in cases(cbis, part):
            keys = {}
            for role in ("image", "cropped image", "ROI mask"):
                case, study, series, name = row[f"{role} file path"].strip().split("/")
                keys[role] = (study, series)
                assert {header.PatientID for _, header in by_series[keys[role]]} == {case}
                separate += name == "000000.dcm" and role == "ROI mask"
            ((_, full),) = by_series[keys["image"]]
            lesion = sorted(by_series[keys["cropped image"]], key=lambda item: item[1].InstanceNumber)
            together = keys["cropped image"] == keys["ROI mask"]
            lesion += [] if together else by_series[keys["ROI mask"]]
            crop, mask = (header for _, header in sorted(lesion, key=lambda item: -item[1].BitsAllocated))
            assert (crop.BitsAllocated, mask.BitsAllocated) == (16, 8)
            assert set(np.unique(mask.pixel_array)) == {0, 255}
            assert mask.pixel_array.shape == full.pixel_array.shape
            assert holds(full.pixel_array, crop.pixel_array, near=mask.pixel_array > 0)
            if together:
                descriptions[crop.SeriesDescription] += 1
                orders[crop.InstanceNumber] += 1
            for header in (full, crop, mask):
                assert header.Modality == "MG"
                assert header.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
                assert header.file_meta.TransferSyntaxUID == pydicom.uid.ImplicitVRLittleEndian
    assert min(descriptions["cropped images"], descriptions["ROI mask images"]) > 15
    assert min(orders[1], orders[2]) > 15
    assert 1 <= separate <= 10


def holds(full: np.ndarray, crop: np.ndarray, *, near: np.ndarray) -> bool:
    """Whether the crop is a part of the mammogram that covers the middle of the mass."""
    row, column = (round(values.mean()) for values in np.nonzero(near))
    height, width = crop.shape
    return any(
        np.array_equal(full[top : top + height, left : left + width], crop)
        for top, left in np.argwhere(full == crop[0, 0])
        if top <= row < top + height and left <= column < left + width
    )


def test_cbis_names_do_not_tell_the_role(cbis: Path) -> None:
    roles = defaultdict(set)
    for path in cbis.rglob("*_1/*/*/*.dcm"):
        roles[path.name].add(pydicom.dcmread(path).BitsAllocated)
        case, study, series = path.relative_to(cbis).parts[1:4]
        assert case.startswith(("Mass-Training_P_9", "Mass-Test_P_9"))
        assert study.startswith("10-04-2016-DDSM-NA-")
        assert series.startswith(("1.000000-cropped images-", "1.000000-ROI mask images-"))
    assert roles == {"1-1.dcm": {8, 16}, "1-2.dcm": {8, 16}}


# Brain metastases


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[BrainPhantom]]]:
    with pytest.MonkeyPatch.context() as patch:
        phantoms = recorded(patch, brain_mets_tree, "render_brain")
        yield written(tmp_path_factory.mktemp("brain") / "tree", "brain_mets"), phantoms


def lesions(folder: Path) -> list[dict[str, str]]:
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def stacks(folder: Path) -> dict[str, list[pydicom.Dataset]]:
    """Slices of each series, lowest first."""
    found = defaultdict(list)
    for path in folder.rglob("*.dcm"):
        header = pydicom.dcmread(path)
        found[str(header.SeriesInstanceUID)].append(header)
    return {uid: sorted(slices, key=lambda slice_: slice_.ImagePositionPatient[2]) for uid, slices in found.items()}


def voxel(row: dict[str, str], slices: list[pydicom.Dataset]) -> tuple[float, float, float]:
    """A place in mm as (slice, row, column), by the first slice's header."""
    x, y, z = slices[0].ImagePositionPatient
    step = slices[1].ImagePositionPatient[2] - z
    spacing = slices[0].PixelSpacing
    return (
        (float(row["z_mm"]) - z) / step,
        (float(row["y_mm"]) - y) / spacing[0],
        (float(row["x_mm"]) - x) / spacing[1],
    )


def test_brain_places_lead_back_to_their_voxels(brain: tuple[Path, list[BrainPhantom]]) -> None:
    folder, phantoms = brain
    rows, series = lesions(folder), stacks(folder)
    assert Counter(row["label"] for row in rows) == {"1": 12, "0": 12}
    order = list(dict.fromkeys(row["series_uid"] for row in rows))
    assert set(order) == set(series)
    for uid, phantom in zip(order, phantoms, strict=True):
        slices = series[uid]
        for slice_, values in zip(slices, phantom.t1c, strict=True):
            np.testing.assert_allclose(slice_.pixel_array, values.clip(0, 4095), atol=0.5)
        here = [row for row in rows if row["series_uid"] == uid]
        expected = {"1": [lesion.centre for lesion in phantom.metastases], "0": list(phantom.negatives)}
        for label, centres in expected.items():
            found = [voxel(row, slices) for row in here if row["label"] == label]
            np.testing.assert_allclose(found, centres, atol=0.01)
        for row in here:
            diameters = {f"{lesion.diameter_mm:.1f}" for lesion in phantom.metastases}
            assert row["diameter_mm"] in (diameters if row["label"] == "1" else {""})
            assert (row["patient_id"], row["study_uid"]) == (slices[0].PatientID, slices[0].StudyInstanceUID)


def test_brain_series_are_axial_mr_of_12_bits(brain: tuple[Path, list[BrainPhantom]]) -> None:
    folder, _ = brain
    studies = defaultdict(set)
    orders = set()
    for slices in stacks(folder).values():
        studies[slices[0].PatientID].add(slices[0].StudyInstanceUID)
        numbers = [int(slice_.InstanceNumber) for slice_ in slices]
        orders.add(numbers[0] < numbers[-1])
        assert sorted(numbers) == list(range(1, len(slices) + 1))
        for header in slices:
            assert (header.Modality, header.BitsStored, header.PixelRepresentation) == ("MR", 12, 0)
            assert list(header.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
            assert max(len(str(number)) for number in header.ImagePositionPatient) <= 16
        positions = np.array([header.ImagePositionPatient for header in slices], float)
        np.testing.assert_array_equal(np.diff(positions, axis=0), np.tile([0, 0, slices[0].SliceThickness], (15, 1)))
        assert len({header.FrameOfReferenceUID for header in slices}) == 1
    assert orders == {True, False}
    assert min(studies) == "PHANTOM-9001"
    assert Counter(map(len, studies.values())).keys() == {1, 2}


def test_an_odd_number_has_the_smaller_half_of_lesions(tmp_path: Path) -> None:
    rows = lesions(written(tmp_path / "odd", "brain_mets", Phantom(n_images=21, difficulty=1.0, seed=0)))
    assert Counter(row["label"] for row in rows) == {"1": 10, "0": 11}


def test_nifti_is_the_same_brain_in_ras(brain: tuple[Path, list[BrainPhantom]], tmp_path: Path) -> None:
    """The DICOM tree's lesions (LPS) are metastasis where the NIfTI's affine (RAS) puts them."""
    folder = written(tmp_path / "nifti", "brain_mets_nifti")
    rows = lesions(brain[0])
    cases = sorted(path.name for path in (folder / "nifti").iterdir())
    assert cases[0] == "BraTS-MET-90001-000"
    assert any(case.endswith("-001") for case in cases)
    for case in cases:
        patient, time_point = int(case.split("-")[2]) - 90001, int(case.split("-")[3])
        t1c, segmentation = (nibabel.load(folder / "nifti" / case / f"{case}-{kind}.nii.gz") for kind in ("t1c", "seg"))
        np.testing.assert_array_equal(t1c.affine, segmentation.affine)
        assert nibabel.aff2axcodes(t1c.affine) == ("L", "P", "S")
        assert (int(t1c.header["qform_code"]), int(t1c.header["sform_code"])) == (1, 1)
        np.testing.assert_allclose(t1c.header.get_zooms(), [1.25, 1.25, 3.0])
        labels = np.asarray(segmentation.dataobj)
        assert set(np.unique(labels)) <= {0, 1, 2, 3}
        here = [row for row in rows if row["lesion_id"].startswith(f"PHANTOM-{9001 + patient}-{time_point + 1}-")]
        assert here
        for row in here:
            ras = [-float(row["x_mm"]), -float(row["y_mm"]), float(row["z_mm"]), 1]
            place = tuple(np.round(np.linalg.inv(t1c.affine) @ ras)[:3].astype(int))
            assert (labels[place] in (1, 3)) == (row["label"] == "1")


# CIFAR-10


def test_cifar10_records(tmp_path: Path) -> None:
    folder = written(tmp_path / "cifar10", "cifar10", Phantom(n_images=120, difficulty=1.0, seed=0))
    sizes = {name: (folder / f"{name}.bin").stat().st_size for name in ("data_batch_1", "test_batch")}
    assert sizes == {"data_batch_1": 100 * 3073, "test_batch": 20 * 3073}
    records = np.fromfile(folder / "data_batch_1.bin", np.uint8).reshape(-1, 3073)
    assert np.bincount(records[:, 0]).tolist() == [10] * 10
    raw = open_cifar10(folder)
    assert raw.synthetic
    assert raw.class_names[:2] == ("drawn-airplane", "drawn-automobile")
    assert raw.index["label"].value_counts().tolist() == [12] * 10
    values = raw.read(0).values.astype(int)
    assert np.abs(np.diff(values, axis=0)).mean() < 40, "rows and columns are those of an image, not of its planes"


# The project's own readers


def test_lidc_reader_finds_every_nodule(lidc: tuple[Path, list[LungPhantom]]) -> None:
    settings = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(), crop_mm=50.0)
    raw = open_lidc(lidc[0], settings, on_progress=silent)
    assert raw.synthetic
    assert raw.index["label"].value_counts().to_dict() == {0: 12, 1: 12}
    assert raw.index["patient_id"].nunique() == 17
    assert raw.read(0).values.shape[0] == raw.read(0).values.shape[1]


def test_cbis_reader_finds_every_row(cbis: Path) -> None:
    raw = open_cbis_ddsm(cbis, CbisDdsm(abnormalities=("mass",)), on_progress=silent)
    assert raw.synthetic
    assert raw.index["label"].value_counts().to_dict() == {0: 30, 1: 30}
    patients = {row["patient_id"] for part in ("train", "test") for row in cases(cbis, part)}
    assert set(raw.index["patient_id"]) == patients


@pytest.mark.parametrize("name", ["brain_mets", "brain_mets_nifti"])
def test_brain_reader_finds_every_region(name: str, tmp_path: Path) -> None:
    settings = BrainMets(crop_mm=40.0, min_distance_mm=10.0, max_per_patient=None)
    folder = written(tmp_path / "tree", name)
    raw = open_brain_mets(folder, settings, seed=0, on_progress=silent)
    assert raw.synthetic
    assert raw.index["label"].value_counts().to_dict() == {0: 12, 1: 12}
    patients = {"-".join(path.name.split("-")[:3]) for path in folder.glob("*/*")}
    assert set(raw.index["patient_id"]) == {patient.removeprefix("BraTS-MET-") for patient in patients}
