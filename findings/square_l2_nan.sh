#!/usr/bin/env bash
# ART 1.20.1 (adversarial-robustness-toolbox) runs the Square attack (norm 2) on a random forest of scikit-learn
# 1.9.1.
#
# The attack is given finite images. One would expect finite images back.
#
# The attack divides by a norm that can be 0: that of its first tiles in an image of five to nine pixels a side, and
# later that of a window which holds no perturbation yet. The image then holds NaN. A random forest takes NaN as a
# missing value and answers, so that the attack keeps the image, and counts it as an adversarial example wherever the
# answer is another class. Of 30 images of 8 x 8 pixels, all came back with NaN and 25 of these fooled the forest; of
# the same images at 28 x 28 pixels, 7 and 7. The script checks that some do.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 \
    packaging==26.4 adversarial-robustness-toolbox==1.20.1
cat > "$folder/nan.py" <<'EOF'
import random
import sys
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

warnings.simplefilter("ignore")
from art.attacks.evasion import SquareAttack
from art.estimators.classification import BlackBoxClassifierNeuralNetwork

digits = load_digits()
small = (digits.images[..., None] / 16).astype(np.float32)
large = np.pad(small.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2), (0, 0)))
labels = digits.target[1400:1430]
stated = True
for images in (small, large):
    forest = RandomForestClassifier(50, random_state=0).fit(images[:1400].reshape(1400, -1), digits.target[:1400])

    def predict(x):
        return forest.predict_proba(np.asarray(x).reshape(len(x), -1))

    shape = images.shape[1:]
    model = BlackBoxClassifierNeuralNetwork(predict, shape, 10, channels_first=False, clip_values=(0, 1))
    random.seed(0)
    np.random.seed(0)
    square = SquareAttack(model, norm=2, eps=0.5, max_iter=100, p_init=0.1, verbose=False)
    found = square.generate(images[1400:1430], labels)
    with_nan = np.isnan(found).any(axis=(1, 2, 3))
    fooled = predict(found).argmax(axis=1) != labels
    counts = f"{with_nan.sum()} hold NaN, of which {(with_nan & fooled).sum()} fool the forest"
    print(f"{shape[0]} x {shape[1]}: of {len(found)} attacked images, {counts}")
    stated &= bool(np.isfinite(images).all() and (with_nan & fooled).any())
sys.exit(0 if stated else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/nan.py"
