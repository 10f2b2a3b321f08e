"""Schema of an attacked model: predictions.csv, intervals.csv, threats.csv and attack.json."""

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

_PAPER = "paper's protocol"
_STRICT = "strict protocol"
_THREATS = "strict protocol with threat models"

LAST_SAFE = Column("last_safe", "number", EPSILON, "Largest epsilon searched that does not change the prediction.")
FIRST_FLIPPED = Column(
    "first_flipped", "number", EPSILON, "Smallest epsilon found that changes the prediction; inf where none does."
)

PREDICTIONS = Table(
    layout.results_file("<data set>", "<model>", "predictions.csv"),
    "one test image, attack, epsilon and attacked label under the paper's protocol",
    (
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        Column("attack", "string", NO_UNIT, "Attack: fgsm, bim, pgd; none for the clean image."),
        Column("epsilon", "number", EPSILON, "Epsilon of the attack; 0 for the clean image."),
        Column("attacked_label", "string", NO_UNIT, "Label the attack moves away from: predicted, true; none."),
        replace(PREDICTED, meaning="Class that the model predicts for the attacked image."),
        Column("margin", "number", "logits", "Logit of the true class minus the largest other logit."),
        Column("linf", "number", EPSILON, "Largest change of a pixel."),
    ),
)

INTERVALS = Table(
    layout.results_file("<data set>", "<model>", "intervals.csv"),
    "one test image after one attack of the cascade, under the strict protocol",
    (
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        PREDICTED,
        Column(
            "attack",
            "string",
            NO_UNIT,
            "Attack of the cascade; the row counts it and all before it; last paper, the paper's examples.",
        ),
        LAST_SAFE,
        FIRST_FLIPPED,
        Column("won_by", "string", NO_UNIT, "Attack that found first_flipped; empty where none did."),
        Column("n_gradients", "number", "gradients per image", "Gradients spent so far, mean over the image's block."),
        Column("n_forwards", "number", "forward passes per image", "Forward passes so far, mean over the block."),
    ),
)

_OF_A_SEED = Column("model", "string", NO_UNIT, "Model: clean or adversarial.")

REPEATED_PREDICTIONS = Table(
    layout.repeat_file("<data set>", "<training seed>", "predictions.csv"),
    "one test image, model, attack and attacked label; the models are trained with another seed, and attacked at the "
    "epsilon of Table S5",
    (*PREDICTIONS.columns, _OF_A_SEED),
)

REPEATED_INTERVALS = Table(
    layout.repeat_file("<data set>", "<training seed>", "intervals.csv"),
    "one test image and model after one attack of the cascade; the models are trained with another seed",
    (*INTERVALS.columns, _OF_A_SEED),
)

THREATS = Table(
    layout.results_file("<data set>", "<model>", "threats.csv"),
    "one test image, threat model and epsilon, under the strict protocol",
    (
        IMAGE_ID,
        PATIENT_ID,
        LABEL,
        PREDICTED,
        Column("threat", "string", NO_UNIT, "Threat model: full, tied, lesion, background, stored_8, ... or noise."),
        Column("attack", "string", NO_UNIT, "Attack: pgd, or the kind of noise for the threat model noise."),
        Column("epsilon", "number", EPSILON, "Epsilon of the attack."),
        Column("flipped", "boolean", NO_UNIT, "Whether the prediction changes at this epsilon or a smaller one."),
    ),
)

_OTHER = f"{_STRICT}, and the model is the hardened one"
_RELATIVE = "fraction of the largest logit"
_EXAMINED = tuple(
    replace(key, name=f"validity/{key.name}")
    for key in (
        Key("n_images", "integer", "images", "Number of test images on which the validity of the model was examined."),
        Key("share_saturated", "number", FRACTION, "Share of them whose largest softmax probability is 1 in float32."),
        Key("share_nan_gradient", "number", FRACTION, "Share of them whose loss gradient is not finite."),
        Key("probabilities", "boolean", NO_UNIT, "Whether the outputs are probabilities instead of logits."),
        Key("precision", "string", NO_UNIT, "float32, or what the model or the device computes in instead."),
        Key(
            "response/median_ratio",
            "number or null",
            NO_UNIT,
            "Median of the change of the log-odds over a small step / its prediction; null without gradients.",
        ),
        Key("response/share_off", "number", FRACTION, "Share of images whose ratio is below 0.5 or above 1.5."),
        Key("repeat_difference", "number", _RELATIVE, "Largest difference of a logit between two passes."),
        Key("batch_difference", "number", _RELATIVE, "Largest difference of a logit between two batch sizes."),
        Key("unbounded/epsilon", "number", EPSILON, "Epsilon of the unbounded attack."),
        Key("unbounded/n_images", "integer", "images", "Number of images under the unbounded attack."),
        Key("unbounded/unchanged", "list of strings", NO_UNIT, "Images whose prediction it does not change."),
        Key("box/least_pixel", "number", "pixel value", "Smallest pixel value of its examples."),
        Key("box/largest_pixel", "number", "pixel value", "Largest pixel value of its examples."),
        Key("restarts/n_images", "integer", "images", "Number of images attacked from another random start.", _STRICT),
        Key("restarts/share_of_last_safe", "number", FRACTION, "Their epsilon as a share of last_safe.", _STRICT),
        Key("restarts/changed", "list of strings", NO_UNIT, "Images whose prediction changes there.", _STRICT),
        Key("transfer/n_images", "integer", "images", "Number of images shown as the clean model's examples.", _OTHER),
        Key("transfer/share_of_last_safe", "number", FRACTION, "Their epsilon as a share of last_safe.", _OTHER),
        Key("transfer/changed", "list of strings", NO_UNIT, "Images whose prediction changes there.", _OTHER),
    )
)

ATTACK = Document(
    layout.results_file("<data set>", "<model>", "attack.json"),
    "accuracies of one model without attack and under attack, counted from the rows beside it; intervals: metrics.json",
    (
        VERSION,
        DATASET,
        MODEL,
        SYNTHETIC,
        Key("n_images", "integer", "images", "Number of test images attacked."),
        Key("n_patients", "integer", "patients", "Number of their patients."),
        Key("n_test_images", "integer", "images", "Number of all test images."),
        Key("test_accuracy", "number", FRACTION, "Clean accuracy on all test images."),
        Key("clean_accuracy", "number", FRACTION, "Clean accuracy on the test images attacked."),
        Key("share_without_gradient", "number", FRACTION, "Share of images whose loss gradient is zero."),
        *_EXAMINED,
        Key("epsilons", "list of numbers", EPSILON, "Epsilons of the paper's protocol; empty without it."),
        Key(
            "robust_accuracy/<attacked label>/<attack>/<epsilon>",
            "number",
            FRACTION,
            "Accuracy under an attack away from the predicted or the true label; epsilon 0.002 is eps_0_002.",
            _PAPER,
        ),
        Key("strict/attacks", "list of strings", NO_UNIT, "Attacks of the cascade, in order.", _STRICT),
        Key(
            "strict/robust_accuracy/<attack>/<epsilon>",
            "number",
            FRACTION,
            "Share of images predicted right whose prediction no attack so far changes within epsilon.",
            _STRICT,
        ),
        Key("strict/search_precision", "string", NO_UNIT, "Precision of the search: float32, tf32, bfloat16.", _STRICT),
        Key("strict/share_censored", "number", FRACTION, "Share of images that no attack changes.", _STRICT),
        Key(
            "strict/median_min_epsilon",
            "number",
            EPSILON,
            "Median minimal epsilon of all images.",
            f"{_STRICT}, and fewer than half of the images are right-censored",
        ),
        Key("strict/gradients_per_image", "number", "gradients per image", "Gradients spent by the cascade.", _STRICT),
        Key(
            "strict/forwards_per_image", "number", "forward passes per image", "Forward passes of the cascade.", _STRICT
        ),
        Key("threats/<threat>/n_images", "integer", "images", "Number of images that have the threat.", _THREATS),
        Key("threats/<threat>/clean_accuracy", "number", FRACTION, "Clean accuracy on these images.", _THREATS),
        Key(
            "threats/<threat>/robust_accuracy/<epsilon>",
            "number",
            FRACTION,
            "Share of these images predicted right whose prediction the attack does not change within epsilon.",
            _THREATS,
        ),
    ),
)
