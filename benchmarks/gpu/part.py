"""Run one part of the GPU benchmark and note what it measures as it goes; `run.py` starts this."""

import argparse
import json
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any


class Notes:
    """What a part has measured so far, in a file that is rewritten with every note."""

    def __init__(self, path: Path) -> None:
        """Begin with nothing."""
        self._path = path
        self.found: dict[str, Any] = {}

    def put(self, **values: Any) -> None:
        """Note values by name."""
        self.found |= values
        self._write({})

    def line(self, text: str) -> None:
        """Note a line to print at the end of the run."""
        self.put(lines=[*self.found.get("lines", []), text])

    def fail(self, error: Exception) -> None:
        """Note why the part ends."""
        self._write({"error": f"{type(error).__name__}: {error}"})

    def _write(self, more: dict[str, Any]) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps({"found": self.found} | more))
        part.replace(self._path)


def main() -> None:
    """Read the options, run the part and note its error if it has one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where parts leave files for later ones")
    parser.add_argument("--wheels", type=Path)
    for option in ("size", "images", "updates", "threads"):
        parser.add_argument(f"--{option}", type=int, required=True)
    options = parser.parse_args()
    notes = Notes(options.notes)
    try:
        import_module(options.name).measure(options, notes)
    except Exception as error:
        notes.fail(error)
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
