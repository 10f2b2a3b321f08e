"""Make a raw tree: out of an installed package, or by download; written whole or not at all.

A tree that this module made has a SOURCE.txt. A folder without one is somebody's own data and is never replaced.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oncorobust.data.download import download_cifar10, download_mnist
from oncorobust.data.packaged import write_packaged_mnist
from oncorobust.errors import InputError


def acquire(folder: str | Path, *, dataset: str, source: str, raw_format: str) -> None:
    """Make the raw tree of `dataset` in `folder`.

    source: `packaged` or `download`. raw_format: `mnist` or `cifar10` (only the former is packaged).
    Raises InputError where that is not to be had, with a way around it.
    """
    remedy = f"get the files elsewhere, put them in {folder} and remove acquire.{dataset} from params.yaml"
    with whole_folder(folder) as draft:
        try:
            match source, raw_format:
                case "packaged", "mnist":
                    write_packaged_mnist(draft)
                case "download", "mnist":
                    download_mnist(draft)
                case "download", "cifar10":
                    download_cifar10(draft)
                case _:
                    raise InputError(f"expected a format that is {source}, got {raw_format} in acquire.{dataset}")
        except InputError as error:
            raise InputError(f"{error}; {remedy}") from error


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; put it in its place when the block succeeds, remove it when it fails.

    Raises InputError when `folder` is a link or holds files that no acquisition made.
    """
    final = Path(folder)
    if final.is_symlink():
        raise InputError(f"expected a folder to write, got a link in {final}")
    if final.exists() and not (final / "SOURCE.txt").is_file() and any(final.iterdir()):
        raise InputError(f"expected no data of your own, got files without SOURCE.txt in {final}")
    draft = final.with_name(f".{final.name}.part")
    for old in (draft, final):
        shutil.rmtree(old, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.replace(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
