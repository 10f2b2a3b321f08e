"""`oncorobust front`: a figure of clean against robust accuracy of a data set's hardening experiments.

    oncorobust front lidc [--output reports/lidc/front.png]

The command collects the hardening runs of the work tree, of HEAD and of every experiment of `dvc exp run`, whatever
commit the experiment started from. It takes the parameters and inputs of a run from its dvc.lock, because params.yaml
may have been edited since, and the accuracies from training.json, which must be the recorded file. It draws the figure
and writes its points to a CSV file beside it. Neither is an output of a stage, because a stage cannot depend on
experiments.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import whole_outputs, write_csv
from oncorobust.base.schema.version import parse_results
from oncorobust.pipeline.dvc_lock import StageRecord, parse_lock
from oncorobust.report.figures.house import to_png
from oncorobust.report.figures.pareto import Accuracies, Experiment, Front, clean_robust_front, front_frame
from oncorobust.report.figures.pareto_figure import front_figure
from oncorobust.settings.load import load_params
from oncorobust.trace.repository import State


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust front`."""
    parser.add_argument("dataset", metavar="DATASET", help="a data set of run.datasets")
    parser.add_argument(
        "--output",
        help=f"the figure, a .png file (default: {layout.front_file('DATASET', 'png')}); its points are written to a "
        ".csv beside it",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the front of a data set of the repository in the current folder. Returns the exit status."""
    params = load_params("params.yaml")
    if args.dataset not in params.run.datasets:
        raise InputError(
            f"expected a data set of run.datasets ({', '.join(params.run.datasets)}), got {args.dataset!r}"
        )
    output = Path(args.output or layout.front_file(args.dataset, "png"))
    if output.suffix != ".png":
        raise InputError(f"expected a file name that ends in .png, got {output}")
    front = collect_front(Path(), args.dataset)
    figure = front_figure(front, title=params.report.columns[args.dataset].title)
    with whole_outputs(output, output.with_suffix(".csv")) as (figure_draft, points_draft):
        figure_draft.write_bytes(to_png(figure))
        write_csv(points_draft, front_frame(front))
    print("\n".join([*_point_lines(front), *(f"left out: {one}" for one in front.left_out)]))
    print(f"Wrote {output} and {output.with_suffix('.csv').name} (accuracies on validation images, not on test images)")
    return 0


def collect_front(root: Path, dataset: str) -> Front:
    """Return the front of a data set's hardening runs, with the reason for each run that is left out.

    Raises InputError when fewer than two runs can be compared.
    """
    runs, unread = [], []
    for name, revision in [("work tree", None), ("HEAD", "HEAD"), *_experiments(root)]:
        try:
            found = _read_experiment(State(root, revision), name, dataset)
        except InputError as error:
            unread.append(f"{name}: {error}")
        else:
            runs += [found] if found else []
    front = clean_robust_front(runs) if runs else None
    left_out = (*unread, *(front.left_out if front else ()))
    compared = len(front.points) - 1 if front else 0  # the clean model is a point too
    if front is None or compared < 2:
        raise InputError(_too_few(dataset, compared, left_out))
    return replace(front, left_out=left_out)


def _too_few(dataset: str, compared: int, left_out: tuple[str, ...]) -> str:
    why = f" (left out: {'; '.join(left_out)})" if left_out else ""
    share = f"datasets.{dataset}.harden.loss.adversarial_share=0.25"
    return (
        f"expected at least two comparable hardening runs of {dataset}, got {compared}{why}; run\n"
        f"  dvc exp run --temp --single-item -S {share} harden@{dataset}\n"
        f"  oncorobust front {dataset}"
    )


def _experiments(root: Path) -> list[tuple[str, str]]:
    """Return the name and commit of each experiment, in alphabetical order."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            listed = repo.experiments.ls(all_commits=True)
    except DvcException as error:
        raise InputError(f"expected a DVC repository, got: {error}") from error
    return sorted(one for experiments in listed.values() for one in experiments)


def _read_experiment(state: State, name: str, dataset: str) -> Experiment | None:
    """Return the hardening run that dvc.lock records; None when it records none.

    Raises InputError when training.json is not the recorded file, or lacks a value that the figure shows.
    """
    if state.md5("dvc.lock") is None:
        return None
    record = parse_lock(state.read("dvc.lock").decode()).get(f"harden@{dataset}")
    if record is None:
        return None
    path = layout.results_file(dataset, layout.ADVERSARIAL, "training.json")
    if state.md5(path) != next((one.md5 for one in record.outputs if one.path == path), None):
        raise InputError(f"{path} is not the file that dvc.lock records")
    told = parse_results(state.read(path), where=path)
    try:
        return Experiment(
            name=name,
            settings=flat(record.parameters[f"datasets.{dataset}.harden"]),
            inputs=_inputs(record, dataset),
            accuracies=_accuracies(told["best"]),
            start=_accuracies(told["start"]),
            synthetic=told["synthetic"],
        )
    except KeyError as error:
        raise InputError(f"{path} or dvc.lock has no {error}: run the stage harden again") from error


def _inputs(record: StageRecord, dataset: str) -> dict[str, str]:
    index, clean = f"{layout.processed(dataset)}/index.csv", layout.model_file(dataset, layout.CLEAN)
    paths = {layout.images_file(dataset), index, clean}
    return {one.path: one.md5 for one in record.inputs if one.path in paths}


def _accuracies(told: Mapping[str, float]) -> Accuracies:
    return Accuracies(clean=told["validation_accuracy"], robust=told["validation_robust_accuracy"])


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings by dotted names: {"loss": {"beta": 6}} becomes {"loss.beta": 6}."""
    pairs: dict[str, Any] = {}
    for name, value in settings.items():
        pairs |= (
            {f"{name}.{key}": one for key, one in flat(value).items()} if isinstance(value, dict) else {name: value}
        )
    return pairs


def _point_lines(front: Front) -> list[str]:
    """Return the points as lines of a table; an asterisk marks points that no other point dominates."""
    width = max(len(one.label) for one in front.points)
    return [
        f"{'*' if one.on_front else ' '} {one.label:{width}}  clean {100 * one.accuracies.clean:6.2f} %  "
        f"under attack {100 * one.accuracies.robust:6.2f} %  {one.experiment or ''}".rstrip()
        for one in front.points
    ]
