"""Time `oncorobust manifest`, `add` and `check` on trees of small files, and compare with what one would write by hand.

The script writes `--files` different PNG images of 16 x 16 pixels in two class folders with a folder per patient, and
as many DICOM files with a table of labels by PatientID, to a temporary folder; they stay in the page cache. For a tenth
of the files and for all it makes a project, runs each command in a process of its own there, `manifest` twice and `add`
without the measured minute of the model, and prints wall seconds and the peak memory of the largest process of each.
The peers of `manifest`, on the tenth:

    PNG       glob, Pillow's `Image.open(...).size` of each file, and a pandas frame written as CSV
    DICOM     glob, `pydicom.dcmread(stop_before_pixels=True)` of each file, and a pandas frame written as CSV

Run: python benchmarks/manifest.py [--files 200000]
"""

import argparse
import contextlib
import io
import os
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

PEERS = {
    "png": """
import glob, sys, pandas as pd
from PIL import Image
rows = []
for path in sorted(glob.glob(sys.argv[1] + "/**/*.png", recursive=True)):
    with Image.open(path) as image:
        rows.append((path, path.split("/")[-3], path.split("/")[-2], image.size, image.mode))
pd.DataFrame(rows).to_csv(sys.argv[2], index=False)
""",
    "dicom": """
import glob, sys, pandas as pd, pydicom
rows = []
for path in sorted(glob.glob(sys.argv[1] + "/**/*.dcm", recursive=True)):
    one = pydicom.dcmread(path, stop_before_pixels=True)
    rows.append((path, one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID, one.Modality, one.Rows, one.Columns))
labels = pd.read_csv(sys.argv[1] + "/labels.csv")
pd.DataFrame(rows).merge(labels, left_on=1, right_on="PatientID").to_csv(sys.argv[2], index=False)
""",
}
PER_FOLDER = 100


class Measured(NamedTuple):
    """Wall and processor seconds, of all processes, and the peak memory of the largest process in MiB."""

    wall: float
    processor: float
    peak: float

    def __str__(self) -> str:
        """Return the numbers as text."""
        return f"{self.wall:7.2f} s (processor {self.processor:6.2f} s)   peak {self.peak:6.1f} MiB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    options = parser.parse_args()
    few = options.files // 10
    with tempfile.TemporaryDirectory() as name:
        for kind, write in (("png", write_png), ("dicom", write_dicom)):
            ours = {}
            for count in (few, options.files):
                folder = Path(name, f"{kind}{count}")
                write(folder, count)
                ours[count] = commands(folder, Path(name, f"project-{kind}{count}"))
                for command, one in ours[count].items():
                    print(f"{kind:6} {count:8,} files {command:9} {one}", flush=True)
                print(
                    f"{kind:6} {count:8,} files in all {sum(one.wall for one in ours[count].values()):8.2f} s",
                    flush=True,
                )
            for command, one in ours[options.files].items():
                print(f"{kind:6} memory of {command} for ten times the files {one.peak / ours[few][command].peak:.2f}")
            peer, mine = (
                measured(["-c", PEERS[kind], f"{name}/{kind}{few}", f"{name}/{kind}.csv"]),
                ours[few]["manifest"],
            )
            print(f"{kind:6} {few:8,} files peer      {peer}")
            times = f"peer / ours {peer.wall / mine.wall:.1f} (processor {peer.processor / mine.processor:.1f})"
            print(f"{kind:6} {times}", flush=True)


def commands(folder: Path, project: Path) -> dict[str, Measured]:
    """Run the commands of a new data set in a project; return what each took, of `manifest` the second run."""
    arguments = ["--table", f"{folder}/labels.csv"] if (folder / "labels.csv").is_file() else []
    propose = ["manifest", str(folder), *arguments]
    oncorobust(["init", str(project)], Path())
    oncorobust([*propose, "--name", "warm", "--output", str(project / "warm" / "manifest.csv")], Path())
    return {
        "manifest": oncorobust([*propose, "--name", "mine"], project),
        "add": oncorobust(["add", "mine", "--no-measure"], project),
        "check": oncorobust(["check"], project),
    }


def oncorobust(arguments: list[str], folder: Path) -> Measured:
    """Run the command in a folder; return its times and memory."""
    with contextlib.chdir(folder):
        return measured(["-m", "oncorobust.cli.main", *arguments])


def measured(arguments: list[str]) -> Measured:
    """Run Python; return its times and memory."""
    started = time.perf_counter()
    output = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, output, 1)]
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], os.environ, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    os.close(output)
    if status:
        raise SystemExit(f"{' '.join(arguments)[:200]} failed")
    wall, processor = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    return Measured(wall, processor, usage.ru_maxrss / 1024)


def write_png(folder: Path, count: int) -> None:
    """Write different grey images of 16 x 16 pixels: class/patient/number.png."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / ("benign", "malignant")[number // PER_FOLDER % 2] / f"p{number // PER_FOLDER:06d}"
        if number % PER_FOLDER == 0:
            place.mkdir(parents=True)
        pixels = rng.integers(0, 256, (16, 17), dtype=np.uint8)
        pixels[:, 0] = 0  # the filter of each row
        chunks = (
            (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(pixels.tobytes(), 1)),
        )
        content = b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in (*chunks, (b"IEND", b""))
        )
        (place / f"{number:06d}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def write_dicom(folder: Path, count: int) -> None:
    """Write CT slices of 16 x 16 pixels: patient/number.dcm, and labels.csv by PatientID."""
    template, marks = dicom_template()
    for number in range(count):
        patient = number // PER_FOLDER
        place = folder / f"p{patient:06d}"
        if number % PER_FOLDER == 0:
            place.mkdir(parents=True)
        content = template.replace(marks[0], b"%012d" % number).replace(marks[1], b"P%07d" % patient)
        (place / f"{number:06d}.dcm").write_bytes(content.replace(marks[2], b"3%09d" % patient))
    lines = [f"P{patient:07d},{('benign', 'malignant')[patient % 2]}\n" for patient in range(-(-count // PER_FOLDER))]
    (folder / "labels.csv").write_text("PatientID,label\n" + "".join(lines), encoding="utf-8")


def dicom_template() -> tuple[bytes, tuple[bytes, bytes, bytes]]:
    """Return a file, and the texts in it that stand for SOPInstanceUID, PatientID and SeriesInstanceUID."""
    import pydicom

    from oncorobust.acquire.phantoms.dicom_writing import Geometry, Series, ct_slice
    from oncorobust.acquire.phantoms.dicom_writing import write_dicom as save

    marks = (b"111111111111", b"P0000000", b"2222222222")
    series = Series("P0000000", "1.2.3.4", "1.2.3.2222222222", "20000101", 1, "", implicit_vr=True)
    geometry = Geometry((0.0, 0.0, 0.0), 0.7, 2.5)
    data = ct_slice(np.zeros((16, 16), dtype=np.int16), series=series, number=1, geometry=geometry, padded=False)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4.111111111111")
    with tempfile.TemporaryDirectory() as name:
        save(data, Path(name, "one.dcm"))
        content = Path(name, "one.dcm").read_bytes()
    pydicom.dcmread(io.BytesIO(content))
    return content, marks


if __name__ == "__main__":
    main()
