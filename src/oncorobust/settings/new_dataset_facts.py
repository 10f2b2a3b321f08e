"""What is known of a new data set before its settings are chosen: what the files say, and what the person states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oncorobust.settings.new_model import NewModel

Kind = Literal["medical", "natural"]


@dataclass(frozen=True)
class Facts:
    """What a raw tree says, from its index and `n_sampled` images.

    images, patients: number of each class, in order. splits: number of images in each given split; empty without one.
    side: median of the smaller sides. long_share: share of the images that are clearly not square. limits: of the
    format, each once. values: lowest and highest. channels: which of grey, faint and colour occur. windows: of the
    DICOM files, each once; empty where one states none. modalities: of the DICOM files, each once.
    """

    images: Mapping[str, int]
    patients: Mapping[str, int]
    splits: Mapping[str, int]
    n_sampled: int
    side: int
    long_share: float
    limits: tuple[tuple[float, float] | None, ...]
    values: tuple[float, float]
    unit: str
    channels: tuple[str, ...]
    windows: tuple[tuple[float, float], ...]
    modalities: tuple[str, ...]
    class_order: str
    synthetic: bool


@dataclass(frozen=True)
class Wishes:
    """What a person states; None leaves the choice to the facts. format: settings of the format, on one line of YAML.

    model: a finished model; None trains VGG16. memory_mb: memory that a job may take.
    """

    name: str
    format_name: str
    format: str
    kind: Kind | None
    title: str | None
    size: int | None
    intensity_range: tuple[float, float] | None
    max_images: int | None
    positive: str | None
    origin: str | None
    model: NewModel | None
    memory_mb: float
