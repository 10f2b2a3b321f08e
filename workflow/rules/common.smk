# What all rules share: the checks that stop a run before its first job, the names of data sets and artefacts, and the
# helpers that give each rule its code, its parameters and its raw tree.
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from shutil import which

# Scripts find the library here also inside a conda environment, in which the package itself is not installed.
SOURCE = str(Path("src").resolve())
os.environ.update(PYTHONPATH=SOURCE)
sys.path.insert(0, SOURCE)

from oncorobust.bridge import hold_dvc
from oncorobust.errors import InputError
from oncorobust.graph import check_in_step, own_files, stage_code
from oncorobust.params import check_overrides, load_params

try:
    load_params("params.yaml")
    check_overrides(config, "params.yaml")
    check_in_step(Path("."))
except InputError as error:
    raise WorkflowError(str(error)) from None

DATASETS = config["run"]["datasets"]
MODELS = ["clean", "adversarial"]
OWN_FILES = own_files(config)
TABLES = ["table1", "table2", "table_s5", "gap", "threats"]
FIGURES = ["figure1", "figure2", "figure3"]
ON_THE_PAGE = ["training.json", "curves.png", "attack.json"]
THREADS = config["run"]["threads"]
ACQUIRED = "|".join(config["acquire"]) or "(?!)"  # a pattern that matches nothing: all raw trees are the user's

MEDIUM = {"mem_mb": 8000, "runtime": "2h"}
# A job asks for a GPU where this machine has one, so that jobs on processors alone may run side by side. A cluster's
# profile asks by itself: the submitting machine may have none.
LARGE = {"gpu": int(which("nvidia-smi") is not None), "mem_mb": 16000, "runtime": "12h"}

DATA = {
    "images": "data/processed/{dataset}/images.npy",
    "index": "data/processed/{dataset}/index.csv",
    "summary": "data/processed/{dataset}/summary.json",
}

# Every artefact, not the last ones only: metrics are in git, so that a fresh clone would otherwise have nothing to do.
ARTEFACTS = [
    *expand("data/raw/{dataset}", dataset=config["acquire"]),
    *expand([*DATA.values(), "data/processed/{dataset}/contact_sheet.png"], dataset=DATASETS),
    *expand("models/{dataset}/{model}.keras", dataset=DATASETS, model=MODELS),
    *expand(
        "reports/{dataset}/{model}/{file}",
        dataset=DATASETS,
        model=MODELS,
        file=[
            *["training.json", "history.csv", "curves.png"],
            *["attack.json", "predictions.csv", "intervals.csv", "threats.csv", "examples.npz"],
            *["rank.json", "sensitivity.csv"],
        ],
    ),
    *expand("reports/tables/{table}.{form}", table=TABLES, form=["csv", "md"]),
    "reports/tables/cells.json",
    *expand("reports/figures/{figure}.{form}", figure=FIGURES, form=["png", "svg"]),
    "reports/index.html",
]


wildcard_constraints:
    dataset="|".join(DATASETS),
    model="|".join(MODELS),


def code(stage):
    """The stage's script and every library file that it imports: an edit to any of them runs the stage again."""
    return stage_code(Path("."), stage)


def tracked(*names):
    """Subtrees of params.yaml that a stage reads, under the dotted names that dvc.yaml lists."""
    return {name: lookup(name.replace(".", "/"), within=config) for name in names}


def shards(stage):
    """The files of a stage's shards, none where one job does all: `--set-scatter test_images=8` makes eight."""
    files = gather.test_images(f"reports/{{{{dataset}}}}/{{{{model}}}}/shards/{stage}.{{scatteritem}}.npz")
    return files if len(files) > 1 else []


def shown(path, category):
    """An output that `snakemake --report` shows, with the caption of its name."""
    return report(path, caption=f"workflow/report/{Path(path).stem}.rst", category=category)


def raw_tree(wildcards):
    """The raw tree of a data set: made by acquire, or the user's own."""
    tree = Path("data/raw", wildcards.dataset)
    if wildcards.dataset not in config["acquire"] and not tree.is_dir():
        raise WorkflowError(
            f"{tree} is missing: put or link your raw tree there, or add acquire.{wildcards.dataset} to params.yaml"
        )
    return str(tree)


# Snakemake and DVC do not see each other's runs: each removes outputs that the other reads.
DVC_LOCK = ExitStack()


onstart:
    DVC_LOCK.enter_context(hold_dvc(Path(".")))


onsuccess:
    DVC_LOCK.close()


onerror:
    DVC_LOCK.close()
