"""The package as a person installs it: a wheel of this tree in an environment of its own, outside the repository.

The environment finds the packages that the tests run with through a .pth file, so nothing is downloaded and TensorFlow
is not installed again; it does not see this repository.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from toy_pipeline import REPOSITORY

SOURCES = ("src", "workflow", "profiles", "presets", ".dvc/config", ".dvc/.gitignore", ".dvcignore", "Snakefile")
SOURCES += ("dvc.yaml", "environment.yml", "environment.gpu.yml", "params.schema.json", "policy.schema.json")
SOURCES += ("results.schema.json", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
COMMAND = "#!{python}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"


def copy_sources(folder: Path) -> Path:
    """Copy what a wheel is built from, and return the folder."""
    for name in SOURCES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(REPOSITORY / name, folder / name, ignore=left_out, symlinks=True)
        else:
            shutil.copy(REPOSITORY / name, folder / name)
    return folder


def build(sources: Path, into: Path, *, kind: str = "--wheel") -> Path:
    """Build a wheel or a source archive, and return its file."""
    command = [sys.executable, "-m", "uv", "build", kind, "--no-build-isolation", "--offline", "--quiet"]
    done = subprocess.run(
        [*command, "--python", sys.executable, "--out-dir", str(into), str(sources)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (file,) = [one for one in into.iterdir() if one.suffix in (".whl", ".gz")]
    return file


def make_environment(folder: Path) -> Path:
    """Make an environment with the packages of this one, but not with oncorobust, and return the folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name, module in (("snakemake", "snakemake.cli"), ("dvc", "dvc.cli")):
        script = folder / "bin" / name
        script.write_text(COMMAND.format(python=folder / "bin" / "python", module=module))
        script.chmod(0o755)
    return folder


def install(wheel: Path, environment: Path) -> None:
    """Install a wheel without its requirements, in place of an earlier one."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--reinstall"]
    subprocess.run([*command, "--python", str(environment / "bin" / "python"), str(wheel)], check=True)


def run(environment: Path, folder: Path, command: str, *, status: int = 0, **variables: str) -> str:
    """Run a shell command in a folder, in the environment, and return what it printed."""
    here = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    here |= {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    here |= {"PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"} | variables
    done = subprocess.run(
        command, cwd=folder, shell=True, env=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == status, f"{command} gave {done.returncode}:\n{done.stdout}"
    return done.stdout
