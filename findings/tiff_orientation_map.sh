#!/usr/bin/env bash
# Pillow 13.0.0 opens an uncompressed grey TIFF file whose Orientation tag is 5 to 8 (the image lies on its side).
#
# One would expect the same pixels from Image.open(path) and Image.open(stream).
#
# By path, Pillow maps the file into memory with height and width already exchanged, and then turns the image: the rows
# are cut at wrong places. From a stream, and with compression, the pixels are right. No warning is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0
cat > "$folder/orientation.py" <<'EOF'
import sys

import numpy as np
from PIL import Image

stored = np.arange(24, dtype=np.uint8).reshape(4, 6)
path = sys.argv[1]
Image.fromarray(stored).save(path, tiffinfo={274: 6})
with Image.open(path) as picture:
    by_path = np.asarray(picture)
with open(path, "rb") as stream, Image.open(stream) as picture:
    by_stream = np.asarray(picture)
expected = np.rot90(stored, -1)
print("expected:", expected.tolist())
print("stream:  ", by_stream.tolist())
print("path:    ", by_path.tolist())
stated = np.array_equal(by_stream, expected) and not np.array_equal(by_path, expected)
sys.exit(0 if stated else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/orientation.py" "$folder/a.tif"
