"""A home folder inside the project, for processes whose own home folder cannot be used.

Keras, ART, matplotlib and PyTorch keep files below the home folder; DVC and git read their settings there. In a
container or on a cluster's node it may be missing, read-only, or a file such as /dev/null. ART then uses /tmp/.art,
which may belong to another user, and DVC stops.
"""

import os
from contextlib import suppress
from pathlib import Path

from oncorobust.base import layout


def use_project_home(root: Path, *, access: int) -> None:
    """Set HOME to a folder of the project when the present one is not a folder with this access.

    access: os.R_OK for a process that reads the user's settings, os.W_OK for one that also writes there.
    """
    present = Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home() raises for a user without a home folder)
    if present.is_dir() and os.access(present, access):
        return
    home = root.resolve() / layout.HOME
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(home)


def use_project_dvc_cache(root: Path) -> None:
    """Let DVC keep its records of files in the project when the machine has no folder for them that can be written."""
    if not os.access("/var/tmp", os.W_OK):
        os.environ.setdefault("DVC_SITE_CACHE_DIR", str(root.resolve() / layout.DVC_CACHE))
