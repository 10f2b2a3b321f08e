"""The files that make up the code of a stage: its script and all library modules that the script imports.

    code(stage) = script + closure of `import` over src/oncorobust + data files that those modules name

The imports, including those inside functions, are read from syntax trees; no module is loaded. A package's
`__init__.py` counts, because Python runs it.

In a project that `oncorobust init` has made, the code is that of the installed package, under the same paths.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.layout import PACKAGE, SCRIPTS, SOURCE
from oncorobust.pipeline.code_digest import Import, read_source
from oncorobust.pipeline.shipped import code_folder, find_file

_DATA_SUFFIXES = {".bib", ".css", ".csv", ".j2", ".js"}


def stage_code(root: Path, stage: str) -> list[str]:
    """Return the paths of a stage's script and of the library files it depends on, in the repository, script first."""
    script = f"{SCRIPTS}/{stage}.py"
    return [script, *library_files(root, find_file(root, script))]


def library_files(root: Path, script: Path) -> list[str]:
    """Return the library files that a script imports and the data files they name, sorted, as paths in the repository.

    Raises InputError when a script or a module cannot be read, or imports a module that the library does not have.
    """
    folder = code_folder(root)
    named_data = _data_files(folder)
    found: set[Path] = set()
    waiting = [script.resolve()]
    while waiting:
        file = waiting.pop()
        source = read_source(file)
        used = {one for name in source.imports for one in _imported_files(folder, name, file)} - {file}
        waiting += used - found
        found |= used
        if file.is_relative_to(folder / PACKAGE):
            found |= {data for name in source.strings & named_data.keys() for data in named_data[name]}
    return sorted(f"{SOURCE}/{file.relative_to(folder).as_posix()}" for file in found)


def _imported_files(folder: Path, statement: Import, importer: Path) -> list[Path]:
    """Return the files of the library that one import statement may load."""
    level, base, imported = statement
    if level:
        package = importer.relative_to(folder).parts[:-level]
        base = ".".join([*package, *filter(None, [base])])
    if base.split(".")[0] != PACKAGE:
        return []
    return [
        file for name in (base, *(f"{base}.{one}" for one in imported)) for file in _files_of(folder, name, importer)
    ]


def _files_of(folder: Path, module: str, importer: Path) -> list[Path]:
    """Return the files that Python runs for `import module`: its own and the `__init__.py` of each package above it."""
    files = []
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:length])
        candidates = [place / "__init__.py", place.with_suffix(".py")]
        existing = [candidate for candidate in candidates if candidate.is_file()]
        if existing:
            files.append(existing[0])
        elif length < len(parts) and not place.is_dir():
            raise InputError(f"expected a module of the library, got import {module!r} in {importer}")
    return files


def _data_files(source: Path) -> dict[str, list[Path]]:
    """Return the data files of the package under the names that a module may use: tables, templates, references.

    The names are the file's own, its path in the package, and its folder's path, whole or in the package; the last part
    of the folder alone, such as "paper", is a word with other uses.
    """
    package = source / PACKAGE
    found: dict[str, list[Path]] = {}
    for file in package.rglob("*"):
        if file.suffix in _DATA_SUFFIXES:
            folder = file.parent.relative_to(package).as_posix()
            names = {file.name, file.relative_to(package).as_posix(), f"{SOURCE}/{PACKAGE}/{folder}"}
            for name in names | ({folder} if "/" in folder else set()):
                found.setdefault(name, []).append(file)
    return found
