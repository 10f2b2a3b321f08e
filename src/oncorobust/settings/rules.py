"""Rules across the settings of a data set, and on policies, beyond the type and range of each key."""

import math
import re
from itertools import pairwise
from pathlib import PurePath

from oncorobust.base.errors import InputError
from oncorobust.settings.acquisition import check_acquisition
from oncorobust.settings.base import tag
from oncorobust.settings.certify import Certify
from oncorobust.settings.data import BrainMets, Format, Manifest, Preprocess
from oncorobust.settings.label_rules import check_labels
from oncorobust.settings.model_rules import check_model
from oncorobust.settings.pipeline import Dataset, Params
from oncorobust.settings.training import (
    SGD,
    Adam,
    Constant,
    Harden,
    Loss,
    Noise,
    NoiseAdversarial,
    Stages,
    Trades,
    Unlabelled,
    WarmUp,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""Names of data sets and of policies, which become parts of paths."""


def check_dataset_name(name: str, where: str) -> None:
    """Check the name of a data set. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{where}: expected a name of lower-case letters, digits and underscores, got {name!r}")


def check_dataset(name: str, dataset: Dataset) -> None:
    """Check that settings agree with each other. Raises InputError with the path of the key."""
    where = f"datasets.{name}"
    check_increasing(dataset.attack.epsilons, f"{where}.attack.epsilons")
    check_increasing(dataset.attack.threat_epsilons, f"{where}.attack.threat_epsilons")
    check_increasing(dataset.rank.epsilons, f"{where}.rank.epsilons")
    _check_classes(dataset.preprocess.classes or (), f"{where}.preprocess.classes")
    if isinstance(dataset.preprocess.format, Manifest):
        _check_classes(dataset.preprocess.format.classes or (), f"{where}.preprocess.format.classes")
    reject, largest = dataset.rank.reject_epsilon, dataset.rank.epsilons[-1]
    if reject is not None and reject > largest:
        raise InputError(
            f"{where}.rank.reject_epsilon: expected at most {largest}, up to which rank.epsilons measures minimal "
            f"epsilons, got {reject}"
        )
    limits = dataset.preprocess.intensity_range
    if not isinstance(limits, str) and limits[0] >= limits[1]:
        raise InputError(f"{where}.preprocess.intensity_range: expected low < high, got {list(limits)}")
    _check_labels(dataset.preprocess.format, f"{where}.preprocess.format.labels")
    check_model(dataset, where)
    check_labels(dataset, where)
    _check_optimizer(dataset.train.optimizer, f"{where}.train.optimizer")
    if dataset.harden is not None:
        _check_harden(dataset.harden, f"{where}.harden")
    if dataset.smooth is not None:
        _check_harden(dataset.smooth, f"{where}.smooth")
        if not isinstance(dataset.smooth.loss, Noise | NoiseAdversarial):
            found = tag(dataset.smooth.loss)
            raise InputError(f"{where}.smooth.loss.name: expected noise or noise_adversarial, got {found}")
    if dataset.certify is not None:
        _check_certify(dataset.certify, dataset.preprocess, f"{where}.certify")
    if dataset.acquisition is not None:
        check_acquisition(dataset.acquisition, f"{where}.acquisition")


def _check_certify(certify: Certify, preprocess: Preprocess, where: str) -> None:
    check_increasing(certify.sigmas, f"{where}.sigmas", what="sigmas")
    if len(certify.sigmas) > 1 and certify.validation_images == 0:
        raise InputError(
            f"{where}.validation_images: expected at least 1, because one of {len(certify.sigmas)} sigmas is chosen on "
            "validation images, got 0"
        )
    shared = certify.max_images or 1 if certify.alpha_of == "table" else 1
    smallest = math.floor(math.log2(shared / certify.alpha)) + 1
    if certify.n_samples < smallest:
        told = f", shared by {shared} images," if shared > 1 else ""
        raise InputError(
            f"{where}.n_samples: expected at least {smallest}, because alpha {certify.alpha:g}{told} certifies nothing "
            f"with fewer, even if all samples agree, got {certify.n_samples}"
        )
    if certify.noise == "tied" and preprocess.channels == "colour":
        raise InputError(
            f"{where}.noise: expected untied with preprocess.channels colour, because tied noise certifies only "
            "changes that are equal in all channels, got 'tied'"
        )


def _check_classes(names: tuple[str, ...], where: str) -> None:
    if len(set(names)) < len(names):
        raise InputError(f"{where}: expected each class once, got {', '.join(names)}")


def _check_labels(found: Format, where: str) -> None:
    if not isinstance(found, BrainMets) or isinstance(found.labels, str):
        return
    names, values = zip(*found.labels.metastasis.items(), *found.labels.other.items(), strict=True)
    for kind, entries in (("name", names), ("value", values)):
        if len(set(entries)) < len(entries):
            raise InputError(f"{where}: expected each {kind} once, got {', '.join(map(str, entries))}")


def _check_harden(harden: Harden, where: str) -> None:
    _check_epsilons(harden, where)
    _check_ways(harden, where)
    _check_noise(harden, where)
    _check_optimizer(harden.optimizer, f"{where}.optimizer")


def _check_epsilons(harden: Harden, where: str) -> None:
    schedule, epochs = harden.schedule, harden.epochs
    if isinstance(schedule, WarmUp) and schedule.epochs > epochs:
        raise InputError(
            f"{where}.schedule.epochs: expected at most {where.rpartition('.')[2]}.epochs {epochs}, "
            f"because epsilon is never reached otherwise, got {schedule.epochs}"
        )
    if isinstance(schedule, Stages) and schedule.epochs >= epochs:
        raise InputError(
            f"{where}.schedule.epochs: expected less than {where.rpartition('.')[2]}.epochs {epochs}, "
            f"because the second stage never starts otherwise, got {schedule.epochs}"
        )
    if isinstance(schedule, Stages) and schedule.first_epsilon >= harden.epsilon:
        raise InputError(
            f"{where}.schedule.first_epsilon: expected less than epsilon {harden.epsilon}, got {schedule.first_epsilon}"
        )


def _check_ways(harden: Harden, where: str) -> None:
    if harden.num_random_init == 0 and (named := _flat_at_the_image(harden.loss)):
        raise InputError(
            f"{where}.num_random_init: expected 1 for {named}, whose loss has no gradient at the image itself, got 0"
        )
    if harden.max_drop is not None and harden.keep == "last":
        raise InputError(
            f"{where}.max_drop: expected null if keep is last, because the weights after the drop would be kept, "
            f"got {harden.max_drop}"
        )


def _flat_at_the_image(loss: Loss) -> str:
    """Name a loss whose attack leaves the answer to the image itself; empty for another one."""
    if isinstance(loss, Unlabelled):
        return "online targets" if loss.targets == "online" else ""
    return tag(loss) if isinstance(loss, Trades) else ""


def _check_noise(harden: Harden, where: str) -> None:
    loss = harden.loss
    if not isinstance(loss, Noise | NoiseAdversarial):
        if harden.keep == "validation_noise_accuracy":
            raise InputError(f"{where}.keep: expected a loss with noise for {harden.keep}, got the loss {tag(loss)}")
        return
    if loss.consistency > 0 and loss.copies < 2:
        raise InputError(
            f"{where}.loss.copies: expected at least 2 for a consistency above 0, because one copy is its own mean, "
            f"got {loss.copies}"
        )
    if isinstance(loss, Noise) and not isinstance(harden.schedule, Constant):
        raise InputError(
            f"{where}.schedule: expected constant for the loss noise, which trains at no epsilon, "
            f"got {tag(harden.schedule)}"
        )


def _check_optimizer(optimizer: SGD | Adam, where: str) -> None:
    if isinstance(optimizer, SGD) and optimizer.nesterov and optimizer.momentum == 0:
        raise InputError(f"{where}.nesterov: expected false if momentum is 0, got true")
    if optimizer.learning_rate * optimizer.weight_decay >= 1:
        raise InputError(
            f"{where}.weight_decay: expected less than 1 / learning_rate, because an update would reduce "
            f"weights to 0 or beyond, got {optimizer.weight_decay}"
        )


def check_increasing(grid: tuple[float, ...], where: str, *, what: str = "epsilons") -> None:
    """Check that a grid strictly increases. Raises InputError with `where`, the path of its key."""
    for before, after in pairwise(grid):
        if before >= after:
            raise InputError(f"{where}: expected strictly increasing {what}, got {before} before {after}")


def check_training_seeds(params: Params) -> None:
    """Check that each further training seed is another one, and that a model is trained with it. Raises InputError."""
    seeds = params.run.seeds
    if len(set(seeds)) != len(seeds):
        raise InputError(f"run.seeds: expected each seed once, got {list(seeds)}")
    if params.seed in seeds:
        raise InputError(
            f"run.seeds: expected other seeds than `seed` {params.seed}, with which the run trains already, "
            f"got {list(seeds)}"
        )
    if seeds and not any(params.repeats.values()):
        raise InputError(
            f"run.seeds: expected [], because no data set of run.datasets trains a model, got {list(seeds)}"
        )


def check_policy_files(policies: tuple[str, ...]) -> None:
    """Check the paths of policies, whose file names name their results. Raises InputError."""
    names: dict[str, int] = {}
    for position, policy in enumerate(policies):
        where, path = f"acceptance[{position}]", PurePath(policy)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".yaml":
            raise InputError(f"{where}: expected a .yaml file inside the repository, got {policy!r}")
        if not _NAME.fullmatch(path.stem):
            raise InputError(
                f"{where}: expected a file name of lower-case letters, digits and underscores, got {path.name!r}"
            )
        if names.setdefault(path.stem, position) != position:
            raise InputError(f"{where}: expected another file name than acceptance[{names[path.stem]}], got {policy!r}")
