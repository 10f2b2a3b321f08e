"""`oncorobust assess`: measure one finished model on one folder of images, without a repository.

    oncorobust assess --model model.keras --manifest images/manifest.csv --out assessment

The same command resumes an interrupted assessment. The exit status is 0 at the end, 1 after an error in the input, and
143 after an interruption.
"""

import argparse
import errno
import os
from contextlib import chdir
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError, missing_package
from oncorobust.base.progress import Stopped
from oncorobust.pipeline.assessment_record import check_folder, check_request
from oncorobust.pipeline.assessment_settings import EPSILONS, MAX_IMAGES, Request
from oncorobust.pipeline.signals import STATUS, interruptible
from oncorobust.pipeline.stage_log import error_line, log_to, tell

_OF_THE_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust assess`."""
    needed, images = parser.add_argument_group("needed"), parser.add_argument_group("model and images")
    needed.add_argument("--model", required=True, type=Path, help="a classifier: .keras, .pt2 or .onnx file")
    needed.add_argument("--manifest", required=True, type=Path, help="CSV of image_id,path,label,patient_id[,split]")
    needed.add_argument("--out", required=True, type=Path, help="folder of the results, new or of the same command")
    images.add_argument("--classes", nargs="+", metavar="NAME", help="classes in the order of the model's outputs")
    _add_range(images, "--input-range", "values of the model's input that stand for black and white; default 0 1")
    _add_range(images, "--intensity-range", "stored values of black and white; default: the limits of the file format")
    images.add_argument("--size", type=int, help="side of the images in pixels; default: that of the model's input")
    images.add_argument("--mean", nargs="+", type=float, help="mean that a .pt2 or .onnx network's training subtracted")
    images.add_argument("--std", nargs="+", type=float, help="standard deviation by which it divided")
    images.add_argument("--channels", choices=("rgb", "bgr", "grey"), default="rgb", help="of such a network")
    images.add_argument("--fit", choices=("crop", "pad"), default="crop", help="how images become square; default crop")
    images.add_argument("--positive", metavar="NAME", help="class that a test should find; default: the last class")
    images.add_argument("--title", help="title of the images in tables; default: name of the manifest's folder")
    images.add_argument(
        "--allow-chance", action="store_true", help="also assess a model no better than chance on validation images"
    )
    attacks = parser.add_argument_group("attacks")
    _add_attacks(attacks)
    parser.epilog = "Exit status: 0 done, 1 error in the input, 143 interrupted; the same command resumes."


def _add_attacks(attacks: argparse._ArgumentGroup) -> None:
    told = ", ".join(map(str, EPSILONS))
    attacks.add_argument(
        "--epsilons", nargs="+", type=_epsilon, help=f"such as 0.01 or 2/255; default {told} and a longer curve"
    )
    attacks.add_argument(
        "--max-images", type=_count, default=MAX_IMAGES, help=f"test images to attack, or all; default {MAX_IMAGES}"
    )
    attacks.add_argument("--seed", type=int, default=0, help="seed of every random draw; default 0")
    attacks.add_argument("--threads", type=int, help="processor threads; default: all. Results depend on the number")


def _add_range(group: argparse._ArgumentGroup, name: str, purpose: str) -> None:
    group.add_argument(name, nargs=2, type=float, metavar=("LOW", "HIGH"), help=purpose)


def _epsilon(text: str) -> float:
    return float(Fraction(text))


def _count(text: str) -> int | None:
    return None if text == "all" else int(text)


def run(args: argparse.Namespace) -> int:
    """Assess the model and print the summary. Returns the exit status. Raises InputError before the log is open."""
    request, folder = _request(args), args.out.absolute()
    if request.torch_source is not None:
        _need_normalisation(request)
        if find_spec("torch") is None:
            raise missing_package("torch", extra="networks")
        os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is first imported
    listed = check_request(request)
    check_folder(folder)
    _make(folder)
    with chdir(folder), os.fdopen(os.dup(1), "w", encoding="utf-8") as shown:
        log_to(Path(layout.ASSESSMENT_LOG).absolute())
        try:
            with interruptible():
                from oncorobust.pipeline.assessment import assess

                print(*assess(request, listed), sep="\n", file=shown)
        except (InputError, OSError) as error:
            tell(error_line(_text(error)))
            return 1
        except Stopped:
            tell("assess: interrupted. Rerun the same command to resume from the last save.")
            return STATUS
    return 0


def _request(args: argparse.Namespace) -> Request:
    manifest = args.manifest.absolute()
    return Request(
        model=args.model.absolute(),
        manifest=manifest,
        title=args.title or manifest.parent.name or "images",
        classes=tuple(args.classes) if args.classes else None,
        input_range=tuple(args.input_range or (0.0, 1.0)),
        size=args.size,
        fit=args.fit,
        intensity_range=tuple(args.intensity_range) if args.intensity_range else "format",
        max_images=args.max_images,
        epsilons=tuple(args.epsilons) if args.epsilons else None,
        positive=args.positive,
        allow_chance=args.allow_chance,
        seed=args.seed,
        threads=args.threads or len(os.sched_getaffinity(0)),
        mean=tuple(args.mean) if args.mean else None,
        std=tuple(args.std) if args.std else None,
        channels=args.channels,
    )


def _need_normalisation(request: Request) -> None:
    """Refuse a network without its normalisation: a wrong one is silent."""
    for name, found in (("--mean", request.mean), ("--std", request.std)):
        if found is None:
            raise InputError(
                f"{name}: expected what the training of {request.model.name} did to its images, one number or one per "
                "channel, got none (0 and 1 for nothing)"
            )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: expected a folder that can be written, got {error.strerror}: {folder}") from error


def _text(error: Exception) -> str:
    """Return an error of the input or of a disk for a person. Raises any other error."""
    if isinstance(error, InputError):
        return str(error)
    if not isinstance(error, OSError) or error.errno not in _OF_THE_PLACE:
        raise error
    place = error.filename or Path.cwd()
    return f"expected files that can be read and written, got {error.strerror}: {place}"
