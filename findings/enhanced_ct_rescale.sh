#!/usr/bin/env bash
# pydicom 3.0.2, SimpleITK 2.5.7, dcm2niix 1.0.20260724 and highdicom 0.28.2 read one Enhanced CT file.
#
# In a multi-frame DICOM file, Rescale Slope and Rescale Intercept lie in the functional groups and may change from
# frame to frame. One would expect four readers to return the same values.
#
# highdicom and dcm2niix use the pair of each frame. SimpleITK uses the pair of the first frame for all frames.
# pydicom's apply_modality_lut returns the stored values, without a warning.
#
# The file comes with pydicom-data. The script moves its Pixel Value Transformation from the shared to the per-frame
# groups, where the standard allows it too (PS3.3 C.7.6.16.2.9), and gives the second frame its own pair. It removes the
# Real World Value Mapping, which holds a pair for all frames and would contradict the new one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pydicom==3.0.2 pydicom-data==1.0.0 \
    SimpleITK==2.5.7 dcm2niix==1.0.20260724 nibabel==5.4.2 highdicom==0.28.2
cd "$folder"
cat > readers.py <<'EOF'
import copy, subprocess, sys, warnings
from pathlib import Path

import data_store, highdicom, nibabel, numpy as np, pydicom, SimpleITK
from pydicom.pixels import apply_modality_lut

PAIRS = [(1, -1024), (2, -1000)]
file = pydicom.dcmread(Path(data_store.__file__).parent / "data" / "eCT_Supplemental.dcm")
shared = file.SharedFunctionalGroupsSequence[0]
for frame, (slope, intercept) in zip(file.PerFrameFunctionalGroupsSequence, PAIRS, strict=True):
    frame.PixelValueTransformationSequence = copy.deepcopy(shared.PixelValueTransformationSequence)
    frame.PixelValueTransformationSequence[0].RescaleSlope = slope
    frame.PixelValueTransformationSequence[0].RescaleIntercept = intercept
del shared.PixelValueTransformationSequence, shared.RealWorldValueMappingSequence
Path("in").mkdir()
Path("out").mkdir()
file.save_as("in/ct.dcm", enforce_file_format=True)

file = pydicom.dcmread("in/ct.dcm")
stored = file.pixel_array.astype(float)
right = np.stack([slope * frame + intercept for frame, (slope, intercept) in zip(stored, PAIRS, strict=True)])
first = stored * PAIRS[0][0] + PAIRS[0][1]
convert = [Path(sys.executable).parent / "dcm2niix", "-o", "out", "-f", "ct", "-b", "n", "in"]
subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
# dcm2niix stores x before y, turns the y axis and puts the second frame of this file first.
volume = np.asarray(nibabel.load("out/ct.nii").dataobj).transpose(2, 1, 0)[::-1, ::-1]
read = {
    "highdicom": highdicom.imread("in/ct.dcm").get_frames(apply_modality_transform=True),
    "dcm2niix": volume,
    "SimpleITK": SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("in/ct.dcm")),
}
with warnings.catch_warnings():
    warnings.simplefilter("error")
    read["pydicom"] = apply_modality_lut(file.pixel_array, file)
print(f"pixel (300, 300) of frames 1 and 2: stored {stored[:, 300, 300]}, by the standard {right[:, 300, 300]}")
for name, values in read.items():
    print(f"{name:10} {np.asarray(values, float)[:, 300, 300]}")
stated = {"highdicom": right, "dcm2niix": right, "SimpleITK": first, "pydicom": stored}
changed = [name for name, values in stated.items() if not np.array_equal(read[name], values)]
sys.exit(f"the behaviour has changed: {changed}" if changed else 0)
EOF
venv/bin/python readers.py
