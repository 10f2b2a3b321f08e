"""Settings of the images: where a raw tree comes from, its format, split, preprocessing and augmentation."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Settings


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
    size: side of the square result, pixels; at least 32, which the models halve five times, unless the model is
        a file of your own.
    intensity_range: stored values that become 0 and 1: the format's own limits, the 0.5 and 99.5 percentiles of the
        training images, or two numbers (Hounsfield units for CT).
    balance: which splits are cut to equal class counts: all, train only, none.
    per_class: keep exactly this many images of each class, drawn with the seed before the split; null keeps all.
    max_images: keep at most this many images, drawn by patient with the seed; null keeps all.
    """

    format: Format
    crop_fraction: Annotated[float, Meta(gt=0, le=1)]
    size: Annotated[int, Meta(ge=8, le=1024)]
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
