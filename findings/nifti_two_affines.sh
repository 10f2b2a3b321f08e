#!/usr/bin/env bash
# nibabel 5.4.2 and SimpleITK 2.5.7 read one NIfTI file with two valid affines.
#
# A NIfTI header may hold two affines, qform and sform, each with a code that says what it refers to (1: scanner, 2:
# another image to which this one is aligned, 4: MNI space; 0: not given). One would expect two readers to place the
# image in the same spot.
#
# nibabel takes sform whenever its code is not 0. SimpleITK takes qform, except where qform's code is 0 or sform's code
# is 1. Here the two places lie 30 mm apart: a lesion's position in millimetres, found with one reader, misses the
# lesion in the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 nibabel==5.4.2 SimpleITK==2.5.7
cd "$folder"
cat > places.py <<'EOF'
import sys

import nibabel as nib, numpy as np, SimpleITK as sitk

EXPECTED = {  # (code of qform, code of sform): affine taken by nibabel, by SimpleITK
    (1, 0): ("qform", "qform"),
    (0, 1): ("sform", "sform"),
    (1, 1): ("sform", "sform"),
    (2, 1): ("sform", "sform"),
    (1, 2): ("sform", "qform"),
    (1, 4): ("sform", "qform"),
    (2, 4): ("sform", "qform"),
}


def taken(x_mm):
    return {-10.0: "qform", 20.0: "sform"}[round(float(x_mm), 3)]


found = {}
for codes in EXPECTED:
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    for set_affine, x_mm, code in ((image.set_qform, -10, codes[0]), (image.set_sform, 20, codes[1])):
        affine = np.eye(4)
        affine[0, 3] = x_mm
        set_affine(affine, code)
    nib.save(image, "image.nii")
    # nibabel's x grows to the right of the patient, SimpleITK's to the left.
    right_mm = nib.load("image.nii").affine[0, 3], -sitk.ReadImage("image.nii").GetOrigin()[0]
    found[codes] = tuple(map(taken, right_mm))
    print(f"codes of qform and sform {codes}: nibabel at x = {right_mm[0]:5} mm, SimpleITK at x = {right_mm[1]:5} mm")
sys.exit(0 if found == EXPECTED else f"the behaviour has changed: {found}")
EOF
venv/bin/python places.py
