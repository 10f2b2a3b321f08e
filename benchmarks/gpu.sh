#!/usr/bin/env bash
# Measure the engine on one NVIDIA GPU through PyTorch, in at most eight minutes, into one JSON file.
#
# The machine needs Python 3.11 or 3.12 and PyTorch with CUDA; TensorFlow is not used. The script makes its images and
# its model itself, from a seed. Each part runs in a process of its own with a time limit of its own, and what it has
# measured so far is in the file whatever becomes of it; a part that fails is recorded with its error, and the others
# run. benchmarks/gpu/run.py says which parts there are, and which packages are installed where they are missing.
#
#     bash benchmarks/gpu.sh [RESULT.json] [--wheels FOLDER] [--size 224] [--images 64] [--only PART ...]
#
# RESULT.json is $OUT/gpu.json, or gpu.json where OUT is not set. FOLDER holds wheels, for a machine without a package
# index. PYTHON is the interpreter that has PyTorch, python3 if not set. LIMIT_S is the limit of the whole in seconds, 480
# if not set; those of the parts follow it. To rehearse on a processor:
#
#     LIMIT_S=1800 bash benchmarks/gpu.sh rehearsal.json --size 32 --images 4 --updates 5
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
limit=${LIMIT_S:-480}
# run.py keeps to a limit that is 10 s shorter; this one ends run.py itself should it hang.
exec timeout --kill-after=5 "$limit" "${PYTHON:-python3}" "$root/benchmarks/gpu/run.py" --seconds $((limit - 10)) "$@"
