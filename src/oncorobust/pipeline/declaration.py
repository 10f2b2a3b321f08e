"""Declarations of policies: a record that a policy had its present content before certain results existed.

The stage `attack` declares each policy of params.yaml before it attacks, and `oncorobust accept --declare` does so by
hand. A declaration is a small file in git, one for each content of a policy, and never changed afterwards. It holds the
MD5 of the policy, the commit, and the MD5 of all row files that were known at that moment: those in the work tree,
those in dvc.lock and those that earlier verdicts judged. So

    declared before    the present policy has a declaration that knows none of the present row files
    declared after     its declaration already knew one of them
    edited             the policy's file had other content when the present row files were still unknown
    not declared       no declaration of this file

A declaration is not an output of a stage: no attack depends on a policy, so editing one repeats no attack, and a
repeated attack that gives the same rows does not turn an edited policy into one declared before. The record shows
mistakes, not forgery: whoever can write to the repository can also delete a declaration. Commit and push it before the
run if others have to see the order.
"""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.schema.version import read_results, write_results
from oncorobust.base.watched_inputs import unwatched
from oncorobust.pipeline.dvc_lock import parse_lock, recorded_md5
from oncorobust.settings.pipeline import Params

State = Literal["declared before", "declared after", "edited", "not declared"]

FileVersion = tuple[str, str]
"""Path of a file and MD5 of its content."""


@dataclass(frozen=True)
class Declaration:
    """A policy with the MD5 of its content, and the row files that were known when it was declared.

    commit: HEAD at that moment; None without git. in_commit: whether that commit holds the policy with this content.
    """

    policy: str
    md5: str
    commit: str | None
    in_commit: bool
    known: frozenset[FileVersion]


def declare_policies(params: Params) -> None:
    """Declare the policies of params.yaml in the current folder, for a stage before it writes results.

    The files that are read do not count as inputs of the stage. Raises InputError for a policy that cannot be read.
    """
    with unwatched():
        for policy in params.acceptance:
            declare(Path(), policy, rows=all_row_files(params))


def all_row_files(params: Params) -> list[str]:
    """Return the row files of all models of the data sets that run."""
    return [
        name for dataset, models in params.models.items() for one in models for name in layout.row_files(dataset, one)
    ]


def declare(root: Path, policy: str, *, rows: Sequence[str]) -> Declaration:
    """Declare the present content of a policy; return its declaration, or the earlier one of the same content."""
    md5 = policy_md5(root, policy)
    path = root / layout.declaration_file(Path(policy).stem, md5)
    if not path.is_file():
        commit = _git(root, "rev-parse", "HEAD")
        content = {
            "policy": Path(policy).as_posix(),
            "md5": md5,
            "commit": None if commit is None else commit.decode().strip(),
            "in_commit": _git(root, "show", f"HEAD:./{Path(policy).as_posix()}") == (root / policy).read_bytes(),
            "known_results": [{"path": name, "md5": one} for name, one in sorted(_known(root, rows))],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.stem}.{os.getpid()}.part.json")  # several jobs may declare at once
        write_results(draft, content)
        draft.replace(path)
    return _read(path)


def policy_md5(root: Path, policy: str) -> str:
    """Return the MD5 of a policy's file. Raises InputError where there is none."""
    try:
        return file_md5(root / policy)
    except OSError as error:
        raise InputError(f"expected a policy, got {error}") from error


def read_declarations(root: Path, policy: str) -> list[Declaration]:
    """Return all declarations of a policy's file."""
    found = [_read(path) for path in sorted((root / layout.DECLARATIONS).glob("*.json"))]
    return [one for one in found if one.policy == Path(policy).as_posix()]


def state_of(declarations: Sequence[Declaration], md5: str, rows: Mapping[str, str]) -> State:
    """Return how a policy with this MD5 stands to the row files that it judges. rows: MD5 by path."""
    present = set(rows.items())
    before = {one.md5 for one in declarations if not one.known & present}
    if md5 in before:
        return "declared before"
    if before:
        return "edited"
    if not declarations:
        return "not declared"
    return "declared after" if md5 in {one.md5 for one in declarations} else "edited"


def sentence(state: State, policy: str, md5: str, declarations: Sequence[Declaration]) -> str:
    """Return a state as a sentence for a person."""
    if state == "edited":
        others = sorted({one.md5 for one in declarations} - {md5})
        return f"{policy} was edited after the results were made: declared with MD5 {', '.join(others)}, now {md5}"
    return {
        "declared before": f"{policy} was declared before the results were made (MD5 {md5})",
        "declared after": f"{policy} was declared after the results were made (MD5 {md5})",
        "not declared": f"{policy} was never declared, so nothing shows that it is older than the results (MD5 {md5})",
    }[state]


def _read(path: Path) -> Declaration:
    content = read_results(path)
    try:
        known = frozenset((one["path"], one["md5"]) for one in content["known_results"])
        return Declaration(content["policy"], content["md5"], content["commit"], content["in_commit"], known)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a declaration of a policy, got {error!r}") from error


def _known(root: Path, rows: Iterable[str]) -> set[FileVersion]:
    """Return the row files in the work tree, in dvc.lock and in earlier verdicts."""
    names = list(rows)
    known = {(name, file_md5(root / name)) for name in names if (root / name).is_file()}
    if (root / "dvc.lock").is_file():
        lock = parse_lock((root / "dvc.lock").read_text(encoding="utf-8"))
        known |= {(name, md5) for name in names if (md5 := recorded_md5(lock, name)) is not None}
    for verdicts in sorted((root / layout.ACCEPTANCE).glob("*.json")):
        known |= {(one["path"], one["md5"]) for one in read_results(verdicts)["results"]}
    return known


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return the output of a git command; None where it fails, such as without a repository or a commit."""
    try:
        finished = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return None if finished.returncode else finished.stdout
