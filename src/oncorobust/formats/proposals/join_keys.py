"""By what a table is joined to files, and what its cells say of it."""

MODES = {
    "path": "f.path",
    "file name": "f.name",
    "file name without suffix": "f.stem",
    "SOPInstanceUID": "d.sop",
    "SeriesInstanceUID": "d.series",
    "StudyInstanceUID": "d.study",
    "AccessionNumber": "d.accession",
    "PatientID": "d.patient",
    "folder": "f.folder",
    "top folder": "f.top",
}
"""Ways to join a table to files, the most specific first: what is compared with the cells of the file column."""

FILES = "files f left join dicom d on d.path = f.path"
ONE_FILE = ("path", "file name", "file name without suffix", "SOPInstanceUID")
"""Ways to join in which an id belongs to one file."""


def key_of(mode: str, *, ignore_zeros: bool) -> str:
    """Return the SQL of what a table is joined to."""
    return f"ltrim({MODES[mode]}, '0')" if ignore_zeros else MODES[mode]


def path_parts(cell: str) -> tuple[str, ...]:
    """Return the folders and the name in a path of a table."""
    return tuple(part for part in cell.replace("\\", "/").split("/") if part not in ("", "."))


def key_in(cell: str, folders: tuple[str, ...], *, ignore_zeros: bool) -> str:
    """Return the path or id of a cell as the files would have it: without the leading folders, if it has them."""
    parts = path_parts(cell)
    inside = parts[len(folders) :] if len(parts) > len(folders) and parts[: len(folders)] == folders else parts
    return "/".join(inside).lstrip("0" if ignore_zeros else "")
