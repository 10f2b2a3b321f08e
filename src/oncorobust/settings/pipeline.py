"""The whole of params.yaml: which data sets run, the settings of each, and how the report shows them."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.attacks import Attack, Attacks, Rank
from oncorobust.settings.base import EPSILON_UNIT, Count, Epsilon, Settings, about
from oncorobust.settings.data import Acquire, Augment, Preprocess
from oncorobust.settings.training import Harden, Model, Train


class Run(Settings, frozen=True, kw_only=True):
    """Which data sets run, and on how many processor threads."""

    datasets: Annotated[
        tuple[str, ...],
        Meta(min_length=1),
        about("Keys of `datasets` to run, in the order of the tables' columns."),
    ]
    threads: Annotated[
        Count,
        about(
            "Processor threads of each compute job. The number decides the order of floating-point sums: results are "
            "byte-identical only for the same number.",
            unit="threads",
        ),
    ]


class Dataset(Settings, frozen=True, kw_only=True):
    """All settings of one data set, a field a stage."""

    preprocess: Annotated[Preprocess, about("From the raw tree to images of one size.")]
    augment: Annotated[Augment, about("Extra copies of each training image.")]
    model: Annotated[Model, about("What is trained, attacked and hardened, by its `source`.")]
    train: Annotated[Train, about("Fine-tuning on clean images.")]
    harden: Annotated[Harden, about("Adversarial training from the weights of the clean model.")]
    attack: Annotated[Attack, about("Test images and epsilons of the attacks.")]
    rank: Annotated[Rank, about("Ranking of test images by sensitivity.")]


class Column(Settings, frozen=True, kw_only=True):
    """How the tables and figures show a data set."""

    title: Annotated[str, about("Title of the data set in tables and figures.")]
    paper: Annotated[
        Literal["CT", "Mammogram", "MRI", "MNIST", "CIFAR-10"] | None,
        about("Column of the paper's tables shown beside it; null for none."),
    ]


class Report(Settings, frozen=True, kw_only=True):
    """Settings of the tables and the page."""

    columns: Annotated[dict[str, Column], about("Title of each data set, by its key.")]
    adversarial_training_epsilon: Annotated[
        Epsilon,
        about("Epsilon of Table S5; one of `attacks.table_epsilons`.", unit=EPSILON_UNIT, source="Table S5"),
    ]


class Params(Settings, frozen=True, kw_only=True):
    """The whole of params.yaml."""

    seed: Annotated[int, Meta(ge=0), about("Seed of every random draw of the run.")]
    run: Annotated[Run, about("Which data sets run, and on how many threads.")]
    acquire: Annotated[
        dict[str, Acquire],
        about("Data sets whose raw tree the pipeline makes, by key; the others' trees are yours, in data/raw/."),
    ]
    attacks: Annotated[Attacks, about("Attacks shared by all data sets.")]
    datasets: Annotated[
        dict[str, Dataset],
        about("Settings of each data set. A key has lower-case letters, digits and underscores."),
    ]
    report: Annotated[Report, about("How tables, figures and the page show the data sets.")]
