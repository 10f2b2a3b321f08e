"""Run one stage in a project, with the script of the installed package: the commands of a project's dvc.yaml.

    python -m oncorobust.cli.stage train --dataset lidc

In a clone of the repository the same stage is `python workflow/scripts/train.py --dataset lidc`.
"""

import runpy
import sys
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.base.layout import SCRIPTS
from oncorobust.pipeline.shipped import shipped_root


def main() -> None:
    """Run the script of the stage that the first argument names, with the other arguments."""
    # Python puts the current folder first on its path for `-m`; a file of the project must not hide a library's module.
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd().resolve()]
    try:
        script = _script(sys.argv[1] if len(sys.argv) > 1 else "")
    except InputError as error:
        sys.exit(f"oncorobust: {error}")
    del sys.argv[1]
    runpy.run_path(str(script), run_name="__main__")


def _script(stage: str) -> Path:
    known = {path.stem: path for path in sorted((shipped_root() / SCRIPTS).glob("*.py"))}
    if stage not in known:
        raise InputError(f"expected a stage ({', '.join(known)}), got {stage!r}")
    return known[stage]


if __name__ == "__main__":
    main()
