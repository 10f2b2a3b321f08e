#!/usr/bin/env bash
# PyTorch 2.13.0 writes the example images of an export into the .pt2 file, and nothing says so.
#
# One would expect a file of a network: its graph and its weights. torch.export needs example images to trace the
# network, and people take the first batch of their own data. torch.export.save then stores that batch bit by bit, so
# that a network which is shared carries images of patients. ExportedProgram.module() does not need them, and
# save has no option that leaves them out; clearing `example_inputs` before saving does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
cat > "$folder/keeps.py" <<'EOF'
import sys

import torch

torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2)).eval()
images = torch.rand(2, 3, 4, 4)
batch = {0: torch.export.Dim("batch")}
torch.export.save(torch.export.export(network, (images,), dynamic_shapes=(batch,)), sys.argv[1])
(found,), _ = torch.export.load(sys.argv[1]).example_inputs
same = torch.equal(found, images)
print(f"images in the file: {tuple(found.shape)}, equal to those of the export: {same}")
sys.exit(0 if same else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/keeps.py" "$folder/network.pt2"
