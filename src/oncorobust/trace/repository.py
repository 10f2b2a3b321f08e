"""Access to the repository's files in the work tree or at a git revision; each file is hashed once.

At a revision, files in git come from `git show`. Rows are too large for git. They come from the work tree if its file
has the recorded MD5, otherwise from DVC's cache or remote (`dvc.api.open`), where their MD5 is compared with dvc.lock.
"""

import hashlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.pipeline.code_digest import content_digest
from oncorobust.pipeline.made_files import way_to_make
from oncorobust.pipeline.project_record import installed_version
from oncorobust.pipeline.raw_tree import LINK, tree_files
from oncorobust.pipeline.shipped import in_project, installed_code

_CREDENTIALS = re.compile(r"//[^/\s]*@")
"""User and password in a remote's URL."""


@dataclass(frozen=True)
class Directory:
    """Content of a directory of the work tree.

    size: in bytes. files: path and MD5 of some of the files. wanted: number of files that were asked for; None for all.
    """

    n_files: int
    size: int
    files: tuple[tuple[str, str], ...]
    wanted: int | None = None


@dataclass(frozen=True)
class State:
    """The repository at `root`, at a git revision or, with None, its work tree.

    A revision's file is read from git once, and a file is hashed when it is first read or asked for: make a new State
    after a change of the files.
    """

    root: Path
    revision: str | None
    _read: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    _md5s: dict[str, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def read(self, path: str) -> bytes:
        """Return a file of the work tree or, at a revision, of git. Raises InputError when there is none."""
        if self.revision is not None:
            if path not in self._read:
                self._read[path] = self._show(path)
            return self._read[path]
        try:
            content = (installed_code(self.root, path) or self.root / path).read_bytes()
        except OSError as error:
            raise InputError(f"expected a file, got {error}{way_to_make(error)}") from error
        self._md5s.setdefault(path, _md5(content))
        return content

    def _show(self, path: str) -> bytes:
        self._check_revision()
        try:
            if installed := installed_code(self.root, path):  # a project's git has only the digests of its code
                return installed.read_bytes()
            return self._git("show", f"{self.revision}:./{path}")
        except (InputError, OSError) as error:
            raise InputError(f"{self.title()} has no file {path}") from error

    def _check_revision(self) -> None:
        """Raise InputError where git knows no commit of this name."""
        try:
            self._git("rev-parse", "--verify", "--quiet", f"{self.revision}^{{commit}}")
        except InputError as error:
            raise InputError(f"expected --rev to be a git revision of this repository, got {self.revision}") from error

    def read_recorded(self, path: str, md5: str | None) -> bytes:
        """Return a file that may be in DVC instead of git, with the recorded MD5; without a record, the present file.

        In the work tree the present file is read even if it differs from its record, because a trace without a revision
        is of the present files. Raises InputError when there is no such file.
        """
        local = self.root / path
        if local.is_file():
            content = local.read_bytes()
            found = _md5(content)
            if self.revision is None:
                self._md5s.setdefault(path, found)
            if self.revision is None or found == md5:
                return content
        if md5 is None:
            return self.read(path)
        content = self._from_dvc(path)
        if _md5(content) != md5:
            raise InputError(f"{path}: expected the md5 {md5} of dvc.lock, got {_md5(content)}")
        return content

    def md5(self, path: str) -> str | None:
        """Return the MD5 of a file of the work tree or, at a revision, of git; None when there is none."""
        if path not in self._md5s:
            self._md5s[path] = self._present_md5(path)
        return self._md5s[path]

    def _present_md5(self, path: str) -> str | None:
        if self.revision is None:
            return file_md5(self.root / path) if (self.root / path).is_file() else None
        try:
            return _md5(self.read(path))
        except InputError:
            return None

    def read_version(self, path: str, md5: str) -> bytes | None:
        """Return the version of a file with this MD5, from this state or an earlier commit; None when there is none."""
        if self.md5(path) == md5:
            return self.read(path)
        try:
            commits = self._git("rev-list", self.revision or "HEAD", "--", path).decode().split()
        except InputError:
            return None
        earlier = (State(self.root, commit) for commit in commits)
        return next((one.read(path) for one in earlier if one.md5(path) == md5), None)

    def digest(self, path: str) -> str | None:
        """Return the digest of a code file; None when there is no such file or it is not Python."""
        try:
            return content_digest(path, self.read(path))
        except InputError:
            return None

    def directory(self, path: str, *, listed: int, wanted: Sequence[str] = ()) -> Directory | None:
        """Return the content of a directory of the work tree; None if missing.

        wanted: paths in the directory, of which the first `listed` that are here are returned; the first files by name
        if none of them is here.
        """
        if not (self.root / path).is_dir():
            return None
        sizes = {Path(name): stamp[0] for name, stamp in tree_files(self.root / path) if stamp != LINK}
        chosen = [place for one in wanted if (place := Path(one)) in sizes]
        return Directory(
            n_files=len(sizes),
            size=sum(sizes.values()),
            files=tuple(
                (f"{path}/{one.as_posix()}", file_md5(self.root / path / one))
                for one in (chosen or sorted(sizes))[:listed]
            ),
            wanted=len(chosen) or None,
        )

    @cached_property
    def commit(self) -> str | None:
        """The commit's full name: of the revision, or of HEAD; None without a commit.

        Raises InputError where git knows no such revision.
        """
        if self.revision is not None:
            self._check_revision()
        try:
            return self._git("rev-parse", f"{self.revision or 'HEAD'}^{{commit}}").decode().strip()
        except InputError:
            return None

    def title(self) -> str:
        """Return a description of the commit and, in a project, of the package whose code the trace compares.

        Raises InputError where git knows no such revision.
        """
        code = f", code of the installed oncorobust {installed_version()}" if in_project(self.root) else ""
        if self.revision is not None:
            return f"commit {self.commit}{code}"
        if self.commit is None:
            return f"work tree without a commit{code}"
        changed = self._git("status", "--porcelain", "--untracked-files=no").strip()
        state = ", with changes that are not committed" if changed else ""
        return f"work tree at commit {self.commit}{state}{code}"

    def _git(self, *arguments: str) -> bytes:
        try:
            finished = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, check=False)
        except OSError as error:
            raise InputError(f"cannot run git: {error}") from error
        if finished.returncode:
            reason = finished.stderr.decode(errors="replace").strip()
            raise InputError(f"git {' '.join(arguments)} failed: {reason}")
        return finished.stdout

    def _from_dvc(self, path: str) -> bytes:
        # DVC takes more than a second to import, and most traces do not need it.
        import dvc.api

        try:
            with dvc.api.open(path, repo=str(self.root), rev=self.revision, mode="rb") as stream:
                return bytes(stream.read())
        except Exception as error:  # errors of botocore, asyncssh and other libraries of remotes have no common class
            found = _CREDENTIALS.sub("//", str(error)) or type(error).__name__
            raise InputError(
                f"cannot get {path} from the work tree, DVC's cache or its remote: {found}; try dvc pull"
            ) from error


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
