"""A copy of the repository in which each script only writes small files, so that both runners run in seconds.

The copy has the real Snakefile, dvc.yaml, profiles and library. A toy script keeps the imports of the real one, in a
block that never runs, so that each stage uses the same library files as the real one. There are two data sets:
mnist, which `acquire` makes, and slices, whose raw tree and model are the user's. There are no further training seeds,
no model for certificates and no policy, so the stages `repeat`, `smooth` and `accept` have no job. mnist has
certificates and changes of the acquisition, slices has none.
"""

import ast
import atexit
import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import networkx
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DAGSettings, OutputSettings, RerunTrigger, ResourceSettings

from oncorobust.report.page.trace import SHOWN_CODE

REPOSITORY = Path(__file__).resolve().parent.parent
STAGES = ["acquire", "preprocess", "train", "harden", "smooth", "attack", "rank", "certify", "rescan"]
STAGES += ["validate", "repeat", "tabulate", "plot", "exchange", "report", "accept"]
LOGGER = "src/snakemake_logger_plugin_oncorobust"
COPIED = ["Snakefile", "dvc.yaml", "environment.yml", ".dvcignore", ".gitignore", "pyproject.toml", "presets"]
COPIED += ["environment.gpu.yml", "profiles", "workflow", "src/oncorobust", LOGGER, ".dvc/config", ".dvc/.gitignore"]

OWN_MODEL = "own/classifier.keras"

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

OUTPUTS = {
    "acquire": ["data/raw/{dataset}/images.idx", "data/raw/{dataset}/labels.idx"],
    "preprocess": [f"data/processed/{{dataset}}/{name}" for name in ("images.npy", "index.csv", "summary.json")]
    + [f"data/processed/{{dataset}}/{name}" for name in ("contact_sheet.png", "raw_tree.csv")],
    "train": ["models/{dataset}/clean.keras", "models/{dataset}/clean.answers.json"]
    + [f"reports/{{dataset}}/clean/{name}" for name in ("training.json", "history.csv", "curves.png")],
    "harden": ["models/{dataset}/adversarial.keras", "models/{dataset}/adversarial.answers.json"]
    + [f"reports/{{dataset}}/adversarial/{name}" for name in ("training.json", "history.csv", "curves.png")],
    "smooth": ["models/{dataset}/noise.keras", "models/{dataset}/noise.answers.json"]
    + [f"reports/{{dataset}}/noise/{name}" for name in ("training.json", "history.csv", "curves.png")],
    "attack": [f"reports/{{dataset}}/{{model}}/{name}" for name in ("predictions.csv", "intervals.csv", "threats.csv")]
    + [f"reports/{{dataset}}/{{model}}/{name}" for name in ("attack.json", "examples.npz")],
    "rank": [f"reports/{{dataset}}/{{model}}/{name}" for name in ("sensitivity.csv", "scores.csv", "rank.json")],
    "certify": ["reports/{dataset}/{model}/certificates.csv", "reports/{dataset}/{model}/certify.json"],
    "rescan": [f"reports/{{dataset}}/{{model}}/acquisition.{form}" for form in ("csv", "png", "json")],
    "validate": ["reports/{dataset}/{model}/validity.json"],
    "repeat": [f"reports/{{dataset}}/seeds/{{seed}}/{name}" for name in ("predictions.csv", "intervals.csv")],
    "tabulate": [f"reports/tables/{name}.{form}" for name in TABLES for form in ("csv", "md")]
    + ["reports/tables/cells.json", "reports/tables/validity.json", "reports/metrics.json"],
    "plot": [
        *(
            f"reports/figures/figure{number}.{form}"
            for number in (1, 2, 3, 4, 5, 6, 7, 8)
            for form in ("png", "svg", "pdf")
        ),
        "reports/figures/curves.json",
        "reports/figures/points.json",
    ],
    "exchange": ["reports/results.json", "reports/citations.bib", "reports/tables/tables.xlsx"]
    + [f"reports/tables/{name}.tex" for name in TABLES]
    + ["reports/plots/robust_accuracy.csv", "reports/plots/training_curves.csv"]
    + ["reports/cards/{dataset}-{model}.md", "reports/cards/{dataset}-{model}.cdx.json"]
    + ["reports/{dataset}/{model}/headline.yaml"],
    "report": ["reports/index.html"],
    "accept": ["reports/acceptance/{policy}.json"],
}


def written(stage: str, words: dict[str, str], datasets: list[str]) -> set[str]:
    """The outputs of a stage, repeated for the data set and the model of `words`; exchange writes of all of them."""
    models = [{"dataset": name, "model": model} for name in datasets for model in ("clean", "adversarial")]
    return {
        pattern.format(**{**words, **one})
        for pattern in OUTPUTS[stage]
        for one in (models if "{model}" in pattern and "model" not in words else [{}])
    }


TOY_SCRIPT = '''"""Toy of {stage}: small files that depend on the seed, its {own}, the data set and the model."""

if False:
{imports}
import argparse
import importlib
import sys
from pathlib import Path

import yaml

parser = argparse.ArgumentParser()
for name in {arguments}:
    parser.add_argument("--" + name, required=True)
words = vars(parser.parse_args())
params = yaml.safe_load(Path("params.yaml").read_text())
own = (params["datasets"].get(words.get("dataset"), {{}}).get("{stage}") or {{}}).get("{own}", 0)
models = [dict(dataset=name, model=model) for name in params["run"]["datasets"] for model in ("clean", "adversarial")]
outputs = [
    (number, pattern.format(**words, **one))
    for number, pattern in enumerate({outputs})
    for one in (models if "{{model}}" in pattern and "model" not in words else [{{}}])  # exchange writes of all models
]
for number, output in outputs:
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    value = params["seed"] + own + number + 100 * len("".join(words.values()))
    texts = {{".json": '{{"accuracy": %d}}\\n', ".csv": "epoch,validation_accuracy\\n1,%d\\n"}}
    texts |= {{".yaml": "accuracy: %d\\n"}}
    output.write_text(texts.get(output.suffix, "{stage} %d\\n") % value)
if "{stage}" == "preprocess":  # as the real one: the runners compare it with the present tree
    raw_tree = importlib.import_module("oncorobust.pipeline.raw_tree")  # not counted as code of every toy stage
    raw_tree.write_fingerprint(output, raw_tree.look(Path(), words["dataset"]))
sys.stdout.write(" ".join(["toy {stage}", *words.values()]) + "\\n")  # one call, as stages: lines of jobs do not mix
'''


def make_toy(folder: Path, params: dict[str, Any] | None = None) -> Path:
    """Write the toy repository into `folder` (git and DVC initialised, nothing run) and return it."""
    shutil.copytree(_made_once(json.dumps(params or toy_params())), folder, symlinks=True, dirs_exist_ok=True)
    return folder


@cache
def _made_once(params: str) -> Path:
    """A toy repository with these parameters (JSON) that nobody changes, in a folder that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="toy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in COPIED:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, place)
    for stage in STAGES:
        script = folder / "workflow" / "scripts" / f"{stage}.py"
        script.write_text(_toy_script(stage, script.read_text(encoding="utf-8")), encoding="utf-8")
    write_params(folder, json.loads(params))
    raw = folder / "data" / "raw" / "slices"
    raw.mkdir(parents=True)
    (raw / "manifest.csv").write_text("image_id,path,label,patient_id\n")
    (folder / OWN_MODEL).parent.mkdir()
    (folder / OWN_MODEL).write_text("a model\n")
    run(folder, "oncorobust graph")
    for command in ("git init -q", "git add -A", "git commit -q -m toy"):
        run(folder, command)
    return folder


def toy_params() -> dict[str, Any]:
    """The demo's parameters, with short grids, and a second data set, whose raw tree and model are the user's."""
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    mnist = content["datasets"]["mnist"]
    mnist |= {"certify": content["datasets"]["brain_mets"]["certify"]}
    mnist |= {"acquisition": content["datasets"]["lidc"]["acquisition"]}
    mnist["train"]["epochs"], mnist["harden"]["epochs"] = 4, 2
    mnist["harden"]["schedule"] = {"name": "warm_up", "epochs": 1}
    mnist["rank"]["num_random_init"] = 60
    mnist["attack"]["epsilons"] = mnist["rank"]["epsilons"] = [0.05, 0.1]
    content["run"]["datasets"] = ["mnist", "slices"]
    content["acquire"] = {"mnist": {"source": "download"}}  # the toy's script fetches nothing
    content["datasets"] = {"mnist": mnist, "slices": copy.deepcopy(mnist)}
    content["datasets"]["slices"]["preprocess"]["format"] = {"name": "manifest"}
    content["datasets"]["slices"] |= {"certify": None, "acquisition": None}
    own = {"source": "path", "path": OWN_MODEL, "input_range": [0, 255], "fine_tune": True}
    content["datasets"]["slices"]["model"] = own
    content["report"]["columns"] = {
        "mnist": {"title": "MNIST", "paper": "MNIST"},
        "slices": {"title": "CT", "paper": "CT"},
    }
    return content


def small_params() -> dict[str, Any]:
    """The same without slices: enough where it does not matter that there are two data sets."""
    content = toy_params()
    content["run"]["datasets"] = ["mnist"]
    for section in (content["datasets"], content["report"]["columns"]):
        del section["slices"]
    return content


def write_params(folder: Path, content: dict[str, Any]) -> None:
    """Write params.yaml."""
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def run(folder: Path, command: str, *, status: int = 0) -> str:
    """Run a shell command in the toy with this interpreter first on the path; returns what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        shell=True,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status, f"{command} gave {done.returncode}:\n{done.stdout}"
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """A command's environment in the toy: this interpreter first on the path, the toy's library, somebody for git."""
    identity = {f"GIT_{who}_{what}": "toy@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | identity | {"PYTHONPATH": str(folder / "src"), "PATH": path}


@dataclass(frozen=True)
class Step:
    """A job of Snakemake or a stage of DVC; params holds the tracked subtrees of params.yaml by their dotted names."""

    command: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    params: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Snakemake's jobs under DVC's names, those that it would run, the inputs of rule all, and each job's logs."""

    steps: dict[str, Step]
    needed: set[str]
    targets: frozenset[str]
    gpu: frozenset[str]
    logs: dict[str, list[str]]


def snakemake_plan(folder: Path, *, forceall: bool = False) -> Plan:
    """What `snakemake` would do here, from its own graph of jobs."""
    settings = DAGSettings(
        forceall=forceall,
        rerun_triggers=frozenset({RerunTrigger.CODE, RerunTrigger.INPUT, RerunTrigger.MTIME, RerunTrigger.PARAMS}),
        max_checksum_file_size=2_000_000_000,
    )
    with _unchanged_process(), SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        parsed = api.workflow(ResourceSettings(cores=8), snakefile=folder / "Snakefile", workdir=folder)
        parsed.dag(settings)
        workflow = parsed._workflow
        workflow._prepare_dag(forceall=forceall, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        jobs = {_name(job): job for job in workflow.dag.jobs}
        needed = {_name(job) for job in workflow.dag.needrun_jobs()} - {"all"}
        targets = frozenset(map(str, jobs.pop("all").input))
        gpu = frozenset(name for name, job in jobs.items() if job.resources.get("gpu"))
        logs = {name: list(map(str, job.log)) for name, job in jobs.items()}
        return Plan({name: _step(job) for name, job in jobs.items()}, needed, targets, gpu, logs)


def dvc_steps(folder: Path) -> dict[str, Step]:
    """All stages, from DVC's own graph, with the values of their parameters."""
    values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    with chdir(folder), Repo() as repo:
        return {stage.addressing: _stage_step(stage, values) for stage in repo.index.stages}


def dvc_needed(repo: Repo) -> set[str]:
    """Stages that DVC calls changed, and all stages that depend on them: what `dvc repro` would look at again.

    The repository is opened once for many questions, because reading dvc.lock takes longer than an answer.
    """
    with chdir(repo.root_dir), repo.lock:
        needed, graph = {stage.addressing for stage in repo.index.stages if stage.status()}, repo.index.graph
        for stage in reversed(list(networkx.topological_sort(graph))):  # an edge leads from a stage to what it reads
            if any(read.addressing in needed for read in graph.successors(stage)):
                needed.add(stage.addressing)
    return needed


@contextmanager
def _unchanged_process() -> Iterator[None]:
    """Undo what parsing a Snakefile does to this process: its search path and its environment."""
    environment, path = dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)


def _name(job: Any) -> str:
    return job.rule.name + ("@" + "-".join(job.wildcards) if len(job.wildcards) else "")


def _step(job: Any) -> Step:
    command = (job.shellcmd or "").rstrip()
    params = {name.format(**dict(job.wildcards.items())): value for name, value in job.params.items()}
    return Step(command, frozenset(map(str, job.input)), frozenset(map(str, job.output)), params)


def _stage_step(stage: Any, values: dict[str, Any]) -> Step:
    names = [name for one in stage.deps if isinstance(one, ParamsDependency) for name in one.params]
    inputs = frozenset(one.def_path for one in stage.deps if not isinstance(one, ParamsDependency))
    params = {name: reduce(lambda tree, key: tree[key], name.split("."), values) for name in names}
    code = f"workflow/code/{stage.addressing.partition('@')[0]}.txt"
    assert code in inputs, stage.addressing
    params["code"] = hashlib.md5(
        Path(code).read_bytes()
    ).hexdigest()  # dvc.yaml lists the file, the Snakefile states its MD5
    behind = [f"workflow/code/{name}.txt" for name in SHOWN_CODE if f"workflow/code/{name}.txt" in inputs - {code}]
    if behind:
        params["code_behind"] = [hashlib.md5(Path(one).read_bytes()).hexdigest() for one in behind]
    return Step(stage.cmd, inputs - {code, *behind}, frozenset(one.def_path for one in stage.outs), params)


def _toy_script(stage: str, real: str) -> str:
    imports = [node for node in ast.walk(ast.parse(real)) if isinstance(node, ast.Import | ast.ImportFrom)]
    block = "\n".join(f"    {ast.unparse(node)}" for node in imports)
    arguments = [name for name in ("dataset", "model", "seed", "policy") if f"{{{name}}}" in OUTPUTS[stage][0]]
    own = "num_random_init" if stage == "rank" else "max_images"
    return TOY_SCRIPT.format(stage=stage, own=own, imports=block, arguments=arguments, outputs=OUTPUTS[stage])
