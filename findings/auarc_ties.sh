#!/usr/bin/env bash
# MAPIE 1.6.0 computes the area under the accuracy-rejection curve (AUARC) of images that share a confidence.
#
# Minimal epsilons lie on a grid, so that many images have the same score. A score that is equal for all images says
# nothing about them: whatever the order of the rows, one expects the overall accuracy, which MAPIE's documentation
# gives for a random score.
#
# mapie.metrics.uncertainty.auarc ranks images of equal confidence by their row. With ten images, half of them right and
# all of one confidence, it returns 0.82 if the right ones come first and 0.18 if they come last. The AUROC in the same
# module treats ties as ties and returns 0.5 both times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 \
    scikit-learn==1.9.1 MAPIE==1.6.0
cat > "$folder/ties.py" <<'EOF'
import sys

import numpy as np
from mapie.metrics.uncertainty import auarc, auroc

right = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
one_epsilon = np.full(10, 0.004)
found = {}
for order, correctness in (("right first", right), ("right last", right[::-1])):
    found[order] = [round(measure(correctness, one_epsilon), 2) for measure in (auarc, auroc)]
    print(f"{order}: accuracy {right.mean()}, AUARC {found[order][0]}, AUROC {found[order][1]}")
expected = {"right first": [0.82, 0.5], "right last": [0.18, 0.5]}
sys.exit(0 if found == expected else f"the behaviour has changed: {found}")
EOF
"$folder/venv/bin/python" "$folder/ties.py"
