"""The files of the repository that the installed package brings: the workflow, its presets, profiles and environments.

A wheel holds them in the folder `repository` of the package. A clone, also one that is installed with `pip install
--editable`, holds them in its root. In a project that `oncorobust init` has made, a path of the repository names the
project's own file or, where it has none, that of the package:

    workflow/resources.yaml          the project's, if there is one; otherwise the package's
    workflow/scripts/train.py        the package's
    src/oncorobust/data/split.py     the package's module oncorobust.data.split

So the code has the same paths in every project, in the repository, and on any machine.
"""

import os
from contextlib import suppress
from pathlib import Path

import oncorobust
from oncorobust.base import layout
from oncorobust.base.errors import InputError


def in_project(root: Path) -> bool:
    """Return whether `root` is a project that `oncorobust init` has made, and no clone of the repository."""
    return (root / layout.PROJECT).is_file()


def package_folder() -> Path:
    """Return the folder of the package, without links."""
    return Path(oncorobust.__file__).resolve().parent


def shipped_root() -> Path:
    """Return the folder with the workflow that belongs to the package. Raises InputError where there is none."""
    package = package_folder()
    places = (package / layout.SHIPPED, package.parents[1])
    for place in places:
        if (place / layout.SNAKEFILE).is_file() and (place / layout.SCRIPTS).is_dir():
            return place
    raise InputError(
        f"expected the workflow of the installed package at {places[0]}, got none: install the package again, "
        "pip install --force-reinstall 'oncorobust[pipeline]'"
    )


def shipped_file(path: str) -> str:
    """Return the package's file of this path of the repository. Raises InputError where there is none."""
    file = shipped_root() / path
    if not file.is_file():
        raise InputError(f"expected {path} in the installed package, got no file {file}: install the package again")
    return str(file)


def code_folder(root: Path) -> Path:
    """Return the folder that holds the package whose code the stages of `root` run."""
    return package_folder().parent if in_project(root) else root.resolve() / layout.SOURCE


def find_file(root: Path, path: str) -> Path:
    """Return the file that a path of the repository names in `root`, which may be a project; it need not exist.

    Raises InputError where a project needs a file of the package, which has no workflow.
    """
    own = root / path
    if not in_project(root) or own.exists():
        return own
    shipped = installed_code(root, path) or shipped_root() / path
    return shipped if shipped.exists() else own


def installed_code(root: Path, path: str) -> Path | None:
    """Return the file of a module or a script, by its path in the repository, that the stages of a project run.

    None for other paths, and in a clone. Raises InputError where the package has no workflow.
    """
    if not in_project(root):
        return None
    if path.startswith(f"{layout.SOURCE}/{layout.PACKAGE}/"):
        return package_folder().parent / path.removeprefix(f"{layout.SOURCE}/")
    return shipped_root() / path if path.startswith(f"{layout.SCRIPTS}/") else None


def link_package(root: Path) -> str:
    """Link the package into the project's cache folder, alone, and return the folder for Python's search path.

    The package's own folder would bring the libraries beside it, too, which are of another environment than the one
    that `snakemake --use-conda` makes.
    """
    folder = root.resolve() / layout.PACKAGE_LINKS
    folder.mkdir(parents=True, exist_ok=True)
    place = package_folder().parent
    for target in (package_folder(), *place.glob("oncorobust-*.dist-info"), *place.glob("oncorobust.egg-info")):
        link = folder / target.name
        with suppress(OSError):
            if link.readlink() == target:
                continue
        draft = folder / f".{target.name}.part.{os.getpid()}"
        draft.symlink_to(target)
        draft.replace(link)
    return str(folder)
