"""Schema of a processed data set: index.csv and summary.json."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import (
    DATASET,
    IMAGE_ID,
    NO_UNIT,
    PATIENT_ID,
    PIXELS,
    SYNTHETIC,
    VERSION,
    Column,
    Document,
    Key,
    Table,
)

_LIDC = "format lidc"
_CBIS = "format cbis_ddsm"
_BRAIN = "format brain_mets"
_LIDC_BRAIN = "formats lidc and brain_mets"
_BOX = "of the box around the lesion in the processed image; empty for an image without a lesion."

INDEX = Table(
    f"{layout.processed('<data set>')}/index.csv",
    "one image; row i describes image i of images.npy",
    (
        IMAGE_ID,
        PATIENT_ID,
        Column("label", "integer or empty", NO_UNIT, "Number of the true class, from 0; empty without a label."),
        Column("class_name", "string", NO_UNIT, "Name of the true class; empty without a label."),
        Column("split", "string", NO_UNIT, "Split: train, validation or test."),
        Column("source", "string", NO_UNIT, "File of the image, relative to the raw tree."),
        Column("series_uid", "string", NO_UNIT, "SeriesInstanceUID of the CT series.", _LIDC),
        Column("sop_uid", "string", NO_UNIT, "SOPInstanceUID of the slice.", _LIDC),
        Column("spacing_mm", "number", "mm", "Distance of neighbouring pixels of the slice.", _LIDC),
        Column("col", "number", PIXELS, "Column of the nodule's centre on the slice as stored.", _LIDC),
        Column("n_readers", "integer", "readers", "Number of readers who rated the nodule.", _LIDC),
        Column("ratings", "string", NO_UNIT, "Malignancy from 1 to 5 by each reader, such as 3;4;4.", _LIDC),
        Column("mean_rating", "number", NO_UNIT, "Mean malignancy of the readers, 1 to 5.", _LIDC),
        Column("label_source", "string", NO_UNIT, "Source of the label: pathology or readers.", _LIDC),
        Column("lesion_id", "string", NO_UNIT, "Identifier of the lesion or of the region without lesion.", _BRAIN),
        Column("x_mm", "number", "mm", "x of the region's centre, patient coordinates (LPS).", _BRAIN),
        Column("y_mm", "number", "mm", "y of the region's centre, patient coordinates (LPS).", _BRAIN),
        Column("z_mm", "number", "mm", "z of the slice or region, patient coordinates (LPS).", _LIDC_BRAIN),
        Column("diameter_mm", "number or empty", "mm", "Diameter of the lesion.", _LIDC_BRAIN),
        Column("slice", "integer", NO_UNIT, "Position of the slice in the volume in display order, from 0.", _BRAIN),
        Column("row", "number", PIXELS, "Row of the lesion's or region's centre on the slice.", _LIDC_BRAIN),
        Column("column", "number", PIXELS, "Column of the region's centre on the slice in display order.", _BRAIN),
        Column("lesion_top", "number or empty", PIXELS, f"Upper edge {_BOX}", _LIDC_BRAIN),
        Column("lesion_left", "number or empty", PIXELS, f"Left edge {_BOX}", _LIDC_BRAIN),
        Column("lesion_bottom", "number or empty", PIXELS, f"Lower edge {_BOX}", _LIDC_BRAIN),
        Column("lesion_right", "number or empty", PIXELS, f"Right edge {_BOX}", _LIDC_BRAIN),
        Column("stored_side", "integer", PIXELS, "Side of the square that was cut out of the slice.", _LIDC_BRAIN),
        Column("mask_source", "string", NO_UNIT, "File of the lesion's mask, relative to the raw tree.", _CBIS),
        Column("pathology", "string", NO_UNIT, "MALIGNANT, BENIGN or BENIGN_WITHOUT_CALLBACK.", _CBIS),
        Column("abnormality_type", "string", NO_UNIT, "Abnormality: mass or calcification.", _CBIS),
        Column("side", "string", NO_UNIT, "Breast: LEFT or RIGHT.", _CBIS),
        Column("view", "string", NO_UNIT, "View: CC or MLO.", _CBIS),
        Column("abnormality_id", "string", NO_UNIT, "Number of the abnormality in its view.", _CBIS),
        Column("breast_density", "string", NO_UNIT, "BI-RADS breast density, 1 to 4.", _CBIS),
    ),
)

_HASHED = "written by this version or a later one"

SUMMARY = Document(
    f"{layout.processed('<data set>')}/summary.json",
    "the processed data set: its size, classes, splits and intensities",
    (
        VERSION,
        DATASET,
        Key("format", "string", NO_UNIT, "Format of the raw tree, as in params.yaml."),
        SYNTHETIC,
        Key("verified", "string", NO_UNIT, "Which raw files have their publisher's checksum."),
        Key("class_names", "list of strings", NO_UNIT, "Names of the classes, in the order of their labels."),
        Key("class_order", "string", NO_UNIT, "Origin of that order: stated, numbered (labels 0, 1, 2 ...) or sorted."),
        Key("n_raw", "integer", "images", "Number of images in the raw tree."),
        Key("n_images", "integer", "images", "Number of images kept."),
        Key("n_patients", "integer", "patients", "Number of patients with an image kept."),
        Key("size", "integer", PIXELS, "Height and width of a processed image."),
        Key("channels", "integer", "channels", "Number of channels: 1 (grey) or 3 (colour)."),
        Key("intensity_range", "list of numbers", "intensity_unit", "Stored values that become 0 and 1."),
        Key(
            "intensity_unit",
            "string",
            NO_UNIT,
            "Unit of the values: HU, grey level, another unit that the files state, rescaled value or stored value.",
        ),
        Key("counts/<split>/<class>", "integer", "images", "Number of images of a class in a split."),
        Key("patients/<split>", "integer", "patients", "Number of patients with an image in a split."),
        Key("images_md5", "string", NO_UNIT, "MD5 of images.npy.", _HASHED),
        Key("index_md5", "string", NO_UNIT, "MD5 of index.csv.", _HASHED),
        Key("split_unit", "string", NO_UNIT, "What is assigned to a split as a whole, as in params.yaml."),
        Key("notes", "list of strings", NO_UNIT, "What was left out or decided on the way, in words."),
    ),
)
