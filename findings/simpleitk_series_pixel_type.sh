#!/usr/bin/env bash
# SimpleITK 2.5.7's ImageSeriesReader reads a DICOM series with one Rescale Slope per slice.
#
# In a series of one file per slice, each file has its own Rescale Slope and Rescale Intercept (PS3.3 C.11.1); PET scanners
# scale each slice on its own. One would expect every slice to have its stored values times its slope plus its intercept.
#
# SimpleITK applies each file's pair, but stores the results in the type that the first file's pair needs. Where the first
# slope is 1, that is 16-bit integers: the fractions of later slices are cut off, and values above 32,767 wrap around to
# others, negative ones among them. There is no warning. With the order of the slopes turned, the values are right.
# pydicom's apply_rescale and highdicom's volume return the right values both times.
#
# The slices are copies of CT_small.dcm, which comes with pydicom, with another position, UID and slope.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pydicom==3.0.2 SimpleITK==2.5.7 \
    highdicom==0.28.2
cd "$folder"
cat > series.py <<'EOS'
import sys
from pathlib import Path

import highdicom, numpy as np, pydicom, SimpleITK
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_rescale
from pydicom.uid import generate_uid


def series(slopes):
    """Write one slice per slope; return the values by the standard, by highdicom and by SimpleITK."""
    folder = Path("_".join(map(str, slopes)))
    folder.mkdir()
    uid, right, files = generate_uid(), [], []
    for number, slope in enumerate(slopes):
        file = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
        file.SeriesInstanceUID, file.SOPInstanceUID, file.InstanceNumber = uid, generate_uid(), number + 1
        file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
        file.ImagePositionPatient = [*file.ImagePositionPatient[:2], 5 * number]
        file.RescaleSlope, file.RescaleIntercept = slope, 0
        file.save_as(folder / f"{number}.dcm")
        right.append(file.pixel_array * float(slope))
        assert np.array_equal(apply_rescale(file.pixel_array, file), right[-1])
        files.append(file)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    volume = highdicom.get_volume_from_series(files, apply_modality_transform=True).array
    by_position = volume if np.array_equal(volume[0], right[0]) else volume[::-1]
    print(f"slopes {slopes}: SimpleITK returns {image.GetPixelIDTypeAsString()}")
    return np.stack(right), by_position, SimpleITK.GetArrayFromImage(image)


changed = []
for slopes, is_right in (((1, 0.5, 40), False), ((0.5, 40, 1), True)):
    right, highdicom_read, read = series(slopes)
    row, column = np.unravel_index(np.argmax(right[slopes.index(40)]), right.shape[1:])
    odd_row, odd_column = np.argwhere(right[slopes.index(0.5)] % 1)[0]
    for name, at in (("odd stored value", (odd_row, odd_column)), ("largest value", (row, column))):
        shown = " ".join(f"{value:g}" for value in right[(slice(None), *at)])
        found = " ".join(f"{value:g}" for value in read[(slice(None), *at)])
        print(f"  {name} at {tuple(map(int, at))}: by the standard {shown}, by SimpleITK {found}")
    if not np.array_equal(highdicom_read, right):
        changed.append(f"highdicom {slopes}")
    if np.array_equal(read, right) != is_right:
        changed.append(f"SimpleITK {slopes}")
    if not is_right and not np.array_equal(read, right.astype(np.int64).astype(np.int16)):
        changed.append("SimpleITK's values are others")
sys.exit(f"the behaviour has changed: {changed}" if changed else 0)
EOS
"$folder/venv/bin/python" series.py
