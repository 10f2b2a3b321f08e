"""Training images without a label, in a type that has no place for one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from oncorobust.base.arrays import Images
from oncorobust.base.errors import InputError
from oncorobust.data.dataset import POSITION, open_pixels, read_images, read_index
from oncorobust.formats.records import NO_LABEL

_COLUMNS = ("image_id", "patient_id", POSITION)


@dataclass(frozen=True)
class UnlabelledImages:
    """Training images without labels.

    rows: the columns image_id, patient_id and `position`, the position of the row's image in `pixels`; no others, so
        that no label, class or finding can be read here.
    pixels: float32 (n, h, w, c) with c = 1 or 3, usually a memory map.
    """

    rows: pd.DataFrame
    pixels: np.ndarray
    name: str

    def __post_init__(self) -> None:
        """Check the columns. Raises InputError."""
        if tuple(self.rows.columns) != _COLUMNS:
            raise InputError(
                f"{self.name}: expected the columns {', '.join(_COLUMNS)}, got {', '.join(map(str, self.rows))}"
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.rows)

    @property
    def n_patients(self) -> int:
        """Return the number of patients."""
        return int(self.rows["patient_id"].nunique())

    @property
    def image_ids(self) -> list[str]:
        """Id of each image."""
        return self.rows["image_id"].tolist()

    def images(self, positions: np.ndarray) -> Images:
        """Read images (n, h, w, 3), float32, by position in this part. Raises InputError on values outside [0, 1]."""
        rows = self.rows.iloc[positions]
        places = rows[POSITION].to_numpy()
        return read_images(self.pixels, places, image_ids=rows["image_id"].tolist(), where=self.name)


def load_unlabelled(folder: str | Path, *, name: str) -> UnlabelledImages | None:
    """Open the images without a label of a processed data set; None where all have one.

    name: of the data set. Raises InputError naming an unusable file.
    """
    frame = read_index(Path(folder) / "index.csv")
    frame = frame.assign(**{POSITION: np.arange(len(frame))})
    rows = frame.loc[frame["label"] == NO_LABEL, list(_COLUMNS)]
    return UnlabelledImages(rows, open_pixels(Path(folder) / "images.npy"), name) if len(rows) else None
