"""One finished model measured on one folder of images, without a repository: the work of `oncorobust assess`.

The stages are those of the pipeline, with the same functions and paths, in the folder of the assessment as the current
folder. What a stage saves when it is interrupted, and the stages that have ended, are kept there: the same command
resumes.
"""

import argparse
import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from oncorobust.backend.runtime import prepare
from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.base.watched_inputs import watching
from oncorobust.formats.manifest import Listed
from oncorobust.models.own import read_input_size
from oncorobust.models.torch_programs import program_size
from oncorobust.pipeline.assessment_record import open_folder, record_of, write_record
from oncorobust.pipeline.assessment_settings import DATASET, Request, params_content
from oncorobust.pipeline.raw_tree import edits
from oncorobust.pipeline.stage_log import note, tell
from oncorobust.pipeline.stages.attack import attack
from oncorobust.pipeline.stages.exchange import exchange
from oncorobust.pipeline.stages.plot import plot
from oncorobust.pipeline.stages.preprocess import preprocess
from oncorobust.pipeline.stages.rank import rank
from oncorobust.pipeline.stages.report import report
from oncorobust.pipeline.stages.tabulate import tabulate
from oncorobust.pipeline.stages.train import train
from oncorobust.pipeline.stages.validate import validate
from oncorobust.pipeline.table_outputs import read_gates
from oncorobust.report.assessment_text import summary_lines
from oncorobust.report.tables.cell import tables_from_json
from oncorobust.settings.load import load_params, parse_params
from oncorobust.settings.pipeline import Params

_SIZES = (8, 1024)
_WHOLE = argparse.Namespace(dataset=DATASET, model=layout.CLEAN, shard=None, shards=[], output=None)
"""Arguments of a stage that takes all images of the clean model."""


@dataclass(frozen=True)
class _Stage:
    """A stage: what it does, for a person; what it runs; and files that show that it has ended."""

    name: str
    told: str
    run: Callable[[], None]
    outputs: Sequence[str]


def assess(request: Request, listed: Listed) -> list[str]:
    """Run all stages in the current folder, or those that an earlier process has not ended. Return the summary.

    listed: of `assessment_record.check_request`. Raises InputError for files that do not fit and for a folder with
    another assessment; Stopped after an interruption.
    """
    with _alone():
        record = _opened(request, listed)
        params = load_params()
        if "preprocess" in record["stages"] and (changed := edits(Path(), DATASET)):
            raise InputError(
                f"{request.manifest.parent}: {changed[0]} since this assessment began: restore the file, or choose "
                "another folder for --out"
            )
        _run_stages(params, record)
    return _summary(listed)


def _opened(request: Request, listed: Listed) -> dict[str, Any]:
    """Check the model against the classes, and start or continue the assessment in the current folder."""
    backend = prepare(threads=request.threads, seed=request.seed)
    content = params_content(request, size=_size(request, listed), has_split=bool(listed.splits))
    parse_params(content)  # before anything is written
    return open_folder(request, record_of(request, listed, backend=backend), content)


def _size(request: Request, listed: Listed) -> int:
    """Return the side of the images: as asked for, or the longer side of the model's input."""
    sides = _sides(request, listed)
    if request.size is not None:
        return request.size
    known = [side for side in sides if side is not None]
    if not known:
        raise InputError(f"--size: expected the side of the images in pixels, which {request.model} does not state")
    if not _SIZES[0] <= max(known) <= _SIZES[1]:
        raise InputError(
            f"{request.model}: expected an input of {_SIZES[0]} to {_SIZES[1]} pixels, got {max(known)}: choose --size"
        )
    return max(known)


def _sides(request: Request, listed: Listed) -> tuple[int | None, int | None]:
    """Return height and width of the model's input, None for any or where the file does not tell."""
    match request.torch_source:
        case "torch_export":
            return program_size(request.model)
        case "onnx":
            return None, None
    try:
        sides = read_input_size(str(request.model), n_classes=len(listed.class_names))
    except InputError as error:
        raise InputError(f"{error} (classes of {request.manifest}: {', '.join(listed.class_names)})") from error
    keras.utils.clear_session()  # Keras counts the layers that it names, and writes the names into the model's file
    return sides


def _stages(params: Params, record: dict[str, Any]) -> list[_Stage]:
    def of_model(*names: str) -> list[str]:
        return [layout.results_file(DATASET, layout.CLEAN, name) for name in names]

    model = [layout.model_file(DATASET, layout.CLEAN), layout.answers_file(DATASET, layout.CLEAN)]
    figures = [layout.figure_file(number, form) for number in layout.FIGURE_NUMBERS for form in layout.FIGURE_FORMS]
    attacked = of_model("predictions.csv", "intervals.csv", "threats.csv", "attack.json", "examples.npz")
    ranked = of_model("sensitivity.csv", "scores.csv", "rank.json")
    cards = [layout.card_file(DATASET, layout.CLEAN), layout.bom_file(DATASET, layout.CLEAN)]

    def write_page() -> None:
        report(params, assessment=record)

    return [
        _Stage("preprocess", "images", lambda: preprocess(DATASET, params), layout.processed_files(DATASET)),
        _Stage("train", "model", lambda: train(DATASET, params), [*model, *of_model(*layout.TRAINING_FILES)]),
        _Stage("attack", "attacks", lambda: attack(_WHOLE, params), attacked),
        _Stage("rank", "ranking and scores", lambda: rank(_WHOLE, params), ranked),
        _Stage("validate", "validity", lambda: validate(DATASET, layout.CLEAN, params), of_model("validity.json")),
        _Stage("tabulate", "tables", lambda: tabulate(params), [layout.CELLS, layout.METRICS, layout.GATES]),
        _Stage("plot", "figures", lambda: plot(params), [*figures, layout.CURVES, layout.POINTS]),
        _Stage(
            "exchange",
            "files for other programs",
            lambda: exchange(params),
            [layout.RESULTS, layout.WORKBOOK, layout.CITATIONS, *cards],
        ),
        _Stage("report", "page", write_page, [layout.PAGE]),
    ]


def _run_stages(params: Params, record: dict[str, Any]) -> None:
    """Run the stages from the first one that has not ended, and note each end in the record."""
    stages = _stages(params, record)
    done = 0
    while done < len(stages) and stages[done].name in record["stages"] and _has_outputs(stages[done]):
        done += 1
    for number, stage in enumerate(stages[done:], start=done + 1):
        record["stages"] = [one.name for one in stages[: number - 1]]
        write_record(record)
        tell(f"assess: {stage.told} ({number} of {len(stages)})")
        with watching(Path.cwd()):
            stage.run()
    record["stages"] = [one.name for one in stages]
    write_record(record)


def _has_outputs(stage: _Stage) -> bool:
    return all(Path(file).is_file() for file in stage.outputs)


def _summary(listed: Listed) -> list[str]:
    attacked = read_results(layout.results_file(DATASET, layout.CLEAN, "attack.json"))
    return summary_lines(
        tables_from_json(read_results(layout.CELLS)),
        read_gates(),
        attack=attacked,
        summary=read_results(layout.summary_file(DATASET)),
        classes=listed.class_names,
        page=str(Path(layout.PAGE).absolute()),
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes out of the current folder. Raises InputError where one is at work."""
    with Path(layout.ASSESSMENT_LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"--out: another process is assessing in {Path.cwd()}: wait until it is done") from None
        except OSError as error:  # a file system without locks
            note(f"assess: no lock on {layout.ASSESSMENT_LOCK}: {error.strerror}")
        yield
