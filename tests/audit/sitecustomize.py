"""Put on PYTHONPATH by test_pipeline: notes each file below the working folder that a stage's script opens to read."""

import atexit
import json
import os
import sys
from pathlib import Path

_read: set[str] = set()
_root = str(Path.cwd())


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], str):
        return
    mode, flags = arguments[1], arguments[2]
    writes = any(letter in "wax" for letter in mode) if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_CREAT)
    path = os.path.realpath(arguments[0])
    if not writes and path.startswith(_root + os.sep):
        _read.add(os.path.relpath(path, _root))


def _write() -> None:
    target = Path(os.environ["AUDIT_FOLDER"]) / f"{os.getpid()}.json"
    target.write_text(json.dumps({"argv": sys.argv, "read": sorted(_read)}))


if "AUDIT_FOLDER" in os.environ and "workflow/scripts/" in " ".join(sys.orig_argv):
    sys.addaudithook(_note)
    atexit.register(_write)
