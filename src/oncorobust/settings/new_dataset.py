"""Settings of a new data set that fit what its files say: `decide` turns facts and wishes into a block and reasons.

Rules, each also a line for the person:

    size             the largest of SIZES not above the median of the images' smaller sides; 32 for smaller images
    fit              pad where more than a tenth of the images lose more than a twentieth of their longer side
    channels         auto; grey or colour where images are mixed, or differ between channels as after lossy compression
    intensity_range  the DICOM files' window where all state the same; the format's limits where the values use more
                     than half of them, or have 8 bits; the training images' percentiles otherwise
    split            the given one where it has train and test; else a third of the patients for testing
    balance          train, unless the classes differ by at most a quarter: the test images stay as they are
    epochs           so many that training sees PASSES images, from 4 to 20
    epsilons         those of the preset `real` for CT, MNIST or CIFAR-10, by the kind of the images
    acquisition      all changes that apply, where files or format say that CT, MR or mammography made the images
"""

from dataclasses import dataclass

from oncorobust.settings.batch_memory import batch_size
from oncorobust.settings.new_dataset_facts import Facts, Wishes
from oncorobust.settings.new_dataset_rules import (
    DIGITS,
    MEDICAL,
    NATURAL,
    Epsilons,
    check_patients,
    choose_acquisition,
    choose_channels,
    choose_kind,
    choose_range,
    choose_size,
    choose_split,
)
from oncorobust.settings.new_dataset_text import VGG16, Block, column_text, flow

PASSES = 12_000
"""Images that training sees in all: as presets/real.yaml, whose models train on 1,500 to 4,700 images."""
_MANY_LONG = 0.1
_EVEN = 1.25
_PAPER = {"lidc": "CT", "cbis_ddsm": "Mammogram", "brain_mets": "MRI", "mnist": "MNIST", "cifar10": "CIFAR-10"}
_TITLES = {"lidc": "Lung CT", "cbis_ddsm": "Mammography", "brain_mets": "Brain MRI", "mnist": "MNIST"}


@dataclass(frozen=True)
class Decided:
    """The texts for params.yaml, the side of the images in pixels, and a line for each decision."""

    block: str
    column: str
    size: int
    lines: tuple[str, ...]


def decide(facts: Facts, wishes: Wishes) -> Decided:
    """Return the block of a data set, its column in the report, and why. Raises InputError for unfit data."""
    check_patients(facts, wishes)
    kind, why_kind = choose_kind(facts, wishes)
    size, why_size = choose_size(facts, wishes)
    ranged, why_range = choose_range(facts, wishes)
    channels, why_channels = choose_channels(facts, kind)
    split, why_split = choose_split(facts, wishes)
    epsilons = _epsilons(wishes, kind)
    fit = "pad" if facts.long_share > _MANY_LONG else "crop"
    ratio = max(facts.images.values()) / min(facts.images.values())
    even = ratio <= _EVEN
    model, n_train = wishes.model, _n_train(facts, split, even=even)
    largest = sum(facts.images.values()) if model is not None else n_train // 4
    acquisition, why_acquisition = choose_acquisition(facts, wishes)
    batch, why_batch = batch_size(size, memory=wishes.memory_mb, largest=largest)
    epochs = 1 if model is not None else min(20, max(4, round(PASSES / max(1, n_train))))
    balance = "none" if even or model is not None else "train"
    block = Block(
        name=wishes.name,
        format=wishes.format,
        fit=fit,
        channels=channels,
        size=size,
        intensity_range=ranged,
        balance=balance,
        use_given=bool(split["use_given"]),
        test_one_in=int(split["test_one_in"]),
        validation_one_in=int(split["validation_one_in"]),
        duplicates="group" if model is None else "allow",
        model=VGG16 if model is None else model.text,
        epochs=epochs,
        batch_size=batch,
        keep="validation_loss" if model is None else "last",
        precision="auto" if model is None else "float32",
        harden_epsilon=epsilons.harden if model is None else None,
        harden_epochs=max(3, epochs // 3),
        epsilons=epsilons.curve,
        threat_epsilons=epsilons.threats,
        example_epsilon=epsilons.example,
        rank_epsilons=epsilons.rank,
        max_images=wishes.max_images,
        acquisition=acquisition,
    )
    training = (
        f"training: VGG16, {epochs} epochs of about {n_train} images; hardened at epsilon {flow(epsilons.harden)}"
        if model is None
        else f"model: {model.told}; it is only evaluated"
    )
    lines = (
        f"size: {size} pixels; {why_size}",
        f"fit: {fit}; {facts.long_share:.0%} of {facts.n_sampled} sampled images are clearly not square",
        f"channels: {channels}; {why_channels}",
        f"intensity_range: {ranged if isinstance(ranged, str) else flow(ranged)}; {why_range}",
        why_split,
        f"balance: {balance}; the largest class has {ratio:.2f} times the images of the smallest",
        f"kind: {kind}; {why_kind}",
        f"epsilons: {flow(epsilons.curve[0])} to {flow(epsilons.curve[-1])}; {epsilons.source}",
        training,
        f"batch_size: {batch}; {why_batch}",
        f"attacked test images: {'all' if wishes.max_images is None else wishes.max_images}",
        f"acquisition: {acquisition}; {why_acquisition}",
    )
    column = column_text(
        wishes.name,
        title=wishes.title or _TITLES.get(wishes.format_name, wishes.name),
        paper=_PAPER.get(wishes.format_name),
        kind=kind,
        positive=wishes.positive,
        origin=wishes.origin,
    )
    return Decided(block.text(), column, size, lines)


def _epsilons(wishes: Wishes, kind: str) -> Epsilons:
    if wishes.format_name == "mnist":
        return DIGITS
    return MEDICAL if kind == "medical" else NATURAL


def _n_train(facts: Facts, split: dict[str, bool | int], *, even: bool) -> int:
    """Return about how many images train, after balancing."""
    n = sum(facts.images.values()) if even else len(facts.images) * min(facts.images.values())
    if split["use_given"]:
        share = facts.splits.get("train", 0) / sum(facts.splits.values())
        return round(n * (share if "validation" in facts.splits else share * (1 - 1 / split["validation_one_in"])))
    return round(n * (1 - 1 / split["test_one_in"]) * (1 - 1 / split["validation_one_in"]))
