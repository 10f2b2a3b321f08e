"""A stand-in for conda's command line, for machines on which conda cannot be installed.

`snakemake --use-conda` calls `conda` to create environments and sources conda's `activate` in front of each command.
Here both are small, and the work is done by py-rattler: conda's package format, its solver and its installer. The
channel conda-forge is a folder with two packages made on the spot, this Python and its pip. So the environments are
real ones, solved and linked from packages; what is not tested is conda's own code and what conda-forge really serves.

As with the real conda, CONDA_CHANNEL_ALIAS says where channels without an address are.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from conda_stand_in.channel import write_channel

OLDEST_CONDA = (24, 7, 1)  # Snakemake 9 refuses older ones

CONDA = """#!/bin/sh
CONDA_ROOT={root} exec {python} {command} "$@"
"""

ACTIVATE = """# Sourced by Snakemake in front of a job's command: activate PREFIX
export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"
unset PYTHONHOME VIRTUAL_ENV
"""


def conda_on_path(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave a conda that Snakemake accepts as it is; where there is none, install the stand-in into `folder`."""
    if not _has_real_conda():
        _install_stand_in(folder)
        patch.setenv("CONDA_CHANNEL_ALIAS", (folder / "channels").as_uri())
        patch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)


def _has_real_conda() -> bool:
    if which("conda") is None:
        return False
    printed = subprocess.run(["conda", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, printed.split()[1].split(".")[:3])) >= OLDEST_CONDA


def _install_stand_in(folder: Path) -> None:
    write_channel(folder / "channels" / "conda-forge")
    programs = folder / "bin"
    programs.mkdir()
    places = {"root": folder, "python": sys.executable, "command": Path(__file__).with_name("command.py")}
    quoted = {name: shlex.quote(str(place)) for name, place in places.items()}
    (programs / "conda").write_text(CONDA.format(**quoted))
    (programs / "conda").chmod(0o755)
    (programs / "activate").write_text(ACTIVATE)
