"""Rules that choose single settings of a new data set; each returns the value and the reason, for a person."""

from collections.abc import Mapping
from dataclasses import dataclass

from oncorobust.base.errors import InputError
from oncorobust.settings.new_dataset_facts import Facts, Kind, Wishes

SIZES = (32, 64, 96, 116, 128, 224)
_USED = 0.5
_BYTE = 255.0
_FEWEST_PATIENTS = 3
_MANY = 4
"""Classes of which the numbers are not listed one by one."""
_HU_OF_LUNGS = (-1000.0, 400.0)
_NATURAL_FORMATS = ("mnist", "cifar10")
_SCANNERS = {"lidc": "CT", "luna16": "CT", "cbis_ddsm": "mammography", "brain_mets": "MR"}


@dataclass(frozen=True)
class Epsilons:
    """Epsilons of the curve, the threat models, Figure 1, the ranking and hardening; source: where they are from."""

    source: str
    curve: tuple[float, ...]
    threats: tuple[float, ...]
    example: float
    rank: tuple[float, ...]
    harden: float


MEDICAL = Epsilons(
    "as for CT in the preset real: medical images flip at small epsilons",
    (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02),
    (0.001, 0.002, 0.004),
    0.002,
    (0.0001, 0.0002, 0.0003, 0.0004, 0.0006, 0.0008, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02),
    0.003,
)
NATURAL = Epsilons(
    "as for CIFAR-10 in the preset real",
    (0.001, 0.002, 0.003, 0.004, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04),
    (0.002, 0.004),
    0.01,
    (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1),
    0.02,
)
DIGITS = Epsilons(
    "as for MNIST in the preset real",
    (0.01, 0.02, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3),
    (0.05, 0.1),
    0.1,
    (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1, 0.125, 0.15, 0.2, 0.3, 0.5),
    0.2,
)


def check_patients(facts: Facts, wishes: Wishes) -> None:
    """Refuse classes with too few patients for a split that is drawn. Raises InputError with the numbers per class."""
    absent = [name for name, count in facts.images.items() if count == 0]
    if absent:
        raise InputError(f"expected images of every class, got none of {', '.join(absent)}")
    if facts.splits or wishes.model is not None or min(facts.patients.values()) >= _FEWEST_PATIENTS:
        return
    raise InputError(
        f"expected at least {_FEWEST_PATIENTS} patients of each class, one each to train, validate and test, got "
        f"{_listed(facts.patients)}: add patients, or leave the class out of the manifest"
    )


def choose_kind(facts: Facts, wishes: Wishes) -> tuple[Kind, str]:
    """Return medical or natural. Raises InputError where the files are of several modalities and none is stated."""
    if wishes.kind is not None:
        return wishes.kind, "stated"
    if len(facts.modalities) > 1:
        raise InputError(
            f"expected images of one modality, got {' and '.join(facts.modalities)}: make a data set of each, or "
            "state --kind medical to mix them"
        )
    if wishes.format_name in _NATURAL_FORMATS:
        return "natural", f"format {wishes.format_name}"
    if facts.modalities:
        return "medical", f"DICOM of modality {facts.modalities[0]}"
    return "medical", "assumed, the files do not say; --kind natural for photographs"


def choose_acquisition(facts: Facts, wishes: Wishes) -> tuple[str, str]:
    """Return `acquisition`, on one line of YAML: all changes that apply, or null where nothing says what scanned."""
    possible = "{modality: auto, changes: possible, max_images: null, max_iter: 100}"
    if wishes.format_name in _SCANNERS:
        return possible, f"format {wishes.format_name} is {_SCANNERS[wishes.format_name]}"
    if facts.modalities and set(facts.modalities) <= {"CT", "MR", "MG"}:
        return possible, f"DICOM of modality {' and '.join(facts.modalities)}"
    return "null", "the files do not say that CT, MR or mammography made them; {modality: CT} states it"


def choose_size(facts: Facts, wishes: Wishes) -> tuple[int, str]:
    """Return the side of the images in pixels."""
    if wishes.size is not None:
        return wishes.size, "stated"
    if wishes.model is not None and wishes.model.size is not None:
        change = "enlarged" if facts.side < wishes.model.size else "reduced"
        told = "" if facts.side == wishes.model.size else f", to which images of median side {facts.side} are {change}"
        return wishes.model.size, f"the model's input{told}"
    fitting = [size for size in SIZES if size <= facts.side]
    median = f"the median of the smaller sides is {facts.side} pixels; --size changes it"
    if not fitting:
        return SIZES[0], f"the smallest that the model takes, to which images are enlarged: {median}"
    return fitting[-1], f"the largest of {', '.join(map(str, SIZES))} that is not above them: {median}"


def choose_range(facts: Facts, wishes: Wishes) -> tuple[str | tuple[float, float], str]:
    """Return `intensity_range`. Raises InputError where only training images could tell and there are none."""
    if wishes.intensity_range is not None:
        return wishes.intensity_range, "stated"
    if wishes.format_name in ("lidc", "luna16"):
        return _HU_OF_LUNGS, "HU, as in the presets"
    if len(facts.windows) == 1:
        return facts.windows[0], f"the window that the DICOM files state ({facts.unit})"
    limits = facts.limits[0] if len(facts.limits) == 1 else None
    low, high = facts.values
    if limits is not None and (limits[1] - limits[0] <= _BYTE or high - low > _USED * (limits[1] - limits[0])):
        return "format", f"all have the limits {limits[0]:g} to {limits[1]:g}"
    if wishes.model is not None:
        raise InputError(
            f"--intensity-range: expected the stored values of black and white in the model's training, got none; the "
            f"sampled values lie between {low:g} and {high:g}"
        )
    why = "they have several limits" if len(facts.limits) > 1 else "the format has none"
    if limits is not None:
        why = f"the values {low:g} to {high:g} use less than half of the format's range"
    return "training", f"percentiles of the training images, because {why}"


def choose_channels(facts: Facts, kind: Kind) -> tuple[str, str]:
    """Return `channels`."""
    if len(facts.channels) == 1 and facts.channels != ("faint",):
        return "auto", f"all sampled images are {'grey' if facts.channels == ('grey',) else 'in colour'}"
    if "colour" not in facts.channels:
        return "grey", "channels differ only as after lossy compression"
    chosen = "grey" if kind == "medical" else "colour"
    return chosen, f"some sampled images are grey and some in colour ({kind} images: {chosen})"


def choose_split(facts: Facts, wishes: Wishes) -> tuple[dict[str, bool | int], str]:
    """Return `use_given`, `test_one_in` and `validation_one_in`. Raises InputError for a given split that is unfit."""
    if wishes.model is not None and not facts.splits:
        return _split(given=False, test=1, validation=6), "split: all images are the test set of the finished model"
    useful = "test" in facts.splits and ("train" in facts.splits or wishes.model is not None)
    if facts.splits and wishes.format_name == "manifest" and not useful:
        raise InputError(
            f"column split: expected train and test, got {counted(facts.splits)}: complete it, remove the column to "
            "draw a split, or state a finished model with --model"
        )
    if useful:
        return _split(given=True, test=3, validation=6), f"split: the given one, {counted(facts.splits)} images"
    rest = min(facts.patients.values()) * 2 // 3
    folds = min(6, max(2, rest))
    return (
        _split(given=False, test=3, validation=folds),
        f"split: by patient, one in 3 to test and one in {folds} of the others to validate",
    )


def counted(numbers: Mapping[str, int]) -> str:
    """Return `12 benign, 7 malignant`, and the range of the numbers where they are many."""
    if len(numbers) > _MANY:
        low, high = min(numbers.values()), max(numbers.values())
        each = f"{low}" if low == high else f"{low} to {high}"
        return f"{sum(numbers.values())} of {len(numbers)} classes, {each} of each"
    return _listed(numbers)


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in numbers.items())


def _split(*, given: bool, test: int, validation: int) -> dict[str, bool | int]:
    return {"use_given": given, "test_one_in": test, "validation_one_in": validation}
