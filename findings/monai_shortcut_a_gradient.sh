#!/usr/bin/env bash
# MONAI 1.6.1 (PyTorch 2.14.1) computes the gradient of a ResNet with shortcut_type="A", the type of the published
# MedicalNet ResNet-18 and ResNet-34.
#
# One would expect the derivative along a direction to equal that of finite differences in float64.
#
# Shortcut A takes every second pixel and fills up the channels with zeros. MONAI takes the pixels as `out.data`, which
# has no gradient, so three shortcuts of the network are missing from it. Training then follows another direction than
# the steepest one, saliency maps show another function, and gradient attacks are weaker than they could be. Answers are
# right. With shortcut_type="B", the default, the two derivatives agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 monai==1.6.1 torch==2.14.1
cat > "$folder/gradient.py" <<'EOF'
import sys

import torch
from monai.networks.nets import resnet18

stated = True
for kind in ("B", "A"):
    torch.manual_seed(0)
    network = resnet18(spatial_dims=2, n_input_channels=1, num_classes=2, shortcut_type=kind).double().eval()
    image = torch.rand(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(image)
    (gradient,) = torch.autograd.grad(network(image)[0, 0], image)
    step = 1e-8 * direction
    with torch.no_grad():
        differences = (network(image + step) - network(image - step))[0, 0].item() / 2e-8
    derivative = (gradient * direction).sum().item()
    relative = abs(derivative - differences) / abs(differences)
    print(f"shortcut {kind}: finite differences {differences:.6f}, autograd {derivative:.6f}, off by {relative:.2%}")
    stated &= relative < 1e-4 if kind == "B" else relative > 0.1
sys.exit(0 if stated else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/gradient.py"
