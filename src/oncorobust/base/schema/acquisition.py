"""Schema of a model under changes of the acquisition: acquisition.csv and acquisition.json."""

from dataclasses import replace

from oncorobust.base import layout
from oncorobust.base.schema.entries import (
    DATASET,
    EPSILON,
    FRACTION,
    IMAGE_ID,
    LABEL,
    MODEL,
    NO_UNIT,
    PATIENT_ID,
    PREDICTED,
    SYNTHETIC,
    VERSION,
    Column,
    Document,
    Key,
    Table,
)

L2 = "l_2 distance in [0, 1] pixel units"
"""Over all values of an image; a grey image counts once, not once per channel of the model."""

ACQUISITION = Table(
    layout.results_file("<data set>", "<model>", "acquisition.csv"),
    "one test image, change of the acquisition and severity",
    (
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        PREDICTED,
        Column("change", "string", NO_UNIT, "Change of the acquisition."),
        Column("severity", "number", "that of the column unit", "Severity of the change."),
        Column("unit", "string", NO_UNIT, "Unit of the severity."),
        Column("level", "integer", NO_UNIT, "Position of the severity among those of the change, from 1."),
        replace(PREDICTED, name="changed_predicted", meaning="Class that the model predicts for the changed image."),
        Column("flipped", "boolean", NO_UNIT, "Whether changed_predicted differs from predicted."),
        Column("l_inf", "number", EPSILON, "Largest change of a value of the model's input."),
        Column("l2", "number", L2, "l_2 norm of the change of the model's input; a grey image counts once."),
        replace(PREDICTED, name="noise_l_inf_predicted", meaning="Class predicted under sign noise of the same l_inf."),
        Column("noise_l_inf_flipped", "boolean", NO_UNIT, "Whether noise_l_inf_predicted differs from predicted."),
        replace(PREDICTED, name="noise_l2_predicted", meaning="Class predicted under Gaussian noise of the same l_2."),
        Column("noise_l2_flipped", "boolean", NO_UNIT, "Whether noise_l2_predicted differs from predicted."),
        Column(
            "minimal_l2",
            "number or empty",
            L2,
            "Least l_2 distance found of an image that is predicted differently; empty where none was found.",
        ),
    ),
)

_CHANGE = "changes/<change>"
_LEVEL = f"{_CHANGE}/levels/<level>"

ACQUISITION_SUMMARY = Document(
    layout.results_file("<data set>", "<model>", "acquisition.json"),
    "accuracies and flips of one model under changes of the acquisition, counted from acquisition.csv",
    (
        VERSION,
        DATASET,
        MODEL,
        SYNTHETIC,
        Key("n_images", "integer", "images", "Number of test images with at least one change."),
        Key("n_patients", "integer", "patients", "Number of their patients."),
        Key("clean_accuracy", "number or null", FRACTION, "Accuracy on these images unchanged; null without images."),
        Key(
            "worst_accuracy",
            "number or null",
            FRACTION,
            "Share of them predicted right unchanged and under every change and severity; null without images.",
        ),
        Key(
            "median_minimal_l2",
            "number or null",
            L2,
            "Median of minimal_l2 over these images; null where it was found for fewer than half.",
        ),
        Key("share_with_minimal_l2", "number or null", FRACTION, "Share of these images with a minimal_l2."),
        Key(f"{_CHANGE}/title", "string", NO_UNIT, "Name of the change for people."),
        Key(f"{_CHANGE}/unit", "string", NO_UNIT, "Unit of its severities."),
        Key(f"{_CHANGE}/n_images", "integer", "images", "Number of images that the change applies to."),
        Key(f"{_CHANGE}/clean_accuracy", "number", FRACTION, "Accuracy on these images unchanged."),
        Key(
            f"{_CHANGE}/worst_accuracy",
            "number",
            FRACTION,
            "Share of them predicted right unchanged and at every severity.",
        ),
        Key(
            f"{_CHANGE}/half_flipped_severity",
            "number or null",
            "that of the change",
            "Smallest severity at which half of the images or more have flipped, there or at a smaller one; null "
            "where fewer flip.",
        ),
        Key(f"{_LEVEL}/severity", "number", "that of the change", "Severity; level 1 is level_1."),
        Key(f"{_LEVEL}/n_images", "integer", "images", "Number of images at this severity."),
        Key(f"{_LEVEL}/accuracy", "number", FRACTION, "Accuracy on the changed images."),
        Key(f"{_LEVEL}/flips", "number", FRACTION, "Share of images whose prediction the change alters."),
        Key(f"{_LEVEL}/noise_l_inf_accuracy", "number", FRACTION, "Accuracy under sign noise of the same l_inf."),
        Key(f"{_LEVEL}/noise_l_inf_flips", "number", FRACTION, "Share of images whose prediction this noise alters."),
        Key(f"{_LEVEL}/noise_l2_accuracy", "number", FRACTION, "Accuracy under Gaussian noise of the same l_2."),
        Key(f"{_LEVEL}/noise_l2_flips", "number", FRACTION, "Share of images whose prediction this noise alters."),
        Key(f"{_LEVEL}/median_l_inf", "number", EPSILON, "Median over the images of the largest change of a value."),
        Key(f"{_LEVEL}/median_l2", "number", L2, "Median over the images of the l_2 norm of the change."),
        Key(
            "not_possible/<change>/<position>/reason",
            "string",
            NO_UNIT,
            "Why the change does not apply.",
            "a change does not apply to an image",
        ),
        Key(
            "not_possible/<change>/<position>/n_images",
            "integer",
            "images",
            "Number of images with this reason.",
            "a change does not apply to an image",
        ),
        Key("notes", "list of strings", NO_UNIT, "What readers of the numbers must know."),
    ),
)
