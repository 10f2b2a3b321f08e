"""The state of the code in which a stage's digests were last found right, so that not every job computes them again.

    .cache/code/<stage>      digest of the bytes of the whole package, the stage's script and its recorded digests

The bytes decide alone: after any edit, also of a comment or of another stage's module, the digests are computed again.
Remove the folder to compute them at once.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from oncorobust.base.layout import CODE_STAMPS, PACKAGE, SCRIPTS
from oncorobust.pipeline.shipped import code_folder, find_file


def code_state(root: Path, stage: str, recorded: Path) -> str:
    """Return the digest of the bytes that a comparison of the digests in `recorded` reads; "" where one is missing.

    Raises InputError where a project needs a file of the package, which has no workflow.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        for path in (recorded, find_file(root, f"{SCRIPTS}/{stage}.py"), *_package(code_folder(root) / PACKAGE)):
            content = path.read_bytes()
            digest.update(f"{path} {len(content)}\n".encode(errors="surrogateescape") + content)
    except OSError:  # the comparison says which one is missing
        return ""
    return digest.hexdigest()


def is_stamped(root: Path, stage: str, state: str) -> bool:
    """Return whether the digests were found right in this state of the code before."""
    try:
        return bool(state) and _file(root, stage).read_text(encoding="ascii") == state
    except (OSError, ValueError):
        return False


def stamp(root: Path, stage: str, state: str) -> None:
    """Note that the digests are right in this state of the code; do nothing where it cannot be kept."""
    path = _file(root, stage)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(state, encoding="ascii")
        draft.replace(path)


def _file(root: Path, stage: str) -> Path:
    return root / CODE_STAMPS / stage


def _package(folder: Path) -> Iterator[Path]:
    """Yield the files of the package, in one order, without those that Python compiles."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (Path(place, name) for name in sorted(names))
