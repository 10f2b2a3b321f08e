"""Masks and segmentations that lie beside images, so that no proposal takes them for images.

A file whose name, or whose folder's name, has a word for a mask is one if an image bears the rest of its name: in the
same folder, alone or before the name of a sequence (`x_seg` of `x_t1` and `x_t2`), or in another folder beside that of
the mask. A mask without a name of its own (`seg.nii.gz`) belongs to the images of its size in its folder. Words that
also name classes, such as `lesion` and `label`, count only where nearly all files with the word have such an image and
some that are read hold few values; a word that the pattern takes as the label never counts.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.label_values import read_labels
from oncorobust.formats.proposals.mask_names import (
    Named,
    folder_word,
    has_mask_word,
    may_have_mask_word,
    shorter_rests,
    split_name,
)
from oncorobust.formats.proposals.patterns import compile_pattern
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request

_TABLES = """
create table masks (mask text, image text, primary key (mask, image)) without rowid;
create temp table candidates (path text primary key, word text, certain integer, height integer, width integer,
    depth integer) without rowid;
create temp table pictures (place text, rest text, path text, height integer, width integer, depth integer)
"""
_SIZE = "height = ? and width = ? and depth = ?"
_MOST_IMAGES = 50
"""Images that one mask may have; more are no sequences of one case."""
_NEARLY_ALL = 0.9
_READ = 5
_FEW_VALUES = 20


def find_masks(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Fill a table `masks` with mask and image, and take masks out of the usable files. Raises InputError."""
    for table in _TABLES.split(";"):
        catalogue.run(table)
    bases = _find_candidates(catalogue, request)
    if catalogue.one("select count(*) from candidates"):
        _find_pictures(catalogue, bases)
        for path, *size in catalogue.query("select path, height, width, depth from candidates order by path"):
            pairs = {(path, image) for image in _images_of(catalogue, path, tuple(size))}
            catalogue.add("masks", sorted(pairs), width=2)
        _settle(catalogue, request.folder, notes)
    catalogue.run("create index by_image on masks (image)")


def _find_candidates(catalogue: Catalogue, request: Request) -> set[str]:
    """List files with a word for a mask; return the folders that hold folders with such a word."""
    bases = set()
    fit = None if request.pattern is None else compile_pattern(request.pattern)
    found = catalogue.query(f"select path, stem, height, width, depth from files where {USABLE}")
    for path, stem, *size in found:
        if not may_have_mask_word(path):
            continue
        place, word = _mask_folder(path)
        named = split_name(stem)
        if not (word or named.word):
            continue
        match = fit and fit.fullmatch(path if "/" in (request.pattern or "") else path.rpartition("/")[2])
        if match is not None and has_mask_word(match.groupdict().get("label") or ""):
            continue
        if word:
            bases.add(place.partition("*")[0])
        chosen = Named(word, "") if Named(word, "").certain or not named.word else named
        catalogue.add("candidates", [(path, chosen.word, chosen.certain, *size)], width=6)
    return bases


def _mask_folder(path: str) -> tuple[str, str]:
    """Return where the images of a mask's folder lie, with a star for the folder beside it, and the folder's word."""
    folders = path.split("/")[:-1]
    words = [folder_word(folder) for folder in folders]
    level = next((level for level, word in enumerate(words) if word), None)
    if level is None:
        return "", ""
    inner = [folder for folder, word in zip(folders[level:], words[level:], strict=True) if not word]
    return "/".join((*folders[:level], "*", *inner, "")), words[level]


def _find_pictures(catalogue: Catalogue, bases: set[str]) -> None:
    """List files without a mask word in their name by folder and rest, also with a star for a folder below a base."""
    found = catalogue.query(f"select path, stem, height, width, depth from files where {USABLE}")

    def rows() -> Iterator[tuple[str, str, str, int, int, int]]:
        for path, stem, *size in found:
            named = split_name(stem)
            for place in [] if named.word else _places(path, bases):
                yield (place, named.rest, path, *size)

    catalogue.add("pictures", rows(), width=6)
    catalogue.run("create index by_rest on pictures (place, rest)")


def _places(path: str, bases: set[str]) -> Iterator[str]:
    folders = path.split("/")[:-1]
    yield "/".join((*folders, ""))
    for level in range(len(folders) + 1):
        base = "/".join((*folders[:level], ""))
        if base in bases and not (level < len(folders) and folder_word(folders[level])):
            yield "/".join((*folders[:level], "*", *folders[level + 1 :], ""))


def _images_of(catalogue: Catalogue, path: str, size: tuple[int, ...]) -> list[str]:
    """Return the images that a candidate is a mask of."""
    folder = path[: path.rfind("/") + 1]
    named = split_name(catalogue.one("select stem from files where path = ?", path))
    place, word = _mask_folder(path)
    places = [folder] * bool(named.word) + [place] * bool(word)
    for rest in shorter_rests(named.rest):
        for where in places:
            exact = "select path from pictures where place = ? and rest = ? and path <> ? order by path"
            if images := list(catalogue.query(exact, where, rest, path)):
                return images
        longer = f"select path from pictures where place = ? and rest >= ? and rest < ? and {_SIZE} order by path"
        if named.word and rest and (images := list(catalogue.query(longer, folder, f"{rest}_a", f"{rest}_{{", *size))):
            return images[:_MOST_IMAGES]
    if not named.word or not (named.rest == "" or named.rest.isdigit()):
        return []
    inside = "select path from pictures where place = ?"
    if catalogue.one(f"select count(*) from ({inside} limit {_MOST_IMAGES + 1})", folder) > _MOST_IMAGES:
        return []
    images = list(catalogue.query(f"{inside} and {_SIZE} order by path", folder, *size))
    return images if named.rest == "" or size[2] > 1 or len(images) == 1 else []


def _settle(catalogue: Catalogue, folder: Path, notes: Notes) -> None:
    """Keep the pairs of words that mean masks here, and leave out the masks, also those without an image."""
    counted = "select word, certain, count(*), sum(path in (select mask from masks)) from candidates group by word"
    for word, certain, total, paired in list(catalogue.query(f"{counted} order by word")):
        mine, whole = "(select path from candidates where word = ?)", paired >= _NEARLY_ALL * total
        if not certain and not (whole and _hold_few_values(catalogue, folder, word)):
            catalogue.run(f"delete from masks where mask in {mine}", word)
        elif whole:
            catalogue.run(f"update files set problem = 'is a mask' where path in {mine}", word)
        elif paired < total:
            alone = f"{mine} and path not in (select mask from masks)"
            example = catalogue.one(f"select min(path) from candidates where path in {alone}", word)
            notes.unsure.append(
                f"{total - paired:,} files are named as masks ({word}), but no image bears the rest of the name, so "
                f"they are images here, for example {example!r}"
            )
    catalogue.run("delete from masks where image in (select path from files where problem = 'is a mask')")
    catalogue.run("update files set problem = 'is a mask' where path in (select mask from masks)")
    paths = list(catalogue.query("select path from files where problem = 'is a mask' order by path limit 10"))
    count = catalogue.one("select count(*) from files where problem = 'is a mask'")
    notes.leave_out("files are masks of other images", count, paths)


def _hold_few_values(catalogue: Catalogue, folder: Path, word: str) -> bool:
    paths = list(catalogue.query("select path from candidates where word = ? order by path", word))
    try:
        chosen = paths[:: max(len(paths) // _READ, 1)][:_READ]
        return all(len(np.unique(read_labels(folder / path))) <= _FEW_VALUES for path in chosen)
    except InputError:
        return False
