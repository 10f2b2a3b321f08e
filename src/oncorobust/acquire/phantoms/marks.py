"""What makes a phantom's tree a synthetic one at first sight: SYNTHETIC.txt and SOURCE.txt at its top.

The pipeline reads SYNTHETIC.txt for files that cannot say so themselves (`oncorobust.formats.synthetic_mark`), and
SOURCE.txt tells `acquire` that the tree is its own and may be replaced. Both name the settings and nothing of the
machine or the
day, so that the same settings give the same bytes.
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
