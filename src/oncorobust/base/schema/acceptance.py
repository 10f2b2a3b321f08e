"""Schema of acceptance: the verdicts on a policy, and the declarations of policies."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import DATASET, EPSILON, MODEL, NO_UNIT, VERSION, Document, Key

_MEASURED = "fraction; AUC has no unit"
_VERDICT = "verdicts/<position>"

DECLARATION = Document(
    layout.declaration_file("<policy>", "<md5>"),
    "the content of a policy before results were made: its MD5, and the row files known at that moment",
    (
        VERSION,
        Key("policy", "string", NO_UNIT, "File of the policy."),
        Key("md5", "string", NO_UNIT, "MD5 of the policy's file."),
        Key("commit", "string or null", NO_UNIT, "Commit of the repository; null without git."),
        Key("in_commit", "boolean", NO_UNIT, "Whether that commit holds the policy with this content."),
        Key("known_results/<position>/path", "string", NO_UNIT, "A row file that was known.", "any was known"),
        Key("known_results/<position>/md5", "string", NO_UNIT, "MD5 of that file.", "any was known"),
    ),
)

ACCEPTANCE = Document(
    layout.acceptance_file("<policy>"),
    "the verdicts on a policy, for all images and for each subgroup",
    (
        VERSION,
        Key("policy/path", "string", NO_UNIT, "File of the policy."),
        Key("policy/name", "string", NO_UNIT, "Title of the policy."),
        Key("policy/md5", "string", NO_UNIT, "MD5 of the policy's file when it was judged."),
        Key(
            "declaration/state",
            "string",
            NO_UNIT,
            "declared before or declared after the results, edited since, or not declared.",
        ),
        Key("declaration/sentence", "string", NO_UNIT, "The state in words."),
        Key("declaration/declared/<position>/md5", "string", NO_UNIT, "MD5 of a declared content.", "any is declared"),
        Key("declaration/declared/<position>/commit", "string or null", NO_UNIT, "Its commit.", "any is declared"),
        Key(
            "declaration/declared/<position>/in_commit",
            "boolean",
            NO_UNIT,
            "Whether that commit holds the policy with this content.",
            "any is declared",
        ),
        Key("results/<position>/path", "string", NO_UNIT, "A row file of the judged model."),
        Key("results/<position>/md5", "string", NO_UNIT, "MD5 of that file when it was judged."),
        MODEL,
        Key("level", "number", NO_UNIT, "One-sided confidence level of the bounds."),
        Key("outcome", "string", NO_UNIT, "Overall verdict: met, not met or undecided."),
        Key(f"{_VERDICT}/{DATASET.name}", "string", NO_UNIT, DATASET.meaning),
        Key(f"{_VERDICT}/requirement", "string", NO_UNIT, "The requirement in words."),
        Key(f"{_VERDICT}/metric", "string", NO_UNIT, "Metric of the requirement."),
        Key(f"{_VERDICT}/attack", "string", NO_UNIT, "Attack of the requirement: none, strict, fgsm, bim or pgd."),
        Key(f"{_VERDICT}/epsilon", "number or null", EPSILON, "Epsilon of the attack; null for clean images."),
        Key(f"{_VERDICT}/limit", "string", NO_UNIT, "Kind: at_least, at_most or at_most_below_previous."),
        Key(f"{_VERDICT}/threshold", "number", _MEASURED, "Threshold; of a comparison, minus the acceptable loss."),
        Key(f"{_VERDICT}/subgroup/column", "string", NO_UNIT, "Column of the subgroup; empty for all images."),
        Key(f"{_VERDICT}/subgroup/value", "string", NO_UNIT, "Value or range of the column; empty for all images."),
        Key(f"{_VERDICT}/subgroup/small", "boolean", NO_UNIT, "Whether it has fewer patients than min_patients."),
        Key(f"{_VERDICT}/outcome", "string", NO_UNIT, "Verdict: met, not met or undecided."),
        Key(f"{_VERDICT}/value", "number or null", _MEASURED, "Value, or difference to the previous model."),
        Key(f"{_VERDICT}/low", "number or null", _MEASURED, "One-sided lower bound of the value."),
        Key(f"{_VERDICT}/high", "number or null", _MEASURED, "One-sided upper bound of the value."),
        Key(f"{_VERDICT}/method", "string", NO_UNIT, "Method of the bounds."),
        Key(f"{_VERDICT}/n_images", "integer", "images", "Number of images behind the value."),
        Key(f"{_VERDICT}/n_patients", "integer", "patients", "Number of their patients."),
        Key(
            f"{_VERDICT}/patients_to_decide",
            "integer or null",
            "patients",
            "Number of patients that would decide the verdict if the value stayed; null if it is decided.",
        ),
        Key(f"{_VERDICT}/reason", "string", NO_UNIT, "Why there is no value; empty if there is one."),
    ),
)
