# Shared by all rules: checks before the first job, the names of data sets and artefacts, and functions that return the
# code, the parameters, the resources and the raw tree of a rule.
import os
from contextlib import ExitStack
from functools import reduce
from operator import getitem
from pathlib import Path
from shutil import which

from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from oncorobust.pipeline.dvc_repository import hold_dvc
from oncorobust.pipeline.clock_check import check_times
from oncorobust.pipeline.cluster_jobs import end_left_over
from oncorobust.base.errors import InputError
from oncorobust.base.layout import FIGURE_NUMBERS, MODELS, TRAINED as TRAINED_MODELS, TRAINING_FILES, stage_command
from oncorobust.pipeline.process_lock import release_left_locks
from oncorobust.pipeline.code_digest import file_digest
from oncorobust.pipeline.code_record import code_path
from oncorobust.pipeline.dvc_yaml import (
    certified_runs,
    check_in_step,
    model_runs,
    own_files,
    repeats,
    rescanned_runs,
    trained_runs,
)
from oncorobust.pipeline.interruption import RUNNER_MARK, pass_on
from oncorobust.pipeline.policy_files import policies_of, policy_reads
from oncorobust.pipeline.raw_tree import mark_edited
from oncorobust.pipeline.resource_use import read_budget
from oncorobust.pipeline.shipped import find_file, in_project
from oncorobust.report.page.trace import SHOWN_CODE
from oncorobust.settings.load import check_overrides, read_yaml

try:
    check_overrides(config, "params.yaml")
    config.update(read_yaml("params.yaml"))  # numbers such as 1e-05, which Snakemake reads as text
    check_in_step(Path("."))
    BUDGET = read_budget(find_file(Path("."), "workflow/resources.yaml"))
except InputError as error:
    raise WorkflowError(str(error)) from None

# A stage that finds no Snakemake among its parents knows by this variable that there was one.
os.environ[RUNNER_MARK] = "snakemake"

# With --use-conda all rules run in one environment, with CUDA if this machine has a GPU. ONCOROBUST_GPU=1 or 0 overrides
# that, for a login node whose jobs run on other machines; jobs inherit the value.
GPU = os.environ.setdefault("ONCOROBUST_GPU", "1" if which("nvidia-smi") else "0")
ENVIRONMENT = {"0": "../../environment.yml", "1": "../../environment.gpu.yml"}.get(GPU)
if ENVIRONMENT is None:
    raise WorkflowError(f"expected ONCOROBUST_GPU to be 0 or 1, got {GPU!r} in the environment")
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method and which("conda") is None:
    raise WorkflowError(
        "expected the command conda, 24.7.1 or newer, for --use-conda, got none on PATH. Install it"
        " (docs/how-to/environments.md), or run without --use-conda in the active environment"
    )

DATASETS = config["run"]["datasets"]
RUNS = model_runs(config)  # each data set with each of its models that are attacked
TRAINED = trained_runs(config)  # the same, and with the models for certificates
CERTIFIED = certified_runs(config)  # each data set that has certificates with each of its models
RESCANNED = rescanned_runs(config)  # each data set with changes of the acquisition with each of its models
REPEATS = repeats(config)  # each data set that trains a model with each further training seed
OWN_FILES = own_files(config)
POLICIES = policies_of(config)
POLICY_READS = policy_reads(config, Path("."))
TABLES = ["table1", "table2", "table_s5", "gap", "threats", "beyond_accuracy", "minimal_epsilons"]
TABLES += [
    "medical_against_natural",
    "selective_prediction",
    "decision_rules",
    "certificates",
    "acquisition_changes",
    "training_seeds",
    "validity",
]
FIGURES = [f"figure{number}" for number in FIGURE_NUMBERS]
TABULATED = ["predictions.csv", "intervals.csv", "threats.csv", "scores.csv", "validity.json"]
THREADS = config["run"]["threads"]
ACQUIRED = "|".join(config["acquire"]) or "(?!)"  # a pattern that matches nothing: all raw trees are the user's

LARGEST_SIZE = max(config["datasets"][name]["preprocess"]["size"] for name in DATASETS)
# A job requests a GPU if this machine has one; jobs that need only processors may then run at the same time. A cluster's
# profile requests GPUs itself, because the submitting machine may have none.
ON_A_GPU = {"gpu": int(GPU)}

DATA = {
    "images": "data/processed/{dataset}/images.npy",
    "index": "data/processed/{dataset}/index.csv",
    "summary": "data/processed/{dataset}/summary.json",
}

RAW_TREE = "data/processed/{dataset}/raw_tree.csv"


def of_all_models(pattern, *, runs=RUNS, **others):
    """Return a pattern's files for each data set and each of its models; runs: RUNS or TRAINED."""
    return [path for name, model in runs for path in expand(pattern, dataset=name, model=model, **others)]


def of_certified_models(*files):
    """Return files of the results of each model with certificates; none where `certify` is null for all data sets."""
    return [f"reports/{name}/{model}/{file}" for file in files for name, model in CERTIFIED]


def of_rescanned_models(*files):
    """Return files of each model under changes of the acquisition; none where `acquisition` is null for all."""
    return [f"reports/{name}/{model}/{file}" for file in files for name, model in RESCANNED]


# Rows of the models that were trained with further seeds; none by default.
REPEATED = [
    f"reports/{name}/seeds/{seed}/{file}" for name, seed in REPEATS for file in ["predictions.csv", "intervals.csv"]
]

# What other programs read: JSON, LaTeX, XLSX, BibTeX, the points of DVC's plots, and files about each model.
EXCHANGED = [
    *["reports/results.json", "reports/citations.bib", "reports/tables/tables.xlsx"],
    *expand("reports/tables/{table}.tex", table=TABLES),
    *expand("reports/plots/{curves}.csv", curves=["robust_accuracy", "training_curves"]),
    *of_all_models("reports/cards/{dataset}-{model}.{form}", runs=TRAINED, form=["md", "cdx.json"]),
    *of_all_models("reports/{dataset}/{model}/headline.yaml"),
]

# All artefacts, not only the last ones: metrics are in git, so a fresh clone would otherwise find nothing to do.
ARTEFACTS = [
    *expand("data/raw/{dataset}", dataset=config["acquire"]),
    *expand([*DATA.values(), "data/processed/{dataset}/contact_sheet.png", RAW_TREE], dataset=DATASETS),
    *of_all_models("models/{dataset}/{model}.{form}", runs=TRAINED, form=["keras", "answers.json"]),
    *of_all_models("reports/{dataset}/{model}/{file}", runs=TRAINED, file=TRAINING_FILES),
    *of_all_models(
        "reports/{dataset}/{model}/{file}",
        file=[
            *["attack.json", "predictions.csv", "intervals.csv", "threats.csv", "examples.npz"],
            *["rank.json", "sensitivity.csv", "scores.csv"],
            "validity.json",
        ],
    ),
    *of_certified_models("certificates.csv", "certify.json"),
    *of_rescanned_models("acquisition.csv", "acquisition.json", "acquisition.png"),
    *REPEATED,
    *expand("reports/tables/{table}.{form}", table=TABLES, form=["csv", "md"]),
    *["reports/tables/cells.json", "reports/tables/validity.json", "reports/metrics.json"],
    *expand("reports/figures/{figure}.{form}", figure=FIGURES, form=["png", "svg", "pdf"]),
    *["reports/figures/curves.json", "reports/figures/points.json"],
    *EXCHANGED,
    "reports/index.html",
    *expand("reports/acceptance/{policy}.json", policy=POLICIES),
]


wildcard_constraints:
    dataset="[a-z][a-z0-9_]*",  # not the list of names: a thousand of them would be searched for every path of every job
    model="|".join(MODELS),
    seed="[0-9]+",
    policy="|".join(POLICIES) or "(?!)",  # a pattern that matches nothing


def command(stage):
    """Return the command of a stage without its options; that of the installed package in a project."""
    return stage_command(stage, project=in_project(Path(".")))


def code(stage):
    """Return the MD5 of the file with the digests of the stage's code; a change of the code runs the stage again.

    DVC depends on the same file. Here it is a parameter, because Snakemake would check an input again for every job.
    """
    return file_digest(Path(code_path(stage)))


def tracked(*names):
    """Return the subtrees of params.yaml that a stage reads, under the dotted names that dvc.yaml lists."""
    return {name: subtree(name) for name in names}


def subtree(name):
    """Return a function that finds a subtree of params.yaml; lookup() would walk the whole file for every job."""

    def value(wildcards):
        return reduce(getitem, name.format(**wildcards).split("."), config)

    return value


def asked(stage):
    """Return the memory and time that a stage's job requests, for the largest images: an array has one request for all."""

    def mem_mb(wildcards, input, attempt):
        return BUDGET.mem_mb(stage, size=LARGEST_SIZE, input_mb=float(input.size_mb), attempt=attempt)

    def runtime(wildcards, attempt):
        return BUDGET.minutes(stage, size=LARGEST_SIZE, attempt=attempt)

    return {"mem_mb": mem_mb, "runtime": runtime}


def shards(stage):
    """Return the files of a stage's shards; none without shards. `--set-scatter test_images=8` makes eight."""
    files = gather.test_images(f"reports/{{{{dataset}}}}/{{{{model}}}}/shards/{stage}.{{scatteritem}}.npz")
    return files if len(files) > 1 else []


def shown(path, category, **labels):
    """Return an output that `snakemake --report` shows, with the caption file of its name.

    labels: columns of the report's list of files, such as the data set; the name of the file where there are none.
    """
    name = Path(path).stem
    return report(path, caption=f"../report/{name}.rst", category=category, labels=labels or {"file": name})


def raw_tree(wildcards):
    """Return the folder of a raw tree, made by acquire or provided by the user."""
    if wildcards.dataset not in DATASETS:
        raise WorkflowError(f"expected a data set of run.datasets in params.yaml, got {wildcards.dataset!r}")
    tree = Path("data/raw", wildcards.dataset)
    if wildcards.dataset not in config["acquire"] and not tree.is_dir():
        raise WorkflowError(
            f"{tree} is missing: put or link your raw tree there, or add acquire.{wildcards.dataset} to params.yaml"
        )
    return str(tree)


try:
    check_times([*ARTEFACTS, *(f"data/raw/{name}" for name in DATASETS), *OWN_FILES])
    # Snakemake does not look below the folder of a raw tree; only the main process looks, not one for a single job.
    if workflow.is_main_process:
        mark_edited(Path("."), DATASETS)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Only in the main Snakemake, not in one that runs a single job on a cluster's node.
ALIVE = release_left_locks(Path(".")) if workflow.is_main_process else None

# Snakemake and DVC do not notice each other's runs, and each removes outputs that the other reads.
DVC_LOCK = ExitStack()


onstart:
    end_left_over(Path("."))
    DVC_LOCK.enter_context(hold_dvc(Path(".")))
    pass_on(Path("."), logger)


onsuccess:
    DVC_LOCK.close()


onerror:
    DVC_LOCK.close()
