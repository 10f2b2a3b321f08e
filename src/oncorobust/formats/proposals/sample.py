"""A few images of each class, read through the manifest's own reader, before the manifest is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from oncorobust.base.errors import InputError
from oncorobust.formats.manifest import NAME, open_manifest
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.writing import LINK, write_manifest
from oncorobust.formats.records import StoredImage

_MOST_CLASSES = 20


@dataclass
class Sample:
    """Images by class, and what the reader said of those that it refused."""

    images: dict[str, list[StoredImage]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    synthetic: bool = False


def read_sample(catalogue: Catalogue, folder: Path, *, per_class: int) -> Sample:
    """Read evenly spaced images of each of the first classes. An image that the reader refuses is told, not raised."""
    sample = Sample()
    numbers = _choose(catalogue, per_class)
    with TemporaryDirectory(prefix="oncorobust-") as name:
        tree = Path(name)
        (tree / LINK).symlink_to(folder, target_is_directory=True)
        where = f"number in ({', '.join(map(str, numbers))})"
        write_manifest(tree / NAME, catalogue, prefix=f"{LINK}/", where=where)
        try:
            opened = open_manifest(tree)
        except InputError as error:
            sample.refused.append(_relative(error, tree))
            return sample
        sample.synthetic = opened.synthetic
        order = {label: number for number, label in enumerate(opened.class_names)}
        for position, label in enumerate(opened.index["label"]):
            try:
                image = opened.read(position)
            except InputError as error:
                sample.refused.append(_relative(error, tree))
                continue
            sample.images.setdefault(opened.class_names[label], []).append(image)
        sample.images = dict(sorted(sample.images.items(), key=lambda one: order[one[0]]))
    return sample


def _choose(catalogue: Catalogue, per_class: int) -> Sequence[int]:
    """Return numbers of rows: evenly spaced in the order of the ids of each class."""
    numbers: list[int] = []
    for label, count in list(catalogue.query("select label, count(*) from rows group by label order by label")):
        if len(numbers) >= _MOST_CLASSES * per_class:
            break
        for step in range(min(per_class, count)):
            place = step * count // min(per_class, count)
            found = "select number from rows where label = ? order by label, image_id limit 1 offset ?"
            numbers.append(catalogue.one(found, label, place))
    return numbers


def _relative(error: InputError, tree: Path) -> str:
    return str(error).replace(f"{tree}/{LINK}/", "").replace(f"{tree}/", "")
