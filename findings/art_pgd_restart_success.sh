#!/usr/bin/env bash
# ART 1.20.1 (adversarial-robustness-toolbox) runs ProjectedGradientDescent (norm inf, untargeted) away from given labels
# y, on points that the model answers wrongly already.
#
# With random restarts, one would expect that a restart replaces the example so far only if its answer differs from y.
#
# A restart counts as successful if the answer differs from the model's own answer to the clean point, whatever y says:
# `compute_success_array` gets the labels and uses them for targeted attacks alone. A wrongly answered point is thus
# replaced by a restart that makes the answer right. Here one start leaves 42 of 200 such points right, and ten starts
# leave 176 of them right: the attack away from the true label grows weaker with each restart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 \
    packaging==26.4 adversarial-robustness-toolbox==1.20.1
cat > "$folder/restarts.py" <<'EOF'
import sys

import numpy as np
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import SklearnClassifier
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)
x = rng.uniform(0.3, 0.7, (2000, 4)).astype(np.float32)
y = (x.sum(axis=1) > 2).astype(int)
model = LogisticRegression(C=1e4).fit(x, y)
near = np.flatnonzero(np.abs(model.decision_function(x)) / np.abs(model.coef_).sum() < 0.03)[:200]
points, wrong_labels = x[near], 1 - model.predict(x[near])  # labels that the model does not give: all answers are wrong
one_hot = np.eye(2)[wrong_labels]


def right(n_starts):
    """Count of points that the model answers with their label after PGD away from that label."""
    np.random.seed(0)
    attack = ProjectedGradientDescent(
        SklearnClassifier(model, clip_values=(0, 1)),
        eps=0.1,
        eps_step=0.005,
        max_iter=2,
        num_random_init=n_starts,
        batch_size=len(points),
        verbose=False,
    )
    return int((model.predict(attack.generate(points, one_hot)) == wrong_labels).sum())


found = {n_starts: right(n_starts) for n_starts in (1, 2, 5, 10)}
for n_starts, count in found.items():
    print(f"{n_starts:2} random starts: {count} of {len(points)} points are answered with the label that PGD left")
sys.exit(0 if found[1] < found[2] < found[5] < found[10] else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/restarts.py"
