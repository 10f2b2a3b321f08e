"""`oncorobust upgrade`: move a project on to the installed version of the package.

    oncorobust upgrade --dry-run
    oncorobust upgrade [--set KEY=VALUE]...

Your values in params.yaml and the files that you have edited stay. `--dry-run` shows what would change.
"""

import argparse
from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_repository import lock_dvc
from oncorobust.pipeline.project_upgrade import apply_upgrade, plan_upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust upgrade`."""
    parser.add_argument("--dry-run", action="store_true", help="change nothing; show what would change")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="value, as YAML, of a new key of params.yaml for which the preset has none, such as seed=3",
    )


def run(args: argparse.Namespace) -> int:
    """Show what changes, and change it. Returns the exit status."""
    upgrade = plan_upgrade(Path(), given=dict(map(_pair, args.set)))
    lines = upgrade.lines()
    print("\n".join(lines) or "Nothing changes: the project is of the installed version.")
    if args.dry_run or not lines:
        return 0
    with lock_dvc(Path()):
        apply_upgrade(Path(), upgrade)
    print("The project is upgraded. Next: oncorobust check, then look at the changes with git diff")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set: expected KEY=VALUE, got {text!r}")
    return key, value
