#!/usr/bin/env bash
# Snakemake 9.27.1 reads every input file of a finished job once for each of its output files.
#
# `--max-checksum-file-size` lets Snakemake tell a new time stamp on unchanged content from a change, which matters for
# checkpoints that DVC puts back: their time stamps are new. One would expect the checksum of a checkpoint to be computed
# once for each job that reads it.
#
# It is computed again for each output of the job. A job that writes 40 small files, such as tables and model cards, from
# ten checkpoints of 84 MB reads 34 GB after it has ended, in Snakemake's own process.
# Here one input of 50 MB is read about 20 times more often by the rule with 21 outputs than by the rule with one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
head --bytes 50000000 /dev/zero > checkpoint.bin
cat > Snakefile <<'EOF'
rule one:
    input: "checkpoint.bin"
    output: "one.txt"
    shell: "touch {output}"

rule many:
    input: "checkpoint.bin"
    output: expand("many/{number}.txt", number=range(21))
    shell: "touch {output}"
EOF
cat > run.py <<'EOF'
"""Run one rule in this process and print how many MB the process has read; its jobs are processes of their own."""
import sys
from pathlib import Path

from snakemake.cli import main

try:
    main(["--cores", "1", "--quiet", "all", "--max-checksum-file-size", "1GB", "--", sys.argv[1]])
except SystemExit as ended:
    if ended.code:
        raise
(line,) = [one for one in Path("/proc/self/io").read_text().splitlines() if one.startswith("rchar")]
print(int(line.split()[1]) // 1_000_000)
EOF
one=$(venv/bin/python run.py one.txt | tail -n 1)
many=$(venv/bin/python run.py many/0.txt | tail -n 1)
echo "MB read with one output: $one; with 21 outputs: $many"
more=$(((many - one) / 50))
echo "the checkpoint was read $more times more often"
[ "$more" -ge 19 ] && [ "$more" -le 21 ] || {
    echo "the behaviour has changed"
    exit 1
}
