"""Writer of SYNTHETIC.txt and SOURCE.txt, which mark a phantom's tree as synthetic.

SYNTHETIC.txt marks files whose format has no such mark (`oncorobust.formats.synthetic_mark`). SOURCE.txt tells
`acquire` that it made the tree and may replace it, and lists the settings. Neither file depends on the machine or the
date, so that the same settings write the same bytes.
"""

from pathlib import Path

from oncorobust.formats.synthetic_mark import MARKER
from oncorobust.settings.data import Phantom

_SYNTHETIC = """\
SYNTHETIC: every image in this folder was computed by oncorobust. No patient and no real image is behind any of them.
Identifiers lie outside of the real data set's ranges. Results on these images say nothing about real ones.
"""


def mark_synthetic(folder: Path, settings: Phantom, *, stands_for: str) -> None:
    """Write both files.

    stands_for: the data set whose format the tree has, e.g. "LIDC-IDRI (CT, readers' XML)".
    """
    (folder / MARKER).write_text(_SYNTHETIC, encoding="utf-8")
    source = f"Phantom in the format of {stands_for}, made by oncorobust with n_images {settings.n_images}, "
    source += f"difficulty {settings.difficulty:g}, seed {settings.seed}.\n"
    (folder / "SOURCE.txt").write_text(source, encoding="utf-8")
