#!/usr/bin/env bash
# ART 1.20.1 (adversarial-robustness-toolbox) runs the Square attack (norm inf) on 16 x 16 images.
#
# The attack draws random squares in the image. One would expect that it can reach every pixel.
#
# No square ever covers the last row or the last column, because NumPy's randint leaves out its upper bound. The
# authors' own code (github.com/max-andr/square-attack) has the same bound. Only the vertical stripes with which the
# attack starts change these pixels. A model that looks only at the first row fell for 7 of 10 seeds; the same model on
# the last row fell for none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 \
    packaging==26.4 adversarial-robustness-toolbox==1.20.1
cat > "$folder/border.py" <<'EOF'
import sys

import numpy as np
from art.attacks.evasion import SquareAttack
from art.estimators.classification import BlackBoxClassifierNeuralNetwork

SIDE, EPSILON, STEPS = 16, 0.1, 1000
image = np.full((1, SIDE, SIDE, 1), 0.5, np.float32)


def attack(first_logit, seed):
    """Attack the first of two classes; return whether it fell, and all images that the model was asked about."""
    asked = []

    def predict(x):
        asked.append(np.array(x)[0, :, :, 0])
        return np.stack([first_logit(np.asarray(x)), np.zeros(len(x))], axis=1)

    np.random.seed(seed)
    model = BlackBoxClassifierNeuralNetwork(predict, image.shape[1:], 2, channels_first=False, clip_values=(0, 1))
    square = SquareAttack(model, norm=np.inf, eps=EPSILON, max_iter=STEPS, p_init=0.3, verbose=False)
    found = square.generate(image, np.array([0]))
    return first_logit(found)[0] < 0, np.array(asked)


def falls(row):
    """Count of ten seeds for which the model falls that asks whether the row's mean exceeds 0.45."""
    return sum(attack(lambda x: x[:, row].mean(axis=(1, 2)) - 0.45, seed)[0] for seed in range(10))


_, asked = attack(lambda x: 1 + x.mean(axis=(1, 2, 3)), seed=0)
moved = np.abs(np.diff(asked[3:], axis=0)).max(axis=0) > 0  # the first three calls end with the stripes
print("pixels that a square covered, by row:   ", moved.sum(axis=1))
print("pixels that a square covered, by column:", moved.sum(axis=0))
first, last = falls(0), falls(SIDE - 1)
print(f"the model that looks at the first row falls for {first} of 10 seeds, at the last row for {last} of 10")
stated = moved[:-1, :-1].all() and not moved[-1].any() and not moved[:, -1].any() and first > last + 2
sys.exit(0 if stated else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/border.py"
