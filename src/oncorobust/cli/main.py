"""The command line `oncorobust`: presets, checks, records and traces. Snakemake or DVC runs the pipeline itself.

    preset   switch params.yaml to another preset              graph    bring dvc.yaml and digests in step
    record   Snakemake's results into dvc.lock                 sync     DVC's checkout to Snakemake
    check    parameters, dvc.yaml and raw trees, without a job  where    the results, and which are missing
    trace    from a table cell back to its inputs              front    clean against robust accuracy of experiments
    usage    memory and time of the last run's jobs

All commands run in the root of the repository. After an error in the input they print one line on the standard error
and end with status 1.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import oncorobust
from oncorobust.base import layout
from oncorobust.base.errors import InputError, missing_package

RESULTS = {
    "report": layout.PAGE,
    "tables": layout.TABLES,
    "figures": layout.FIGURES,
    "models": layout.MODELS_FOLDER,
    "logs": layout.LOGS_FOLDER,
}

PIPELINE = {
    "dvc": "dvc",
    "filelock": "filelock",
    "psutil": "psutil",
    "ruamel": "ruamel.yaml",
    "snakemake": "snakemake",
    "voluptuous": "dvc",
}
"""Modules that the extra `pipeline` brings, and the package of each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    parsed = build_parser(sys.argv[1:] if arguments is None else list(arguments)).parse_args(arguments)
    try:
        if not (Path.cwd() / "Snakefile").is_file():
            raise InputError(f"expected the repository's root, got {Path.cwd()}, which has no Snakefile")
        status: int = parsed.run(parsed)
    except InputError as error:
        return _refuse(error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PIPELINE:
            raise
        return _refuse(missing_package(PIPELINE[package], extra="pipeline"))
    return status


def _refuse(error: InputError) -> int:
    print(f"oncorobust: {error}", file=sys.stderr)
    return 1


def build_parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Build the parser; `trace` and `front` get their own arguments only where `arguments` begins with their name."""
    parser = argparse.ArgumentParser(prog="oncorobust", description=_first_line(__doc__))
    parser.add_argument("--version", action="version", version=oncorobust.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    preset = commands.add_parser("preset", help="replace params.yaml by a preset, or list the presets")
    preset.add_argument("name", nargs="?", help="a file of presets/, without .yaml; if not given, list the presets")
    preset.add_argument("--force", action="store_true", help="discard edits in params.yaml")
    preset.set_defaults(run=_preset)

    graph = commands.add_parser("graph", help="update dvc.yaml and the digests of the code")
    graph.add_argument("--check", action="store_true", help="only report what is out of date; status 1 if anything is")
    graph.set_defaults(run=_graph)

    for name, run, purpose in (
        ("sync", _sync, "tell Snakemake that the files which DVC checked out are up to date"),
        ("where", _where, "print where the results are"),
        ("usage", _usage, "print memory and time of the last run's jobs, and lines for a cluster's profile"),
    ):
        commands.add_parser(name, help=purpose, description=purpose).set_defaults(run=run)

    purpose = (
        "check parameters, dvc.yaml and raw trees without starting a job, and repair records that a killed run left"
    )
    checker = commands.add_parser("check", help=purpose, description=purpose)
    checker.add_argument("--cache", action="store_true", help="also check every object of DVC's cache")
    checker.set_defaults(run=_check)

    purpose = "record in dvc.lock the results that Snakemake made and calls up to date"
    recorder = commands.add_parser("record", help=purpose, description=purpose)
    recorder.add_argument(
        "--shards",
        type=int,
        default=1,
        metavar="N",
        help="the N of snakemake --set-scatter test_images=N, if the run used it",
    )
    recorder.set_defaults(run=_record)

    # The arguments of these need modules that the other commands do without.
    trace = commands.add_parser("trace", help="trace a table cell back to its inputs")
    if arguments[:1] == ["trace"]:
        from oncorobust.cli import trace as trace_command

        trace_command.add_arguments(trace)
        trace.set_defaults(run=trace_command.run)

    front = commands.add_parser("front", help="plot clean against robust accuracy of a data set's experiments")
    if arguments[:1] == ["front"]:
        from oncorobust.cli import front as front_command

        front_command.add_arguments(front)
        front.set_defaults(run=front_command.run)
    return parser


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _preset(parsed: argparse.Namespace) -> int:
    from oncorobust.cli.preset import preset_names, switch_preset

    if parsed.name is None:
        print("\n".join(preset_names(Path())))
        return 0
    switch_preset(Path(), parsed.name, force=parsed.force)
    print(f"params.yaml is now the preset {parsed.name}; the graph is in step")
    return 0


def _graph(parsed: argparse.Namespace) -> int:
    from oncorobust.pipeline.dvc_yaml import out_of_step, refresh

    if parsed.check:
        sentences = out_of_step(Path())
        print("\n".join(sentences) or "the graph is in step")
        return 1 if sentences else 0
    print(f"dvc.yaml and {layout.CODE} rewritten" if refresh(Path()) else "the graph was in step")
    return 0


def _record(parsed: argparse.Namespace) -> int:
    from oncorobust.pipeline.sync import record

    recorded = record(Path(), shards=parsed.shards)
    print(f"recorded in dvc.lock: {len(recorded.committed)} stages")
    if recorded.pending:
        print(f"left alone, because Snakemake would run them: {', '.join(recorded.pending)}")
    return 0


def _sync(_: argparse.Namespace) -> int:
    from oncorobust.pipeline.sync import sync

    sync(Path())
    print("Snakemake takes every file of dvc.lock as up to date")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from oncorobust.pipeline.dvc_yaml import check_in_step
    from oncorobust.pipeline.sync import mend
    from oncorobust.settings.load import load_params

    with suppress(InputError):  # a run that is under way needs none
        mend(Path())
    params = load_params("params.yaml")
    check_in_step(Path())
    for name in params.run.datasets:
        if name not in params.acquire and not Path(layout.raw(name)).is_dir():
            raise InputError(
                f"{layout.raw(name)} is missing: put or link your raw tree there, or add acquire.{name} to params.yaml"
            )
    if parsed.cache:
        _check_cache()
    print(f"params.yaml, dvc.yaml and the raw trees of {', '.join(params.run.datasets)} are in order")
    return 0


def _check_cache() -> None:
    from dvc.repo import Repo

    from oncorobust.pipeline.dvc_cache import damaged_objects, repair
    from oncorobust.pipeline.sync import OUTPUT_FOLDERS

    damaged = damaged_objects(Path(Repo().cache.local.path))
    if damaged:
        command = repair(damaged, work_tree=[Path(name) for name in OUTPUT_FOLDERS])
        raise InputError(f"expected whole objects in DVC's cache, got {len(damaged)} damaged; run: {command}")


def _usage(_: argparse.Namespace) -> int:
    from oncorobust.cli.usage import print_usage

    print_usage()
    return 0


def _where(_: argparse.Namespace) -> int:
    for name, place in RESULTS.items():
        print(f"{name:8} {os.path.relpath(place)}{'' if Path(place).exists() else '  (not made yet)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
