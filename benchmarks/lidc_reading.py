"""Measure time and memory of reading nodule images from an LIDC-IDRI tree, against reading all slices with pydicom.

The script writes a phantom tree of `--scans` scans x `--slices` slices of 512 x 512, with one nodule per scan, to a
temporary folder. The sides are measured in interleaved repeats, each in a process of its own; medians are compared:

    peer      pydicom reads every slice into volumes of Hounsfield units, as pylidc's Scan.to_volume does, and the
              nodules are cut out of them; it gets their positions and parses no XML
    index     oncorobust.formats.lidc.reader.open_lidc: headers, XML, clusters, labels
    ours      the same, and every nodule image

Both give the same pixels, which is checked. Prints peer / ours (aim: at least 5), and the peak memory of ours on ten
times the patients over that on `--scans` (aim: at most 1.2). Run: python benchmarks/lidc_reading.py [--scans 20]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pydicom

from oncorobust.acquire.phantoms.dicom_writing import (
    Geometry,
    Series,
    ct_slice,
    instance_uid,
    synthetic_uid,
    write_dicom,
)
from oncorobust.acquire.phantoms.lidc_reads import read_scan
from oncorobust.acquire.phantoms.lidc_xml_writing import ReadSeries, lidc_read_message
from oncorobust.acquire.phantoms.lung import render_lung, sample_nodules
from oncorobust.formats.hu_squares import AIR_HU, square_around
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.settings.data import Lidc

SIZE = 512
RULE = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(), crop_mm=50.0)
SPACING_MM, THICKNESS_MM = 0.7, 2.5


def main() -> None:
    """Measure and print the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=[side.__name__ for side in SIDES.values()], help=argparse.SUPPRESS)
    parser.add_argument("--tree", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side = next(side for side in SIDES.values() if side.__name__ == options.side)
        print(json.dumps(asdict(measure(side, options.tree))))
        return
    with tempfile.TemporaryDirectory() as name:
        tree, small, large = (Path(name, part) for part in ("tree", "small", "large"))
        write_tree(tree, n_scans=options.scans, n_slices=options.slices, size=SIZE)
        compare_times(tree, repeats=options.repeats)
        for place, n_scans in ((small, options.scans), (large, 10 * options.scans)):
            write_tree(place, n_scans=n_scans, n_slices=12, size=128)
        compare_memory(small, large, n_scans=options.scans)


def compare_times(tree: Path, *, repeats: int) -> None:
    """Print the medians and the ratio of both sides; stop with an error if their pixels differ."""
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    sums: dict[str, dict[str, float]] = {}
    for _ in range(repeats):
        for name, side in SIDES.items():
            measured = alone(side, tree)
            sums[name] = measured.sums
            seconds[name].append(measured.seconds)
    if sums["peer"] != sums["ours"]:
        raise SystemExit("the two sides read other pixels")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name:6} {value:7.2f} s   (of {', '.join(f'{one:.2f}' for one in seconds[name])})")
    print(f"peer / ours {medians['peer'] / medians['ours']:.2f}")


def compare_memory(small: Path, large: Path, *, n_scans: int) -> None:
    """Print the peak memory of our reading on both trees, and the ratio."""
    peaks = {place: alone(read_ours, place).peak_mb for place in (small, large)}
    print(f"peak memory {peaks[small]:.0f} MB with {n_scans} patients, {peaks[large]:.0f} MB with {10 * n_scans}")
    print(f"ratio {peaks[large] / peaks[small]:.2f}")


@dataclass(frozen=True)
class Measured:
    """Result of one side, its time after imports, and the peak memory of its largest process."""

    sums: dict[str, float]
    seconds: float
    peak_mb: float


def alone(side: Callable[[Path], dict[str, float]], tree: Path) -> Measured:
    """Measure one side in a fresh process."""
    command = [sys.executable, __file__, "--side", side.__name__, "--tree", str(tree)]
    return Measured(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def measure(side: Callable[[Path], dict[str, float]], tree: Path) -> Measured:
    """Measure one side in this process."""
    started = time.perf_counter()
    sums = side(tree)
    seconds = time.perf_counter() - started
    peaks = (resource.getrusage(who).ru_maxrss / 1000 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Measured(sums, seconds, max(peaks))


def index(tree: Path) -> dict[str, float]:
    """Open the tree without reading pixels."""
    open_lidc(tree, RULE, on_progress=lambda *_: None)
    return {}


def read_ours(tree: Path) -> dict[str, float]:
    """Open the tree and read every nodule; return the sum of each image by its slice."""
    raw = open_lidc(tree, RULE, on_progress=lambda *_: None)
    uids = raw.index["sop_uid"]
    return {uid: float(raw.read(position).values.sum(dtype=np.float64)) for position, uid in enumerate(uids)}


def read_every_slice(tree: Path) -> dict[str, float]:
    """Read all series into volumes, and cut the nodules' squares out of them."""
    nodules = np.load(tree / "nodules.npy")
    sums = {}
    for series, (position, row, column) in zip(sorted((tree / "scans").iterdir()), nodules, strict=True):
        files = [pydicom.dcmread(path) for path in series.glob("*.dcm")]
        files.sort(key=lambda file: float(file.ImagePositionPatient[2]))
        volume = np.stack(
            [
                file.pixel_array.astype(np.float32) * np.float32(file.RescaleSlope) + np.float32(file.RescaleIntercept)
                for file in files
            ]
        )
        side = round(RULE.crop_mm / SPACING_MM)
        square = np.maximum(volume[position, row : row + side, column : column + side], AIR_HU)
        sums[str(files[position].SOPInstanceUID)] = float(square.sum(dtype=np.float64))
    return sums


def write_tree(tree: Path, *, n_scans: int, n_slices: int, size: int) -> None:
    """Write the scans, and nodules.npy with the slice, first row and first column of each nodule's square."""
    rng = np.random.default_rng(0)
    for number, attributes in enumerate(sample_nodules(n_scans, rng=rng)):
        phantom = render_lung(attributes, difficulty=1.0, rng=rng)
        volume = np.full((n_slices, size, size), 174, dtype=np.int16)  # -850 HU
        mask = np.zeros(volume.shape, dtype=bool)
        first, corner = n_slices // 2, (size - 128) // 2
        inside = (slice(first, first + 5), slice(corner, corner + 128), slice(corner, corner + 128))
        volume[inside] = np.round(phantom.volume_hu + 1024)
        mask[inside] = phantom.mask
        series = Series(
            patient_id=f"LIDC-IDRI-{9001 + number}",
            study_uid=synthetic_uid("benchmark", number, "study"),
            series_uid=synthetic_uid("benchmark", number, "series"),
            date="20000101",
            number=1,
            description="",
            implicit_vr=True,
        )
        place = tree / "scans" / f"{number:04d}"
        z_mm = tuple(THICKNESS_MM * position for position in range(n_slices))
        for position, z in enumerate(z_mm):
            geometry = Geometry((-180.0, -180.0, z), SPACING_MM, THICKNESS_MM)
            image = ct_slice(volume[position], series=series, number=position + 1, geometry=geometry, padded=False)
            write_dicom(image, place / f"1-{position + 1:03d}.dcm")
        uids = tuple(instance_uid(series, position + 1) for position in range(n_slices))
        text = lidc_read_message(
            read_scan(mask, attributes, rng=rng),
            series=ReadSeries(series.study_uid, series.series_uid, z_mm, uids),
            uid=synthetic_uid(number, "reads"),
            empty_element=False,
        )
        (place / "reads.xml").write_text(text, encoding="utf-8")
    _note_places(tree)


def _note_places(tree: Path) -> None:
    """Write the nodule positions that our reader found, for the peer."""
    table = open_lidc(tree, RULE, on_progress=lambda *_: None).index.sort_values("source")
    side = round(RULE.crop_mm / SPACING_MM)
    squares = [square_around(row, col, side=side) for row, col in zip(table["row"], table["col"], strict=True)]
    places = [(one.top, one.left) for one in squares]
    np.save(tree / "nodules.npy", np.column_stack([np.round(table["z_mm"] / THICKNESS_MM), places]).astype(int))


SIDES: dict[str, Callable[[Path], dict[str, float]]] = {"peer": read_every_slice, "index": index, "ours": read_ours}


if __name__ == "__main__":
    main()
