"""Projects of one's own: what init refuses and writes, and how upgrade moves a project on without a loss."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toy_pipeline as toy
import yaml

import oncorobust
from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.cli import init as init_command
from oncorobust.cli import upgrade as upgrade_command
from oncorobust.cli.main import main
from oncorobust.pipeline import project_init, project_record, project_upgrade, shipped
from oncorobust.pipeline.code_record import check_script
from oncorobust.pipeline.interruption import _is_stage
from oncorobust.pipeline.project_files import graph_md5, graph_text, project_files
from oncorobust.pipeline.project_init import make_project
from oncorobust.pipeline.project_params import fill_params
from oncorobust.pipeline.project_record import is_newer, read_record, version_conflict
from oncorobust.pipeline.project_upgrade import apply_upgrade, plan_upgrade
from oncorobust.settings.missing_keys import missing_keys
from oncorobust.settings.renamed_keys import Renamed

DEMO = (toy.REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8")
NEWER, OLDER = "99.0.0", "0.0.1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of this version."""
    folder = tmp_path_factory.mktemp("place") / "mine"
    make_project(folder, preset="demo")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the current folder."""
    folder = Path(shutil.copytree(made, tmp_path / "mine"))
    monkeypatch.chdir(folder)
    return folder


def of_version(project: Path, version: str) -> None:
    """Let a project be of another version."""
    record = json.loads((project / layout.PROJECT).read_text())
    (project / layout.PROJECT).write_text(json.dumps(record | {"version": version}))


def command(project: Path, text: str, *, status: int = 0) -> str:
    """Run a shell command in a project with this repository's package, and return what it printed."""
    return toy.run(project, f"PYTHONPATH={toy.REPOSITORY / 'src'} {text}", status=status)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those that only save time."""
    kept = (path for path in folder.rglob("*") if ".cache" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept if path.is_file()}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command says on standard error, in one line, when it refuses."""
    assert main(list(words)) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("oncorobust: ")
    return told


def test_a_project_is_that_of_the_preset_and_both_graphs_are_in_step(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (project / "params.yaml").read_text() == DEMO
    assert DEMO.startswith("# yaml-language-server: $schema=params.schema.json\n")
    assert (project / "params.schema.json").read_bytes() == (toy.REPOSITORY / "params.schema.json").read_bytes()
    assert main(["graph", "--check"]) == 0
    assert capsys.readouterr().out == "the graph is in step\n"
    for stage in toy.STAGES:  # the same digests under the same paths as in the repository
        path = f"workflow/code/{stage}.txt"
        assert (project / path).read_bytes() == (toy.REPOSITORY / path).read_bytes()
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    run_by = {name: entry.get("do", entry)["cmd"] for name, entry in stages.items()}
    assert run_by["train"] == "python -m oncorobust.cli.stage train --dataset ${item}"
    assert list(run_by) == toy.STAGES
    assert [one.partition(" --")[0] for one in run_by.values()] == [
        f"python -m oncorobust.cli.stage {name}" for name in run_by
    ]
    assert not list(project.rglob("*.part*"))


def test_git_ignores_in_a_project_what_it_ignores_in_the_repository(project: Path) -> None:
    lines = set((toy.REPOSITORY / ".gitignore").read_text().splitlines())
    kept = {line for line in lines if line.startswith(("/reports/", "/models", "/data/processed", "/.cache"))}
    assert len(kept) > 10
    assert kept <= set((project / ".gitignore").read_text().splitlines())
    subprocess.run(["git", "init", "-q"], check=True)
    (project / "data" / "raw" / "ct").mkdir()
    (project / "data" / "raw" / "ct" / "a.png").touch()
    asked = subprocess.run(["git", "check-ignore", "data/raw/ct/a.png", "data/raw/README.md"], capture_output=True)
    assert asked.stdout == b"data/raw/ct/a.png\n"


def test_two_projects_have_the_same_bytes(made: Path, tmp_path: Path) -> None:
    make_project(tmp_path / "again", preset="demo")
    assert contents(tmp_path / "again") == contents(made)


def test_places_that_init_refuses(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = tmp_path / "full"
    full.mkdir()
    for name in "gfedcba":
        (full / name).touch()
    told = refused(capsys, "init", str(full))
    assert "is not empty: it has 'a', 'b', 'c', 'd', 'e' and 2 more: choose a new or empty folder" in told
    assert sorted(one.name for one in full.iterdir()) == list("abcdefg")
    assert "is a file: choose a new or empty folder" in refused(capsys, "init", str(full / "a"))
    assert "cannot be written" in refused(capsys, "init", str(full / "a" / "below"))
    inside = toy.REPOSITORY / "data" / "mine"
    assert f"is inside {toy.REPOSITORY}, the repository of oncorobust" in refused(capsys, "init", str(inside))
    assert not inside.exists()
    assert f"is the project {made}: use that" in refused(capsys, "init", str(made))
    assert f"is inside the project {made}" in refused(capsys, "init", str(made / "data" / "more"))
    told = refused(capsys, "init", str(tmp_path / "new"), "--preset", "demos")
    assert "--preset: expected one of demo, medical_natural, paper, real, got 'demos'" in told
    assert not (tmp_path / "new").exists()


def test_a_place_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked and may(path, mode))  # root may all
    assert f"{locked} cannot be written: choose a folder below one that you own" in refused(
        capsys, "init", str(locked / "mine")
    )
    assert not list(locked.iterdir())


def test_a_disk_that_fills_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "dvc.yaml")

    monkeypatch.setattr(project_init, "refresh", full)
    with pytest.raises(InputError, match=r"cannot be written: No space left on device: dvc.yaml"):
        make_project(tmp_path / "mine", preset="demo")
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    with pytest.raises(InputError, match=r"No space left"):
        make_project(tmp_path / "empty", preset="demo")
    assert sorted(contents(tmp_path)) == []
    assert (tmp_path / "empty" / ".git").is_dir()


@pytest.mark.parametrize("known", [True, False])
def test_a_commit_is_made_only_by_somebody(
    known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [one for one in os.environ if one.startswith("GIT_")] + ["EMAIL"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[user]\nname = Ann\nemail = ann@example.org\n" if known else "")
    assert main(["init", str(tmp_path / "my project")]) == 0
    told = capsys.readouterr().out
    assert "  cd 'my project'\n" in told.replace(f"{tmp_path}/", "")
    log = subprocess.run(["git", "log", "--format=%an %s"], cwd=tmp_path / "my project", capture_output=True, text=True)
    if known:
        assert "git and DVC are set up, and the files are committed" in told
        assert log.stdout == "Ann Project made by oncorobust init\n"
        status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path / "my project", capture_output=True)
        assert status.stdout == b""
    else:
        assert "git does not know who you are, so nothing is committed: git config --global user.name" in told
        assert log.returncode == 128


def test_without_git_init_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init_command.shutil, "which", lambda _: None)
    assert main(["init", str(tmp_path / "mine")]) == 0
    told = capsys.readouterr().out
    assert "git is not installed: snakemake and oncorobust work without it, but `dvc repro`, the history" in told
    assert not (tmp_path / "mine" / ".git").exists()
    assert (tmp_path / "mine" / ".dvc" / "config").is_file()


def test_in_somebodys_git_repository_nothing_is_committed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert main(["init", str(tmp_path / "mine")]) == 0
    assert "The folder lies in a git repository: commit it there" in capsys.readouterr().out
    assert not (tmp_path / "mine" / ".git").exists()


def test_a_package_without_its_workflow_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "site-packages" / "oncorobust"
    bare.mkdir(parents=True)
    monkeypatch.setattr(shipped.oncorobust, "__file__", str(bare / "__init__.py"))
    told = refused(capsys, "init", str(tmp_path / "mine"))
    assert f"expected the workflow of the installed package at {bare}/repository, got none: install the package" in told
    assert not (tmp_path / "mine").exists()


def test_a_project_of_another_version_says_so_in_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = oncorobust.__version__
    of_version(project, OLDER)
    for words in (["check"], ["graph"], ["record"], ["sync"], ["preset", "real"], ["accept", "x"], ["crate", "y"]):
        told = refused(capsys, *words)
        assert f"this project is of oncorobust {OLDER}, and {version} is installed: run `oncorobust upgrade" in told
    assert main(["where"]) == 0
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "run `oncorobust upgrade --dry-run`" in told.err
    assert "reports/index.html" in told.out
    with pytest.raises(InputError, match=r"this project is of oncorobust 0.0.1"):
        check_script(toy.REPOSITORY / "workflow" / "scripts" / "train.py")
    printed = command(project, "snakemake -n", status=1)
    assert f"this project is of oncorobust {OLDER}" in printed and "Traceback" not in printed
    of_version(project, NEWER)
    told = refused(capsys, "check")
    assert told.endswith(f"install its version, pip install 'oncorobust[pipeline]=={NEWER}'\n")
    told = refused(capsys, "upgrade")
    assert f"this project is of oncorobust {NEWER}, and {version} is installed" in told
    assert told.endswith("an upgrade never goes back\n")


def test_a_record_that_is_no_record(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (
        "{",
        "[]",
        "{}",
        '{"version": 1, "preset": "demo", "files": {}, "graph": ""}',
        '{"version": "new", "preset": "demo", "files": {}, "graph": ""}',
    ):
        (project / layout.PROJECT).write_text(text)
        assert f"{layout.PROJECT}: expected" in refused(capsys, "check")
    (project / layout.PROJECT).unlink()
    assert f"has no {layout.PROJECT}: go to a project" in refused(capsys, "upgrade")


@pytest.mark.parametrize(
    ("one", "other"), [("0.10.0", "0.9.9"), ("1.0", "0.99"), ("1.0", "1.0rc1"), ("1.0rc2", "1.0rc1"), ("2.0.1", "2")]
)
def test_the_order_of_versions(one: str, other: str) -> None:
    assert is_newer(one, other)
    assert not is_newer(other, one)
    assert not is_newer(one, one)
    assert not is_newer("1.0", "1.0.0") and not is_newer("1.0.0", "1.0")


def test_the_installed_version_may_be_unknown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_version(project, OLDER)
    monkeypatch.setattr(project_record, "installed_version", lambda: None)
    assert version_conflict(project) is None


def test_nothing_to_upgrade_changes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(project)
    assert main(["upgrade"]) == 0
    assert capsys.readouterr().out == "Nothing changes: the project is of the installed version.\n"
    assert contents(project) == before


def test_an_upgrade_keeps_what_a_person_has_edited(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((project / layout.PROJECT).read_text())
    older = {"Snakefile": b"older\n", "README.md": b"older\n", "profiles/slurm/config.v8+.yaml": b"older\n"}
    for path, content in older.items():
        (project / path).write_bytes(content)
        record["files"][path] = project_upgrade.md5(content)
    record["files"].pop("policy.schema.json")  # new in this version
    (project / "policy.schema.json").unlink()
    (project / "README.md").write_text("mine\n")
    (project / ".gitignore").write_text("mine\n")  # edited, and the same in both versions
    (project / "profiles" / "slurm" / "config.v8+.yaml").unlink()  # removed by the person
    params = DEMO.replace("seed: ", "# mine\nseed:   ", 1) + "# the end\n"
    (project / "params.yaml").write_text(params)
    (project / "workflow" / "code" / "train.txt").write_text("# older\n")
    graph = (project / "dvc.yaml").read_text().replace("        - run.threads\n", "", 1)
    (project / "dvc.yaml").write_text(graph)
    record |= {"version": OLDER, "graph": graph_md5(graph)}
    (project / layout.PROJECT).write_text(json.dumps(record))
    before = contents(project)

    lines = [
        f"oncorobust {OLDER} -> {oncorobust.__version__}",
        "Snakefile: written again",
        "policy.schema.json: written again",
        "dvc.yaml: written again",
        "README.md: you have edited it, so it is kept; the new one is README.md.new",
        "train: its code has changed, so a finished run of it is repeated",
    ]
    assert main(["upgrade", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert contents(project) == before
    assert main(["upgrade"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == lines
    shipped_files = project_files()
    after = contents(project)
    assert after["Snakefile"] == shipped_files["Snakefile"]
    assert after["policy.schema.json"] == shipped_files["policy.schema.json"]
    assert (after["README.md"], after["README.md.new"]) == (b"mine\n", shipped_files["README.md"])
    assert after[".gitignore"] == b"mine\n" and ".gitignore.new" not in after
    assert "profiles/slurm/config.v8+.yaml" not in after
    assert after["params.yaml"] == params.encode()
    assert graph_md5(after["dvc.yaml"].decode()) == graph_md5(graph_text())
    assert main(["graph", "--check"]) == 0
    assert read_record(project).version == oncorobust.__version__
    capsys.readouterr()
    assert main(["upgrade"]) == 0
    assert capsys.readouterr().out.startswith("Nothing changes")


def test_a_snakefile_edited_by_hand_is_not_overwritten(project: Path) -> None:
    record = json.loads((project / layout.PROJECT).read_text())
    record["files"]["Snakefile"] = project_upgrade.md5(b"older\n")
    (project / layout.PROJECT).write_text(json.dumps(record | {"version": OLDER}))
    mine = (project / "Snakefile").read_text() + "\n\nrule mine:\n    output: 'mine.txt'\n    shell: 'touch {output}'\n"
    (project / "Snakefile").write_text(mine)
    apply_upgrade(project, plan_upgrade(project, given={}))
    assert (project / "Snakefile").read_text() == mine
    assert (project / "Snakefile.new").read_bytes() == project_files()["Snakefile"]


def test_a_dvc_yaml_edited_by_hand_is_kept(project: Path) -> None:
    record = json.loads((project / layout.PROJECT).read_text())
    (project / layout.PROJECT).write_text(json.dumps(record | {"graph": "0" * 32}))
    mine = (project / "dvc.yaml").read_text().replace("title: Accuracy under attack against epsilon", "title: Mine")
    assert "title: Mine" in mine
    (project / "dvc.yaml").write_text(mine)
    upgrade = plan_upgrade(project, given={})
    assert "dvc.yaml: you have edited it, so it is kept; the new one is dvc.yaml.new" in upgrade.lines()
    apply_upgrade(project, upgrade)
    assert "title: Mine" in (project / "dvc.yaml").read_text()
    assert (project / "dvc.yaml.new").read_text() == graph_text()
    assert plan_upgrade(project, given={}).lines() == []


def without(text: str, *keys: str) -> str:
    """The same params.yaml without the lines of some keys, which stand alone on them."""
    lines = text.splitlines(keepends=True)
    left = [line for line in lines if not line.strip().startswith(tuple(f"{key}:" for key in keys))]
    assert len(left) < len(lines)
    return "".join(left)


def test_missing_keys_are_those_that_the_settings_require() -> None:
    content = yaml.safe_load(DEMO)
    assert missing_keys(content) == []
    for path in (("seed",), ("attacks", "batch_size"), ("datasets", "mnist", "train", "epochs"), ("validity",)):
        cut = copy.deepcopy(content)
        below: Any = cut
        for key in path[:-1]:
            below = below[key]
        del below[path[-1]]
        assert missing_keys(cut) == [path]
    content["datasets"]["mnist"]["preprocess"]["format"] = {"name": "no such"}
    content["datasets"]["lidc"]["harden"] = None
    assert missing_keys(content) == []
    assert missing_keys(None) == []


def test_new_keys_are_filled_from_the_preset_and_every_line_stays() -> None:
    preset = yaml.safe_load(DEMO)
    text = without(DEMO, "batch_size") + "# the end\n"
    filled = fill_params(text, preset, given={}, comment="new in 2.0")
    assert filled.added["attacks.batch_size"] == preset["attacks"]["batch_size"]
    assert yaml.safe_load(filled.text) == preset
    lines = filled.text.splitlines()
    assert [line for line in lines if not line.endswith(" # new in 2.0")] == text.splitlines()
    assert f"  batch_size: {preset['attacks']['batch_size']} # new in 2.0" in lines


def renamed(content: Any, old: str, new: str) -> Any:
    """The parameters with another name for a data set, which the preset does not know."""
    content = copy.deepcopy(content)
    content["datasets"] = {new: content["datasets"][old]}
    content["report"]["columns"] = {new: content["report"]["columns"][old]}
    content["run"] = content["run"] | {"datasets": [new]}
    return content | {"acquire": {}}


def test_a_data_set_of_ones_own_takes_what_all_of_its_format_or_all_data_sets_have() -> None:
    preset = yaml.safe_load(DEMO)
    mine = renamed(preset, "cbis_ddsm", "mine")
    mine["datasets"]["mine"]["preprocess"]["format"] = {"name": "manifest"}
    want = {one["rank"]["num_random_init"] for one in preset["datasets"].values()}
    assert len(want) == 1
    del mine["datasets"]["mine"]["rank"]["num_random_init"]
    filled = fill_params(yaml.safe_dump(mine), preset, given={}, comment="new")
    assert filled.added == {"datasets.mine.rank.num_random_init": want.pop()}

    assert len({one["preprocess"]["size"] for one in preset["datasets"].values()} | {48}) > 1
    preset["datasets"]["mnist"]["preprocess"]["size"] = 48
    del mine["datasets"]["mine"]["preprocess"]["size"]
    with pytest.raises(InputError, match=r"params.yaml lacks datasets.mine.preprocess.size, for which the preset"):
        fill_params(yaml.safe_dump(mine), preset, given={}, comment="new")
    given = {"datasets.mine.preprocess.size": "64"}
    filled = fill_params(yaml.safe_dump(mine), preset, given=given, comment="new")
    assert yaml.safe_load(filled.text)["datasets"]["mine"]["preprocess"]["size"] == 64
    with pytest.raises(InputError, match=r"expected `int` >= \d+, got 0; nothing is changed"):
        fill_params(yaml.safe_dump(mine), preset, given=given | {"datasets.mine.preprocess.size": "0"}, comment="new")
    with pytest.raises(InputError, match=r"--set seed: expected a key that params.yaml lacks, got one that it has"):
        fill_params(yaml.safe_dump(mine), preset, given=given | {"seed": "3"}, comment="new")
    cbis = renamed(yaml.safe_load(DEMO), "cbis_ddsm", "film")  # of the format of one data set of the preset
    size = cbis["datasets"]["film"]["preprocess"].pop("size")
    assert fill_params(yaml.safe_dump(cbis), preset, given={}, comment="").added == {
        "datasets.film.preprocess.size": size
    }


def test_a_key_that_this_version_does_not_know_stops_an_upgrade(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "params.yaml").write_text(DEMO + "of_the_future: 3\n")
    of_version(project, OLDER)
    before = contents(project)
    told = refused(capsys, "upgrade")
    assert "params.yaml: of_the_future: expected a known key, and no known one is alike" in told
    assert "(keys of a newer version, or ones that have another name now: see CHANGELOG.md); nothing is changed" in told
    assert contents(project) == before
    (project / "params.yaml").write_text(f"{DEMO}seed: 4\n")  # YAML would take the last of two
    assert "key 'seed' occurs twice" in refused(capsys, "upgrade")
    assert "--set: expected KEY=VALUE, got 'seed'" in refused(capsys, "upgrade", "--set", "seed")
    assert upgrade_command._pair("a.b=c=d") == ("a.b", "c=d")


def test_a_project_before_renames_keeps_values_and_comments(
    project: Path,
) -> None:
    renames = [
        Renamed("attacks.batch_sizes", "attacks.batch_size", "0.0.2"),
        Renamed("datasets.*.n_chosen", "datasets.*.attack.max_images", "0.0.2"),
        Renamed("seed", "never", "0.0.1"),  # of the project's own version
    ]
    attacks = yaml.safe_load(DEMO)["attacks"]
    line = next(line for line in DEMO.splitlines() if line.startswith("  batch_size:"))
    chunk = f"\n  # so many\n  batch_sizes: {attacks['batch_size']} # images\n"
    old = DEMO.replace(f"\n{line}\n", chunk, 1)
    (project / "params.yaml").write_text(old)
    of_version(project, OLDER)
    upgrade = plan_upgrade(project, given={}, renamed=renames)
    assert "params.yaml: attacks.batch_sizes is attacks.batch_size now; its value and comment stay" in upgrade.lines()
    assert upgrade.params == old.replace("\n  batch_sizes:", "\n  batch_size:") and upgrade.added == {}
    apply_upgrade(project, upgrade)
    assert plan_upgrade(project, given={}, renamed=renames).lines() == []
    with pytest.raises(
        InputError, match=r"attacks\.batch_sizes: expected a known key, of which attacks.batch_size is the nearest"
    ):
        fill_params(old, None, given={}, comment="")


POLICY = "name: Digits\ndatasets: [mnist]\nmodel: clean\nlevel: 0.95\nmin_patients: 20\n"


def test_a_policy_in_a_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "policies").mkdir()
    text = f"{POLICY}previous: null\nsubgroups: []\nrequirements:\n  - {{metric: accuracy, at_least: 0.5}}\n"
    (project / "policies" / "digits.yaml").write_text(text)
    assert main(["accept", "--declare", "policies/digits.yaml"]) == 0
    assert "policies/digits.yaml is declared with MD5" in capsys.readouterr().out
    assert len(list((project / "reports" / "acceptance" / "declared").glob("digits-*.json"))) == 1
    (project / "params.yaml").write_text(DEMO.replace("\nacceptance: []", "\nacceptance: [policies/digits.yaml]"))
    assert main(["graph"]) == 0 and main(["graph", "--check"]) == 0
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    assert stages["accept"]["do"]["cmd"] == "python -m oncorobust.cli.stage accept --policy ${key}"
    assert stages["accept"]["foreach"] == {"digits": {"policy": "policies/digits.yaml"}}
    told = command(project, "python -m oncorobust.cli.stage accept --policy policies/digits.yaml", status=1)
    assert "expected --policy digits, got policies/digits.yaml" in told


def test_a_stage_of_a_project_runs_the_packages_script(project: Path) -> None:
    told = command(project, "python -m oncorobust.cli.stage train --dataset absent", status=1)
    assert "expected --dataset lidc or cbis_ddsm or brain_mets or mnist or cifar10, got absent" in told
    told = command(project, "python -m oncorobust.cli.stage tarin", status=1)
    assert told.startswith("oncorobust: expected a stage (accept, acquire, attack,") and "got 'tarin'" in told
    (project / "mlxtend.py").write_text("raise SystemExit('a file of the project was imported')\n")
    command(project, "python -m oncorobust.cli.stage acquire --dataset mnist")
    assert (project / "data" / "raw" / "mnist").is_dir()
    (project / "workflow" / "code" / "acquire.txt").write_text("# older\n")
    told = command(project, "python -m oncorobust.cli.stage acquire --dataset mnist", status=1)
    assert "the graph is out of step (acquire: src/oncorobust/" in told and "run `oncorobust graph`" in told


def test_signals_are_passed_to_the_stages_of_a_project_and_of_a_clone(project: Path) -> None:
    words = [sys.executable, "-m", "oncorobust.cli.stage", "train", "--dataset", "mnist"]
    assert _is_stage(words, project) and not _is_stage(words, toy.REPOSITORY)
    words = [sys.executable, "workflow/scripts/train.py", "--dataset", "mnist"]
    assert _is_stage(words, toy.REPOSITORY) and not _is_stage(words, project)
    assert not _is_stage(["bash", "-c", "x"], project) and not _is_stage([], project)


MODULE = """
module inner:
    snakefile: "inner.smk"
use rule * from inner
"""
INCLUDE = """
include: "inner.smk"
rule everything:
    default_target: True
    input: rules.all.input
"""
INNER = """
onstart:
    open("started", "w").close()
rule all:
    default_target: True
    input: "made"
rule made:
    output: "made"
    shell: "touch {output}"
"""


@pytest.mark.slow
def test_only_an_included_workflow_holds_dvc_when_it_starts(tmp_path: Path) -> None:
    """Why a project includes the workflow: `onstart` of a module does not run, and the workflow locks DVC there."""
    for name, outer, started in (("module", MODULE, False), ("include", INCLUDE, True)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "inner.smk").write_text(INNER)
        (folder / "Snakefile").write_text(outer)
        toy.run(folder, "snakemake --cores 1 --quiet all")
        assert (folder / "made").is_file()
        assert (folder / "started").is_file() == started, name
