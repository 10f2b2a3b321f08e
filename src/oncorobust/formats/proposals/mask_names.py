"""What a path says of a mask: the word for one, and the name that the mask shares with its image.

A word stands at an end of the name of a file, before a number at most, or of a folder: `x_mask.png`, `mask_1.png`,
`case-seg.nii.gz`, `leftMask/x.png`, `GroundTruth/x_segmentation.png`. Words such as `lesion` also name classes.
"""

import re
from typing import NamedTuple

_CERTAIN = r"masks?|segs?|segm|segmentations?|groundtruths?"
_WORD = re.compile(rf"({_CERTAIN}|rois?|gt|annotations?|labels?|lesions?|contours?|segments?)(\d*)")
_IMAGE = re.compile(r"(images?|imgs?|inputs?)(\d*)")
_LETTERS = re.compile("mask|seg|truth|roi|gt|annot|label|lesion|contour", re.IGNORECASE)
_SETS = ("tr", "ts", "train", "test", "val")


class Named(NamedTuple):
    """The mask word of a name, empty without one, and the rest of the name, by which masks and images are joined."""

    word: str
    rest: str

    @property
    def certain(self) -> bool:
        """Whether the word means a mask and nothing else."""
        return re.fullmatch(_CERTAIN, self.word) is not None


def split_name(stem: str) -> Named:
    """Return the mask word of a file name without suffix, and the rest of it without words for images."""
    parts, words = _parts(stem), []
    while parts:
        if match := _WORD.fullmatch(parts[-1]):
            parts = parts[:-1] or [match[2]] * bool(match[2])
        elif len(parts) > 2 and parts[-1].isdigit() and (match := _WORD.fullmatch(parts[-2])):
            parts = parts[:-2]
        elif match := _WORD.fullmatch(parts[0]):
            parts = [match[2]] * bool(match[2]) + parts[1:]
        else:
            break
        words.append(match[1])
    for end in (0, -1):
        if parts and (match := _IMAGE.fullmatch(parts[end])):
            parts[end] = match[2]
    word = next((one for one in words if re.fullmatch(_CERTAIN, one)), words[0] if words else "")
    return Named(word, "_".join(filter(None, parts)))


def folder_word(folder: str) -> str:
    """Return the mask word at an end of the name of a folder, empty without one; `labelsTr` has one."""
    parts = _parts(folder)
    if parts and parts[-1] in _SETS:
        parts = parts[:-1]
    found = [match[1] for part in (parts[:1] + parts[-1:]) if (match := _WORD.fullmatch(part))]
    return next((one for one in found if re.fullmatch(_CERTAIN, one)), found[0] if found else "")


def may_have_mask_word(path: str) -> bool:
    """Return whether letters of a word for a mask occur anywhere, which is quicker than to look for the words."""
    return _LETTERS.search(path) is not None


def has_mask_word(text: str) -> bool:
    """Return whether any part of a text is a word for a mask."""
    return any(_WORD.fullmatch(part) for part in _parts(text))


def shorter_rests(rest: str) -> list[str]:
    """Return a rest, and what remains without the words after its last number: `p4_left` is also `p4`."""
    found = re.fullmatch(r"(.*\d[^_]*?)(?:_[^\d_]+)+", rest)
    return [rest] if found is None else [rest, found[1]]


def _parts(name: str) -> list[str]:
    joined = re.sub(r"ground[ _-]?truth", "_groundtruth_", name, flags=re.IGNORECASE)
    return [part.lower() for part in re.split(r"[ _.-]+|(?<=[a-z])(?=[A-Z])", joined) if part]
