"""What the page needs of each data set besides the tables, read from the work tree."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.report.page.curve import ModelCurve, curve_files, model_curves
from oncorobust.report.page.text import sampled_unit

MODELS = {layout.CLEAN: "clean", layout.ADVERSARIAL: "adversarially trained", layout.NOISE: "noise-trained"}
"""The models of a data set, in order, and their names on the page."""


@dataclass(frozen=True)
class DatasetPart:
    """What the page shows of one data set besides the tables: summary.json, metrics by model, PNG images.

    certify: certify.json by model, empty without certificates. acquisition: acquisition.json by model, empty without
    changes of the acquisition; rescanned: the picture of them with the clean model's answers, as PNG. over_epsilon:
    accuracy of each attacked model. curves: of each training, as PNG.
    """

    key: str
    summary: Mapping[str, Any]
    training: Mapping[str, Mapping[str, Any]]
    attack: Mapping[str, Mapping[str, Any]]
    certify: Mapping[str, Mapping[str, Any]]
    acquisition: Mapping[str, Mapping[str, Any]]
    rescanned: bytes | None
    over_epsilon: tuple[ModelCurve, ...]
    contact_sheet: bytes
    curves: Mapping[str, bytes]

    @property
    def unit(self) -> str:
        """What the data set's intervals sample: patients or images."""
        return sampled_unit(self.summary)

    @property
    def trained(self) -> list[str]:
        """Models that were trained, not only evaluated."""
        return [model for model, one in self.training.items() if one["epochs_run"]]


def read_dataset_part(
    dataset: str,
    rows: Mapping[str, pd.DataFrame],
    *,
    attacked: Sequence[str],
    trained: Sequence[str],
    certified: Sequence[str],
    rescanned: Sequence[str],
    seed: int,
) -> DatasetPart:
    """Read what the page shows of a data set from the work tree.

    rows: per-image rows by the name of their file. attacked, trained, certified, rescanned: names of its models. seed:
    of the run, for the samples of patients behind the bands.
    """
    processed = layout.processed(dataset)
    attack = {model: read_results(layout.results_file(dataset, model, "attack.json")) for model in attacked}
    drawn = {file: rows[file] for file in curve_files(dataset, attack)}
    return DatasetPart(
        key=dataset,
        summary=read_results(f"{processed}/summary.json"),
        training={model: read_results(layout.results_file(dataset, model, "training.json")) for model in trained},
        attack=attack,
        certify={model: read_results(layout.results_file(dataset, model, "certify.json")) for model in certified},
        acquisition={
            model: read_results(layout.results_file(dataset, model, "acquisition.json")) for model in rescanned
        },
        rescanned=read_image(layout.results_file(dataset, layout.CLEAN, "acquisition.png")) if rescanned else None,
        over_epsilon=model_curves(dataset, attack, drawn, seed=seed),
        contact_sheet=read_image(f"{processed}/contact_sheet.png"),
        curves={model: read_image(layout.results_file(dataset, model, "curves.png")) for model in trained},
    )


def read_image(path: str | Path) -> bytes:
    """Read the bytes of a PNG. Raises InputError where the file is missing or not a PNG."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error} (expected a PNG image)") from error
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise InputError(f"{path}: begins with {content[:8]!r} (expected a PNG image)")
    return content


def embedded(png: bytes) -> str:
    """Return a PNG as the source of an HTML image."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
