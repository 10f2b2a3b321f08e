"""The files that make up the code of a stage: its script and all library modules that the script imports.

    code(stage) = script + closure of `import` over src/oncorobust + data files that those modules name

The imports, including those inside functions, are read from syntax trees; no module is loaded. A package's
`__init__.py` counts, because Python runs it.

In a project that `oncorobust init` has made, the code is that of the installed package, under the same paths.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.layout import PACKAGE, SCRIPTS, SOURCE
from oncorobust.pipeline.code_digest import Import, read_source
from oncorobust.pipeline.shipped import code_folder, find_file

_DATA_SUFFIXES = {".bib", ".css", ".csv", ".j2", ".js"}


@dataclass(frozen=True)
class _Library:
    """The files of the package. folder: its parent. modules: files and folders by dotted name. data: by `_names`."""

    folder: Path
    modules: Mapping[str, Path | None]
    data: Mapping[str, list[Path]]


def stage_code(root: Path, stage: str) -> list[str]:
    """Return the paths of a stage's script and of the library files it depends on, in the repository, script first."""
    script = f"{SCRIPTS}/{stage}.py"
    return [script, *library_files(root, find_file(root, script))]


def library_files(root: Path, script: Path) -> list[str]:
    """Return the library files that a script imports and the data files they name, sorted, as paths in the repository.

    Raises InputError when a script or a module cannot be read, or imports a module that the library does not have.
    """
    library = _look_at(code_folder(root))
    package = library.folder / PACKAGE
    found: set[Path] = set()
    waiting = [script.resolve()]
    while waiting:
        file = waiting.pop()
        source = read_source(file)
        used = {one for name in source.imports for one in _imported_files(library, name, file)} - {file}
        waiting += used - found
        found |= used
        if file.is_relative_to(package):
            found |= {data for name in source.strings & library.data.keys() for data in library.data[name]}
    return sorted(f"{SOURCE}/{file.relative_to(library.folder).as_posix()}" for file in found)


def _look_at(folder: Path) -> _Library:
    """Return the files of the package below a folder. A folder without `__init__.py` has no file of its own."""
    modules: dict[str, Path | None] = {}
    data: dict[str, list[Path]] = {}
    for place, _, names in os.walk(folder / PACKAGE):
        at = Path(place)
        module = ".".join(at.relative_to(folder).parts)
        modules[module] = at / "__init__.py" if "__init__.py" in names else modules.get(module)
        for name in names:
            file = at / name
            if file.suffix == ".py":
                modules.setdefault(f"{module}.{file.stem}", file)
            elif file.suffix in _DATA_SUFFIXES:
                for one in _names(file, folder / PACKAGE):
                    data.setdefault(one, []).append(file)
    return _Library(folder, modules, data)


def _names(file: Path, package: Path) -> set[str]:
    """Return the names under which a module may use a data file: a table, a template, a reference.

    They are the file's own, its path in the package, and its folder's path, whole or in the package; the last part of
    the folder alone, such as "paper", is a word with other uses.
    """
    folder = file.parent.relative_to(package).as_posix()
    names = {file.name, file.relative_to(package).as_posix(), f"{SOURCE}/{PACKAGE}/{folder}"}
    return names | ({folder} if "/" in folder else set())


def _imported_files(library: _Library, statement: Import, importer: Path) -> Iterator[Path]:
    """Yield the files of the library that one import statement may load."""
    level, base, imported = statement
    if level:
        package = importer.relative_to(library.folder).parts[:-level]
        base = ".".join([*package, *filter(None, [base])])
    if base.split(".")[0] == PACKAGE:
        for name in (base, *(f"{base}.{one}" for one in imported)):
            yield from _files_of(library, name, importer)


def _files_of(library: _Library, module: str, importer: Path) -> Iterator[Path]:
    """Yield the files that Python runs for `import module`: its own and the `__init__.py` of each package above it."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        file = library.modules.get(name)
        if file is not None:
            yield file
        elif length < len(parts) and name not in library.modules:
            raise InputError(f"expected a module of the library, got import {module!r} in {importer}")
