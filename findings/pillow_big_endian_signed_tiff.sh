#!/usr/bin/env bash
# Pillow 13.0.0 reads a compressed TIFF file of big-endian signed or floating-point samples.
#
# Grey TIFF files with signed 16-bit or 32-bit floating-point samples are common for maps of values (perfusion, dose,
# elevation), and programs in Java write them big-endian. One would expect the same values in either byte order, with and
# without compression.
#
# Without compression they are right. With Deflate, Pillow exchanges the bytes of each sample once more: -200 comes back as
# 14591. Unsigned 16-bit samples are right both times. There is no warning. tifffile and SimpleITK return the right values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3 \
    SimpleITK==2.5.7
cd "$folder"
cat > orders.py <<'EOS'
import sys

import numpy as np, SimpleITK, tifffile
from PIL import Image

changed = []
for kind in ("uint16", "int16", "int32", "float32"):
    values = (np.arange(48).reshape(6, 8) * 10 - (0 if kind == "uint16" else 200)).astype(kind)
    for order in "<>":
        for compression in (None, "zlib"):
            tifffile.imwrite("a.tif", values, byteorder=order, compression=compression, photometric="minisblack")
            assert np.array_equal(tifffile.imread("a.tif"), values)
            assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("a.tif")), values)
            with Image.open("a.tif") as picture:
                found = np.asarray(picture)
            # Pillow keeps signed 16 bits in 32; the bits are compared.
            found = found.astype(kind) if found.dtype.kind in "iu" and kind != "uint16" else found
            exchanged = order == ">" and compression is not None and kind != "uint16"
            shown = " ".join(f"{value:g}" for value in found.ravel()[:3])
            print(f"{kind:8} {order} {compression or 'none':5} Pillow: {shown}   written: {values.ravel()[:3].tolist()}")
            if not np.array_equal(found, values.byteswap() if exchanged else values):
                changed.append(f"{kind} {order} {compression}")
sys.exit(f"the behaviour has changed: {changed}" if changed else 0)
EOS
"$folder/venv/bin/python" orders.py
