"""`oncorobust init`: make a project of one's own, a folder that runs the workflow of the installed package.

    oncorobust init FOLDER [--preset NAME]

Where git is available, the folder becomes a git repository, unless it lies in one, and the files are committed if git
knows who you are. DVC's settings are written in any case.
"""

import argparse
import shlex
import shutil
import subprocess
from pathlib import Path

from oncorobust.pipeline.dvc_repository import in_git
from oncorobust.pipeline.project_init import make_project

_MESSAGE = "Project made by oncorobust init"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust init`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    parser.add_argument(
        "--preset", default="demo", metavar="NAME", help="preset with which params.yaml begins (default: demo)"
    )


def run(args: argparse.Namespace) -> int:
    """Make the project, and say what is next. Returns the exit status."""
    make_project(args.folder, preset=args.preset)
    print(f"Made the project {args.folder}: params.yaml is the preset {args.preset}")
    print(_set_up_git(args.folder))
    print(
        f"Next:\n  cd {shlex.quote(str(args.folder))}\n"
        "  oncorobust manifest IMAGES --name NAME   your own images; then: oncorobust add NAME\n"
        "  oncorobust check                         says what is missing, without starting a job\n"
        "  snakemake --cores all && oncorobust record"
    )
    return 0


def _set_up_git(folder: Path) -> str:
    """Make a git repository and a first commit as far as possible. Return what was done and what is left to do."""
    if shutil.which("git") is None:
        return (
            "git is not installed: snakemake and oncorobust work without it, but `dvc repro`, the history of results "
            "and `oncorobust trace --rev` do not; later, run in the folder: git init && git add --all && git commit"
        )
    if in_git(folder):
        return "The folder lies in a git repository: commit it there, git add --all . && git commit"
    if failed := _git(folder, "-c", "init.defaultBranch=main", "init", "--quiet"):
        return f"git init failed ({failed}): run git init && git add --all && git commit in the folder, for DVC"
    _git(folder, "add", "--all")
    if not _is_known(folder):
        return (
            "git does not know who you are, so nothing is committed: git config --global user.name NAME && git config "
            "--global user.email ADDRESS, then in the folder: git commit --message start"
        )
    if failed := _git(folder, "commit", "--quiet", "--message", _MESSAGE):
        return f"git commit failed ({failed}): run it in the folder"
    return "git and DVC are set up, and the files are committed"


def _is_known(folder: Path) -> bool:
    """Return whether git has a name and an address of its own for commits, and need not guess them."""
    return not _git(folder, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")


def _git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return the last line of its error; empty where it succeeded."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return lines[-1] if done.returncode else ""
