"""Shared start and end of the stages that evaluate a model: `attack`, `rank`, `certify`, `rescan` and `repeat`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.backend.runtime import prepare
from oncorobust.base import layout
from oncorobust.base.files import check_places, whole_outputs, write_csv
from oncorobust.base.run_state import RunState
from oncorobust.base.schema.version import write_results
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import LabelledImages, load
from oncorobust.evaluation.blocks import blocks_of
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.evaluation.scored_images import scored_images
from oncorobust.evaluation.shards import Tables, by_shards
from oncorobust.models.vgg16 import load_classifier
from oncorobust.pipeline.machine_precision import decided
from oncorobust.pipeline.made_files import check_made
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage_state import stage_state
from oncorobust.settings.attacks import Attacks
from oncorobust.settings.pipeline import Dataset, Params


@dataclass(frozen=True)
class ModelEvaluation:
    """A model, the images it is evaluated on, and the saved state of the stage.

    all_images: of all splits. test: all test images. data: the evaluated images, which are the same in both stages and
    for both models. attacks: with the search precision of this machine. seed: of the stage, the same for both models.
    """

    arguments: argparse.Namespace
    classifier: KerasClassifier
    all_images: LabelledImages
    test: LabelledImages
    data: LabelledImages
    attacks: Attacks
    seed: int
    state: RunState
    progress: Progress

    def tables(self, compute: Callable[..., Tables], **settings: Any) -> Tables | None:
        """Compute the tables of all blocks, or join those of the shards; None when this job has written one shard.

        compute: takes classifier, data, blocks, seed, resumable and `settings`. Raises InputError as `by_shards` does.
        """
        resumable = ResumableRows(self.progress.update, self.state, begin=self.progress.begin)
        computed = partial(compute, self.classifier, self.data, seed=self.seed, resumable=resumable, **settings)
        tables = by_shards(self.arguments, computed, blocks=blocks_of(len(self.data), self.attacks.batch_size))
        if tables is None:
            self.state.remove()
        return tables

    def scored_images(self, ranked: pd.DataFrame, intervals: pd.DataFrame, *, settings: Dataset) -> pd.DataFrame:
        """Return the scores of certainty of the evaluated images and of validation images (`evaluation.scored_images`).

        ranked, intervals: the ranking of the evaluated images, and their rows of the strict protocol.
        """
        return scored_images(
            self.classifier,
            self.data,
            self.validation(settings.rank.validation_images),
            ranked,
            intervals,
            rank=settings.rank,
            attacks=self.attacks,
            epsilons=tuple(sorted({*settings.attack.epsilons, *self.attacks.table_epsilons})),
            seed=self.seed,
            resumable=ResumableRows(self.progress.update, self.state, begin=self.progress.begin),
        )

    def other(self) -> keras.Model | None:
        """Return the clean model, to make examples on for the hardened one; None for the clean model itself."""
        dataset, model = self.arguments.dataset, self.arguments.model
        if model == layout.CLEAN:
            return None
        shape, n_classes = self.data.image_shape, len(self.data.class_names)
        return load_classifier(Path(layout.model_file(dataset, layout.CLEAN)), image_shape=shape, n_classes=n_classes)

    def validation(self, max_images: int) -> LabelledImages | None:
        """Return validation images; None where there are none, as in a test set alone, or none are asked for."""
        if max_images == 0 or "validation" not in set(self.all_images.rows["split"]):
            return None
        return self.all_images.select("validation").subset(max_images, seed=child_seed(self.seed, "validation images"))

    def write(
        self, stage: str, tables: Tables, metrics: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Write the results of the stage together and remove its state.

        tables: CSV files by name. metrics: content of `<stage>.json` beside data set, model and synthetic. arrays:
        content of examples.npz; None writes none.
        """
        dataset, model = self.arguments.dataset, self.arguments.model
        about = {"dataset": dataset, "model": model, "synthetic": self.data.synthetic}
        names = [*(f"{name}.csv" for name in tables), f"{stage}.json", *([] if arrays is None else ["examples.npz"])]
        with whole_outputs(*(layout.results_file(dataset, model, name) for name in names)) as drafts:
            for draft, table in zip(drafts, tables.values(), strict=False):
                write_csv(draft, table)
            write_results(drafts[len(tables)], about | dict(metrics))
            if arrays is not None:
                np.savez_compressed(drafts[-1], allow_pickle=False, **arrays)
        self.state.remove()


def open_evaluation(
    stage: str, arguments: argparse.Namespace, params: Params, *, decided_by: Sequence[Any], reads: Sequence[str] = ()
) -> ModelEvaluation:
    """Check the places, start the backend, and read the test images and the model.

    decided_by: settings that determine the result, in addition to the seed, the attacks and the threads. reads: other
    files of `results` that the stage needs. Raises InputError when a file is missing, OSError when a folder is not
    writable.
    """
    dataset, model = arguments.dataset, arguments.model
    kept, folder = layout.model_file(dataset, model), layout.results(dataset, model)
    answers = layout.answers_file(dataset, model)
    check_made(layout.images_file(dataset), kept, answers, *(f"{folder}/{name}" for name in reads))
    return evaluation_of(kept, stage, arguments, params, decided_by=decided_by, folder=folder)


def evaluation_of(
    kept: str, stage: str, arguments: argparse.Namespace, params: Params, *, decided_by: Sequence[Any], folder: str
) -> ModelEvaluation:
    """Start the backend, and read the test images and the model in the file `kept`.

    folder: of the saved state. decided_by: as for `open_evaluation`. Raises InputError when a file is missing or does
    not fit, OSError when the folder is not writable.
    """
    dataset, model = arguments.dataset, arguments.model
    seed = child_seed(params.seed, dataset, stage)
    check_places(folder)
    backend = prepare(threads=params.run.threads, seed=seed)
    attacks = decided(params.attacks, threads=params.run.threads)
    all_images = load(layout.processed(dataset))
    test = all_images.select("test")
    max_images = params.datasets[dataset].attack.max_images
    data = test.subset(max_images, seed=child_seed(params.seed, dataset, "test images"))
    network = load_classifier(Path(kept), image_shape=data.image_shape, n_classes=len(data.class_names))
    return ModelEvaluation(
        arguments=arguments,
        classifier=KerasClassifier(network, batch_size=attacks.batch_size),
        all_images=all_images,
        test=test,
        data=data,
        attacks=attacks,
        seed=seed,
        state=stage_state(
            f"{folder}/.{stage}{arguments.shard or ''}.state",
            dataset=dataset,
            decided_by=[backend, params.seed, attacks, params.run.threads, arguments.shard, *decided_by],
            starts_from=[Path(kept)],
        ),
        progress=Progress(f"{stage} {dataset} {model}"),
    )
