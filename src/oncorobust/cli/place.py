"""The place in which a command runs: the root of the repository, or of a project of the same version as the package."""

import os
import sys
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline.home import use_project_dvc_cache, use_project_home
from oncorobust.pipeline.project_record import version_conflict

_OF_ANY_VERSION = ("where", "usage", "trace", "front", "upgrade")
"""Commands that work in a project that another version has made: they only look, or move it on."""


def enter(command: str) -> None:
    """Let DVC and Snakemake use the project where a folder of the user or the machine cannot be used.

    Raises InputError where the current folder is not the root of a repository or of a project. A project that another
    version of the package has made is told of, and refused by the commands that are not in _OF_ANY_VERSION.
    """
    if not (Path.cwd() / layout.SNAKEFILE).is_file():
        raise InputError(
            f"{Path.cwd()} has no {layout.SNAKEFILE}: run oncorobust in the root of the repository or of a project, "
            "which `oncorobust init FOLDER` makes"
        )
    if command != "upgrade" and (conflict := version_conflict(Path())):
        if command not in _OF_ANY_VERSION:
            raise InputError(conflict)
        print(f"oncorobust: {conflict}", file=sys.stderr)
    use_project_home(Path(), access=os.R_OK)
    use_project_dvc_cache(Path())
