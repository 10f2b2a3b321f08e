"""Signs that one source has images in two splits: identical images, similar images, and patient ids that look alike.

Identical are images of equal shape and equal stored values, also if a grey image is stored in one channel here and in
three equal ones there; an image of a single value is not counted, because it shows nothing. An image that a quarter of
the patients share, and at least three, is a placeholder or a test pattern: notes count it, but it does not tie patients
together. Similar are images whose averages over 8 x 9 fields differ by at most 3 % of their contrast, among those that
share a quarter of their difference hash (the signs of the steps between neighbouring fields).

Source of the difference hash: N. Krawetz, Kind of Like That, The Hacker Factor Blog, 2013.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import combinations

import numpy as np
import pandas as pd
import PIL.Image

from oncorobust.base.arrays import Image
from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import plain_spelling
from oncorobust.data.channels import without_equal_channels
from oncorobust.formats.records import NO_LABEL, SPLITS

_FIELDS = (9, 8)  # width, height
_STEP = 2  # of 255; a smaller step between two fields is none
_BANDS = 4
_LARGEST_BAND = 200  # images; a quarter of the hash that more images share, such as a black border, says nothing
_LEAST_CONTRAST = 4  # of 255, standard deviation
_LARGEST_DIFFERENCE = 0.03  # of the contrast


_COMMON_SHARE = 0.25  # of the patients
_COMMON_PATIENTS = 3


class Fingerprints:
    """Fingerprints of images in order, about 100 bytes for each."""

    def __init__(self) -> None:
        """Start without images."""
        self.digests: list[bytes | None] = []
        self.fields: list[np.ndarray] = []

    def add(self, values: np.ndarray, image: Image) -> None:
        """Add an image: its stored values, and the processed image (h, w, c) in [0, 1]."""
        self.digests.append(digest(values))
        self.fields.append(_average_fields(image))


def digest(values: np.ndarray) -> bytes | None:
    """Return a digest of an image's shape and stored values; None for an image of a single value."""
    if (values == values.flat[0]).all():
        return None
    content = np.ascontiguousarray(without_equal_channels(values), dtype="<f4")
    return blake2b(content.data, digest_size=16, key=str(content.shape).encode()).digest()


def without_common(digests: Sequence[bytes | None], patients: pd.Series) -> list[bytes | None]:
    """Return digests with None for images that so many patients share that they show no patient."""
    sharing = patients.groupby(pd.Series(list(digests), index=patients.index, dtype=object)).nunique()
    least = max(_COMMON_PATIENTS, _COMMON_SHARE * patients.nunique())
    common = set(sharing.index[sharing >= least])
    return [None if one in common else one for one in digests]


def group_identical(groups: pd.Series, digests: Sequence[bytes | None]) -> pd.Series:
    """Return groups (patients or images, one per row) in which those that share an identical image have one name."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            name = above
        return name

    first: dict[bytes, str] = {}
    for group, one in zip(groups, digests, strict=True):
        if one is not None:
            parent[root(group)] = root(first.setdefault(one, group))
    return groups.map(root)


def check_identical(rows: pd.DataFrame, digests: Sequence[bytes | None], *, advice: str) -> None:
    """Refuse identical images in two splits. rows: columns split, source. Raises InputError with counts and advice."""
    keys = pd.Series(list(digests), index=rows.index, dtype=object)
    found = _repeated(keys, rows["split"])
    if text := _count(found, rows["split"], "identical to"):
        later = next(index for index in reversed(found.values()) if len(index))[0]
        earlier = keys.index[(keys == keys[later]) & (rows["split"] != rows["split"][later])][0]
        example = f"{rows['source'][earlier]!r} and {rows['source'][later]!r}"
        raise InputError(f"expected each image in one split, got {text}, for example {example}: {advice}")


def notes_on_images(rows: pd.DataFrame, prints: Fingerprints) -> list[str]:
    """Return notes on identical and similar images. rows: columns split, label, source, one per fingerprint."""
    keys = pd.Series(prints.digests, index=rows.index, dtype=object)
    identical = _repeated(keys, rows["split"])
    notes = [text] if (text := _count(identical, rows["split"], "identical to")) else []
    copies = keys.notna() & keys.duplicated(keep=False)
    if copies.any():
        notes.append(f"{copies.sum()} of {len(rows)} images have an identical copy in the data set")
        labels = rows["label"].where(rows["label"] != NO_LABEL)[copies].groupby(keys[copies]).transform("nunique")
        if (labels > 1).any():
            notes.append(f"{(labels > 1).sum()} images are identical to an image of another class")
    similar = _similar(rows["split"], prints)
    if text := _count(similar, rows["split"], "similar to"):
        notes.append(f"{text} (by a perceptual hash; check whether they are copies)")
    return notes


def notes_on_patients(rows: pd.DataFrame) -> list[str]:
    """Return a note on patient ids that are alike but for leading zeros, case, blanks, hyphens or a decimal point.

    It names files, not ids.
    """
    names = rows.drop_duplicates("patient_id").set_index("patient_id")["source"]
    plain = pd.Series([_plain_id(name) for name in names.index], index=names.index)
    alike = plain[plain.duplicated(keep=False)]
    if alike.empty:
        return []
    one, other = names[alike.index[alike == alike.iloc[0]]][:2]
    return [
        f"{len(alike)} patient ids differ from another only in leading zeros, case, blanks, hyphens or a decimal "
        f"point, for example those of {one!r} and {other!r}; they count as different patients"
    ]


def _plain_id(name: str) -> str:
    whole = re.sub(r"(?<=\d)\.0+$", "", plain_spelling(name))  # 12.0: a number that pandas wrote
    joined = re.sub(r"\s+|(?<=[^\W\d])[_-]+|[_-]+(?=[^\W\d])", "", whole)  # 1-2 and 12 are two ids
    return re.sub(r"(?<!\d)0+(?=\d)", "", joined)


def _repeated(keys: pd.Series, splits: pd.Series) -> dict[str, pd.Index]:
    """Return the rows of the validation and test split whose key (None: no key) an earlier split has, too."""
    known: set[object] = set()
    found = {}
    for name in SPLITS:
        of_split = keys[splits == name].dropna()
        found[name] = of_split.index[of_split.isin(known)]
        known.update(of_split)
    return found


def _count(found: dict[str, pd.Index], splits: pd.Series, relation: str) -> str:
    """Return how many images of the later splits have a partner in an earlier one; empty for none."""
    others = {"validation": "training images", "test": "training or validation images"}
    return " and ".join(
        f"{len(found[name])} of {(splits == name).sum()} {name} images {relation} {others[name]}"
        for name in ("test", "validation")
        if len(found[name])
    )


def _average_fields(image: Image) -> np.ndarray:
    """Return the averages over 8 x 9 fields, uint8."""
    grey = PIL.Image.fromarray(np.ascontiguousarray(image.mean(axis=2, dtype=np.float32)))
    return np.rint(255 * np.asarray(grey.resize(_FIELDS, PIL.Image.Resampling.BOX))).astype(np.uint8)


def _similar(splits: pd.Series, prints: Fingerprints) -> dict[str, pd.Index]:
    """Return the rows of the validation and test split similar, not identical, to an image of an earlier one."""
    order = splits.map({name: number for number, name in enumerate(SPLITS)}).to_numpy()
    found: set[int] = set()
    for one, other in _candidates(prints.fields):
        apart = order[one] != order[other] and prints.digests[one] != prints.digests[other]
        if apart and _are_similar(prints.fields[one], prints.fields[other]):
            found.add(max(one, other, key=lambda position: order[position]))
    rows = splits.iloc[sorted(found)]
    return {name: rows.index[rows == name] for name in SPLITS}


def _candidates(fields: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions of images with contrast that share one quarter of their difference hash."""
    shared: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for position, one in enumerate(fields):
        if one.std() >= _LEAST_CONTRAST:
            steps = np.diff(one.astype(np.int16), axis=1) > _STEP
            for band, part in enumerate(np.split(steps, _BANDS)):
                shared[band, np.packbits(part).tobytes()].append(position)
    for positions in shared.values():
        if len(positions) <= _LARGEST_BAND:
            yield from combinations(positions, 2)


def _are_similar(one: np.ndarray, other: np.ndarray) -> bool:
    difference = np.abs(one.astype(np.int16) - other).mean()
    return bool(difference <= _LARGEST_DIFFERENCE * min(one.std(), other.std()))
