"""`oncorobust add NAME`: write the block of a data set into params.yaml, with settings that fit its files.

    oncorobust add brain                        data/raw/brain holds manifest.csv, or a published data set
    oncorobust add brain --model own/mine.keras --input-range 0 255     an external test set of a finished model

The command also updates dvc.yaml, checks the raw trees, says what it decided and why, and estimates how long the run
will take on this machine, from a measurement of the model itself in a process of its own.
"""

import argparse
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.cli.check import check_raw_trees, valid
from oncorobust.data.tree_facts import count_splits, read_facts
from oncorobust.formats.open_raw import open_raw
from oncorobust.formats.recognise import FORMATS, default_format, recognise
from oncorobust.pipeline.machine_memory import job_memory_mb
from oncorobust.pipeline.new_dataset_files import drafted_params, model_place, placed_model, take_draft
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.run_time import Counts, Pace, by_stage, stage_seconds
from oncorobust.pipeline.run_time_record import measured_pace, model_side, write_estimate
from oncorobust.pipeline.run_time_text import time_lines
from oncorobust.settings.base import tag
from oncorobust.settings.data import Format
from oncorobust.settings.load import load_params
from oncorobust.settings.new_attack_batch import with_attack_batch
from oncorobust.settings.new_dataset import Decided, decide
from oncorobust.settings.new_dataset_facts import Facts, Wishes
from oncorobust.settings.new_dataset_rules import counted
from oncorobust.settings.new_dataset_text import format_text
from oncorobust.settings.new_model import NewModel, new_model, source_of
from oncorobust.settings.new_params import NewParams, with_dataset
from oncorobust.settings.pipeline import Column, Params
from oncorobust.settings.rules import check_dataset_name

_PARAMS = Path("params.yaml")
_NEW_COLUMN = Column(title="", paper=None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust add`."""
    parser.add_argument("name", metavar="NAME", help=f"data set, whose raw tree is {layout.RAW_TREES}/NAME")
    images, model = parser.add_argument_group("images"), parser.add_argument_group("finished model")
    images.add_argument("--format", choices=FORMATS, help="format of the raw tree; default: by the names of its files")
    images.add_argument("--kind", choices=("medical", "natural"), help="what the images show; default: by the files")
    images.add_argument("--size", type=int, help="side of the processed images in pixels; default: by the files")
    images.add_argument(
        "--intensity-range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="stored values of black and white"
    )
    images.add_argument("--title", help="title in tables and figures; default: NAME")
    images.add_argument("--positive", metavar="CLASS", help="class that a test should find; default: the last class")
    images.add_argument("--max-images", type=int, help="attack at most so many test images; default: all")
    model.add_argument("--model", type=Path, help=".keras, .pt2 or .onnx file, of which the images are a test set")
    model.add_argument("--classes", nargs="+", metavar="CLASS", help="classes in the order of the model's outputs")
    model.add_argument(
        "--input-range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="values of its input for black and white"
    )
    model.add_argument("--mean", nargs="+", type=float, help="mean that a .pt2 or .onnx network's training subtracted")
    model.add_argument("--std", nargs="+", type=float, help="standard deviation by which it divided")
    model.add_argument("--channels", choices=("rgb", "bgr", "grey"), default="rgb", help="of such a network")
    parser.add_argument("--replace", action="store_true", help="replace the block of a data set of this name")
    parser.add_argument("--dry-run", action="store_true", help="print the block, and write nothing")
    parser.add_argument("--no-measure", action="store_true", help="skip the measurement that estimates the run's time")


def run(args: argparse.Namespace) -> int:
    """Add the data set and print what was decided. Returns the exit status. Raises InputError."""
    params, tree = _params(args), Path(layout.raw(args.name))
    form = _format(args, tree)
    raw = open_raw(tree, form, seed=params.seed, on_progress=Progress(f"check {args.name}").update)
    begun = perf_counter()
    facts = read_facts(raw, tree, on_progress=Progress(f"look at {args.name}").update)
    read = (perf_counter() - begun) / facts.n_sampled
    place = model_place(args.model) if args.model else None
    wishes = _wishes(args, params, form, facts, place)
    decided = _decided(facts, wishes, tree)
    text, names = _PARAMS.read_bytes().decode("utf-8"), raw.class_names
    new = with_dataset(text, params, args.name, block=decided.block, column=decided.column)
    changed_text, batch = with_attack_batch(
        new.text, new.attack_batch, size=decided.size, memory=wishes.memory_mb, beside=new.beside
    )
    with drafted_params(changed_text) as (draft, changed):
        rules = changed.datasets[args.name].preprocess
        splits = count_splits(raw, rules, seed=changed.seed, where=str(tree))
        if args.dry_run:
            print(decided.block, end="")
            return 0
        others = [one for one in changed.run.datasets if one != args.name]
        check_raw_trees(changed, others)
        with placed_model(args.model, place) if place else nullcontext():
            measures = place is not None or not args.no_measure
            pace = measured_pace(draft, args.name, n_classes=len(names)) if measures else None
            take_draft(draft)
    counts = Counts(classes=len(names), raw=len(raw.index), **splits, read=read)
    print(*_report(args, facts, (*decided.lines, *([batch] if batch else [])), new, changed), sep="\n")
    print(*_times(args.name, changed, counts, pace), sep="\n")
    return 0


def _params(args: argparse.Namespace) -> Params:
    """Check the name and read params.yaml. Raises InputError."""
    name = args.name
    check_dataset_name(name, "NAME")
    params = load_params(_PARAMS)
    if name in params.datasets and not args.replace:
        raise InputError(
            f"params.yaml has a data set {name} already: choose another name for the folder, or add --replace to write "
            "its block anew"
        )
    if not Path(layout.raw(name)).is_dir():
        raise InputError(
            f"{layout.raw(name)}: expected a folder of images, got none: put or link it there; `oncorobust manifest "
            f"FOLDER --name {name}` does so and proposes a manifest"
        )
    return params


def _format(args: argparse.Namespace, tree: Path) -> Format:
    name = args.format or recognise(tree)
    if args.classes and name != "manifest":
        raise InputError(
            f"--classes: expected only with a manifest, because format {name} has its own order of classes"
        )
    return default_format(name, tree, classes=tuple(args.classes) if args.classes else None)


def _wishes(args: argparse.Namespace, params: Params, form: Format, facts: Facts, place: str | None) -> Wishes:
    names, column = list(facts.images), params.report.columns.get(args.name, _NEW_COLUMN)
    positive = args.positive or column.positive
    if positive is not None and positive not in names:
        raise InputError(f"--positive: expected one of {', '.join(names)}, got {positive}")
    return Wishes(
        name=args.name,
        format_name=tag(form),
        format=format_text(form),
        kind=args.kind or column.kind,
        title=args.title or column.title or None,
        size=args.size,
        intensity_range=tuple(args.intensity_range) if args.intensity_range else None,
        max_images=args.max_images,
        positive=positive,
        origin=column.origin,
        model=None if place is None else _model(args, place, facts),
        memory_mb=job_memory_mb(),
    )


def _model(args: argparse.Namespace, place: str, facts: Facts) -> NewModel:
    """Return the finished model's part of the block. Raises InputError for what the person has to state."""
    names = ", ".join(facts.images)
    source_of(place)
    if len(facts.images) > 2 and facts.class_order == "sorted":
        raise InputError(
            f"--classes: expected the names of the {len(facts.images)} classes in the order of the model's outputs, "
            f"got none; the manifest has, sorted: {names}"
        )
    model = new_model(
        place,
        input_range=tuple(args.input_range) if args.input_range else None,
        mean=tuple(args.mean) if args.mean else None,
        std=tuple(args.std) if args.std else None,
        channels=args.channels,
    )
    try:
        return model.with_size(model_side(args.model, n_classes=len(facts.images)))
    except InputError as error:
        raise InputError(f"{error} (classes of the images: {names})") from error


def _decided(facts: Facts, wishes: Wishes, tree: Path) -> Decided:
    try:
        return decide(facts, wishes)
    except InputError as error:
        raise error if str(error).startswith("--") else InputError(f"{tree}: {error}") from error


def _report(
    args: argparse.Namespace, facts: Facts, decisions: Sequence[str], new: NewParams, params: Params
) -> list[str]:
    marked = " (SYNTHETIC)" if facts.synthetic else ""
    lines = [f"{args.name}{marked}: images {counted(facts.images)}; patients {counted(facts.patients)}"]
    lines += [f"  {line}" for line in decisions]
    lines.append(
        f"Wrote datasets.{args.name}, report.columns.{args.name} and run.datasets in params.yaml, and dvc.yaml"
    )
    if new.left_out:
        names = ", ".join(new.left_out)
        lines.append(f"Left out of the run, because they are the demo's: {names}; their blocks stay in params.yaml")
    if new.new_attacks:
        lines.append("Replaced the demo's short attacks by those of Table S1 and a longer strict search (attacks)")
    lines.append(f"Checked: {valid(params)}")
    if args.model is not None:
        lines.append("`oncorobust assess` answers the same question for one model without a project")
    return lines


def _times(name: str, params: Params, counts: Counts, pace: Pace | None) -> list[str]:
    dataset, lines = params.datasets[name], ["Time: not estimated, because nothing was measured"]
    if pace is not None:
        at_once = max(1, len(os.sched_getaffinity(0)) // params.run.threads)
        lines = time_lines(dataset, params.attacks, counts, pace, at_once=at_once)
        write_estimate(name, by_stage(stage_seconds(dataset, params.attacks, counts, pace)))
        if len(params.run.datasets) > 1:
            lines.append("  the other data sets of run.datasets are not counted")
    return [*lines, "Next: snakemake --cores all && oncorobust record     or, one stage after another: dvc repro"]
