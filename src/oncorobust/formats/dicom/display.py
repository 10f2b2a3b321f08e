"""What a DICOM file says for viewers: its modality, and the window in which its values are shown (PS3.3 C.11.2)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.formats.dicom.header import is_dicom, read_dataset

_WANTED = ["Modality", "WindowCenter", "WindowWidth"]


@dataclass(frozen=True)
class Display:
    """Modality, such as CT, "" if the file states none; limits of the first window, None without a usable one."""

    modality: str
    window: tuple[float, float] | None


def read_display(path: Path) -> Display | None:
    """Read what a file says for viewers; None for a file that is not DICOM. Raises OSError."""
    with path.open("rb") as stream:
        if not is_dicom(stream.read(132)):
            return None
    header = read_dataset(path, specific_tags=_WANTED, stop_before_pixels=True)
    center, width = (_first(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    usable = center is not None and width is not None and width > 1
    window = (center - width / 2, center + width / 2) if usable and center is not None and width is not None else None
    return Display(str(header.get("Modality") or ""), window)


def _first(value: Any) -> float | None:
    """Return the first number of an element with one value or several; None for none."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0]) if len(value) else None
