"""Time the reading of a dozen elements of DICOM headers against pydicom.

The script writes `--slices` CT slices of 512 x 512 in implicit VR little endian, as in LIDC-IDRI, to a temporary
folder; they stay in the page cache. Both sides read them in interleaved repeats in one process; medians are compared:

    peer      pydicom.dcmread(stop_before_pixels=True, specific_tags=...) and the text of each element
    ours      the first 16 KiB of the file and oncorobust.formats.dicom.header.scan_header

Both give the same values, which is checked. Prints peer / ours. Run: python benchmarks/dicom_header.py [--slices 500]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series, ct_slice, synthetic_uid, write_dicom
from oncorobust.formats.dicom.header import scan_header
from oncorobust.formats.dicom.index import CODES, TEXT, VECTORS

TAGS = {keyword: int(pydicom.tag.Tag(keyword)) for keyword in (*TEXT, *CODES, *VECTORS)}
START_BYTES = 1 << 14

Values = dict[str, bytes]


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        files = write_slices(Path(name), options.slices)
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(options.repeats):
            found = {side: timed(read, files, seconds[side]) for side, read in SIDES.items()}
            if found["peer"] != found["ours"]:
                raise SystemExit("the two sides read other values")
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    for side, value in medians.items():
        print(f"{side:6} {1e6 * value / options.slices:7.1f} us per file")
    print(f"peer / ours {medians['peer'] / medians['ours']:.1f}")


def timed(read: Callable[[Path], Values], files: list[Path], seconds: list[float]) -> list[Values]:
    """Read all files, and append the time in seconds."""
    started = time.perf_counter()
    found = [read(file) for file in files]
    seconds.append(time.perf_counter() - started)
    return found


def read_peer(file: Path) -> Values:
    """Read the elements with pydicom."""
    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
    return {keyword: header.get_item(keyword).value for keyword in TAGS if keyword in header}


def read_ours(file: Path) -> Values:
    """Read the elements with the walk over the bytes."""
    with file.open("rb") as stream:
        scanned = scan_header(stream.read(START_BYTES), TAGS.values())
    if scanned is None:
        raise SystemExit(f"{file} is not laid out plainly")
    return {keyword: scanned[1][tag] for keyword, tag in TAGS.items() if tag in scanned[1]}


def write_slices(folder: Path, n_slices: int) -> list[Path]:
    """Write one CT series, and return its files."""
    study, uid = (synthetic_uid("benchmark", part) for part in ("study", "series"))
    series = Series("LIDC-IDRI-9001", study, uid, "20000101", 1, "", implicit_vr=True)
    pixels = np.zeros((512, 512), dtype=np.int16)
    files = [folder / f"1-{number:03d}.dcm" for number in range(1, n_slices + 1)]
    for number, file in enumerate(files, start=1):
        geometry = Geometry((-180.0, -180.0, 2.5 * number), 0.7, 2.5)
        write_dicom(ct_slice(pixels, series=series, number=number, geometry=geometry, padded=False), file)
    return files


SIDES: dict[str, Callable[[Path], Values]] = {"peer": read_peer, "ours": read_ours}


if __name__ == "__main__":
    main()
