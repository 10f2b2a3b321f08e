"""Commands that prepare, check, record and trace runs of the pipeline; Snakemake or DVC runs the pipeline itself.

    add      write a data set into params.yaml
    preset   switch params.yaml to a preset               graph    update dvc.yaml and the digests of the code
    record   record Snakemake's results in dvc.lock       sync     mark files checked out by DVC as up to date
    check    check the inputs without starting a job      where    list the results
    trace    trace a table cell back to its inputs        front    plot clean against robust accuracy of experiments
    accept   judge the results by a policy                usage    show memory and time of the last run's jobs
    export   write a model as ONNX or for PyTorch
    assess   measure a model on a folder of images
    crate    write the run as a Workflow Run RO-Crate
    init     make a project of your own                   upgrade  move a project on to the installed version
    manifest propose the manifest of a data set for a folder of images

All commands but `assess` and `init` run in the root of a project, or of the repository. An error in the input gives one
line on standard error and status 1; of `accept` it gives status 3.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import oncorobust
from oncorobust.base import layout
from oncorobust.base.errors import InputError, missing_package

Run = Callable[[argparse.Namespace], int]
"""A command: it takes the parsed arguments and returns the exit status."""

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
"""Packages that the extra `pipeline` installs, by module."""

_WITH_MODULES = {
    "trace": "trace a table cell back to its inputs, and check its value",
    "front": "plot clean against robust accuracy of a data set's hardening experiments",
    "accept": "judge the results by a policy, or declare the policy before a run",
    "export": "write a model for ONNX Runtime or plain PyTorch, and compare it",
    "crate": "write the recorded run as a Workflow Run RO-Crate",
    "assess": "measure a finished model on a folder of images, without a repository",
    "init": "make a project of your own, which runs the workflow of the installed package",
    "upgrade": "move a project on to the installed version of the package",
    "manifest": "propose the manifest of a data set for a folder of images",
    "add": "write a data set of your own into params.yaml, and estimate how long its run will take",
}
"""Commands whose arguments need modules that the other commands do not need, each in the module of its name."""

_ANYWHERE = ("assess", "init", "manifest")
"""Commands that run outside a project, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 141 when the reader of its output, such as `head`, has ended."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes again when it exits, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return status


def _run(arguments: Sequence[str] | None) -> int:
    parsed = build_parser(sys.argv[1:] if arguments is None else list(arguments)).parse_args(arguments)
    try:
        if parsed.in_repository:
            from oncorobust.cli.place import enter

            enter(parsed.name_of_command)
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
    """Build the parser; some commands get their own arguments only where `arguments` begins with their name."""
    parser = argparse.ArgumentParser(prog="oncorobust", description=_first_line(__doc__))
    parser.add_argument("--version", action="version", version=oncorobust.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    preset = _add(commands, "preset", _preset, "switch params.yaml to a preset, or list the presets")
    preset.add_argument("name", nargs="?", help="name of a preset; list the presets if omitted")
    preset.add_argument("--force", action="store_true", help="overwrite edits in params.yaml")

    graph = _add(commands, "graph", _graph, "update dvc.yaml and the digests of the code")
    graph.add_argument("--check", action="store_true", help="change nothing; list what is out of step, with status 1")

    purpose = "check params.yaml, dvc.yaml and the raw trees without starting a job; repair files left by a killed DVC"
    checker = _add(commands, "check", _check, purpose)
    checker.add_argument("--cache", action="store_true", help="also check every object in DVC's cache")

    recorder = _add(commands, "record", _record, "record Snakemake's up-to-date results in dvc.lock")
    recorder.add_argument(
        "--shards", type=int, default=1, metavar="N", help="N of snakemake --set-scatter test_images=N"
    )

    _add(commands, "sync", _sync, "tell Snakemake that the files checked out by DVC are up to date")
    _add(commands, "where", _where, "list the paths of the results")
    _add(commands, "usage", _usage, "show memory and time of the last run's jobs, with lines for a cluster profile")

    for name, purpose in _WITH_MODULES.items():
        command = _add(commands, name, None, purpose)
        if arguments[:1] == [name]:
            module = import_module(f"oncorobust.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    for name in _ANYWHERE:
        commands.choices[name].set_defaults(in_repository=False)
    return parser


def _add(commands: Any, name: str, run: Run | None, purpose: str) -> argparse.ArgumentParser:
    """Add a command and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}."
    )
    parser.set_defaults(run=run, in_repository=True, name_of_command=name)
    return parser


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _preset(parsed: argparse.Namespace) -> int:
    from oncorobust.cli.preset import preset_names, switch_preset

    if parsed.name is None:
        print("\n".join(preset_names(Path())))
        return 0
    switch_preset(Path(), parsed.name, force=parsed.force)
    print(f"params.yaml is now the preset {parsed.name}; dvc.yaml is updated")
    return 0


def _graph(parsed: argparse.Namespace) -> int:
    from oncorobust.pipeline.dvc_yaml import out_of_step, refresh

    if parsed.check:
        sentences = out_of_step(Path())
        print("\n".join(sentences) or "the graph is in step")
        return 1 if sentences else 0
    print(f"updated dvc.yaml and {layout.CODE}" if refresh(Path()) else "the graph was in step already")
    return 0


def _record(parsed: argparse.Namespace) -> int:
    from oncorobust.pipeline.sync import record

    recorded = record(Path(), shards=parsed.shards)
    print(f"recorded in dvc.lock: {len(recorded.committed)} stages")
    if recorded.pending:
        print(f"left alone, because Snakemake would run them: {', '.join(recorded.pending)}")
    _tell_without_git()
    return 0


def _sync(_: argparse.Namespace) -> int:
    from oncorobust.pipeline.sync import sync

    sync(Path())
    print("Snakemake now treats every file in dvc.lock as up to date")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from oncorobust.cli.check import check

    print(check(cache=parsed.cache))
    _tell_without_git()
    return 0


def _tell_without_git() -> None:
    from oncorobust.pipeline.dvc_repository import in_git

    if not in_git(Path()):
        print(
            "This folder is not a git repository. snakemake and oncorobust work without git; before you run dvc, run: "
            "git init && git add --all && git commit --message start"
        )


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
