"""Training and attack of a data set's models once more with another seed of training, for the spread between seeds.

Only the seed of training differs from that of the stages `train` and `harden`: split, test images, recipes, attacks and
the seeds of attacks are the run's, so that the spread is that of training alone. Models and saved state lie in a folder
of their own until the rows are written; a killed repeat resumes from there, and no finished training runs again.
"""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import msgspec
import pandas as pd

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.base.files import check_places, whole_outputs, write_csv
from oncorobust.evaluation.protocols import in_published_order, protocol_tables
from oncorobust.evaluation.shards import Tables
from oncorobust.models.vgg16 import save_model
from oncorobust.pipeline.clean_model import clean_model
from oncorobust.pipeline.hardened_model import hardened_model
from oncorobust.pipeline.made_files import check_made
from oncorobust.pipeline.model_evaluation import evaluation_of
from oncorobust.pipeline.model_training import training_in
from oncorobust.settings.pipeline import Params

_ROWS = ("predictions", "intervals")


def repeated_rows(dataset: str, seed: int, params: Params) -> Tables:
    """Train the models of a data set with `seed` and attack them; return predictions and intervals with a model column.

    The paper's protocol attacks at the epsilon of Table S5 only. Raises InputError where the data set trains no model,
    a file is missing, or training or attack refuse their input.
    """
    if not params.datasets[dataset].is_trained_on:
        raise InputError(
            f"expected a data set that trains a model, got {dataset}, whose finished model is only evaluated: "
            "another training seed changes nothing"
        )
    check_made(layout.images_file(dataset))
    made = {}
    for model, file in _trained_models(dataset, seed, params):
        made[model] = _attacked(dataset, model, file, params)
    return {
        name: pd.concat([tables[name].assign(model=model) for model, tables in made.items()], ignore_index=True)
        for name in _ROWS
    }


def write_repeat(dataset: str, seed: int, tables: Tables) -> None:
    """Write the rows of `repeated_rows`, and remove the models and the saved state."""
    outputs = [layout.repeat_file(dataset, seed, f"{name}.csv") for name in _ROWS]
    check_places(Path(outputs[0]).parent)
    with whole_outputs(*outputs) as drafts:
        for draft, name in zip(drafts, _ROWS, strict=True):
            write_csv(draft, tables[name])
    rmtree(layout.repeat_state(dataset, seed), ignore_errors=True)


def _trained_models(dataset: str, seed: int, params: Params) -> Iterator[tuple[str, str]]:
    """Train each model, save it and yield its name and file; the state stays, and makes a second call short."""
    settings, folder = params.datasets[dataset], layout.repeat_state(dataset, seed)
    seeded = msgspec.structs.replace(params, seed=seed)
    files = {model: f"{folder}/{model}.keras" for model in settings.models}
    opened = training_in(folder, "train", dataset, seeded, model=layout.CLEAN)
    save_model(clean_model(opened, settings).network, files[layout.CLEAN])
    yield layout.CLEAN, files[layout.CLEAN]
    if settings.harden is not None:
        opened = training_in(folder, "harden", dataset, seeded, model=layout.ADVERSARIAL)
        made = hardened_model(opened, settings.harden, clean=files[layout.CLEAN])
        save_model(made.network, files[layout.ADVERSARIAL])
        yield layout.ADVERSARIAL, files[layout.ADVERSARIAL]


def _attacked(dataset: str, model: str, file: str, params: Params) -> Tables:
    """Return the rows of a model by the attacks, the images and the seeds of stage `attack`."""
    settings = params.datasets[dataset].attack
    chosen = {
        "paper_epsilons": (params.report.adversarial_training_epsilon,),
        "epsilons": tuple(sorted({*settings.epsilons, *params.attacks.table_epsilons})),
    }
    opened = evaluation_of(
        file,
        "attack",
        Namespace(dataset=dataset, model=model, shard=None, shards=[]),
        params,
        decided_by=[settings, chosen],
        folder=str(Path(file).with_suffix("")),
    )
    tables = opened.tables(protocol_tables, **chosen, settings=opened.attacks)
    if tables is None:
        raise ValueError("expected the rows of all test images, got those of a shard")
    return in_published_order(tables)
