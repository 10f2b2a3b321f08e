#!/usr/bin/env bash
# SimpleITK 2.5.7's ImageSeriesReader reads a CT series that was scanned with a tilted gantry.
#
# Each file states where its first pixel lies (Image Position (Patient)) and the directions of rows and columns. With a
# tilted gantry, each slice is shifted sideways against the one before: the axes of the stack are not at right angles. One
# would expect a reader to return the stated positions, to correct the shift, or to refuse the series.
#
# SimpleITK returns a volume with axes at right angles: it keeps the distance of the first two positions as the spacing,
# and the normal of the slices as the direction. With a tilt of 18.4 degrees and 4 slices, the last slice lies 3.04 mm
# from the position that its file states; the error grows with each slice. There is no warning or exception. highdicom's
# get_volume_from_series refuses the series.
#
# The slices are copies of CT_small.dcm, which comes with pydicom, with another position, UID and Gantry/Detector Tilt.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pydicom==3.0.2 SimpleITK==2.5.7 \
    highdicom==0.28.2
cd "$folder"
cat > series.py <<'EOS'
import os, sys
from pathlib import Path

import highdicom, numpy as np, pydicom, SimpleITK
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

Path("in").mkdir()
uid, files, stated = generate_uid(), [], []
for number in range(4):
    file = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    file.SeriesInstanceUID, file.SOPInstanceUID, file.InstanceNumber = uid, generate_uid(), number + 1
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    file.ImagePositionPatient = [0, 1.0 * number, 3.0 * number]
    file.GantryDetectorTilt = 18.435
    file.save_as(f"in/{number}.dcm")
    files.append(file)
    stated.append([float(mm) for mm in file.ImagePositionPatient])

reader = SimpleITK.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames("in"))
with open("stderr", "wb") as told:
    kept = os.dup(2)
    os.dup2(told.fileno(), 2)
    try:
        image = reader.Execute()
    finally:
        os.dup2(kept, 2)
placed = [image.TransformIndexToPhysicalPoint((0, 0, number)) for number in range(4)]
away = np.linalg.norm(np.subtract(stated, placed), axis=1)
for number in range(4):
    print(f"slice {number}: stated {stated[number]}, SimpleITK {np.round(placed[number], 3)}, {away[number]:.3f} mm apart")
warned = Path("stderr").read_text()
print(f"SimpleITK's warnings: {warned or 'none'}")
refused = ""
try:
    highdicom.get_volume_from_series(files)
except ValueError as error:
    refused = str(error)
print(f"highdicom: {refused or 'accepts the series'}")
expected = np.hypot(1.0, np.hypot(1.0, 3.0) - 3.0) * np.arange(4)
changed = not np.allclose(away, expected, atol=1e-3) or bool(warned) or not refused
sys.exit("the behaviour has changed" if changed else 0)
EOS
"$folder/venv/bin/python" series.py
