"""Make the raw tree of a data set: from an installed package, by download, or as phantoms."""

from pathlib import Path

from oncorobust.acquire.acquire import acquire
from oncorobust.base.errors import InputError
from oncorobust.base.layout import raw
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage import parse, run
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the parameters and write the raw tree."""
    dataset = parse("dataset").dataset
    params = load_params()
    if dataset not in params.acquire:
        raise InputError(f"expected a key of acquire in params.yaml, got {dataset}")
    folder = Path(raw(dataset))
    source, raw_format = params.acquire[dataset], params.datasets[dataset].preprocess.format
    acquire(folder, source, raw_format, dataset=dataset, on_progress=Progress(f"acquire {dataset}").update)


if __name__ == "__main__":
    run(main)
