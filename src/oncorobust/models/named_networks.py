"""Networks of timm and MONAI by name, with random weights; `models.weight_files` loads the trained ones.

Nothing is downloaded: names of a hub and folders are refused, and so are arguments that fetch or open weights. Dropout,
batch normalisation and the head are those of the package. The modules take images (n, c, h, w) after their own mean and
standard deviation and give logits (n, classes); `models.torch_module` makes models of them.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oncorobust.backend.torch_limits import limited_building
from oncorobust.base.errors import InputError
from oncorobust.models.monai_families import family_arguments, find_family, gradient_through_shortcuts, logits_alone
from oncorobust.models.network_arguments import Settled, data_settled, first_line, import_package, nearest, settle

_NO_WEIGHTS = Settled("pretrained", False, "weights come from a .safetensors file")
_FETCH = ("pretrained_", "checkpoint_path", "cache_dir")
"""Beginnings of timm's arguments that fetch or open weights."""


@dataclass(frozen=True)
class Preprocessing:
    """What a network's pretrained weights expect of images in [0, 1].

    mean, std: one number per channel, subtracted from and divided into the images. image_shape: (h, w, c) in training.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_shape: tuple[int, int, int]


def timm_network(architecture: str, *, arguments: Mapping[str, Any], channels: int, n_classes: int) -> Any:
    """Build a network of timm, a torch.nn.Module with random weights.

    architecture: a name of `timm.list_models()`, with or without the tag of its weights. arguments: for
    `timm.create_model`, such as `img_size` or `drop_rate`; plain values. channels: of the images. n_classes: the
    logits; `num_classes: 1` among the arguments gives one unit for two classes. Raises InputError where timm is not
    installed, for an unknown name, a name of a hub or a folder, and arguments that the network does not take or that
    fetch weights.
    """
    timm = _timm_that_knows(architecture)
    network = f"timm's {architecture}"
    for name in arguments:
        if name.startswith(_FETCH):
            raise InputError(f"{network}: argument {name!r} is not accepted: {_NO_WEIGHTS.reason}")
    classifier = Settled("features_only", False, "the network must classify")
    settled = data_settled(arguments, channels=("in_chans", channels), classes=("num_classes", n_classes))
    given = settle(arguments, [*settled, _NO_WEIGHTS, classifier], network=network)
    del given[classifier.name]  # not an argument of every network
    try:
        with limited_building(given):
            return timm.create_model(architecture, **given)
    except Exception as error:
        raise _not_built(network, arguments, error) from error


def timm_preprocessing(architecture: str) -> Preprocessing:
    """Return the mean, standard deviation and image size that a network of timm was trained with.

    architecture: as for `timm_network`; the tag of its weights, such as `resnet10t.c3_in1k`, decides where a network
    has several. Weights that were trained further elsewhere may expect others. Raises InputError as `timm_network`
    does, and where timm does not know them.
    """
    timm = _timm_that_knows(architecture)
    try:
        config = timm.get_pretrained_cfg(architecture)
    except Exception as error:
        raise InputError(f"timm's {architecture}: {first_line(error)}") from error
    if config is None:
        raise InputError(f"timm does not know the preprocessing of {architecture}: state mean and std")
    found = import_package("timm.data").resolve_data_config(pretrained_cfg=config.to_dict())
    channels, height, width = found["input_size"]
    return Preprocessing(tuple(found["mean"]), tuple(found["std"]), (height, width, channels))


def monai_network(architecture: str, *, arguments: Mapping[str, Any], channels: int, n_classes: int) -> Any:
    """Build one of MONAI's classification networks for 2D images, a torch.nn.Module with random weights.

    architecture: a key of `monai_families.FAMILIES` in any case. arguments: of its constructor, by name; plain values.
    `spatial_dims`, the channels and the classes are settled: they may be repeated. One unit for two classes is
    possible, as with timm. ViT gives its logits alone, without hidden states. Raises InputError where MONAI is not
    installed, for other networks, and for arguments that the network does not have, lacks, or that fetch weights.
    """
    name, family = find_family(architecture)
    network = f"MONAI's {name}"
    settled = (
        *data_settled(arguments, channels=(family.channels, channels), classes=(family.classes, n_classes)),
        Settled("spatial_dims", 2, "images are two-dimensional"),
        *([Settled(family.head, True, "the network must classify")] if family.head else []),
        _NO_WEIGHTS,
    )
    nets = import_package("monai.networks.nets")
    known = family_arguments(nets, name)
    given = settle(arguments, [one for one in settled if one.name in known], network=network)
    _check_names(given, known, network=network)
    if family.tanh and "post_activation" not in arguments:
        warnings.warn(
            f"{network} ends in a Tanh by default, so its logits lie between -1 and 1: set the argument "
            'post_activation to "Tanh" if it was trained so, to "" if it was not',
            stacklevel=2,
        )
    build = getattr(nets, name)
    try:
        with limited_building(given):
            module = (logits_alone(build) if family.tanh else build)(**given)
    except Exception as error:
        raise _not_built(network, arguments, error) from error
    if gradient_through_shortcuts(module):
        warnings.warn(
            f"{network} with shortcut_type A leaves its shortcuts out of the gradient; they are put back, so that "
            "attacks follow the gradient of its logits",
            stacklevel=2,
        )
    return module


def _timm_that_knows(architecture: str) -> Any:
    """Return timm, which has a network of this name. Raises InputError."""
    if any(one in architecture for one in "/\\:"):
        raise InputError(
            f"expected the name of a network of timm, got {architecture!r}: nothing is fetched from a hub or read from "
            f"a folder; {_NO_WEIGHTS.reason}"
        )
    timm = import_package("timm")
    name, _, tag = architecture.partition(".")
    if not timm.is_model(name):
        found = nearest(name, timm.list_models(), otherwise="timm.list_models() names all")
        raise InputError(f"expected the name of a network of timm, got {architecture!r} ({found})")
    tagged = timm.list_models(f"{name}.*", include_tags=True)
    if tag and architecture not in tagged:
        found = nearest(architecture, tagged, otherwise="it has none")
        raise InputError(f"expected a tag of weights of timm's {name}, got {tag!r} ({found})")
    return timm


def _check_names(given: Mapping[str, Any], known: Mapping[str, bool], *, network: str) -> None:
    """Refuse arguments that a network does not have, and missing ones. known: name -> whether it is required."""
    for name in given:
        if name not in known:
            raise InputError(
                f"{network} has no argument {name!r} ({nearest(name, [*known], otherwise=', '.join(known))})"
            )
    if missing := [name for name, required in known.items() if required and name not in given]:
        raise InputError(f"{network} needs the argument {missing[0]!r}")


def _not_built(network: str, arguments: Mapping[str, Any], error: Exception) -> InputError:
    if isinstance(error, InputError):
        return InputError(f"{network}: {error}")
    if lacking := re.search(r"No module named '(\w+)", str(error)):
        return InputError(f"{network} needs the package {lacking[1]}: pip install {lacking[1]}")
    return InputError(f"{network} cannot be built with the arguments {dict(arguments)}: {first_line(error)}")
