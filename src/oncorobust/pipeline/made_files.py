"""Check that the files of earlier stages exist."""

from pathlib import Path

from oncorobust.base.errors import InputError


def check_made(*files: str | Path) -> None:
    """Raise InputError naming a file of an earlier stage that is missing, and the command that makes it."""
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"expected {file}, got no such file; `snakemake --cores all {file}` makes it")
