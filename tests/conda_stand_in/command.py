"""The commands of conda that Snakemake 9 calls, answered with py-rattler.

    conda --version
    conda info --json
    conda config --get channel_priority --json
    conda env create --quiet --no-default-packages --file FILE --prefix PREFIX
    conda clean -y --tarballs

An environment is solved and linked from the channels that its file names; the file's pip section is then installed by
the environment's own pip. A package that cannot be had ends the command with the solver's or pip's message.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from rattler import Subdir, VirtualPackage, install, solve
from rattler.exceptions import SolverError


def main(arguments: list[str]) -> None:
    """Answer one command line."""
    match arguments:
        case ["--version"]:
            print("conda 24.7.1")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": os.environ["CONDA_ROOT"], "platform": str(Subdir.current())}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", *rest]:
            create(rest)
        case ["clean", "-y", "--tarballs"]:
            pass  # none are kept
        case _:
            sys.exit(f"the stand-in for conda does not know: conda {' '.join(arguments)}")


def create(arguments: list[str]) -> None:
    """Create an environment from its file: packages of conda first, then those of pip."""
    parser = argparse.ArgumentParser(prog="conda env create")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--no-default-packages", action="store_true")
    options = parser.parse_args(arguments)
    wanted: dict[str, Any] = yaml.safe_load(options.file.read_text(encoding="utf-8"))
    channels = [f"{os.environ['CONDA_CHANNEL_ALIAS']}/{name}" for name in wanted["channels"] if name != "nodefaults"]
    packages = [one for one in wanted["dependencies"] if isinstance(one, str)]
    try:
        asyncio.run(_link(channels, packages, options.prefix))
    except SolverError as error:
        sys.exit(f"the packages {packages} cannot be had together:\n{error}")
    for section in wanted["dependencies"]:
        if isinstance(section, dict):
            _install_with_pip(section["pip"], options.prefix)


async def _link(channels: list[str], packages: list[str], prefix: Path) -> None:
    platforms = [str(Subdir.current()), "noarch"]
    records = await solve(channels, packages, platforms=platforms, virtual_packages=VirtualPackage.detect())
    await install(records, prefix, cache_dir=Path(os.environ["CONDA_ROOT"], "pkgs"), show_progress=False)


def _install_with_pip(requirements: list[str], prefix: Path) -> None:
    place = prefix / "pip.txt"
    place.write_text("".join(f"{requirement}\n" for requirement in requirements), encoding="utf-8")
    pip = [prefix / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", place]
    if subprocess.run(pip).returncode:
        sys.exit("pip could not install the environment's pip section")


if __name__ == "__main__":
    main(sys.argv[1:])
