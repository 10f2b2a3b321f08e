"""State goes from Snakemake to DVC and back without a lie: record, sync, the three locks.

All in toy repositories with both command lines, as a person would type them.
"""

import shutil
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_repository import hold_dvc
from oncorobust.pipeline.process_lock import release_left_locks
from oncorobust.pipeline.sync import CHECKSUM_LIMIT_BYTES, record, sync

CLEAN = "Data and pipelines are up to date."
NOTHING = "Nothing to be done"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy that Snakemake ran, DVC recorded, git committed and the remote holds."""
    folder = toy.make_toy(tmp_path_factory.mktemp("place") / "checkout", toy.small_params())
    toy.run(folder, "snakemake --cores 2 && oncorobust record && git add -A && git commit -q -m run && dvc push -q")
    return folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """A copy of it, time stamps and all, with the DVC cache."""
    return Path(shutil.copytree(ran, tmp_path / "checkout", symlinks=True))


@pytest.mark.slow
def test_record_makes_both_tools_agree_that_nothing_is_to_be_done(ran: Path) -> None:
    assert CLEAN in toy.run(ran, "dvc status")
    assert "Running stage" not in toy.run(ran, "dvc repro")
    assert NOTHING in toy.run(ran, "snakemake -n")
    assert toy.run(ran, "git status --porcelain") == ""
    assert [path for path in ran.rglob(".gitignore") if ".dvc" not in path.parts] == [ran / ".gitignore"]


@pytest.mark.long
def test_a_source_archive_without_git_is_run_and_recorded(ran: Path, tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path / "archive", toy.small_params())
    shutil.rmtree(folder / ".git")
    way_out = "before you run dvc, run: git init && git add --all && git commit --message start\n"
    checked = toy.run(folder, "oncorobust check")
    assert "are valid\nThis folder is not a git repository. " in checked
    assert checked.endswith(way_out)
    said = toy.run(folder, "snakemake --cores 2 --quiet && oncorobust record")
    assert "recorded in dvc.lock: 17 stages\n" in said
    assert said.endswith(way_out)
    assert (folder / "dvc.lock").read_bytes() == (ran / "dvc.lock").read_bytes()
    toy.run(folder, "oncorobust check --cache && oncorobust sync")
    toy.run(folder, "dvc status", status=255)
    toy.run(folder, way_out.partition("run: ")[2])
    assert CLEAN in toy.run(folder, "dvc status")


@pytest.mark.long  # tests/test_pipeline.py compares them with the real stages
def test_both_runners_write_the_same_bytes(ran: Path, tmp_path: Path) -> None:
    other = toy.make_toy(tmp_path / "other", toy.small_params())
    toy.run(other, "dvc repro -q")
    assert (other / "dvc.lock").read_bytes() == (ran / "dvc.lock").read_bytes()
    metrics = sorted(path.relative_to(ran) for path in (ran / "reports").rglob("*.json"))
    assert len(metrics) == 2 * 6 + 3 + 1 + 2 + 2  # of figures
    for path in metrics:
        assert (other / path).read_bytes() == (ran / path).read_bytes()
    toy.run(other, "oncorobust sync")
    assert NOTHING in toy.run(other, "snakemake -n")


@pytest.mark.slow
def test_record_takes_only_what_is_up_to_date(tmp_path: Path) -> None:
    folder = toy.make_toy(tmp_path, toy.small_params())
    toy.run(folder, "snakemake --cores 2 models/mnist/clean.keras")
    printed = toy.run(folder, "oncorobust record")
    assert "recorded in dvc.lock: 3 stages" in printed
    assert "harden@mnist" in printed.partition("left alone")[2]
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    assert set(stages) == {"acquire@mnist", "preprocess@mnist", "train@mnist"}


@pytest.mark.slow
def test_record_does_not_put_new_parameters_on_old_results(folder: Path) -> None:
    content = toy.small_params()
    content["datasets"]["mnist"]["harden"]["epochs"] += 1
    toy.write_params(folder, content)
    before = (folder / "dvc.lock").read_text()
    (folder / "dvc.lock").write_text(before.replace("learning_rate: 0.0001", "learning_rate: 0.5"))
    recorded = record(folder)
    # what follows from the hardened model and its settings; all else is up to date, and its record is put right
    assert recorded.pending == sorted(
        [
            "harden@mnist",
            *(f"{stage}@mnist-adversarial" for stage in ("attack", "certify", "rank", "rescan", "validate")),
            "validate@mnist-clean",  # which judges by what selected either model
            *("tabulate", "plot", "exchange", "report"),
        ]
    )
    assert recorded.committed == sorted(
        [
            *("acquire@mnist", "preprocess@mnist", "train@mnist"),
            *(f"{stage}@mnist-clean" for stage in ("attack", "certify", "rank", "rescan")),
        ]
    )
    after, old = (yaml.safe_load(text)["stages"] for text in ((folder / "dvc.lock").read_text(), before))
    assert after["train@mnist"] == old["train@mnist"]
    assert after["harden@mnist"]["params"]["params.yaml"]["datasets.mnist.harden"]["epochs"] == 2
    assert after["harden@mnist"]["params"]["params.yaml"]["datasets.mnist.harden"]["optimizer"]["learning_rate"] == 0.5
    assert "harden@mnist" in toy.run(folder, "dvc status")


@pytest.mark.long
@pytest.mark.slow
def test_a_clone_pulls_syncs_and_has_nothing_to_do(ran: Path) -> None:
    clone = ran.parent / "clone"  # beside the first checkout, so that the remote is found
    toy.run(ran.parent, f"git clone -q {ran} {clone}")
    assert NOTHING not in toy.run(clone, "snakemake -n")
    assert "expected a clean `dvc status`, got" in toy.run(clone, "oncorobust sync", status=1)
    toy.run(clone, "dvc pull -q && oncorobust sync")
    assert NOTHING in toy.run(clone, "snakemake -n")
    assert CLEAN in toy.run(clone, "dvc status")


@pytest.mark.long
def test_experiments_and_differences_work_and_sync_carries_them_over(folder: Path) -> None:
    toy.run(folder, "dvc exp run -q -S datasets.mnist.rank.num_random_init=65")
    assert "datasets.mnist.rank.num_random_init" in toy.run(folder, "dvc params diff")
    ranked = [f"reports/mnist/{model}/rank.json" for model in ("clean", "adversarial")]
    difference = toy.run(folder, f"dvc metrics diff --targets {' '.join(ranked)}").splitlines()
    # rank.json is the third output: num_random_init + 1 + 100 x letters of mnist and clean (10) or adversarial (16)
    changed = {tuple(line.split()) for line in difference[1:]}
    assert changed == {
        ("reports/mnist/clean/rank.json", "accuracy", "1062", "1067", "5"),
        ("reports/mnist/adversarial/rank.json", "accuracy", "1662", "1667", "5"),
    }
    toy.run(folder, "oncorobust sync")
    assert NOTHING in toy.run(folder, "snakemake -n")
    toy.run(folder, "git checkout -q . && dvc checkout -q && oncorobust sync")
    assert NOTHING in toy.run(folder, "snakemake -n")


def test_sync_refuses_a_tree_that_differs_from_dvc_lock(folder: Path) -> None:
    (folder / "reports" / "index.html").unlink()
    with pytest.raises(InputError, match=r"expected a clean `dvc status`, got 1 changed stages: report; run"):
        sync(folder)


@pytest.mark.long
def test_nothing_starts_while_the_other_tool_works(folder: Path) -> None:
    lock = (folder / "dvc.lock").read_bytes()
    (folder / "reports" / "index.html").unlink()
    with hold_dvc(folder):  # what Snakemake does from its first job to its last
        assert "(snakemake)" in toy.run(folder, "oncorobust record", status=1)
        assert "(snakemake)" in toy.run(folder, "oncorobust sync", status=1)
        assert "snakemake" in toy.run(folder, "dvc repro", status=255)
        printed = toy.run(folder, "snakemake --cores 1", status=1)
        assert "is running in this folder; wait until it is done" in printed
    assert not (folder / "reports" / "index.html").exists()
    assert (folder / "dvc.lock").read_bytes() == lock
    toy.run(folder, "snakemake --cores 1")


def test_a_run_that_was_killed_blocks_nobody(folder: Path) -> None:
    blocked = folder / ".dvc" / "tmp" / "rwlock"
    dead = 2**22 + 1  # above the largest process number of Linux
    blocked.write_text(f'{{"write": {{"{folder / "reports"}": {{"pid": {dead}, "cmd": "snakemake"}}}}}}')
    assert CLEAN in toy.run(folder, "dvc status")
    with hold_dvc(folder):
        pass


def test_record_refuses_while_snakemake_holds_the_folder(folder: Path) -> None:
    with release_left_locks(folder):  # as every Snakemake that is alive holds it
        locks = folder / ".snakemake" / "locks"
        locks.mkdir(exist_ok=True)
        (locks / "0.output.lock").write_text("reports/index.html\n")
        for command in (record, sync):
            with pytest.raises(InputError, match="snakemake is running in this folder; wait until it is done"):
                command(folder)


def test_the_bridge_plans_as_the_default_profile_does() -> None:
    profile = yaml.safe_load((toy.REPOSITORY / "profiles/default/config.v8+.yaml").read_text())
    assert profile["max-checksum-file-size"] == "2GB"
    assert CHECKSUM_LIMIT_BYTES == 2 * 10**9
    assert profile["rerun-triggers"] == ["code", "input", "mtime", "params"]


@pytest.mark.parametrize(
    ("flags", "edit", "message"),
    [
        ("--config seed=3", ("", ""), "`seed` from --config or --configfile differs from params.yaml"),
        (
            "",
            ("epochs: 4", "epohcs: 4"),
            "params.yaml: datasets.mnist.train.epohcs: expected a known key, got 'epohcs'",
        ),
        ("", ("epochs: 4", "epochs: 0"), "params.yaml: datasets.mnist.train.epochs: expected `int` >= 1, got 0"),
    ],
)
def test_a_mistake_stops_before_any_job(folder: Path, flags: str, edit: tuple[str, str], message: str) -> None:
    text = (folder / "params.yaml").read_text()
    assert edit[0] in text
    (folder / "params.yaml").write_text(text.replace(*edit, 1))
    shutil.rmtree(folder / "data" / "raw")
    shutil.rmtree(folder / "reports")
    printed = toy.run(folder, f"snakemake --cores 1 {flags}", status=1)
    assert message in printed
    assert not (folder / "reports").exists()


@pytest.mark.long
def test_a_raw_tree_that_nobody_makes_is_asked_for_before_any_job(folder: Path) -> None:
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("  mnist:\n    source: download", "  {}", 1))
    shutil.rmtree(folder / "data" / "raw")
    assert "acquire lists other data sets than params.yaml" in toy.run(folder, "snakemake --cores 1", status=1)
    toy.run(folder, "oncorobust graph")
    message = "data/raw/mnist is missing: put or link your raw tree there, or add acquire.mnist to params.yaml"
    assert message in toy.run(folder, "snakemake --cores 1", status=1)
