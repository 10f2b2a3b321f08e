#!/usr/bin/env bash
# PyTorch 2.13.0 (onnx 1.23.2, onnxscript 0.7.2): torch.onnx.export writes a fixed batch although a dynamic one was asked
# for, if the network's forward calls len(x).
#
# One would expect an error, as torch.export.export raises for the same request, or a dynamic batch, as with x.shape[0].
# The file is written without a warning on the batch; the network then takes only batches of the example's length, or,
# where a reshape hides it, is wrong for others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2
cat > "$folder/fixes.py" <<'EOF'
import logging
import sys

import onnx
import torch

logging.disable()


class ByLength(torch.nn.Module):
    def forward(self, x):
        return x.reshape(len(x), -1)


class ByShape(torch.nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


found = {}
for network in (ByLength(), ByShape()):
    name = f"{sys.argv[1]}/{type(network).__name__}.onnx"
    torch.onnx.export(
        network.eval(),
        (torch.rand(3, 2, 4, 4),),
        name,
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: torch.export.Dim("n")},),
    )
    size = onnx.load(name).graph.input[0].type.tensor_type.shape.dim[0]
    found[type(network).__name__] = size.dim_param or size.dim_value
print(found)
sys.exit(0 if found["ByLength"] == 3 and isinstance(found["ByShape"], str) else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/fixes.py" "$folder"
