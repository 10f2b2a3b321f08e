"""The whole of params.yaml: which data sets run, the settings of each, and how the report shows them."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.attacks import Attack, Attacks, Rank
from oncorobust.settings.base import Count, Epsilon, Settings
from oncorobust.settings.data import Acquire, Augment, Preprocess
from oncorobust.settings.training import Harden, Model, Train


class Run(Settings, frozen=True, kw_only=True):
    """Which data sets run, in the order of the tables' columns, and the processor threads of each compute job.

    The number of threads is a parameter because it decides the order of floating-point sums: results are
    byte-identical only for the same number.
    """

    datasets: Annotated[tuple[str, ...], Meta(min_length=1)]
    threads: Count


class Dataset(Settings, frozen=True, kw_only=True):
    """All settings of one data set, a field a stage."""

    preprocess: Preprocess
    augment: Augment
    model: Model
    train: Train
    harden: Harden
    attack: Attack
    rank: Rank


class Column(Settings, frozen=True, kw_only=True):
    """How a data set is shown, and which column of the paper's tables stands beside it (null: none)."""

    title: str
    paper: Literal["CT", "Mammogram", "MRI", "MNIST", "CIFAR-10"] | None


class Report(Settings, frozen=True, kw_only=True):
    """Settings of the tables and the page.

    adversarial_training_epsilon: the perturbation size of Table S5.
    """

    columns: dict[str, Column]
    adversarial_training_epsilon: Epsilon


class Params(Settings, frozen=True, kw_only=True):
    """The whole of params.yaml."""

    seed: Annotated[int, Meta(ge=0)]
    run: Run
    acquire: dict[str, Acquire]
    attacks: Attacks
    datasets: dict[str, Dataset]
    report: Report
