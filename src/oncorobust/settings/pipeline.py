"""The whole of params.yaml: which data sets run, the settings of each, and how the report shows them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.settings.acquisition import Acquisition
from oncorobust.settings.attacks import Attack, Attacks, Rank
from oncorobust.settings.base import Count, Epsilon, Settings
from oncorobust.settings.certify import Certify
from oncorobust.settings.data import Acquire, Augment, Preprocess
from oncorobust.settings.own_models import Brought
from oncorobust.settings.training import Harden, Model, Train

Kind = Literal["medical", "natural"]
"""What the images of a data set show: Table N compares medical images with natural ones, such as photographs."""


class Run(Settings, frozen=True, kw_only=True):
    """Which data sets run, and on how many processor threads."""

    datasets: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Keys of `datasets` to run, in the order of the tables' columns."""
    threads: Count
    """Processor threads of each compute job. The number decides the order of floating-point sums: results are
    byte-identical only for the same number. Unit: threads."""
    seeds: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    """Further seeds with which each model is trained and attacked again, to show how much the seed of training alone
    changes the results. [] for none. They differ from `seed`, which stays the seed of all other draws."""


class Dataset(Settings, frozen=True, kw_only=True):
    """All settings of one data set, a field a stage."""

    preprocess: Preprocess
    """From the raw tree to images of one size."""
    augment: Augment
    """Extra copies of each training image."""
    model: Model
    """What is trained, attacked and hardened, by its `source`."""
    train: Train
    """Training on clean images. A finished model of your own, with `fine_tune: false`, takes only `batch_size`."""
    harden: Harden | None
    """Adversarial training from the weights of the clean model; null for none: only the clean model is evaluated."""
    smooth: Harden | None = None
    """Training under noise from the weights of the clean model, for certificates: the third model, `noise`, which is
    not attacked. The keys are those of `harden`, with a loss that has noise; null for none."""
    attack: Attack
    """Test images and epsilons of the attacks."""
    rank: Rank
    """Ranking of test images by sensitivity."""
    certify: Certify | None = None
    """Certificates of the smoothed models; null for none."""
    acquisition: Acquisition | None = None
    """Changes of raw values that scanners, protocols and archives make; null for none."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models of the data set that are attacked."""
        return layout.models(hardened=self.harden is not None)

    @property
    def trained_models(self) -> tuple[str, ...]:
        """Names of all models of the data set, with the one for certificates."""
        return layout.trained_models(hardened=self.harden is not None, smoothed=self.smooth is not None)

    @property
    def is_trained_on(self) -> bool:
        """Return whether any stage trains a model on the data set; a finished model alone needs only test images."""
        hardened = self.harden is not None or self.smooth is not None
        return hardened or not isinstance(self.model, Brought) or self.model.fine_tune


class Column(Settings, frozen=True, kw_only=True):
    """How the tables and figures show a data set."""

    title: str
    """Title of the data set in tables and figures."""
    paper: Literal["CT", "Mammogram", "MRI", "MNIST", "CIFAR-10"] | None
    """Column of the paper's tables shown beside it; null for none."""
    positive: str | None = None
    """Class that a test should find, such as malignant, for sensitivity and missed cancers; null for the last class."""
    kind: Kind | None = None
    """What the images show: `medical` or `natural`, which Table N compares; null leaves the data set out of it."""
    origin: str | None = None
    """Where and when the images were obtained, in your words, for the page and the model cards; null: not stated."""


class Report(Settings, frozen=True, kw_only=True):
    """Settings of the tables and the page."""

    columns: dict[str, Column]
    """Title of each data set, by its key."""
    adversarial_training_epsilon: Epsilon
    """Epsilon of Table S5; one of `attacks.table_epsilons`. Unit: pixel value in [0, 1]. Source: Table S5."""

    def of_kind(self, kind: Kind) -> tuple[str, ...]:
        """Return the data sets that are marked as medical or natural, in the order of the columns' keys."""
        return tuple(name for name, column in self.columns.items() if column.kind == kind)

    def positive_class(self, dataset: str, class_names: Sequence[str]) -> int:
        """Return the index of a data set's positive class. Raises InputError where no class has its name."""
        column = self.columns.get(dataset)
        if column is None or column.positive is None:
            return len(class_names) - 1
        if column.positive not in class_names:
            raise InputError(
                f"params.yaml: expected report.columns.{dataset}.positive to be one of {', '.join(class_names)}, "
                f"got {column.positive}"
            )
        return class_names.index(column.positive)


class Validity(Settings, frozen=True, kw_only=True):
    """What the report does with a model whose results fail a check of the validity gate."""

    on_failure: Literal["fail", "watermark"]
    """`watermark` writes NOT VALID and the names of the red checks over every table, figure and the page; `fail` stops
    stage `report` as well."""


class Params(Settings, frozen=True, kw_only=True):
    """The whole of params.yaml."""

    seed: Annotated[int, Meta(ge=0)]
    """Seed of every random draw of the run."""
    run: Run
    """Which data sets run, and on how many threads."""
    acquire: dict[str, Acquire]
    """Data sets whose raw tree the pipeline makes, by key; the others' trees are yours, in data/raw/."""
    attacks: Attacks
    """Attacks shared by all data sets."""
    datasets: dict[str, Dataset]
    """Settings of each data set. A key has lower-case letters, digits and underscores."""
    validity: Validity
    """What follows from a red check of the validity gate."""
    report: Report
    """How tables, figures and the page show the data sets."""
    acceptance: tuple[str, ...]
    """Policies by which the results are judged: YAML files inside the repository. [] for none."""

    @property
    def models(self) -> dict[str, tuple[str, ...]]:
        """Names of the models of each data set that runs, in order."""
        return {name: self.datasets[name].models for name in self.run.datasets}

    @property
    def certified(self) -> dict[str, tuple[str, ...]]:
        """Names of the models of each data set that runs with certificates, in order."""
        chosen = {name: self.datasets[name] for name in self.run.datasets}
        return {name: dataset.trained_models for name, dataset in chosen.items() if dataset.certify is not None}

    @property
    def rescanned(self) -> dict[str, tuple[str, ...]]:
        """Names of the models of each data set that runs with changes of the acquisition, in order."""
        chosen = {name: self.datasets[name] for name in self.run.datasets}
        return {name: dataset.trained_models for name, dataset in chosen.items() if dataset.acquisition is not None}

    @property
    def repeats(self) -> dict[str, tuple[int, ...]]:
        """Further training seeds of each data set that runs: none where no model is trained."""
        return {name: self.run.seeds if self.datasets[name].is_trained_on else () for name in self.run.datasets}
