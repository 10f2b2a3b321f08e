"""The files `workflow/code/<stage>.txt`: one digest for each file of a stage's code, committed to git.

Snakemake and DVC both decide by this file whether the code of a stage has changed, so it must match the code:

- `oncorobust graph` writes it.
- `oncorobust check`, and Snakemake before it plans, stop where the file of any stage does not match.
- A stage stops at its start where its own file does not match, because `dvc repro` starts scripts directly.

DVC alone cannot know that a digest is old. Until `oncorobust graph` has run, `dvc repro` takes an edited stage for
unchanged, and stops in the first edited stage that it starts. `git diff workflow/code` shows which files have changed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CODE, SCRIPTS
from oncorobust.pipeline.code_digest import file_digest
from oncorobust.pipeline.code_stamp import code_state, is_stamped, stamp
from oncorobust.pipeline.imports import stage_code
from oncorobust.pipeline.project_record import check_version
from oncorobust.pipeline.shipped import find_file, in_project

_FIRST_LINE = "# Digests of the code of the stage {stage}, written by `oncorobust graph`; see CONTRIBUTING.md."


def code_path(stage: str) -> str:
    """Return the path of a stage's digests, relative to the repository."""
    return f"{CODE}/{stage}.txt"


def is_code_path(path: str) -> bool:
    """Return whether a path is that of a stage's digests."""
    return path.startswith(f"{CODE}/")


def stage_digests(root: Path, stage: str) -> dict[str, str]:
    """Return the digest of each file of a stage's code, by its path in order of the paths.

    Raises InputError where a file cannot be read, is not Python, or imports a module that the library does not have.
    """
    return {path: file_digest(find_file(root, path)) for path in sorted(stage_code(root, stage))}


def write_digests(root: Path, stage: str) -> bool:
    """Write a stage's digests if they have changed, and return whether they have."""
    path, content = root / code_path(stage), _content(stage, stage_digests(root, stage))
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.part{path.suffix}")
    draft.write_bytes(content)
    draft.replace(path)
    return True


def _content(stage: str, digests: Mapping[str, str]) -> bytes:
    lines = [_FIRST_LINE.format(stage=stage), *(f"{digest}  {path}" for path, digest in digests.items())]
    return ("\n".join(lines) + "\n").encode()


def parse_digests(content: bytes) -> dict[str, str]:
    """Return the digests in the content of such a file, by path; ignore lines of any other form."""
    lines = (line.split("  ", 1) for line in content.decode(errors="replace").splitlines() if not line.startswith("#"))
    return {line[1]: line[0] for line in lines if len(line) == 2}


def digests_out_of_step(root: Path, stage: str) -> list[str]:
    """Return how a stage's recorded digests differ from those of its code, one sentence for each file."""
    path = root / code_path(stage)
    content = path.read_bytes() if path.is_file() else b""
    state = _state(root, content)
    if content and is_stamped(root, stage, state):
        return []
    present = stage_digests(root, stage)
    if not path.is_file():
        return [f"{stage}: {code_path(stage)} is missing"]
    if content == _content(stage, present):
        if _state(root, content) == state:  # nothing was edited meanwhile
            stamp(root, stage, state)
        return []
    differences = _differences(parse_digests(content), present)
    return [f"{stage}: {one}" for one in differences or [f"{code_path(stage)} is not as `oncorobust graph` writes it"]]


def _state(root: Path, content: bytes) -> str:
    return code_state(root, content, [find_file(root, path) for path in parse_digests(content)])


def _differences(recorded: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    sentences = []
    for path in sorted(recorded.keys() | present.keys()):
        if path not in recorded:
            sentences.append(f"{path} is new")
        elif path not in present:
            sentences.append(f"{path} is no longer used")
        elif recorded[path] != present[path]:
            sentences.append(f"{path} has changed")
    return sentences


def refuse(sentences: Sequence[str]) -> None:
    """Raise InputError with the first of these sentences and the number of the others, if there are any."""
    if sentences:
        more = f" and {len(sentences) - 1} more" if len(sentences) > 1 else ""
        raise InputError(f"the graph is out of step ({sentences[0]}{more}): run `oncorobust graph`")


def check_script(script: Path) -> None:
    """Raise InputError when `script` belongs to a stage whose recorded digests do not match its code.

    A script outside workflow/scripts belongs to no stage and may run. In a project, the script is that of the installed
    package, and the digests are in the current folder.
    """
    folder = script.resolve().parent
    if folder.as_posix().endswith(f"/{SCRIPTS}"):
        root = Path() if in_project(Path()) else folder.parents[1]
        check_version(root)
        refuse(digests_out_of_step(root, script.stem))
