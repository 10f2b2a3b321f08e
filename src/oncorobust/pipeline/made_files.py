"""Files of earlier stages: a check that they exist, and the command that makes one that is missing."""

from pathlib import Path
from shlex import quote

from oncorobust.base import layout
from oncorobust.base.errors import InputError


def check_made(*files: str | Path) -> None:
    """Raise InputError naming a file of an earlier stage that is missing, and the command that makes it."""
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"expected {file}, got no such file; `snakemake --cores all {file}` makes it")


def way_to_make(error: BaseException) -> str:
    """Return the end of a message that tells how to make the file whose absence caused an error; empty otherwise.

    The file is that of the first FileNotFoundError among the error, its causes and its contexts, relative to the
    current folder.
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, FileNotFoundError):
        link = link.__cause__ or link.__context__
    if link is None or not isinstance(link.filename, (str, Path)):
        return ""
    file = Path(link.filename)
    path = file.relative_to(Path.cwd()).as_posix() if file.is_relative_to(Path.cwd()) else file.as_posix()
    if path.startswith(f"{layout.CODE}/"):
        return "; `oncorobust graph` makes it"
    folders = (f"{layout.DATA_FOLDER}/processed", layout.MODELS_FOLDER, layout.REPORTS_FOLDER)
    made = any(path.startswith(f"{folder}/") for folder in folders)
    return f"; `snakemake --cores all {quote(path)}` makes it" if made else ""
