"""Turn the raw tree of a data set into images of one size in [0, 1], their index, a summary and a page to look at."""

from pathlib import Path

from oncorobust.contact_sheet import draw_contact_sheet, write_contact_sheet
from oncorobust.data.formats import open_raw
from oncorobust.dataset import read_dataset, write_images
from oncorobust.files import whole_outputs, write_csv, write_json
from oncorobust.params import load_params
from oncorobust.preprocess import process
from oncorobust.stage import Progress, parse, run


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
        write_json(summary, processed.summary)
        data = read_dataset(images, index, summary)
        figure = draw_contact_sheet(data, processed.summary, settings=settings.augment, seed=params.seed)
        write_contact_sheet(sheet, figure)


if __name__ == "__main__":
    run(main)
