"""Every leaf of params.yaml and every library file invalidates the same stages in both tools.

The toy pipeline is run once and recorded. Then, in this process, each leaf is changed in the file on disk, and both
tools are asked what they would run: Snakemake by building its graph of jobs with the triggers of profiles/default, DVC
by the status of its stages, closed over what depends on a changed one. Library files are edited on disk in the same
way, and `refresh`, which is `oncorobust graph`, brings the digests in step. So nothing is compared that the tools did
not work out themselves; and the answer must be the stages that the tables below expect, so that two graphs with the
same omission do not pass. One change is put to both command lines.

The data set slices is left alone: its stages must never be among the answers for a leaf of mnist.
"""

import re
from collections.abc import Iterator
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import toy_pipeline as toy
import yaml
from dvc.repo import Repo

from oncorobust.pipeline.code_record import stage_digests
from oncorobust.pipeline.dvc_yaml import refresh

EACH_MODEL = ["clean", "adversarial"]
DIRECT = {  # what reads a subtree of params.yaml, by its dotted name; the longest name that fits counts
    "seed": ["preprocess", "train", "harden", "attack", "rank", "certify", "rescan", "validate"],
    "run.threads": ["train", "harden", "attack", "rank", "certify", "rescan"],
    "acquire": ["acquire"],
    "attacks": ["attack", "rank"],
    "attacks.batch_size": ["attack", "rank", "certify", "rescan"],
    "attacks.strict.fmn": ["attack", "rank"],
    "attacks.strict.search_precision": ["attack", "rank", "certify", "rescan"],
    "attacks.table_epsilons": ["attack", "rank", "certify", "tabulate"],
    "datasets.mnist.preprocess": ["preprocess", "rescan"],
    "datasets.mnist.preprocess.format.name": ["acquire", "preprocess", "rescan"],
    "datasets.mnist.augment": ["preprocess", "train", "harden"],
    "datasets.mnist.model": ["train", "validate"],
    "datasets.mnist.train": ["train", "validate"],
    "datasets.mnist.harden": ["harden", "validate"],
    "datasets.mnist.attack": ["attack", "certify", "rescan"],
    "datasets.mnist.certify": ["certify"],
    "datasets.mnist.acquisition": ["rescan"],
    "datasets.mnist.rank": ["rank"],
    "report": ["tabulate", "plot", "report"],
    "validity": ["report"],
}
AFTER = {  # what must follow when a stage runs again
    "acquire": {"preprocess", "rescan"},
    "preprocess": {"train", "harden", "attack", "rank", "certify", "rescan", "validate", "exchange", "report"},
    "train": {
        *("harden", "attack@clean", "rank@clean", "certify@clean", "rescan@clean", "validate@clean"),
        *("exchange", "report"),
    },
    "harden": {
        *("attack@adversarial", "rank@adversarial", "certify@adversarial", "rescan@adversarial"),
        *("validate@adversarial", "exchange", "report"),
    },
    "attack": {"rank", "validate", "tabulate", "plot", "exchange", "report"},
    "rank": {"tabulate", "plot", "report"},
    "certify": {"tabulate", "plot", "report"},
    "rescan": {"tabulate", "plot", "report"},
    "validate": {"tabulate", "plot"},
    "tabulate": {"exchange", "report"},
    "plot": {"report"},
    "exchange": set(),
    "report": set(),
}
OTHER_VALUES: dict[str, Any] = {  # where the next number or the opposite is not a valid value
    "acquire.mnist.source": "packaged",
    "datasets.mnist.preprocess.format.name": "cifar10",
    "datasets.mnist.preprocess.intensity_range": "training",
    "datasets.mnist.preprocess.balance": "none",
    "datasets.mnist.preprocess.duplicates": "refuse",
    "datasets.mnist.preprocess.fit": "pad",
    "datasets.mnist.preprocess.channels": "colour",
    "datasets.mnist.preprocess.classes": ["0", "1"],
    "datasets.mnist.preprocess.per_class": 100,
    "datasets.mnist.preprocess.split.unit": "image",
    "datasets.mnist.model.weights": "none",
    "datasets.mnist.model.input_scaling": "none",
    "datasets.mnist.model.hidden_units": [4096, 512],
    "datasets.mnist.model.max_norm": 2.0,
    "datasets.mnist.train.patience": 3,
    "datasets.mnist.train.keep": "last",
    "datasets.mnist.train.average": 0.9,
    "datasets.mnist.train.precision": "mixed",
    "datasets.mnist.harden.patience": 3,
    "datasets.mnist.harden.weight_perturbation": 0.01,
    "datasets.mnist.harden.num_random_init": 0,
    "datasets.mnist.harden.keep": "validation_loss",
    "datasets.mnist.harden.max_drop": 0.2,
    "datasets.mnist.harden.average": 0.8,
    "datasets.mnist.harden.precision": "mixed",
    "datasets.mnist.rank.reject_epsilon": 0.05,
    "datasets.mnist.certify.sigmas": [0.2],
    "datasets.mnist.certify.noise": "untied",
    "datasets.mnist.certify.alpha": 0.01,
    "datasets.mnist.certify.alpha_of": "table",
    "datasets.mnist.acquisition.modality": "MR",
    "datasets.mnist.acquisition.changes": {"jpeg": "literature"},
    "attacks.strict.search_precision": "tf32",
    "attacks.strict.noise": "uniform",
    "datasets.mnist.attack.threat_epsilons": [0.05, 0.1],
    "validity.on_failure": "fail",
    "report.columns.mnist.title": "Digits",
    "report.columns.mnist.paper": "CIFAR-10",
    "report.columns.mnist.kind": "medical",
    "report.adversarial_training_epsilon": 0.004,
}
OTHER_MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {  # by the leaf that names the member: its stage, another one
    "datasets.mnist.model.source": (
        "train",
        {"source": "application", "architecture": "ResNet50", "weights": "none", "dropout": 0.2},
    ),
    "datasets.mnist.harden.schedule.name": ("harden", {"name": "constant"}),
    "datasets.mnist.harden.loss.name": ("harden", {"name": "trades", "beta": 6.0}),
    **{
        f"datasets.mnist.{stage}.optimizer.name": (
            stage,
            {
                "name": "sgd",
                "learning_rate": 0.0001,
                "decay": 0,
                "momentum": 0,
                "nesterov": False,
                "weight_decay": 0,
            },
        )
        for stage in ("train", "harden")
    },
}
FIXED = {  # one value only is valid, or the leaf decides which stages there are (tests/test_graph.py)
    "run.datasets",
    "run.seeds",
    "acceptance",
    "attacks.bim.num_random_init",
    "datasets.mnist.smooth",
    *OTHER_MEMBERS,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy that Snakemake ran and DVC recorded."""
    folder = toy.make_toy(tmp_path_factory.mktemp("invalidation"))
    toy.run(folder, "snakemake --cores 2 && oncorobust record")
    return folder


@pytest.fixture(scope="module")
def repo(folder: Path) -> Iterator[Repo]:
    with chdir(folder), Repo() as repo:
        yield repo


def test_nothing_is_to_be_done_before_a_change(folder: Path, repo: Repo) -> None:
    assert toy.snakemake_plan(folder).needed == set()
    assert toy.dvc_needed(repo) == set()


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def parent_of(content: Any, above: list[str]) -> Any:
    for key in above:
        content = content[key]
    return content


def another(name: str, value: Any) -> Any:
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1]
    return value + 1 if isinstance(value, int) else value / 2


def subtree_of(name: str) -> str:
    """The longest name in the table DIRECT that fits a leaf."""
    return max((one for one in DIRECT if f"{name}.".startswith(f"{one}.")), key=len)


def expected(name: str) -> set[str]:
    """Stages that the tables above make of a leaf, closed over what follows."""
    return closed(DIRECT[subtree_of(name)], ["mnist"] if "mnist" in name else ["mnist", "slices"])


def closed(stages: list[str], datasets: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(stages)
    while waiting:
        stage, _, model = waiting.pop().partition("@")
        if stage in ("acquire", "preprocess", "train", "harden"):
            new = {f"{stage}@{dataset}" for dataset in datasets}
        elif stage in ("attack", "rank", "validate"):
            new = {f"{stage}@{dataset}-{one}" for dataset in datasets for one in ([model] if model else EACH_MODEL)}
        elif stage in ("certify", "rescan"):  # slices has neither
            new = {f"{stage}@mnist-{one}" for one in ([model] if model else EACH_MODEL) if "mnist" in datasets}
        elif stage in ("repeat", "smooth", "accept"):
            # The toy has no further training seeds, no model for certificates (tests/test_graph.py) and no policy
            # (tests/test_acceptance.py).
            new = set()
            found |= {"report"} if stage == "smooth" else set()  # the page names the code of smooth
        else:
            new = {stage}
        if not new <= found:
            found |= new
            # A model is ranked and judged by the rows of its own attack.
            of_a_model = ("rank", "validate") if model else ()
            waiting.extend(f"{one}@{model}" if one in of_a_model else one for one in AFTER[stage])
    return found


MNIST_LEAVES = [name for name, _ in leaves(toy.toy_params()) if "slices" not in name]


CHANGED = [name for name in MNIST_LEAVES if name not in FIXED]
FIRST_OF_EACH_SUBTREE = list({subtree_of(name): name for name in reversed(CHANGED)}.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *FIRST_OF_EACH_SUBTREE,
        *(pytest.param(name, marks=pytest.mark.long) for name in CHANGED if name not in FIRST_OF_EACH_SUBTREE),
    ],
)
def test_a_leaf_invalidates_the_same_stages(folder: Path, repo: Repo, name: str) -> None:
    content = toy.toy_params()
    *above, last = name.split(".")
    entry = parent_of(content, above)
    entry[last] = another(name, entry[last])
    assert needed_with(folder, repo, "params.yaml", yaml.safe_dump(content, sort_keys=False)) == expected(name)


def needed_with(folder: Path, repo: Repo, path: str, text: str) -> set[str]:
    """What both tools would run with this text in a file, which is put back afterwards."""
    file = folder / path
    before = file.read_text()
    assert before != text
    try:
        file.write_text(text)
        by_snakemake, by_dvc = toy.snakemake_plan(folder).needed, toy.dvc_needed(repo)
    finally:
        file.write_text(before)
    assert by_snakemake == by_dvc
    return by_dvc


def test_only_leaves_without_another_value_are_left_out() -> None:
    assert set(MNIST_LEAVES) >= FIXED
    no_other = {"run.datasets", "run.seeds", "acceptance", "attacks.bim.num_random_init", "datasets.mnist.smooth"}
    assert FIXED - no_other == set(OTHER_MEMBERS), "a test of its own below"


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER_MEMBERS)
def test_another_member_of_a_union_invalidates_its_stage(folder: Path, repo: Repo, name: str) -> None:
    content = toy.toy_params()
    stage, member = OTHER_MEMBERS[name]
    *above, key, _ = name.split(".")
    parent_of(content, above)[key] = member
    assert needed_with(folder, repo, "params.yaml", yaml.safe_dump(content, sort_keys=False)) == closed(
        [stage, "validate"], ["mnist"]
    )


@cache
def library_files_of_stages() -> dict[str, set[str]]:
    """Stages by the library file, data file or script that they declare."""
    users: dict[str, set[str]] = {}
    for stage in toy.STAGES:
        for path in stage_digests(toy.REPOSITORY, stage):
            users.setdefault(path, set()).add(stage)
    return users


def one_file_of_each_set_of_stages() -> list[str]:
    """The first library file of each set of stages: files of the same stages stand in the same files of digests."""
    return list(
        {frozenset(stages): path for path, stages in sorted(library_files_of_stages().items(), reverse=True)}.values()
    )


USUAL = ({"train"}, {"attack"}, {"tabulate"}, set(toy.STAGES))
"""Sets of stages of which `make test` edits a file; `make test-long` edits one of every set."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if library_files_of_stages()[path] in USUAL else pytest.mark.long)
        for path in one_file_of_each_set_of_stages()
    ],
)
def test_a_library_file_invalidates_the_same_stages(folder: Path, repo: Repo, path: str) -> None:
    stages = sorted(library_files_of_stages()[path])
    acquired = closed([stage for stage in stages if stage == "acquire"], ["mnist"])
    others = closed([stage for stage in stages if stage != "acquire"], ["mnist", "slices"])
    assert needed_after_graph(folder, repo, path, "\nADDED = 1\n") == acquired | others


def test_an_edit_of_any_library_file_changes_the_digests_of_its_stages(folder: Path) -> None:
    """The test above edits one file of each set; here all are edited at once, and each must have another digest."""
    digests = {stage: stage_digests(folder, stage) for stage in toy.STAGES}
    files = {folder / path: (folder / path).read_text() for path in library_files_of_stages()}
    try:
        for file, text in files.items():
            file.write_text(text + "\nADDED = 1\n")
        edited = {stage: stage_digests(folder, stage) for stage in toy.STAGES}
    finally:
        for file, text in files.items():
            file.write_text(text)
    listed = library_files_of_stages()
    for stage in toy.STAGES:
        assert {path for path, stages in listed.items() if stage in stages} <= digests[stage].keys()
        assert digests[stage].keys() == edited[stage].keys()
        assert not [path for path in digests[stage] if digests[stage][path] == edited[stage][path]]


def needed_after_graph(folder: Path, repo: Repo, path: str, added: str) -> set[str]:
    """What both tools would run with this text at a file's end and the graph in step; both are put back afterwards."""
    before = {file: file.read_text() for file in (folder / path, *(folder / "workflow" / "code").iterdir())}
    try:
        (folder / path).write_text(before[folder / path] + added)
        refresh(folder)
        by_snakemake, by_dvc = toy.snakemake_plan(folder).needed, toy.dvc_needed(repo)
    finally:
        for file, text in before.items():
            file.write_text(text)
    assert by_snakemake == by_dvc
    return by_dvc


def test_comments_docstrings_and_blank_lines_invalidate_nothing(folder: Path, repo: Repo) -> None:
    """In every script and module at once; the graph need not be told."""
    files = [folder / path for path in library_files_of_stages() if path.endswith(".py")]
    before = {file: file.read_text() for file in files}
    assert len(before) > 100
    try:
        for file, text in before.items():
            file.write_text(f'"""Another docstring."""\n# A comment.\n\n{text}\n\n"""At the end."""  # And why.\n')
        assert not refresh(folder)
        assert toy.snakemake_plan(folder).needed == toy.dvc_needed(repo) == set()
    finally:
        for file, text in before.items():
            file.write_text(text)


@pytest.mark.long
def test_another_model_of_the_users_trains_again(folder: Path, repo: Repo) -> None:
    assert needed_with(folder, repo, toy.OWN_MODEL, "another model\n") == closed(["train"], ["mnist", "slices"])


@pytest.mark.long
def test_other_files_invalidate_nothing(folder: Path, repo: Repo) -> None:
    for path in (
        "src/oncorobust/cli/main.py",
        "src/oncorobust/pipeline/sync.py",
        "Snakefile",
        "workflow/report/figure1.rst",
    ):
        assert needed_with(folder, repo, path, (folder / path).read_text() + "\n") == set()


@pytest.mark.slow
def test_the_command_lines_agree(folder: Path) -> None:
    """The same question put to `snakemake -n` and `dvc repro --dry`, for one leaf and one library file."""
    content = toy.toy_params()
    content["datasets"]["mnist"]["rank"]["exclude_share"] = 0.3
    script = folder / "workflow" / "scripts" / "plot.py"
    before = {path: path.read_text() for path in (folder / "params.yaml", script)}
    try:
        toy.write_params(folder, content)
        script.write_text(before[script] + "ADDED = 1\n")
        toy.run(folder, "oncorobust graph")
        planned = toy.run(folder, "snakemake -n")
        reproduced = toy.run(folder, "dvc repro --dry")
    finally:
        for path, text in before.items():
            path.write_text(text)
        refresh(folder)
    table = planned.partition("Job stats:")[2].partition("total")[0]
    counts = dict(re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE))
    stages = re.findall(r"Running stage '([^']+)'", reproduced)
    # rank of both models changes, so do tabulate, exchange and the page; plot has another script
    assert counts == {"all": "1", "rank": "2", "tabulate": "1", "plot": "1", "exchange": "1", "report": "1"}
    assert {"rank@mnist-clean", "rank@mnist-adversarial", "plot"} <= set(stages)
    assert not [stage for stage in stages if stage.startswith(("train", "attack", "rank@slices"))]
