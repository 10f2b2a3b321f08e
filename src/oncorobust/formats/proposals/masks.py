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


def find_masks(catalogue: Catalogue, notes: Notes) -> None:
    """Fill a table `masks` with mask and image, and take masks out of the usable files."""
    catalogue.run("create table masks (mask text primary key, image text)")
    catalogue.define("is_mask", lambda stem: _NAME.fullmatch(stem) is not None, arguments=1)
    catalogue.define("is_mask_folder", lambda path: any(map(_FOLDER.fullmatch, path.split("/")[:-1])), arguments=1)
    named = f"select path, stem, kind from files where {USABLE} and is_mask(stem)"
    in_folders = f"select path, stem, kind from files where {USABLE} and is_mask_folder(path)"
    for path, stem, kind in catalogue.query(f"{named} union {in_folders} order by 1"):
        image = _same_folder(catalogue, path, stem, kind) or _other_folder(catalogue, path, stem)
        if image is not None:
            catalogue.run("insert into masks values (?, ?)", path, image)
    catalogue.run("update files set problem = 'is a mask' where path in (select mask from masks)")
    count = catalogue.one("select count(*) from masks")
    notes.leave_out("files are masks of other images", count, list(catalogue.query("select mask from masks limit 10")))


def _same_folder(catalogue: Catalogue, path: str, stem: str, kind: str) -> str | None:
    found = _NAME.fullmatch(stem)
    if found is None:
        return None
    place = path[: len(path) - len(path.rpartition("/")[2])]
    inside = "select path from files where path > ? and path < ? || char(1114109) and stem {} and kind = ? "
    inside += "and not is_mask(stem)"
    inside += f" and {USABLE} and instr(substr(path, length(?) + 1), '/') = 0 limit 2"
    exact = list(catalogue.query(inside.format("= ?"), place, place, found[1], kind, place))
    near = exact or list(catalogue.query(inside.format("like ? || '%'"), place, place, found[1], kind, place))
    return near[0] if len(near) == 1 else None


def _other_folder(catalogue: Catalogue, path: str, stem: str) -> str | None:
    parts = path.split("/")
    for level, name in enumerate(parts[:-1]):
        if _FOLDER.fullmatch(name):
            found = _NAME.fullmatch(stem)
            for folder in _IMAGES:
                start = "/".join((*parts[:level], folder, *parts[level + 1 : -1])) + "/"
                for one in (stem, found[1] if found else ""):
                    image = catalogue.one(
                        "select path from files where path > ? and path < ? || char(1114109) and stem = ?",
                        start,
                        start,
                        one,
                    )
                    if image is not None and image != path:
                        return str(image)
    return None
