# The pipeline: acquire, preprocess, train, harden, smooth, attack, rank, certify, rescan, validate, repeat, tabulate,
# plot, exchange, report, accept. Each is a rule, a stage in dvc.yaml and a script in workflow/scripts, with one command;
# tests/test_graph.py checks that the two graphs agree. The rules are in workflow/rules:
#   data.smk      acquire, preprocess
#   training.smk  train, harden, smooth
#   attacks.smk   attack, rank, and their shards; certify, rescan, validate, repeat
#   results.smk   tabulate, plot, exchange, report, accept
# A stage writes its log itself, to the file that its rule names: oncorobust.pipeline.stage_log.
from snakemake.utils import min_version

min_version("9.20")


include: "workflow/rules/parameters.smk"


configfile: "params.yaml"


report: "workflow/report/workflow.rst"


scattergather:
    test_images=1,


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/attacks.smk"
include: "workflow/rules/results.smk"


rule all:
    default_target: True
    localrule: True
    message:
        "All results are made. Open reports/index.html."
    input:
        ARTEFACTS,
