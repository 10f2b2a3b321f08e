"""Shared start and end of the stages that train a model: `train`, `harden` and `repeat`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from oncorobust.backend.runtime import prepare
from oncorobust.base import layout
from oncorobust.base.files import check_places
from oncorobust.base.run_state import RunState
from oncorobust.base.seeds import child_seed
from oncorobust.data.dataset import LabelledImages, load
from oncorobust.data.unlabelled import UnlabelledImages, load_unlabelled
from oncorobust.pipeline.machine_precision import decided_training
from oncorobust.pipeline.made_files import check_made
from oncorobust.pipeline.progress_lines import Progress
from oncorobust.pipeline.stage_log import tell
from oncorobust.pipeline.stage_state import stage_state
from oncorobust.pipeline.training_outputs import write_training
from oncorobust.settings.data import Augment
from oncorobust.settings.pipeline import Params
from oncorobust.settings.training import Harden, Train, Unlabelled
from oncorobust.training.loop import Trained


@dataclass(frozen=True)
class TrainedModel:
    """A model after training or, for a finished one, after measuring.

    record: entries of training.json on the start of training. state: of the training, from which a later process takes
    the model without training again; None for a finished model.
    """

    network: keras.Model
    trained: Trained
    record: dict[str, Any]
    state: RunState | None


@dataclass(frozen=True)
class ModelTraining:
    """The images of a data set, and the name and seed of the model that the stage trains; folder: of its state.

    data: the labelled images. unlabelled: training images without a label; None where all have one.
    """

    stage: str
    dataset: str
    model: str
    data: LabelledImages
    unlabelled: UnlabelledImages | None
    augment: Augment
    backend: str
    threads: int
    seed: int
    folder: str

    def fit(
        self,
        recipe: Callable[..., Trained],
        network: keras.Model,
        settings: Train | Harden,
        *,
        record: dict[str, Any],
        decided_by: Sequence[Any] = (),
        starts_from: Sequence[str] = (),
    ) -> TrainedModel:
        """Train `network` by the recipe, resuming from saved state, which stays.

        record: entries of training.json on the start of training. decided_by, starts_from: settings and files that
        determine the result, in addition to settings, record and images. Raises InputError when the recipe does.
        """
        settings = decided_training(settings, threads=self.threads)
        record = record | {"precision": settings.precision} | self._labels(settings)
        decided = [self.backend, record, settings, self.augment, self.seed, self.threads, *decided_by]
        place = f"{self.folder}/.{self.model}.state"
        files = [Path(file) for file in starts_from]
        state = stage_state(place, dataset=self.dataset, decided_by=decided, starts_from=files)
        trained = recipe(
            network,
            self.data.select("train"),
            self.data.select("validation"),
            settings=settings,
            augment_settings=self.augment,
            seed=self.seed,
            checkpoint=state,
            listener=Progress(f"{self.stage} {self.dataset}"),
        )
        return TrainedModel(network, trained, record, state)

    def _labels(self, settings: Train | Harden) -> dict[str, int]:
        """Return how many patients and images training takes with and without a label; empty where all have one."""
        if self.unlabelled is None:
            return {}
        loss = settings.loss if isinstance(settings, Harden) else None
        uses_others = isinstance(loss, Unlabelled) and loss.weight > 0
        if not uses_others:
            tell(f"{self.stage} {self.dataset}: {len(self.unlabelled)} training images without a label are left out")
        labelled = self.data.select("train")
        return {
            "labelled_patients": int(labelled.rows["patient_id"].nunique()),
            "labelled_images": len(labelled),
            "unlabelled_patients": self.unlabelled.n_patients if uses_others else 0,
            "unlabelled_images": len(self.unlabelled) if uses_others else 0,
        }

    def write(self, made: TrainedModel) -> None:
        """Write the model, its history, curves and training.json, and remove the saved state."""
        record = {"synthetic": self.data.synthetic, "backend": self.backend} | made.record
        write_training(made.network, made.trained, dataset=self.dataset, name=self.model, record=record)
        if made.state is not None:
            made.state.remove()


def open_training(stage: str, dataset: str, params: Params, *, model: str, reads: Sequence[str] = ()) -> ModelTraining:
    """Check the places, start the backend and read the images.

    model: name of the model that the stage writes. reads: other files that the stage needs. Raises InputError when a
    file is missing, OSError when a folder is not writable.
    """
    check_made(layout.images_file(dataset), *reads)
    check_places(layout.results(dataset, model))
    return training_in(layout.model_folder(dataset), stage, dataset, params, model=model)


def training_in(folder: str, stage: str, dataset: str, params: Params, *, model: str) -> ModelTraining:
    """Start the backend and read the images for a training whose state lies in `folder`.

    params: `seed` is that of training. Raises OSError when the folder is not writable.
    """
    check_places(folder)
    seed = child_seed(params.seed, dataset, stage)
    return ModelTraining(
        stage=stage,
        dataset=dataset,
        model=model,
        backend=prepare(threads=params.run.threads, seed=seed),
        data=load(layout.processed(dataset)),
        unlabelled=load_unlabelled(layout.processed(dataset), name=dataset),
        augment=params.datasets[dataset].augment,
        threads=params.run.threads,
        seed=seed,
        folder=folder,
    )
