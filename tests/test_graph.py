"""The Snakefile and dvc.yaml state one graph, and the code of a stage is what its script really imports.

Both graphs are read from the tools themselves: Snakemake's jobs and DVC's stages, after wildcards, lookups and `${}`
are resolved. The real imports are found a second way, by Python's own ModuleFinder, which follows bytecode.
"""

import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml

from oncorobust.base.errors import InputError
from oncorobust.base.layout import ACQUISITION
from oncorobust.base.schema.files import TABLES
from oncorobust.pipeline.dvc_yaml import check_in_step, out_of_step, own_files, refresh, repeats
from oncorobust.pipeline.imports import library_files, stage_code
from oncorobust.pipeline.stage_log import log_path
from oncorobust.settings.load import parse_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.make_toy(tmp_path_factory.mktemp("graph"))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of four modules and a table; `unused` is imported by nobody."""
    package = tmp_path / "src" / "oncorobust"
    (package / "data").mkdir(parents=True)
    (package / "paper").mkdir()
    for name, text in {
        "__init__.py": "",
        "data/__init__.py": "",
        "data/idx.py": "from ..errors import InputError\n",
        "errors.py": "class InputError(ValueError): ...\n",
        "tables.py": "def read():\n    import oncorobust.errors\n    return open('paper/table1.csv')\n",
        "unused.py": "",
        "paper/table1.csv": "row\n",
    }.items():
        (package / name).write_text(text)
    return tmp_path


def test_both_tools_have_the_same_steps(folder: Path) -> None:
    jobs = toy.snakemake_plan(folder, forceall=True).steps
    stages = toy.dvc_steps(folder)
    assert set(jobs) == set(stages)
    # acquire; preprocess, train, harden of two data sets; attack, rank, validate of two models of each; certify and
    # rescan of the two models of one; four more
    assert len(jobs) == 1 + 3 * 2 + 3 * 2 * 2 + 2 * 2 + 4
    for name, stage in stages.items():
        assert jobs[name] == stage, name


def test_a_rule_names_the_log_that_its_stage_writes(folder: Path) -> None:
    plan = toy.snakemake_plan(folder, forceall=True)
    for name, step in plan.steps.items():
        assert plan.logs[name] == [str(log_path(step.command.split()[1:]))], name


def test_stages_declare_what_the_contract_says_they_write(folder: Path) -> None:
    for name, stage in toy.dvc_steps(folder).items():
        words = dict(zip(("dataset", "model"), name.partition("@")[2].split("-"), strict=False))
        written = toy.written(name.partition("@")[0], words, ["mnist", "slices"])
        assert stage.outputs == ({"data/raw/mnist"} if name == "acquire@mnist" else written), name


def test_the_target_is_every_artefact(folder: Path) -> None:
    plan = toy.snakemake_plan(folder)
    assert plan.targets == frozenset().union(*(step.outputs for step in plan.steps.values()))
    assert plan.needed == set(plan.steps), "a clone without its data must plan every job"


def test_code_is_what_python_would_load() -> None:
    root = toy.REPOSITORY
    for stage in toy.STAGES:
        finder = ModuleFinder(path=[str(root / "src")])
        finder.run_script(str(root / "workflow" / "scripts" / f"{stage}.py"))
        files = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
        loaded = {file.relative_to(root).as_posix() for file in files if file.is_relative_to(root / "src")}
        listed = {path for path in stage_code(root, stage)[1:] if path.endswith(".py")}
        assert listed == loaded, stage
        assert len(listed) > 3, stage


def test_the_graph_is_in_step_with_params_and_code() -> None:
    assert out_of_step(toy.REPOSITORY) == []
    assert len((toy.REPOSITORY / "dvc.yaml").read_text().splitlines()) < 1000
    written = sorted(path.stem for path in (toy.REPOSITORY / "workflow" / "code").iterdir())
    assert written == sorted(toy.STAGES)


def test_imports_inside_functions_relative_imports_and_tables_count(library: Path) -> None:
    script = library / "script.py"
    script.write_text("import numpy\nfrom oncorobust.data.idx import read\n")
    prefix = "src/oncorobust/"
    assert library_files(library, script) == [
        prefix + name for name in ("__init__.py", "data/__init__.py", "data/idx.py", "errors.py")
    ]
    script.write_text("from oncorobust import tables\n")
    assert library_files(library, script) == [
        prefix + name for name in ("__init__.py", "errors.py", "paper/table1.csv", "tables.py")
    ]


def test_a_folder_of_templates_that_a_module_names_counts_whole(library: Path) -> None:
    (library / "script.py").write_text("from oncorobust import page\n")
    package = library / "src" / "oncorobust"
    (package / "page.py").write_text("FOLDER = 'page/templates'\n")
    (package / "page" / "templates").mkdir(parents=True)
    for name in ("_part.html.j2", "a.css", "a.js", "notes.txt"):
        (package / "page" / "templates" / name).write_text("")
    found = library_files(library, library / "script.py")
    assert [one.rpartition("/")[2] for one in found] == ["__init__.py", "page.py", "_part.html.j2", "a.css", "a.js"]
    (package / "page.py").write_text("FOLDER = 'templates'\n")
    assert len(library_files(library, library / "script.py")) == 2


def test_an_edited_import_is_seen_in_the_same_process(library: Path) -> None:
    script = library / "script.py"
    script.write_text("import oncorobust.errors\n")
    assert "src/oncorobust/unused.py" not in library_files(library, script)
    script.write_text("import oncorobust.errors, oncorobust.unused\n")
    assert "src/oncorobust/unused.py" in library_files(library, script)


def test_an_import_of_nothing_is_refused(library: Path) -> None:
    script = library / "script.py"
    script.write_text("from oncorobust.idx.reader import read\n")
    with pytest.raises(InputError, match=r"expected a module of the library, got import 'oncorobust.idx.reader'"):
        library_files(library, script)
    script.write_text("def (:\n")
    with pytest.raises(InputError, match=r"expected Python, got .* in .*script.py"):
        library_files(library, script)
    with pytest.raises(InputError, match=r"expected a script or module, got .*absent.py"):
        library_files(library, library / "absent.py")


def test_train_reads_the_users_models_and_weights(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    content = toy.toy_params()
    assert own_files(content) == [toy.OWN_MODEL]
    content["datasets"]["mnist"]["model"]["weights"] = "own/vgg16.weights.h5"
    assert own_files(content) == [toy.OWN_MODEL, "own/vgg16.weights.h5"]
    (folder / "own" / "vgg16.weights.h5").touch()
    toy.write_params(folder, content)
    assert out_of_step(folder) == [f"{stage} lacks own/vgg16.weights.h5" for stage in ("train", "repeat")]
    assert refresh(folder)
    jobs, stages = toy.snakemake_plan(folder, forceall=True).steps, toy.dvc_steps(folder)
    assert jobs == stages
    readers = {name for name, stage in stages.items() if any(path.startswith("own/") for path in stage.inputs)}
    assert readers == {"train@mnist", "train@slices"}
    assert {toy.OWN_MODEL, "own/vgg16.weights.h5"} < stages["train@mnist"].inputs
    content["datasets"]["slices"]["model"] = content["datasets"]["mnist"]["model"] | {"weights": "none"}
    content["run"]["datasets"] = ["slices"]
    assert own_files(content) == []
    toy.write_params(folder, toy.small_params())
    assert "train lists own/classifier.keras, which it no longer reads" in out_of_step(folder)


@pytest.mark.long
def test_refresh_writes_a_new_data_set_everywhere_and_keeps_comments(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    in_step = (folder / "dvc.yaml").read_text()
    assert in_step.startswith("# The same graph as in the Snakefile")
    content = toy.toy_params()
    for section in (content["datasets"], content["report"]["columns"]):
        section["third"] = section["slices"]
    content["run"]["datasets"] = ["mnist", "third", "slices"]
    toy.write_params(folder, content)
    with pytest.raises(
        InputError, match=r"out of step \(preprocess lists other data sets than params.yaml and \d+ more\)"
    ):
        check_in_step(folder)
    assert "run `oncorobust graph`" in toy.run(folder, "snakemake -n 2>&1", status=1)
    assert refresh(folder)
    check_in_step(folder)
    assert not refresh(folder)
    (folder / "data" / "raw" / "third").mkdir()
    jobs, stages = toy.snakemake_plan(folder, forceall=True).steps, toy.dvc_steps(folder)
    assert jobs == stages
    assert "preprocess@third" in stages
    toy.write_params(folder, toy.toy_params())
    assert refresh(folder)
    assert (folder / "dvc.yaml").read_text() == in_step


def test_a_new_import_is_out_of_step_until_refreshed(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    with (folder / "workflow" / "scripts" / "acquire.py").open("a") as script:
        script.write("if False:\n    import oncorobust.new_module\n")
    (folder / "src" / "oncorobust" / "new_module.py").write_text("")
    new = ["acquire: src/oncorobust/new_module.py is new", "acquire: workflow/scripts/acquire.py has changed"]
    assert out_of_step(folder) == new
    assert toy.run(folder, "oncorobust graph --check", status=1).splitlines() == new
    toy.run(folder, "oncorobust graph")
    assert out_of_step(folder) == []


@pytest.mark.parametrize("present", [True, False])
def test_compute_jobs_ask_for_a_gpu_only_where_there_is_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: bool
) -> None:
    if present:
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:/bin")
    asked = {job.partition("@")[0] for job in toy.snakemake_plan(folder).gpu}
    assert asked == ({"train", "harden", "attack", "rank", "certify", "rescan"} if present else set())


def test_a_plotted_column_has_no_empty_cell_and_only_finite_numbers() -> None:
    # DVC draws an empty cell as 0 and a line across inf. Accuracies are finite; "number" in the schema is never empty.
    stages = yaml.safe_load((toy.REPOSITORY / "dvc.yaml").read_text())["stages"].values()
    plots = [plot for stage in stages for plot in stage.get("do", stage).get("plots", [])]
    types = {(table.file, column.name): column.type for table in TABLES for column in table.columns}
    assert len(plots) == 2
    for file, axes in (pair for plot in plots for pair in plot.items()):
        assert types[file, axes["x"]] in ("integer", "number")
        assert types[file, axes["y"]] == "number"


def test_every_rule_that_asks_for_a_gpu_has_a_place_in_the_slurm_profile() -> None:
    text = "".join(file.read_text() for file in (toy.REPOSITORY / "workflow" / "rules").glob("*.smk"))
    large = {rule.partition(":")[0] for rule in text.split("\nrule ")[1:] if "**ON_A_GPU" in rule}
    profile = yaml.safe_load((toy.REPOSITORY / "profiles" / "slurm" / "config.v8+.yaml").read_text())
    large_rules = {"train", "harden", "smooth", "attack", "rank", "certify", "rescan", "repeat"}
    assert large == {*large_rules, "attack_shard", "rank_shard"}
    assert set(profile["set-resources"]) == large


@pytest.mark.parametrize("not_hardened", [["slices"], pytest.param(["mnist", "slices"], marks=pytest.mark.long)])
def test_a_data_set_that_is_not_hardened_has_one_model_in_both_graphs(tmp_path: Path, not_hardened: list[str]) -> None:
    folder = toy.make_toy(tmp_path)
    in_step = (folder / "dvc.yaml").read_text()
    content = toy.toy_params()
    for name in not_hardened:
        content["datasets"][name]["harden"] = None
    toy.write_params(folder, content)
    assert "harden lists other data sets than params.yaml" in out_of_step(folder)
    assert "attack lists other models than params.yaml" in out_of_step(folder)
    assert refresh(folder)
    assert out_of_step(folder) == []
    plan, stages = toy.snakemake_plan(folder, forceall=True), toy.dvc_steps(folder)
    assert plan.steps == stages
    assert plan.targets == frozenset().union(*(step.outputs for step in stages.values()))
    assert len(stages) == 1 + 3 * 2 + 3 * 2 * 2 + 2 * 2 + 4 - 4 * len(not_hardened) - 2 * ("mnist" in not_hardened)
    read = frozenset().union(*(step.inputs | step.outputs for step in stages.values()))
    assert not {path for path in read for name in not_hardened if f"{name}/adversarial" in path}
    toy.write_params(folder, toy.toy_params())
    assert refresh(folder)
    assert (folder / "dvc.yaml").read_text() == in_step


@pytest.mark.long
def test_without_certificates_there_is_no_stage_certify_in_either_graph(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    in_step = (folder / "dvc.yaml").read_text()
    assert {name for name in toy.dvc_steps(folder) if name.startswith("certify")} == {
        "certify@mnist-clean",
        "certify@mnist-adversarial",
    }
    content = toy.toy_params()
    content["datasets"]["mnist"]["certify"] = None
    toy.write_params(folder, content)
    assert "certify lists other models than params.yaml" in out_of_step(folder)
    assert "plot lists reports/mnist/clean/certificates.csv, which it no longer reads" in out_of_step(folder)
    assert refresh(folder)
    plan, stages = toy.snakemake_plan(folder, forceall=True), toy.dvc_steps(folder)
    assert plan.steps == stages
    paths = plan.targets.union(*(step.inputs | step.outputs for step in stages.values()))
    assert not {one for one in paths if "certif" in one.rpartition("/")[2] and "tables" not in one}
    toy.write_params(folder, toy.toy_params())
    assert refresh(folder)
    assert (folder / "dvc.yaml").read_text() == in_step


def test_stage_rescan_reads_the_raw_tree_again(folder: Path) -> None:
    stages = toy.dvc_steps(folder)
    of_stage = {name for name in stages if name.startswith("rescan")}
    assert of_stage == {"rescan@mnist-clean", "rescan@mnist-adversarial"}, "slices has no acquisition block"
    inputs = stages["rescan@mnist-clean"].inputs
    assert {"data/raw/mnist", "data/processed/mnist/raw_tree.csv", "models/mnist/clean.answers.json"} <= inputs


@pytest.mark.long
def test_without_changes_of_the_acquisition_there_is_no_stage_rescan_in_either_graph(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    in_step = (folder / "dvc.yaml").read_text()
    content = toy.toy_params()
    content["datasets"]["mnist"]["acquisition"] = None
    toy.write_params(folder, content)
    assert "rescan lists other models than params.yaml" in out_of_step(folder)
    assert refresh(folder)
    plan, stages = toy.snakemake_plan(folder, forceall=True), toy.dvc_steps(folder)
    assert plan.steps == stages
    paths = plan.targets.union(*(step.inputs | step.outputs for step in stages.values()))
    assert not {one for one in paths if one.rpartition("/")[2] in ACQUISITION}
    toy.write_params(folder, toy.toy_params())
    assert refresh(folder)
    assert (folder / "dvc.yaml").read_text() == in_step


@pytest.mark.long
def test_a_model_for_certificates_is_trained_certified_and_not_attacked_in_both_graphs(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    in_step = (folder / "dvc.yaml").read_text()
    content = toy.toy_params()
    block = content["datasets"]["mnist"]
    loss = {"name": "noise", "sigma": 0.1, "noise": "tied", "copies": 2}
    block["smooth"] = block["harden"] | {"loss": loss, "schedule": {"name": "constant"}}
    toy.write_params(folder, content)
    assert "smooth lists other data sets than params.yaml" in out_of_step(folder)
    assert "report lacks reports/mnist/noise/training.json" in out_of_step(folder)
    assert refresh(folder)
    assert out_of_step(folder) == []
    plan, stages = toy.snakemake_plan(folder, forceall=True), toy.dvc_steps(folder)
    assert plan.steps == stages
    assert plan.targets == frozenset().union(*(step.outputs for step in stages.values()))
    made = {path for path in plan.targets if "/noise" in path}
    trained, *others = (stages[one].outputs for one in ("smooth@mnist", "certify@mnist-noise", "rescan@mnist-noise"))
    assert made == trained.union(*others)
    assert trained == {one.format(dataset="mnist") for one in toy.OUTPUTS["smooth"]}
    readers = {name for name, step in stages.items() if step.inputs & made}
    assert readers == {"certify@mnist-noise", "rescan@mnist-noise", "tabulate", "plot", "exchange", "report"}
    cards = {f"reports/cards/mnist-noise.{form}" for form in ("md", "cdx.json")}
    assert cards == {path for path in plan.targets if "-noise" in path} <= stages["exchange"].outputs
    toy.write_params(folder, toy.toy_params())
    assert refresh(folder)
    assert (folder / "dvc.yaml").read_text() == in_step


@pytest.mark.long
def test_further_training_seeds_make_a_stage_for_each_data_set_and_seed_in_both_graphs(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path)
    in_step = (folder / "dvc.yaml").read_text()
    content = toy.toy_params()
    content["run"]["seeds"] = [1, 12]
    toy.write_params(folder, content)
    assert "repeat lists other training seeds than params.yaml" in out_of_step(folder)
    assert "tabulate lacks reports/slices/seeds/12/intervals.csv" in out_of_step(folder)
    assert refresh(folder)
    assert out_of_step(folder) == []
    plan, stages = toy.snakemake_plan(folder, forceall=True), toy.dvc_steps(folder)
    assert plan.steps == stages
    assert plan.targets == frozenset().union(*(step.outputs for step in stages.values()))
    made = {name: step for name, step in stages.items() if name.startswith("repeat@")}
    assert set(made) == {f"repeat@{dataset}-{seed}" for dataset in ("mnist", "slices") for seed in (1, 12)}
    for name, step in made.items():
        dataset, seed = name.removeprefix("repeat@").split("-")
        assert step.outputs == {one.format(dataset=dataset, seed=seed) for one in toy.OUTPUTS["repeat"]}
        assert step.outputs < stages["tabulate"].inputs
        assert toy.OWN_MODEL in step.inputs
        assert plan.logs[name] == [f"logs/repeat/{dataset}-{seed}.log"]
    toy.run(folder, "snakemake --cores 2 && oncorobust record")
    assert toy.snakemake_plan(folder).needed == set()
    assert "Data and pipelines are up to date" in toy.run(folder, "dvc status")
    toy.write_params(folder, toy.toy_params())
    assert refresh(folder)
    assert (folder / "dvc.yaml").read_text() == in_step
    assert toy.snakemake_plan(folder).needed >= {"tabulate"}
    assert "tabulate" in toy.run(folder, "dvc status")


def test_a_finished_model_alone_is_not_repeated_with_another_seed() -> None:
    content = toy.toy_params()
    content["run"]["seeds"] = [1]
    content["datasets"]["slices"]["harden"] = None
    content["datasets"]["slices"]["model"]["fine_tune"] = False
    assert repeats(content) == [("mnist", 1)]
    assert parse_params(content).repeats == {"mnist": (1,), "slices": ()}
    content["datasets"]["slices"]["harden"] = content["datasets"]["mnist"]["harden"]
    assert repeats(content) == [("mnist", 1), ("slices", 1)]
    assert parse_params(content).repeats == {"mnist": (1,), "slices": (1,)}
