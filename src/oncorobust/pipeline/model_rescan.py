"""A model under changes of the acquisition, from its settings; not in `model_evaluation`, as `model_certificates`."""

from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.base import layout
from oncorobust.base.files import whole_outputs, write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.acquisition_examples import changed_examples
from oncorobust.evaluation.acquisition_rows import acquisition_rows
from oncorobust.evaluation.acquisition_summary import summarise_acquisition
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.pipeline.changed_scans import open_changed_scans
from oncorobust.pipeline.model_evaluation import ModelEvaluation
from oncorobust.pipeline.raw_tree import check_as_preprocessed
from oncorobust.report.figures.acquisition_sheet import draw_acquisition_sheet, to_png
from oncorobust.settings.acquisition import Acquisition
from oncorobust.settings.pipeline import Params


def rescan(opened: ModelEvaluation, settings: Acquisition, params: Params) -> None:
    """Read the raw tree again, evaluate the changed images, and write rows, summary and picture.

    Raises InputError where the raw tree is not the one that stage `preprocess` read, naming a file.
    """
    name = opened.data.name
    check_as_preprocessed(Path(), name, on_progress=opened.progress.update)
    data = opened.data.subset(settings.max_images, seed=child_seed(opened.seed, "rescanned images"))
    scans = open_changed_scans(data, params, on_progress=opened.progress.update)
    found = acquisition_rows(
        opened.classifier.model,
        data,
        blocks_of(len(data), opened.attacks.batch_size),
        rescan=scans,
        max_iter=opened.attacks.strict.fmn.max_iter,
        precision=opened.attacks.strict.search_precision,
        seed=params.seed,
        resumable=ResumableRows(opened.progress.update, opened.state, begin=opened.progress.begin),
    )
    sheet = draw_acquisition_sheet(
        changed_examples(data, found.rows, scans),
        title=f"{name}, {opened.arguments.model} model",
        synthetic=data.synthetic,
    )
    check_as_preprocessed(Path(), name, on_progress=opened.progress.update)
    summary = summarise_acquisition(found.rows, found.not_possible, titles=scans.titles)
    _write(opened, found.rows, summary, to_png(sheet))


def _write(opened: ModelEvaluation, rows: pd.DataFrame, summary: dict[str, Any], sheet: bytes) -> None:
    dataset, model = opened.arguments.dataset, opened.arguments.model
    about = {"dataset": dataset, "model": model, "synthetic": opened.data.synthetic}
    with whole_outputs(*(layout.results_file(dataset, model, one) for one in layout.ACQUISITION)) as drafts:
        table, document, picture = drafts
        write_csv(table, rows)
        write_results(document, about | summary)
        picture.write_bytes(sheet)
    opened.state.remove()
