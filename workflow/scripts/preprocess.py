"""Turn the raw tree of a data set into images of one size in [0, 1], their index, a summary and a page to look at."""

from pathlib import Path

from oncorobust.base.files import whole_outputs, write_csv
from oncorobust.base.schema.version import write_results
from oncorobust.data.contact_sheet import draw_contact_sheet, write_contact_sheet
from oncorobust.data.dataset import read_dataset, write_images
from oncorobust.data.preprocess import process
from oncorobust.formats.open_raw import open_raw
from oncorobust.pipeline.stage import Progress, parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read data/raw/<data set>, write data/processed/<data set>."""
    dataset = parse("dataset").dataset
    params = load_params()
    settings = params.datasets[dataset]
    folder = Path("data/processed") / dataset
    names = ("images.npy", "index.csv", "summary.json", "contact_sheet.png")
    with whole_outputs(*(folder / name for name in names)) as (images, index, summary, sheet):
        index_progress = Progress(f"index {dataset}")
        raw = open_raw(
            Path("data/raw") / dataset,
            settings.preprocess.format,
            seed=params.seed,
            on_progress=index_progress.update,
        )
        processed = process(raw, settings.preprocess, dataset=dataset, seed=params.seed)
        progress = Progress(f"preprocess {dataset}")
        write_images(images, processed.images, shape=processed.shape, on_progress=progress.update)
        write_csv(index, processed.index)
        write_results(summary, processed.summary)
        data = read_dataset(images, index, summary)
        figure = draw_contact_sheet(data, processed.summary, settings=settings.augment, seed=params.seed)
        write_contact_sheet(sheet, figure)


if __name__ == "__main__":
    run(main)
