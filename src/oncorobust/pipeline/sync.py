"""Synchronisation of the two runners: record Snakemake's results in dvc.lock, and mark DVC's files as up to date.

Neither tool knows of the other. `dvc commit --force` would record files that were never made with the present
parameters, so `record` commits only the stages whose Snakemake job is up to date. Snakemake compares files with its own
records, which DVC does not write, so `sync` rewrites them, but only when `dvc status` is clean.

Both functions hold DVC's repository lock and Snakemake's directory lock while they work, so that no run starts
meanwhile.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_lock import parse_lock, recorded_md5
from oncorobust.pipeline.dvc_repository import lock_dvc
from oncorobust.pipeline.raw_tree import edits, newest_change
from oncorobust.settings.load import read_yaml

if TYPE_CHECKING:
    from dvc.repo import Repo
    from snakemake.api import DAGApi
    from snakemake.jobs import Job

CHECKSUM_LIMIT_BYTES = 2_000_000_000
"""Inputs up to this size count as changed only if their content has changed; same value as in profiles/default."""

_PREPROCESS = "preprocess@"
_STAMP_SECONDS = 1.0
"""Snakemake writes its time stamp into a finished folder and so changes the time of the folder itself."""


class Recorded(NamedTuple):
    """DVC's names of the stages committed to dvc.lock, and of those that Snakemake would still run."""

    committed: list[str]
    pending: list[str]


def record(root: Path, *, shards: int = 1) -> Recorded:
    """Commit every stage whose Snakemake job is up to date to dvc.lock; the others keep their old record.

    shards: number of shards of the test images in the run (`--set-scatter test_images=N`). A stage combined from its
    shards is recorded like any other; the shards are not. Raises InputError when either tool is running in this tree,
    when an output was changed after its stage had written it, or when a raw tree is changed meanwhile.
    """
    with lock_dvc(root) as repo, _snakemake(forceall=False, shards=shards) as planned:
        workflow = planned.workflow_api._workflow
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=False)
        workflow._build_dag()
        with workflow.persistence.lock(), repo.scm_context(quiet=True):
            # Not the rules for all results and for shards, and not a project's own rules.
            known = read_yaml(root / "dvc.yaml")["stages"].keys()
            stages = {_stage_name(job) for job in workflow.dag.jobs if job.rule.name in known}
            pending = {_stage_name(job) for job in workflow.dag.needrun_jobs()} & stages
            made = [job for job in workflow.dag.jobs if _stage_name(job) in stages - pending]
            _refuse_altered(made)
            _refuse_altered_trees(repo, [job for job in made if job.rule.name == "acquire"])
            _commit(repo, stages - pending)
            _touch_older_than_tree([job for job in made if job.rule.name == "preprocess"])
    return Recorded(sorted(stages - pending), sorted(pending))


def sync(root: Path) -> None:
    """Mark all files as up to date for Snakemake, provided that `dvc status` is clean.

    Raises InputError when dvc.lock and the tree differ, or when either tool is running in this tree.
    """
    with lock_dvc(root) as repo:
        changed = sorted(repo.status())
        if changed:
            raise InputError(
                f"expected a clean `dvc status`, got {len(changed)} changed stages: {', '.join(changed)}; "
                "run `dvc pull`, `dvc repro` or `snakemake` first"
            )
        with _snakemake(forceall=True, shards=1) as planned:
            planned.execute_workflow(executor="touch")


def _refuse_altered(jobs: list["Job"]) -> None:
    """Raise InputError when an output has changed since its stage wrote it.

    Snakemake calls a newer output up to date, whoever wrote it, but it has recorded when the stage did.
    """
    from oncorobust.base.files import file_md5  # imports pandas, which the other commands here do not need

    lock = parse_lock(Path("dvc.lock").read_text(encoding="utf-8")) if Path("dvc.lock").is_file() else {}
    for job, output in [(one, output) for one in jobs for output in one.output]:
        path, made = Path(output), job.dag.workflow.persistence.metadata(output)
        if made is None or not path.is_file() or path.stat().st_mtime == made.endtime:
            continue
        if recorded_md5(lock, str(path)) != file_md5(path):
            raise InputError(
                f"{path} has changed since its stage wrote it: remove it and run `snakemake --cores all`, which "
                f"makes it again; if only its time stamp has changed, run: snakemake --touch --force {path}"
            )


def _refuse_altered_trees(repo: "Repo", jobs: list["Job"]) -> None:
    """Raise InputError when a file of a raw tree has changed since `acquire` wrote the tree.

    Times decide which trees may have changed. Such a tree must be the one in dvc.lock, as after `dvc checkout`.
    """
    recorded = {stage.addressing: stage for stage in repo.index.stages}
    for job, output in [(one, output) for one in jobs for output in one.output]:
        made = job.dag.workflow.persistence.metadata(output)
        if made is None or newest_change(Path(output)) <= made.endtime + _STAMP_SECONDS:
            continue
        if any(one.changed_checksum() for one in recorded[_stage_name(job)].outs):
            raise InputError(
                f"{output} has changed since acquire wrote it: remove it and run `snakemake --cores all`, "
                f"which makes it again, or remove acquire.{job.wildcards.dataset} from params.yaml to "
                "keep your own tree"
            )


def _commit(repo: "Repo", names: set[str]) -> None:
    """Do `dvc commit --force` for these stages in the order of `dvc repro`, with one write of dvc.lock."""
    from dvc.repo.reproduce import plan_repro

    stages = [stage for stage in plan_repro(repo.index.graph) if stage.addressing in names]
    unknown = names - {stage.addressing for stage in stages}
    if unknown:
        raise InputError(f"expected a stage of dvc.yaml for each job, got none for {', '.join(sorted(unknown))}")
    for stage in stages:
        stage.save()
        stage.commit()
    # DVC has just read the raw trees: they must still be those that preprocess ran on.
    _refuse_edited(name.removeprefix(_PREPROCESS) for name in sorted(names) if name.startswith(_PREPROCESS))
    if stages:
        stages[0].dvcfile.dump_stages(stages, update_pipeline=False)


def _refuse_edited(datasets: Iterable[str]) -> None:
    """Raise InputError naming a file of a raw tree that has changed since `preprocess` ran on the tree."""
    for dataset in datasets:
        changed = edits(Path(), dataset)
        if changed:
            raise InputError(
                f"{layout.raw(dataset)} is not the tree that preprocess ran on ({changed[0]}, {len(changed)} files in "
                "all): run snakemake --cores all, then oncorobust record; nothing is recorded"
            )


def _touch_older_than_tree(jobs: list["Job"]) -> None:
    """Give outputs of `preprocess` that are older than their raw tree the time of the tree.

    DVC has replaced outputs by links to its cache, where an object keeps the time of the first file with its content.
    That time is older than a tree that was made again or edited back. Snakemake compares the content of files, but only
    the time of a folder, and would run the stage again after every `record`.
    """
    for job in jobs:
        tree = Path(layout.raw(job.wildcards.dataset))
        stamp = tree / ".snakemake_timestamp"
        made = (stamp if stamp.is_file() else tree).stat().st_mtime_ns
        for output in job.output:
            if Path(output).stat().st_mtime_ns < made:
                os.utime(output, ns=(made, made))


@contextmanager
def _snakemake(*, forceall: bool, shards: int) -> Iterator["DAGApi"]:
    """Parse the workflow in the current folder as `snakemake` with profiles/default does, ready to plan or touch."""
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import LockException, WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        DAGSettings,
        OutputSettings,
        RerunTrigger,
        ResourceSettings,
        SharedFSUsage,
        StorageSettings,
    )

    settings = DAGSettings(
        forceall=forceall,
        force_incomplete=True,
        rerun_triggers=frozenset(
            {RerunTrigger.CODE, RerunTrigger.INPUT, RerunTrigger.MTIME, RerunTrigger.PARAMS},
        ),
        max_checksum_file_size=CHECKSUM_LIMIT_BYTES,
    )
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            resources = ResourceSettings(cores=os.cpu_count() or 1, overwrite_scatter={"test_images": shards})
            # Without a shared source cache, Snakemake does not need a home folder that can be written.
            storage = StorageSettings(shared_fs_usage=SharedFSUsage.all() - {SharedFSUsage.SOURCE_CACHE})
            yield api.workflow(resources, storage_settings=storage, snakefile=Path("Snakefile")).dag(settings)
    except LockException as error:
        raise InputError("snakemake is running in this folder; wait until it is done") from error
    except WorkflowError as error:
        raise InputError(f"Snakemake cannot plan this workflow: {error}") from error


def _stage_name(job: "Job") -> str:
    """Return DVC's name of a job: rule@dataset, rule@dataset-model, or the rule alone."""
    return "@".join([job.rule.name, "-".join(job.wildcards)] if len(job.wildcards) else [job.rule.name])
