"""The state of the code in which a stage's digests were last found right, so that not every job computes them again.

    .cache/code/<stage>      digest of the recorded digests, of the bytes of the files that they list, and of all names
                             in the package

The bytes decide alone: after any edit of these files, also of a comment, the digests are computed again. An edit that
adds a file to a stage's code is one of a listed file, or a new name. Remove the folder to compute them at once.
"""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from oncorobust.base.layout import CODE_STAMPS, PACKAGE
from oncorobust.pipeline.shipped import code_folder


def code_state(root: Path, recorded: bytes, files: Iterable[Path]) -> str:
    """Return the digest of all that a comparison of recorded digests depends on; "" where a file is missing.

    recorded: content of the file of digests. files: those that it lists. Which files the package has counts, too,
    because a new one may be what an import or a name means. Raises InputError where a project has no package.
    """
    digest = hashlib.blake2b(recorded, digest_size=16)
    package = code_folder(root) / PACKAGE
    names = sorted(Path(place, name) for place, _, names in os.walk(package) for name in names)
    digest.update("\n".join(os.fspath(one) for one in names if one.suffix != ".pyc").encode(errors="surrogateescape"))
    try:
        for path in files:
            content = path.read_bytes()
            digest.update(f"\n{path} {len(content)}\n".encode(errors="surrogateescape") + content)
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
