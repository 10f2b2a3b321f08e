"""From a raw tree to a processed data set: the stage `preprocess`."""

from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.files import file_md5, whole_outputs, write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.data.contact_sheet import draw_contact_sheet, write_contact_sheet
from oncorobust.data.dataset import read_dataset, write_images
from oncorobust.data.preprocess import process
from oncorobust.formats.open_raw import open_raw
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.raw_tree import check_same, look, write_fingerprint
from oncorobust.settings.pipeline import Params


def preprocess(dataset: str, params: Params) -> None:
    """Read the raw tree of a data set and write the processed data set.

    Raises InputError naming a file that does not fit, or that changes meanwhile.
    """
    settings, progress = params.datasets[dataset], Progress(f"index {dataset}")
    rules, seed, is_trained_on = settings.preprocess, params.seed, settings.is_trained_on
    with whole_outputs(*layout.processed_files(dataset)) as (images, index, summary, sheet, fingerprint):
        tree = look(Path(), dataset, on_progress=progress.update)
        raw = open_raw(layout.raw(dataset), rules.format, seed=seed, on_progress=progress.update)
        made = process(raw, rules, dataset=dataset, seed=seed, is_trained_on=is_trained_on)
        write_images(images, made.images, shape=made.shape, on_progress=Progress(f"preprocess {dataset}").update)
        write_csv(index, made.index)
        content = made.complete_summary() | {"images_md5": file_md5(images), "index_md5": file_md5(index)}
        write_results(summary, content)
        data = read_dataset(images, index, summary)
        write_contact_sheet(sheet, draw_contact_sheet(data, content, made.looks, settings=settings.augment, seed=seed))
        check_same(tree, Path(), dataset)
        write_fingerprint(fingerprint, tree)
