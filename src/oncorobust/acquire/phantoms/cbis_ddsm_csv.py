"""Writer of CBIS-DDSM's mass descriptions as the archive publishes them: CSV files with two lines per row.

Lines end in CR LF. The last cell of a row, the mask path, is quoted and ends in an additional line feed, so a file of n
rows has 2 n + 1 lines. Missing margins are NA. Shapes other than round, oval, lobulated and irregular are lymph nodes,
architectural distortions and asymmetries, as in the real files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oncorobust.acquire.phantoms.breast import MassAttributes

COLUMNS = (
    "patient_id",
    "breast_density",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "mass shape",
    "mass margins",
    "assessment",
    "pathology",
    "subtlety",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
)

_OTHER_SHAPE = {"CIRCUMSCRIBED": "LYMPH_NODE", "N/A": "ASYMMETRIC_BREAST_TISSUE"}


@dataclass(frozen=True)
class CaseRow:
    """One mass in one view, and the paths of its mammogram, crop and mask."""

    patient_id: str
    side: str
    view: str
    pathology: str
    attributes: MassAttributes
    image_path: str
    crop_path: str
    mask_path: str


def write_cases(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write the file of one part, training or test."""
    lines = [",".join(COLUMNS), *(_line(row) for row in rows)]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("ascii"))


def _line(row: CaseRow) -> str:
    seen = row.attributes
    shape = _OTHER_SHAPE.get(seen.margins, "ARCHITECTURAL_DISTORTION") if seen.shape == "OTHER" else seen.shape
    cells = [row.patient_id, seen.density, row.side, row.view, 1, "mass", shape]
    cells += ["NA" if seen.margins == "N/A" else seen.margins, seen.assessment, row.pathology, seen.subtlety]
    return ",".join([*map(str, cells), row.image_path, row.crop_path, f'"{row.mask_path}\n"'])
