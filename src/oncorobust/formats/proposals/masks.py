"""Masks and segmentations that lie beside images, so that no proposal takes them for images.

A mask has the name of its image and a word such as `_mask` or `-seg`, in the same folder, or the same name in a folder
`masks` or `labels` beside a folder `images`.
"""

import re

from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes

_WORDS = "masks?|segmentations?|segs?|rois?|gt|ground_?truth|annotations?|labels?|lesions?|contours?"
_NAME = re.compile(rf"(.*?)[ _.-]*(?:{_WORDS})(?:[ _-]?\d+)?", re.IGNORECASE)
_FOLDER = re.compile(rf"(?:{_WORDS})(tr|ts)?", re.IGNORECASE)
_IMAGES = ("images", "image", "imgs", "img", "Images", "imagesTr")


_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".nii.gz", ".nii", ".dcm")
_FEW_FILES = 50


def find_masks(catalogue: Catalogue, notes: Notes) -> None:
    """Fill a table `masks` with mask and image, and take masks out of the usable files."""
    catalogue.run("create table masks (mask text primary key, image text)")
    catalogue.define("is_mask", lambda stem: _NAME.fullmatch(stem) is not None, arguments=1)
    catalogue.define("is_mask_folder", lambda path: any(map(_FOLDER.fullmatch, path.split("/")[:-1])), arguments=1)
    catalogue.run("create temp table candidates (path text primary key, stem text)")
    fitting = "(is_mask(stem) or is_mask_folder(path))"
    catalogue.run(f"insert into candidates select path, stem from files where {USABLE} and {fitting}")
    others = _Others(catalogue)
    for path, stem in catalogue.query("select path, stem from candidates order by path"):
        image = _image_of(catalogue, others, path, stem)
        if image is not None:
            catalogue.run("insert into masks values (?, ?)", path, image)
    catalogue.run("update files set problem = 'is a mask' where path in (select mask from masks)")
    count = catalogue.one("select count(*) from masks")
    notes.leave_out("files are masks of other images", count, list(catalogue.query("select mask from masks limit 10")))


class _Others:
    """What lies beside a candidate; remembers the last folder and which folders there are."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._place: str | None = None
        self._files: list[tuple[str, str]] = []
        self._has: dict[str, bool] = {}

    def has(self, place: str) -> bool:
        """Return whether there is a file below a folder, whose path ends with a slash."""
        if place not in self._has:
            found = "select 1 from files where path > ? and path < ? || char(1114109) limit 1"
            self._has[place] = self._catalogue.one(found, place, place) is not None
        return self._has[place]

    def of(self, place: str) -> list[tuple[str, str]]:
        """Return paths and stems of the files in a folder that are no masks, if it has few files, else nothing."""
        if place != self._place:
            inside = "path > ? and path < ? || char(1114109) and instr(substr(path, length(?) + 1), '/') = 0"
            found = f"select path, stem from files where {inside} and {USABLE} order by path limit {_FEW_FILES + 1}"
            files = list(self._catalogue.query(found, place, place, place))
            self._place = place
            self._files = [one for one in files if not _NAME.fullmatch(one[1])] if len(files) <= _FEW_FILES else []
        return self._files


def _image_of(catalogue: Catalogue, others: _Others, path: str, stem: str) -> str | None:
    """Return the image that a candidate is a mask of, or None."""
    folders, name = path[: path.rfind("/") + 1], path[path.rfind("/") + 1 :]
    suffixes = (name[len(stem) :], *_SUFFIXES)
    found = _NAME.fullmatch(stem)
    if found is not None:
        if (
            image := _first(catalogue, [f"{folders}{found[1]}{suffix}" for suffix in suffixes if found[1]])
        ) is not None:
            return image
        near = [one for one, other in others.of(folders) if other.startswith(found[1])]
        if len(near) == 1:
            return near[0]
    parts = folders.split("/")
    stems = {stem, found[1] if found else stem}
    for level, folder in enumerate(parts[:-1]):
        if _FOLDER.fullmatch(folder):
            beside = [other for other in _IMAGES if others.has("/".join((*parts[:level], other, "")))]
            places = ["/".join((*parts[:level], other, *parts[level + 1 :])) for other in beside]
            paths = [f"{place}{one}{suffix}" for place in places for one in sorted(stems) for suffix in suffixes]
            if (image := _first(catalogue, paths)) is not None:
                return image
    return None


def _first(catalogue: Catalogue, paths: list[str]) -> str | None:
    """Return the first of the paths that is a usable file."""
    for path in paths:
        if catalogue.one(f"select 1 from files where path = ? and {USABLE}", path):
            return path
    return None
