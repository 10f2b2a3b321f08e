"""The gallery of the page: a few images of each model, and what the attacks make of them at every epsilon.

`read_gallery` reads the arrays that stage attack stores with a model's examples (`evaluation.gallery`); `gallery_view`
turns them into pictures and numbers for `_gallery.html.j2`, which shows them side by side; `gallery.js` shows one
epsilon at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from oncorobust.base import layout
from oncorobust.base.arrays import Images
from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.errors import InputError
from oncorobust.report.page.pictures import magnification, perturbation_picture, picture, reduction
from oncorobust.report.tables.numbers import ReadableUnit, in_units

MOST_BYTES = 4_000_000
"""Largest size of all pictures of the gallery together; models are shortened evenly to keep it."""

_MOST_CLASSES = 10
_LONGEST_NAME = 120
_PREFIX = "gallery_"
_TITLES = {"square": "Square", "converged": "PGD with many steps"}

REASONS = {
    "most sensitive": "among the most sensitive images",
    "flips": "flips within the epsilons",
    "least sensitive": "among the least sensitive images",
}
"""What the page says of the reason for which an image was chosen."""


@dataclass(frozen=True)
class Gallery:
    """Arrays of one model, with k images at e increasing epsilons; `evaluation.gallery` describes them."""

    epsilons: Float[np.ndarray, " e"]
    image_ids: Shaped[np.ndarray, " k"]
    reasons: Shaped[np.ndarray, " k"]
    labels: Int[np.ndarray, " k"]
    images: Images
    adversarial: Float[np.ndarray, "e k h w c"]
    logits_clean: Float[np.ndarray, "k classes"]
    logits: Float[np.ndarray, "e k classes"]
    attacks: Shaped[np.ndarray, "e k"]


@dataclass(frozen=True)
class Bar:
    """The probability of a class in percent, and whether the class is predicted or true."""

    name: str
    percent: str
    predicted: bool
    true: bool


@dataclass(frozen=True)
class Step:
    """An image at one epsilon. label: epsilon with its unit. flipped: whether the answer differs from the clean one."""

    label: str
    magnification: str
    attack: str
    perturbation: str
    adversarial: str
    bars: tuple[Bar, ...]
    predicted: str
    flipped: bool


@dataclass(frozen=True)
class GalleryImage:
    """One image of one model at all epsilons. anchor: its id on the page."""

    anchor: str
    image_id: str
    reason: str
    label: str
    picture: str
    bars: tuple[Bar, ...]
    predicted: str
    right: bool
    flips_from: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class GalleryBlock:
    """The images of one model of one data set.

    reduced: factor by which pictures are smaller than the images. left_out: number of stored images not shown.
    """

    key: str
    heading: str
    reduced: int
    left_out: int
    images: tuple[GalleryImage, ...]


@dataclass(frozen=True)
class GalleryTab:
    """The blocks of one data set. key: of the data set."""

    key: str
    title: str
    blocks: tuple[GalleryBlock, ...]


@dataclass(frozen=True)
class GallerySource:
    """What a block is made of. dataset, model: names in paths; title, model_title: names on the page."""

    dataset: str
    title: str
    model: str
    model_title: str
    class_names: Sequence[str]
    unit: ReadableUnit
    gallery: Gallery


def read_gallery(dataset: str, model: str) -> Gallery:
    """Read a model's gallery. Raises InputError where the file is unreadable or lacks an array."""
    path = Path(layout.results_file(dataset, model, "examples.npz"))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = [name for name in arrays.files if name.startswith(_PREFIX)]
            content = {name.removeprefix(_PREFIX): arrays[name] for name in names}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error} (expected an npz file of arrays)") from error
    if missing := sorted(set(Gallery.__dataclass_fields__) - set(content)):
        raise InputError(f"{path}: no arrays {missing} of the gallery: run stage attack again")
    return Gallery(**{name: content[name] for name in Gallery.__dataclass_fields__})


def gallery_view(sources: Sequence[GallerySource]) -> list[GalleryTab]:
    """Return the gallery by data set, in order, without the images that would make it larger than MOST_BYTES."""
    blocks = [_block(one) for one in sources]
    sizes = [[_size(image) for image in block.images] for block in blocks]
    shown = max((len(block.images) for block in blocks), default=0)
    while shown > 1 and sum(sum(one[:shown]) for one in sizes) > MOST_BYTES:
        shown -= 1
    blocks = [
        replace(block, left_out=len(block.images[shown:]), images=tuple(block.images[:shown])) for block in blocks
    ]
    titles = {one.dataset: one.title for one in sources}
    return [GalleryTab(key, title, tuple(one for one in blocks if one.key == key)) for key, title in titles.items()]


def anchor_of(dataset: str, model: str, place: int) -> str:
    """Return the id on the page of an image of the gallery, by its place in the file."""
    return f"gallery-{dataset}-{model}-{place + 1}"


def shortened(name: str) -> str:
    """Return a name with its middle left out where it is longer than a line."""
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 31]}…{name[-30:]}"


def _block(source: GallerySource) -> GalleryBlock:
    height, width = source.gallery.images.shape[1:3]
    return GalleryBlock(
        key=source.dataset,
        heading=f"{source.title}, {source.model_title} model",
        reduced=reduction(height, width),
        left_out=0,
        images=tuple(_image(source, place) for place in range(len(source.gallery.image_ids))),
    )


def _image(source: GallerySource, place: int) -> GalleryImage:
    gallery, label = source.gallery, int(source.gallery.labels[place])
    clean = int(gallery.logits_clean[place].argmax())
    flipped = gallery.logits[:, place].argmax(axis=1) != clean
    first, unit = int(flipped.argmax()), source.unit
    at = _labelled(float(gallery.epsilons[first if flipped.any() else -1]), unit)
    return GalleryImage(
        anchor=anchor_of(source.dataset, source.model, place),
        image_id=shortened(str(gallery.image_ids[place])),
        reason=REASONS.get(str(gallery.reasons[place]), str(gallery.reasons[place])),
        label=source.class_names[label],
        picture=picture(gallery.images[place]),
        bars=_bars(source, place, gallery.logits_clean[place]),
        predicted=source.class_names[clean],
        right=clean == label,
        flips_from=f"flips from epsilon {at}" if flipped.any() else f"does not flip up to epsilon {at}",
        steps=tuple(_step(source, place, at, flipped=bool(flipped[at])) for at in range(len(gallery.epsilons))),
    )


def _step(source: GallerySource, place: int, at: int, *, flipped: bool) -> Step:
    gallery, epsilon = source.gallery, float(source.gallery.epsilons[at])
    x_adv, attack = gallery.adversarial[at, place], str(gallery.attacks[at, place])
    return Step(
        label=_labelled(epsilon, source.unit),
        magnification=magnification(epsilon),
        attack=_TITLES.get(attack, attack.upper()),
        perturbation=perturbation_picture(x_adv - gallery.images[place], epsilon=epsilon),
        adversarial=picture(x_adv),
        bars=_bars(source, place, gallery.logits[at, place]),
        predicted=source.class_names[int(gallery.logits[at, place].argmax())],
        flipped=flipped,
    )


def _labelled(epsilon: float, unit: ReadableUnit) -> str:
    return f"{epsilon_text(epsilon)} ({in_units(epsilon, unit)})"


def _bars(source: GallerySource, place: int, logits: Float[np.ndarray, " classes"]) -> tuple[Bar, ...]:
    """Return the probabilities of the classes that an image may show: all, or those that are largest at any epsilon."""
    gallery, label = source.gallery, int(source.gallery.labels[place])
    largest = np.maximum(_softmax(gallery.logits_clean[place]), _softmax(gallery.logits[:, place]).max(axis=0))
    largest[label] = np.inf
    classes = sorted(np.argsort(-largest, kind="stable")[:_MOST_CLASSES].tolist())
    probabilities, predicted = _softmax(logits), int(logits.argmax())
    return tuple(
        Bar(
            name=source.class_names[one],
            percent=f"{100 * probabilities[one]:.1f}",
            predicted=one == predicted,
            true=one == label,
        )
        for one in classes
    )


def _softmax(logits: Float[np.ndarray, "*any classes"]) -> Float[np.ndarray, "*any classes"]:
    scores = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def _size(image: GalleryImage) -> int:
    return len(image.picture) + sum(len(one.perturbation) + len(one.adversarial) for one in image.steps)
