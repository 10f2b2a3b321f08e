"""Schema of the certificates of a smoothed model: certificates.csv and certify.json."""

from dataclasses import replace

from oncorobust.base import layout
from oncorobust.base.schema.attack import FIRST_FLIPPED
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

_SIGMA = "pixel value in [0, 1]"
_NOISE = "What the noise changes one by one: tied, untied or lesion."

CERTIFICATES = Table(
    layout.results_file("<data set>", "<model>", "certificates.csv"),
    "one validation or test image and one sigma",
    (
        Column("split", "string", NO_UNIT, "validation or test."),
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        Column("base_predicted", "integer", NO_UNIT, "Class that the model itself predicts without noise."),
        replace(PREDICTED, meaning="Class that the smoothed model answers, if it does not abstain."),
        Column("abstained", "boolean", NO_UNIT, "Whether the smoothed model abstains."),
        Column("correct", "boolean", NO_UNIT, "Whether it does not abstain and its answer is the label."),
        Column("sigma", "number", _SIGMA, "Standard deviation of the noise."),
        Column("noise", "string", NO_UNIT, _NOISE),
        Column("n_free", "integer", "values", "Number of values of the image that the noise changes."),
        Column("n_selection", "integer", "samples", "Samples that chose the answer."),
        Column("selection_count", "integer", "samples", "How many of them gave the answer."),
        Column("n_samples", "integer", "samples", "Further samples that estimated the share of the answer."),
        Column("n_top", "integer", "samples", "How many of them gave the answer."),
        Column("look_samples", "integer", "samples", "Samples at the look that gave the bound; 0 without one."),
        Column("look_top", "integer", "samples", "How many of them gave the answer."),
        Column("look_alpha", "number", FRACTION, "Share of alpha of that look."),
        Column("alpha", "number", FRACTION, "Largest probability that this certificate is wrong."),
        Column("p_lower", "number", FRACTION, "Lower bound of the share of the answer under noise."),
        Column("radius", "number", "l_2 radius in [0, 1] pixel units", "Certified radius; 0 for an abstention."),
        Column("certified_epsilon", "number", EPSILON, "Certified epsilon; 0 for an abstention."),
        replace(
            FIRST_FLIPPED,
            type="number or empty",
            meaning="Smallest epsilon of the grid at which an attack makes the smoothed model wrong, 0 where it is "
            "wrong without, inf where none does; empty where not attacked.",
        ),
    ),
)

CERTIFY = Document(
    layout.results_file("<data set>", "<model>", "certify.json"),
    "the choice of sigma and the cost of the certificates of one model",
    (
        VERSION,
        DATASET,
        MODEL,
        SYNTHETIC,
        Key("n_images", "integer", "images", "Number of certified test images."),
        Key("n_patients", "integer", "patients", "Number of their patients."),
        Key("n_validation_images", "integer", "images", "Number of certified validation images."),
        Key("sigma", "number", _SIGMA, "Chosen standard deviation of the noise."),
        Key("sigmas", "list of numbers", _SIGMA, "Those it was chosen from, on validation images."),
        Key("noise", "string", NO_UNIT, _NOISE),
        Key("n_selection", "integer", "samples", "Samples that choose the answer of an image."),
        Key("n_samples", "integer", "samples", "Largest number of samples that estimate its share."),
        Key("largest_epsilon", "number", EPSILON, "Epsilon above which so many samples can certify no image."),
        Key("samples_per_image", "number", "samples", "Mean number of samples taken, at the chosen sigma."),
        Key("alpha", "number", FRACTION, "Largest probability that a certificate is wrong."),
        Key("alpha_of", "string", NO_UNIT, "image or table: whether alpha is that of an image or of all together."),
        Key("epsilons", "list of numbers", EPSILON, "Epsilons at which sampling was to decide."),
        Key("precision", "string", NO_UNIT, "Precision of the forward passes: float32 or bfloat16."),
        Key("abstained", "number", FRACTION, "Share of the test images on which the smoothed model abstains."),
        Key("smoothed_accuracy", "number", FRACTION, "Accuracy of the smoothed model on the test images."),
        Key("base_accuracy", "number", FRACTION, "Accuracy of the model itself on the same images."),
        Key(
            "certified_accuracy/<epsilon>",
            "number",
            FRACTION,
            "Share of test images predicted right with at least this certified epsilon; 0.002 is eps_0_002.",
        ),
    ),
)
