#!/usr/bin/env bash
# lifelines 0.30.3 and statsmodels 0.15.0 compute the median of a Kaplan-Meier curve.
#
# Of n images, image k changes its class at step k of epsilon (no censoring; n even). The curve is exactly 1/2 from step
# n/2 to step n/2 + 1. lifelines takes the first time with S(t) <= 1/2, so one expects n/2. statsmodels takes the first
# time with S(t) < 1/2, so one expects n/2 + 1.
#
# Both compare a product that holds rounding errors with 1/2. On the processor where this was written, lifelines
# returned n/2 + 1 for 14 of the 50 even n up to 100, among them 6 and 8, and statsmodels returned n/2 for 16, among
# them 12 and 18. The lists may differ on another processor, so the script only checks that each library breaks its rule
# for some n and keeps it for others. On a coarse grid of epsilon, one step can be a factor of two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 \
    lifelines==0.30.3 statsmodels==0.15.0
cat > "$folder/medians.py" <<'EOF'
import sys

import numpy as np
from lifelines import KaplanMeierFitter
from statsmodels.duration.survfunc import SurvfuncRight

late, early = [], []
for n in range(2, 101, 2):
    steps = np.arange(1, n + 1)
    lifelines = KaplanMeierFitter().fit(steps).median_survival_time_
    statsmodels = SurvfuncRight(steps, np.ones(n)).quantile(0.5)
    late += [n] if lifelines != n / 2 else []
    early += [n] if statsmodels != n / 2 + 1 else []
    if n <= 20:
        expected = f"expected {n // 2:2} and {n // 2 + 1:2}"
        print(f"n = {n:2}, {expected}: lifelines {lifelines:2.0f}, statsmodels {statsmodels:2.0f}")
print("lifelines differs from its rule at n =", late)
print("statsmodels differs from its rule at n =", early)
stated = 0 < len(late) < 50 and 0 < len(early) < 50
sys.exit(0 if stated else "the behaviour has changed")
EOF
"$folder/venv/bin/python" "$folder/medians.py"
