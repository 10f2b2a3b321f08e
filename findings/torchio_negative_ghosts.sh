#!/usr/bin/env bash
# TorchIO 0.20.23 (PyTorch 2.14.1) adds ghosts to an MR magnitude image, whose values are at least 0.
#
# One would expect a magnitude again: no negative values, and ghosts that brighten the air around the patient.
#
# RandomGhosting takes the real part after k-space, not the magnitude. Ghosts then darken or brighten by where they lie:
# values become negative where the ghost is brighter than the image, and a disc of 100 in air of 0 leaves -20 in the air.
# A model that was trained or tested on such images saw values that no scanner gives. No warning is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 torchio==0.20.23 torch==2.14.1
cat > "$folder/ghosts.py" <<'EOF'
import sys

import torch
import torchio

rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
disc = 100.0 * (torch.hypot(rows - 64, columns - 64) < 25)
image = torchio.ScalarImage(tensor=disc[None, :, :, None])
fixed = torchio.Ghosting(num_ghosts=2, axis=0, intensity=0.4, restore=0.0)(image).data
print(f"values of the image: {disc.min():.0f} to {disc.max():.0f}; with a ghost: {fixed.min():.1f} to {fixed.max():.1f}")
torch.manual_seed(0)
negative = sum(bool(torchio.RandomGhosting(axes=(0, 1))(image).data.min() < -1) for _ in range(20))
print(f"RandomGhosting along rows or columns: {negative} of 20 images have values below -1")
stated = abs(fixed.min().item() + 20) < 0.1 and negative >= 15
sys.exit(0 if stated else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/ghosts.py"
