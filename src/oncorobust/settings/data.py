"""Settings of the images: where a raw tree comes from, its format, split, preprocessing and augmentation."""

from typing import Annotated, Literal

from msgspec import Meta, field

from oncorobust.settings.base import Count, Settings

LabelName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
LabelValue = Annotated[int, Meta(ge=1, le=65535)]


Annotations = Literal["xml", "dicom"]


class Packaged(Settings, frozen=True, kw_only=True, tag_field="source", tag="packaged"):
    """A raw tree out of an installed Python package (`mnist` alone)."""


class Download(Settings, frozen=True, kw_only=True, tag_field="source", tag="download"):
    """A raw tree from its publisher (`mnist`, `cifar10`, `lidc`, `cbis_ddsm`)."""

    annotations: Annotations = "xml"
    """Annotations of `lidc`: `xml`, the readers' XML from the Cancer Imaging Archive, or `dicom`, the segmentations and
    reports (SEG, SR) of Imaging Data Commons, from where the images come, too."""


class Phantom(Settings, frozen=True, kw_only=True, tag_field="source", tag="phantom"):
    """Synthetic images, written in the format of the data set and marked as synthetic in every file that can say so."""

    n_images: Annotated[int, Meta(ge=20)]
    """Number of labelled images (nodules, masses, regions), half of each class. Unit: images."""
    difficulty: Annotated[float, Meta(gt=0)]
    """1 is as hard as the paper's data for VGG16 at the demo's size; more is harder. Source:
    benchmarks/phantom_difficulty.py."""
    seed: Annotated[int, Meta(ge=0)]
    """Seed of the phantoms, apart from the seed of the run."""
    annotations: Annotations = "xml"
    """Simulated readers' annotations of `lidc`: `xml`, or `dicom` (SEG and SR)."""


Acquire = Packaged | Download | Phantom
"""Where a raw tree comes from, when the pipeline makes it."""


class Mnist(Settings, frozen=True, kw_only=True, tag_field="name", tag="mnist"):
    """MNIST's idx files."""


class Cifar10(Settings, frozen=True, kw_only=True, tag_field="name", tag="cifar10"):
    """CIFAR-10's binary or Python batches."""


class Manifest(Settings, frozen=True, kw_only=True, tag_field="name", tag="manifest"):
    """A CSV beside image files of any kind."""

    file: Annotated[str, Meta(pattern=r"^[^/\\]+\.csv$")] = "manifest.csv"
    """Name of the CSV in the raw tree; the paths in it start from its folder."""
    classes: Annotated[tuple[str, ...], Meta(min_length=2)] | None = None
    """Names of all classes in the order of the model's outputs; null takes them from `classes.txt` in the raw tree, or
    sorts the labels."""


class Lidc(Settings, frozen=True, kw_only=True, tag_field="name", tag="lidc"):
    """LIDC-IDRI: CT in DICOM, the readers' XML, the diagnosis spreadsheet."""

    min_readers: Annotated[int, Meta(ge=1, le=8)]
    """Number of readers who must have marked a nodule for it to count. Unit: readers."""
    rating: Literal["mean", "median"]
    """How the readers' malignancy ratings (1 to 5) become one number; above 3 is malignant, below 3 benign."""
    tie: Literal["malignant", "benign", "drop"]
    """Label of a nodule rated exactly 3."""
    pathology_methods: tuple[Annotated[int, Meta(ge=1, le=4)], ...]
    """Diagnosis methods of the spreadsheet that overrule the readers for all nodules of the patient: 1 two-year
    stability, 2 biopsy, 3 resection, 4 progression or response. [] for none."""
    crop_mm: Annotated[float, Meta(gt=0)]
    """Side of the square around the nodule. Unit: mm."""


class CbisDdsm(Settings, frozen=True, kw_only=True, tag_field="name", tag="cbis_ddsm"):
    """CBIS-DDSM: the published CSVs and the cropped lesions in DICOM."""

    abnormalities: Annotated[tuple[Literal["mass", "calcification"], ...], Meta(min_length=1)]
    """Kinds of lesions to use: masses, calcifications, or both."""
    allow_missing: bool = False
    """Leave out lesions whose files are not on disk, with a note, instead of stopping: for a part of the collection."""


class SegmentationLabels(Settings, frozen=True, kw_only=True):
    """Values of a segmentation by name; 0 is background."""

    metastasis: Annotated[dict[LabelName, LabelValue], Meta(min_length=1)]
    """Labels whose connected components are the metastases, such as {necrosis: 1, enhancing: 3}."""
    other: dict[LabelName, LabelValue] = field(default_factory=dict)
    """Labels of other segmented tissue, from which negative regions keep their distance, such as {oedema: 2}."""


class BrainMets(Settings, frozen=True, kw_only=True, tag_field="name", tag="brain_mets"):
    """Brain metastases on contrast-enhanced T1 MRI: DICOM series with lesions.csv, or NIfTI with segmentations."""

    crop_mm: Annotated[float, Meta(gt=0)]
    """Side of the square around a lesion or a negative region. Unit: mm."""
    min_distance_mm: Annotated[float, Meta(ge=0)]
    """Least distance from the centre of a negative region to any segmented voxel or lesion. Unit: mm."""
    max_per_patient: Count | None
    """Regions of each class kept per patient, drawn with the seed; null keeps all. Unit: regions."""
    labels: (
        Literal["brats_mets", "brats_mets_2025", "brats_2017_to_2021", "msd_brain", "binary"] | SegmentationLabels
    ) = "brats_mets"
    """Labels of the segmentations in NIfTI, a preset or names and values: `brats_mets`, 1 necrosis, 2 oedema,
    3 enhancing; `brats_mets_2025`, also 4 resection cavity; `brats_2017_to_2021`, 1 necrosis, 2 oedema, 4 enhancing;
    `msd_brain`, 1 oedema, 2 non-enhancing, 3 enhancing; `binary`, 1 metastasis. A file with another value, and a tree
    without one of the labels, are refused."""


class Luna16(Settings, frozen=True, kw_only=True, tag_field="name", tag="luna16"):
    """LUNA16: CT volumes (.mhd), nodules against candidates that are none. Malignancy is another question (`lidc`)."""

    crop_mm: Annotated[float, Meta(gt=0)]
    """Side of the square around a nodule or a candidate. Unit: mm."""
    min_distance_mm: Annotated[float, Meta(ge=0)]
    """Least distance from the centre of a candidate of class 0 to the centre of any nodule of its scan. Unit: mm."""
    max_per_patient: Count | None
    """Places of each class kept per scan, drawn with the seed; null keeps all (about 750,000). Unit: places."""
    allow_missing: bool = False
    """Leave out rows of the tables whose scan is not on disk, with a note, instead of stopping: for some subsets."""


Format = Mnist | Cifar10 | Manifest | Lidc | CbisDdsm | BrainMets | Luna16


class Split(Settings, frozen=True, kw_only=True):
    """How the images are divided into training, validation and test sets."""

    unit: Literal["patient", "image"]
    """`patient` keeps the images of a patient in one split; `image` repeats the paper's released code, which lets a
    patient's images fall into several."""
    use_given: bool
    """Use the split that the raw tree states: its train and test files, or the manifest's `split` column. With false, a
    manifest with that column is refused, and a note counts the images of published train and test files."""
    test_one_in: Annotated[int, Meta(ge=1)]
    """One in so many patients (or images) is for testing; with 1 all are, which only a finished model allows."""
    validation_one_in: Annotated[int, Meta(ge=2)]
    """One in so many of the rest is for validation."""


class Preprocess(Settings, frozen=True, kw_only=True):
    """From a raw tree to images of one size with values in [0, 1]."""

    format: Format
    """Format of the raw tree, by its `name`."""
    crop_fraction: Annotated[float, Meta(gt=0, le=1)]
    """Side of the centre crop, as a share of the shorter side of the image (with `fit: pad`, of the longer side). A
    crop that the format or the manifest states is applied first."""
    fit: Literal["crop", "pad"] = "crop"
    """How images that are not square become square: `crop` keeps the central square, `pad` adds black on both sides of
    the shorter side. A note says how many images are not square and how much `crop` leaves out."""
    channels: Literal["auto", "grey", "colour"] = "auto"
    """Channels of the processed images: `grey` keeps one, the luminance of colour images; `colour` keeps three; `auto`
    keeps one if every image is grey, also if it is stored in three equal channels. Threat models of grey images apply
    only to one channel."""
    size: Annotated[int, Meta(ge=8, le=1024)]
    """Side of the square result; at least 32, because the models halve it five times, unless the model is a file of
    your own. Unit: pixels. Source: Table S3."""
    intensity_range: Literal["format", "training"] | tuple[float, float]
    """Stored values that become 0 and 1: `format`, the format's own limits; `training`, the 0.5 and 99.5 percentiles
    of the training images; or two numbers. Unit: stored values (HU for CT)."""
    balance: Literal["all", "train", "none"]
    """Splits that are cut to equal class counts. Source: text of the paper."""
    split: Split
    """Division into training, validation and test images."""
    classes: Annotated[tuple[str, ...], Meta(min_length=2)] | None = None
    """Keep only the images of these classes, by name, before anything is drawn; null keeps all. The kept classes stay
    in the order of the data set. A note counts the images left out."""
    labelled_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Share of the training patients whose labels are kept, chosen by a hash of patient and seed; the labels of the
    others are withheld from every stage. Below 1 it needs `per_class: null` and a model that is trained."""
    duplicates: Literal["refuse", "group", "allow"]
    """Identical images (equal stored values): `refuse` stops if some are in more than one split; `group` splits as if
    they were of one patient, which reads every image twice; `allow` only notes their number, as the others do, too.
    Images of a single value, and images that a quarter of the patients share, are placeholders and stop nothing."""
    per_class: Count | None
    """Keep exactly this many images of each class, drawn with the seed before the split; null keeps all. Unit:
    images. Source: text of the paper."""
    max_images: Count | None
    """Keep at most this many images, drawn by patient with the seed; null keeps all. Unit: images."""


class Augment(Settings, frozen=True, kw_only=True):
    """Extra copies of each training image; an epoch passes over the images and all their copies."""

    copies: Annotated[int, Meta(ge=0)]
    """Augmented copies of each training image. Unit: copies. Source: released code."""
    horizontal_flip: bool
    """Mirror a copy left to right with probability one half. Source: text of the paper."""
    vertical_flip: bool
    """Mirror a copy top to bottom with probability one half. Source: text of the paper."""
    max_rotation_degrees: Annotated[float, Meta(ge=0, le=180)]
    """Rotate a copy by an angle drawn uniformly between minus and plus this. Unit: degrees. Source: text of the
    paper."""
